"""Which request a message was part of, in truth: the id its bytes carry. The linker never reads it; the judge does."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from typing import Any

from clew.case import Case

ID = re.compile(rb"q-\d{6}")
Tags = dict[int, frozenset[str]]  # msg_id -> ids in it

MOVED = """
SELECT e.thread_id, e.seq, e.conn_id, o.class, o.op LIKE '%write' OR o.class = 'write' AS sent, e.byte_offset, e.bytes,
       p.head, p.tail
FROM payload p JOIN event e USING (thread_id, seq) JOIN op o USING (op_id)
WHERE e.conn_id IS NOT NULL AND e.bytes > 0 AND o.class IN ('read', 'write', 'tls')
ORDER BY e.conn_id, e.ts_ns, e.seq
"""
MESSAGES = "SELECT msg_id, thread_id, seq, conn_id, sent, byte_offset, bytes, summary FROM message"
Places = dict[tuple[int, bool], list[tuple[int, str]]]


def places(case: Case, begins: dict[tuple[int, int], tuple[int, int]]) -> Places:
    """Where ids stand in each direction of each connection: (offset in it, id), sorted.

    Offsets are counted as calls return, which may be in another order than that of the bytes: where a call moved one
    message and no more, ``begins`` says of its thread and number where that begins, and its bytes.

    Clear text of TLS has offsets of its own, counted here from the calls in their order; the bytes below carry no id.
    """
    found: Places = defaultdict(list)
    clear: dict[tuple[int, bool], int] = defaultdict(int)
    for row in case.sql(MOVED).to_pylist():
        way = row["conn_id"], row["sent"]
        start = row["byte_offset"]
        if row["class"] == "tls":
            start = clear[way]
            clear[way] += row["bytes"]
        else:
            begin, size = begins.get((row["thread_id"], row["seq"]), (start, row["bytes"]))
            start = begin if size == row["bytes"] else start
        if start is None:
            continue
        tail = row["tail"] or b""
        for text, base in ((row["head"], start), (tail, start + row["bytes"] - len(tail))):
            found[way] += [(base + hit.start(), hit[0].decode()) for hit in ID.finditer(text)]
    for hits in found.values():
        hits.sort()
    return found


def tags(case: Case) -> Tags:
    """Ids of each message that carries any, from the recorded bytes that it was made of."""
    messages, tagged = case.sql(MESSAGES).to_pylist(), {}
    found = places(case, {(row["thread_id"], row["seq"]): (row["byte_offset"], row["bytes"]) for row in messages})
    for row in messages:
        hits = found.get((row["conn_id"], row["sent"]), [])
        first = bisect_right(hits, (row["byte_offset"], ""))
        last = bisect_right(hits, (row["byte_offset"] + row["bytes"], ""))
        ids = {tag for _, tag in hits[first:last]}
        if not ids and row["summary"]:
            ids = {hit.decode() for hit in ID.findall(row["summary"].encode())}
        if ids:
            tagged[row["msg_id"]] = frozenset(ids)
    return tagged


THREADS = "SELECT msg_id, thread_id, sent, first_ns, last_ns FROM message WHERE role = 'request' ORDER BY thread_id"


def thread_rule(case: Case, tagged: Tags) -> dict[str, str]:
    """For each id: whether the plain rule, that a thread sends on behalf of the request it received last, is right.

    correct, orphan (a thread that sent had received nothing) or wrong: the worst of all messages sent with that id.
    """
    received: dict[int, list[tuple[int, int]]] = defaultdict(list)
    sent: list[dict[str, Any]] = []
    for row in case.sql(THREADS).to_pylist():
        if row["sent"]:
            sent.append(row)
        else:
            received[row["thread_id"]].append((row["last_ns"], row["msg_id"]))
    for arrivals in received.values():
        arrivals.sort()
    worst: dict[str, str] = {}
    order = ("correct", "orphan", "wrong")
    for row in sent:
        arrivals = received.get(row["thread_id"], [])
        before = bisect_right(arrivals, (row["first_ns"], 2**64))
        cause = tagged.get(arrivals[before - 1][1], frozenset()) if before else frozenset()
        for tag in tagged.get(row["msg_id"], ()):
            verdict = "orphan" if not cause else "correct" if tag in cause else "wrong"
            worst[tag] = max(worst.get(tag, "correct"), verdict, key=order.index)
    return worst
