"""What there is to see around a request that was judged: its spans, and what each thread of it did, with times."""

from __future__ import annotations

from collections.abc import Iterator

from tests.live.causal.judge import SPANS, Trees
from tests.live.causal.tags import tags

from clew.case import Case

STEPS = """
SELECT e.ts_ns, e.dur_ns, o.op, e.fd, e.result, m.msg_id, m.protocol, m.role, m.sent, m.name, s.span_id,
       s.parent_span_id, s.link_rule
FROM event e JOIN op o USING (op_id) LEFT JOIN message m ON m.thread_id = e.thread_id AND m.seq = e.seq
LEFT JOIN span s ON s.request_msg_id = m.msg_id
WHERE e.thread_id = $thread AND e.ts_ns BETWEEN $low AND $high
  AND (m.msg_id IS NOT NULL OR o.class IN ('wait', 'wakeup', 'process') OR o.op IN ('accept', 'connect'))
ORDER BY e.ts_ns, e.seq
"""


def tree(case: Case, tag: str) -> Iterator[str]:
    """One line for each span of the trees that the id `tag` is in."""
    trees = Trees(case.sql(SPANS).to_pylist(), tags(case))
    roots = {span["request_id"] for span in trees.of.get(tag, [])}
    for span in trees.span.values():
        if span["request_id"] in roots:
            ids = " ".join(sorted(trees.ids[span["span_id"]])) or "-"
            end = "?" if span["end_ns"] is None else f"{(span['end_ns'] - span['start_ns']) / 1e3:.0f} us"
            who = f"{span['kind']} {span['protocol']} {span['command']} pid {span['pid']} tid {span['tid']}"
            where = f"span {span['span_id']} below {span['parent_span_id']} of {span['request_id']}"
            how = f"{span['link_rule']} {span['confidence']:.2f}"
            yield f"{span['start_ns']} {end:>9} {where} {who} {ids} {how} {span['name'][:60]}"


def steps(case: Case, thread_id: int, low_ns: int, high_ns: int) -> Iterator[str]:
    """One line for each message of a thread (> sent, < received), each wait and wake-up; times in us from `low_ns`."""
    tagged = tags(case)
    rows = case.sql(STEPS, {"thread": thread_id, "low": low_ns, "high": high_ns}).to_pylist()
    for row in rows:
        when = f"{(row['ts_ns'] - low_ns) / 1e3:10.1f}"
        if row["msg_id"] is None:
            yield f"{when}  {row['op']} {row['result']} after {row['dur_ns'] / 1e3:.1f}"
            continue
        ids = " ".join(sorted(tagged.get(row["msg_id"], ()))) or "-"
        link = f"span {row['span_id']} below {row['parent_span_id']} {row['link_rule']}" if row["span_id"] else ""
        what = f"{'>' if row['sent'] else '<'} {row['protocol']} {row['role']} {ids} {(row['name'] or '')[:40]}"
        yield f"{when} fd {row['fd']} {what} {link}"


def explain(case: Case, tag: str, around_ns: int = 200_000) -> Iterator[str]:
    """The trees of `tag`, then what each thread did from its first to its last span, and a little around."""
    yield from tree(case, tag)
    trees = Trees(case.sql(SPANS).to_pylist(), tags(case))
    threads: dict[int, list[int]] = {}
    for row in case.sql("SELECT span_id, thread_id, start_ns, end_ns FROM span").to_pylist():
        if tag in trees.ids[row["span_id"]] and row["thread_id"] is not None:
            threads.setdefault(row["thread_id"], []).extend([row["start_ns"], row["end_ns"] or row["start_ns"]])
    for thread, times in threads.items():
        yield f"-- thread {thread}"
        yield from steps(case, thread, min(times) - around_ns, max(times) + around_ns)
