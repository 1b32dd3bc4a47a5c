"""What is not linked, and what is linked but not for sure."""

from __future__ import annotations

from dataclasses import replace

from clew.case import Case
from clew.causal.rules import RULES
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.ask import ask, need_requests

SURE = 0.9
"""Links with less confidence than this are counted as only likely."""
_BELOW = SURE - 1e-6  # confidence may have been a float of 32 bits
REASONS = {
    "unresolved": "has a cause that was not found",
    "likely": "linked, but only likely",
    "other": "a likely cause that is not followed",
    "open": "its end was not seen",
    "beyond": "what it called was not recorded",
    "reply": "a reply whose request was not seen",
    "cut": "a message whose end was not seen or kept",
}
"""Why something is in the answer; the last two are messages, the others spans."""


def unresolved(case: Case, lens: Lens) -> Answer:
    """What is uncertain or missing in the requests under ``lens``, the most frequent first.

    Columns: ``reason`` (one of REASONS), ``rule`` (by which the link was made; NULL: none), ``protocol``, ``command``,
    ``count``, ``confidence`` (lowest; NULL: there is no link), ``meaning`` (of the rule). Messages are counted when the
    lens asks for everything, since a message without a request is in none; bytes that are only written, in no known
    protocol, have no end to be seen. Summary: ``spans``, ``linked`` (with a parent), ``roots``, ``unresolved``,
    ``likely`` (links with confidence below 0.9), ``unfinished``. Raises ClewError where no requests were recorded.
    """
    need_requests(case, "unresolved")
    predicate, params = lens.compile("span")
    messages = """
    UNION ALL
    SELECT CASE WHEN role = 'reply' AND exchange IS NULL THEN 'reply' ELSE 'cut' END, NULL, protocol,
           (SELECT p.command FROM thread t JOIN process p USING (process_id) WHERE t.thread_id = m.thread_id), NULL
    FROM message m
    WHERE NOT whole AND (role <> 'other' OR protocol <> 'unknown') OR role = 'reply' AND exchange IS NULL"""
    sql = f"""WITH seen AS (SELECT * FROM span WHERE {predicate}),
found AS (
    SELECT 'unresolved' AS reason, link_rule AS rule, protocol, command, NULL::DOUBLE AS confidence
    FROM seen WHERE link_rule = 'unresolved'
    UNION ALL
    SELECT 'likely', link_rule, protocol, command, confidence FROM seen
    WHERE confidence < $sure AND link_rule <> 'unresolved'
    UNION ALL
    SELECT 'other', l.rule, s.protocol, s.command, l.confidence FROM link l JOIN seen s USING (span_id)
    UNION ALL
    SELECT 'open', NULL, protocol, command, NULL FROM seen WHERE end_ns IS NULL
    UNION ALL
    SELECT 'beyond', NULL, protocol, command, NULL FROM seen
    WHERE kind = 'client' AND span_id NOT IN (SELECT parent_span_id FROM span WHERE parent_span_id IS NOT NULL){
        messages if lens == Lens() else ""
    })
SELECT reason, rule, protocol, command, count(*) AS count, min(confidence) AS confidence
FROM found GROUP BY ALL ORDER BY count DESC, reason, rule, protocol, command"""
    answer = ask(case, _named(sql), params | {"sure": _BELOW}, "what is not linked, or not for sure")
    figures = case.sql(
        f"""SELECT count(*) AS spans, count(parent_span_id) AS linked,
                   count(*) FILTER (link_rule = 'unresolved') AS unresolved,
                   count(*) FILTER (confidence < $sure AND link_rule <> 'unresolved') AS likely,
                   count(*) - count(end_ns) AS unfinished, count(*) FILTER (link_rule = 'root') AS roots
            FROM span WHERE {predicate}""",
        params | {"sure": _BELOW},
    ).to_pylist()[0]
    return replace(answer, summary=figures, note=None if answer.table.num_rows else "everything is linked, for sure")


def linked_by(case: Case, lens: Lens) -> Answer:
    """How the parents of spans under ``lens`` were found.

    Columns: ``rule``, ``count``, ``confidence`` (mean; NULL: no link), ``lowest``, ``meaning`` of the rule. Raises
    ClewError where no requests were recorded.
    """
    need_requests(case, "links")
    predicate, params = lens.compile("span")
    sql = f"""SELECT link_rule AS rule, count(*) AS count, CASE WHEN link_rule <> 'unresolved' THEN avg(confidence) END
       AS confidence, CASE WHEN link_rule <> 'unresolved' THEN min(confidence) END AS lowest
FROM span WHERE {predicate} GROUP BY link_rule"""
    rules = ", ".join(f"('{name}', '{meaning}')" for name, meaning in RULES.items())
    return ask(
        case,
        f"""SELECT f.*, meaning FROM ({sql}) f LEFT JOIN (VALUES {rules}) r(rule, meaning) USING (rule)
ORDER BY count DESC, rule""",
        params,
        "how links were made",
    )


def _named(sql: str) -> str:
    """``sql`` with reasons and rules in words."""
    reasons = ", ".join(f"('{name}', '{words}')" for name, words in REASONS.items())
    meanings = RULES | {"unlikely": "the best of the causes that it could have, but not good enough"}
    rules = ", ".join(f"('{name}', '{meaning}')" for name, meaning in meanings.items())
    return f"""SELECT why.words AS reason, f.rule, f.protocol, f.command, f.count, f.confidence, known.meaning
FROM ({sql}) f JOIN (VALUES {reasons}) why(reason, words) ON why.reason = f.reason
LEFT JOIN (VALUES {rules}) known(rule, meaning) ON known.rule = f.rule
ORDER BY f.count DESC, 1, 2, 3, 4"""
