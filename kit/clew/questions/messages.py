"""What was said on the connections, by protocol."""

from __future__ import annotations

from dataclasses import replace

from clew.case import Case
from clew.questions.answer import Answer
from clew.questions.ask import ask


def messages(case: Case) -> Answer:
    """Messages by protocol, the most first, as far as they have been looked for (`Case.trace()`).

    Columns: ``protocol``, ``connections`` (ends of), ``requests``, ``replies``, ``others`` (nobody answers them),
    ``errors`` (replies that tell a failure), ``bytes``, ``cut`` (whose end was not seen or kept). Messages are
    counted at each end that was recorded.
    """
    sql = """SELECT protocol, count(DISTINCT conn_id) AS connections, count(*) FILTER (role = 'request') AS requests,
       count(*) FILTER (role = 'reply') AS replies, count(*) FILTER (role = 'other') AS others,
       count(*) FILTER (error) AS errors, sum(bytes)::BIGINT AS bytes, count(*) FILTER (NOT whole) AS cut
FROM message GROUP BY protocol ORDER BY count(*) DESC, protocol"""
    answer = ask(case, sql, {}, "messages by protocol, at each recorded end")
    return answer if answer.table.num_rows else replace(answer, note="no messages were found")
