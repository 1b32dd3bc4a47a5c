"""Whether what the linker made of a recording is what happened: each request's messages in one tree, each in its place.

Of a request, told by its id:

    correct  all its messages are there, in one tree whose root is at the front, each below the one that caused it, and
             nothing of another request is in that tree
    wrong    a message of another request is in its tree, or one of its messages in another's: a false statement
    orphan   some message was not linked (or not seen at all): something left unsaid
    loose    all in one tree and nothing else in it, but one hangs below the wrong message of the same request
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.live.causal.tags import Tags, tags, thread_rule

from clew.case import Case

VERDICTS = ("correct", "orphan", "wrong", "loose")
SPANS = """
SELECT span_id, request_id, parent_span_id, host, pid, tid, command, kind, name, protocol, start_ns, end_ns,
       request_msg_id, reply_msg_id, link_rule, confidence
FROM span ORDER BY start_ns
"""
Span = dict[str, Any]


@dataclass
class Report:
    """Verdicts of one run."""

    verdict: dict[str, str] = field(default_factory=dict)  # by id
    reason: dict[str, str] = field(default_factory=dict)  # of those that are not correct
    thread_rule: Counter[str] = field(default_factory=Counter)
    rules: Counter[tuple[str, str]] = field(default_factory=Counter)  # (link_rule, right or not) of linked spans

    def share(self, verdict: str) -> float:
        """Percent of the requests."""
        return 100 * sum(said == verdict for said in self.verdict.values()) / max(len(self.verdict), 1)

    def thread_share(self, verdict: str) -> float:
        """The same by the plain thread rule."""
        return 100 * self.thread_rule[verdict] / max(len(self.verdict), 1)

    def __str__(self) -> str:
        worst = [f"{tag}: {self.verdict[tag]}, {why}" for tag, why in sorted(self.reason.items())[:5]]
        shares = ", ".join(f"{verdict} {self.share(verdict):.2f} %" for verdict in VERDICTS)
        return "; ".join([f"{len(self.verdict)} requests: {shares}", *worst])


class Trees:
    """The spans of a case with the ids that their messages carry."""

    def __init__(self, spans: Iterable[Span], tagged: Tags) -> None:
        self.span: dict[int, Span] = {span["span_id"]: span for span in spans}
        self.ids = {
            number: tagged.get(span["request_msg_id"], frozenset()) | tagged.get(span["reply_msg_id"], frozenset())
            for number, span in self.span.items()
        }
        self.of: dict[str, list[Span]] = defaultdict(list)
        self.tree_ids: dict[int, set[str]] = defaultdict(set)
        for number, ids in self.ids.items():
            self.tree_ids[self.span[number]["request_id"]] |= ids
            for tag in ids:
                self.of[tag].append(self.span[number])

    def cause(self, span: Span) -> tuple[Span | None, bool]:
        """The message's span that this one hangs below, programs that were started in between passed over; were any?"""
        passed, above = False, self.span.get(span["parent_span_id"])
        while above is not None and above["kind"] in ("process", "internal") and not self.ids[above["span_id"]]:
            passed, above = True, self.span.get(above["parent_span_id"])
        return above, passed

    def place(self, span: Span, tag: str) -> str:
        """right, orphan (it hangs nowhere), wrong (below another request) or loose (not where it belongs)."""
        above, passed = self.cause(span)
        if above is None:
            return "orphan"
        ids = self.ids[above["span_id"]]
        if ids and tag not in ids:
            return "wrong"
        if not ids:
            return "loose"
        if span["kind"] == "server":
            return "right" if above["kind"] == "client" and above["protocol"] == span["protocol"] else "loose"
        here = (above["host"], above["pid"]) == (span["host"], span["pid"])
        return "right" if above["kind"] == "server" and (here or passed) else "loose"


def judge_request(trees: Trees, tag: str, calls: Mapping[str, int], load_recorded: bool) -> tuple[str, str]:
    """(verdict, reason) of the request with id `tag`, which should have caused so many `calls` of each protocol."""
    spans = trees.of.get(tag, [])
    roots = {span["request_id"] for span in spans}
    others = sorted(set().union(*(trees.tree_ids[root] for root in roots)) - {tag})
    if others:
        return "wrong", f"together with {' '.join(others[:4])}" + f" and {len(others) - 4} more" * (len(others) > 4)
    wanted = Counter({("client", protocol): n for protocol, n in calls.items()})
    wanted.update({("server", protocol): n for protocol, n in calls.items()})
    wanted.update([("server", "http1")] + [("client", "http1")] * load_recorded)
    seen = Counter((span["kind"], span["protocol"]) for span in spans)
    missing = wanted - seen
    if missing:
        return "orphan", "not seen: " + ", ".join(f"{n} {kind} {what}" for (kind, what), n in missing.items())
    root = min(spans, key=lambda span: int(span["start_ns"]))
    for span in spans:
        if span is root:
            continue
        place = trees.place(span, tag)
        if place != "right":
            where = f"{span['kind']} {span['protocol']} {span['span_id']} of {span['command']} ({span['link_rule']})"
            return place, f"{where} is not below what caused it"
    if len(roots) > 1:
        return "orphan", f"in {len(roots)} trees"
    if root["parent_span_id"] is not None or root["link_rule"] != "root":
        return "orphan", f"the first span {root['span_id']} is no root ({root['link_rule']})"
    return "correct", ""


def judge(case: Case, asked: Mapping[str, Mapping[str, int]], *, load_recorded: bool = False) -> Report:
    """The verdict on every request of `asked` (calls by id), from the tables message, span and request of `case`."""
    tagged = tags(case)
    trees = Trees(case.sql(SPANS).to_pylist(), tagged)
    report = Report()
    for tag, calls in asked.items():
        verdict, reason = judge_request(trees, tag, calls, load_recorded)
        report.verdict[tag] = verdict
        if reason:
            report.reason[tag] = reason
    plain = thread_rule(case, tagged)
    report.thread_rule.update(plain.get(tag, "orphan") for tag in asked)
    for tag, spans in trees.of.items():
        report.rules.update((span["link_rule"], trees.place(span, tag)) for span in spans)
    return report
