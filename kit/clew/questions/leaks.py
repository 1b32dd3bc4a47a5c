"""What programs opened and never closed: descriptors one by one, and memory by running totals.

A descriptor is a number of one process. It is open from the call that made it until a call that closes that number, or
until the number is given out again (which says that it was closed by what was not recorded). Where nothing follows, it
was never closed; unless the process started another program with exec, which may have closed it: then it is not known.
Standard input, output and errors (0 to 2) are left out: nobody closes them.
"""

from __future__ import annotations

from dataclasses import replace

from clew.case import Case
from clew.errors import ClewError, one_of
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.ask import KEYS, ask, need_events, scalar
from clew.units import number

LEAST = 20
"""Descriptors of one kind that a process must leave open, and still be adding to, to be worth a sentence."""

_WHAT = "coalesce(c.path, c.peer, c.local, c.kind, 'not known') AS what"
_STACK = """LEFT JOIN (SELECT thread_id, seq, any_value(stack_id) AS stack_id FROM sample
                WHERE seq IS NOT NULL AND stack_id IS NOT NULL GROUP BY ALL) s USING (thread_id, seq)
     LEFT JOIN (SELECT stack_id, functions FROM way WHERE above IS NULL) way USING (stack_id)"""
_WHO = """JOIN thread t USING (thread_id) JOIN process p USING (process_id) JOIN op o USING (op_id)
     LEFT JOIN connection c USING (conn_id)"""
_BY = {name: (key.join, key.columns, ", ".join(key.names)) for name, key in KEYS.items()} | {
    "what": (_WHO, f"p.command AS name, p.pid, o.op, {_WHAT}", "name, pid, op, what"),
    "stack": (_STACK, "coalesce(way.functions, '[no stack]') AS name", "name"),
}
BY = (*_BY, "descriptor")
"""What descriptors can be counted by; "descriptor": each of them is a row of its own."""

_MAKE_ONE = "open openat creat dup dup2 dup3 fcntl eventfd epoll_create socket accept fopen".split()
_MAKE_TWO = "pipe socketpair".split()
_CLOSE = "close fclose".split()

_SQL = """WITH RECURSIVE image AS (  -- what a pid ran from a fork on, through every exec, has one table of descriptors
    SELECT process_id, capture_id, pid, start_ns, end_ns, how,
           sum((how IS DISTINCT FROM 'exec')::INTEGER) OVER (
               PARTITION BY capture_id, pid ORDER BY start_ns, process_id) AS nth
    FROM process),
life AS (
    SELECT capture_id, pid, nth, min(process_id) AS life_id, min(start_ns) AS start_ns, max(end_ns) AS ended_ns,
           max(start_ns) FILTER (how = 'exec') AS exec_ns
    FROM image GROUP BY ALL),
owner AS (
    SELECT t.thread_id, l.life_id
    FROM thread t JOIN image i USING (process_id)
    JOIN life l ON l.capture_id = i.capture_id AND l.pid = i.pid AND l.nth = i.nth),
call AS (
    SELECT e.*, o.op, w.life_id
    FROM (SELECT *, ({predicate}) AS asked FROM event
          WHERE op_id IN (SELECT op_id FROM op WHERE op IN (SELECT unnest($ops))) AND {until}) e
    JOIN op o USING (op_id) JOIN owner w USING (thread_id)),
made AS (
    SELECT e.thread_id, e.seq, e.op_id, CASE op WHEN 'accept' THEN c.conn_id ELSE e.conn_id END AS conn_id, life_id,
           result::INTEGER AS fd, e.ts_ns + e.dur_ns AS at_ns, asked
    FROM call e
    LEFT JOIN connection c ON op = 'accept' AND c.opened_ns = e.ts_ns AND c.fd = e.result AND c.pid = e.pid
         AND c.capture_id = e.capture_id
    WHERE op IN (SELECT unnest($makes_one)) AND errno = 0 AND (op NOT IN ('dup2', 'dup3') OR e.fd <> result)
    UNION ALL
    SELECT e.thread_id, e.seq, e.op_id, c.conn_id, life_id, c.fd, e.ts_ns + e.dur_ns, asked
    FROM call e JOIN connection c ON c.opened_ns = e.ts_ns AND c.pid = e.pid AND c.capture_id = e.capture_id
    WHERE op IN (SELECT unnest($makes_two)) AND errno = 0 AND (c.conn_id = e.conn_id OR c.peer_conn_id = e.conn_id)),
step AS (
    SELECT *, lead(at_ns) OVER (PARTITION BY life_id, fd ORDER BY at_ns, seq IS NOT NULL) AS until_ns
    FROM (FROM made UNION ALL BY NAME
          SELECT life_id, fd, ts_ns AS at_ns FROM call WHERE op IN (SELECT unnest($closes)) AND fd IS NOT NULL)),
swept AS (  -- where close_range ends is not recorded: it may have closed all that follow
    SELECT s.life_id, s.fd, s.at_ns, max(e.ts_ns) AS by_ns
    FROM step s JOIN call e ON e.life_id = s.life_id AND e.fd <= s.fd AND e.ts_ns >= s.at_ns
    WHERE e.op = 'close_range' AND e.errno = 0 AND s.until_ns IS NULL GROUP BY ALL),
held AS (
    SELECT s.* EXCLUDE (until_ns), coalesce(until_ns, by_ns) AS until_ns, l.start_ns,
           coalesce(least(l.ended_ns, $last_ns), $last_ns) AS last_ns, l.ended_ns <= $last_ns AS ended,
           coalesce(l.exec_ns BETWEEN s.at_ns AND $last_ns, FALSE) AS handed_on
    FROM step s JOIN life l USING (life_id) LEFT JOIN swept w USING (life_id, fd, at_ns)
    WHERE s.seq IS NOT NULL AND asked AND s.fd > 2),
told AS (
    SELECT *, until_ns IS NULL AND NOT handed_on AS never, last_ns - (last_ns - start_ns) // 100 AS exit_ns,
           coalesce(at_ns < exit_ns AND until_ns >= exit_ns, FALSE) AS exiting,
           (never OR exiting) AND at_ns > start_ns + (last_ns - start_ns) // 2 AS recent
    FROM held)"""
_WAY = """,
way AS (
    SELECT k.stack_id, k.parent_id AS above, f.function AS functions FROM stack k JOIN frame f USING (frame_id)
    WHERE k.stack_id IN (SELECT stack_id FROM sample WHERE seq IS NOT NULL)
    UNION ALL
    SELECT way.stack_id, k.parent_id, way.functions || ' < ' || f.function
    FROM way JOIN stack k ON k.stack_id = way.above JOIN frame f USING (frame_id))"""
_GROUPED = """,
named AS (SELECT {columns}, told.* FROM told {join}),
each AS (  -- of what was all closed nothing more is asked
    SELECT * FROM named SEMI JOIN (
        SELECT DISTINCT {names} FROM named WHERE never OR exiting OR (until_ns IS NULL AND handed_on)) USING ({names})),
change AS (
    SELECT {names}, at_ns, 1 AS more FROM each
    UNION ALL SELECT {names}, until_ns, -1 FROM each WHERE until_ns IS NOT NULL),
level AS (SELECT {names}, sum(more) OVER (PARTITION BY {names} ORDER BY at_ns, more) AS n FROM change),
peak AS (SELECT {names}, max(n)::BIGINT AS most FROM level GROUP BY ALL)
SELECT {names}, count(*) AS opened, count(*) FILTER (never) AS open, count(*) FILTER (exiting) AS at_end,
       count(*) FILTER (recent) AS late, any_value(most) AS most,
       min(at_ns) FILTER (never OR exiting) AS first_ns, max(at_ns) FILTER (never OR exiting) AS last_ns,
       count(*) FILTER (until_ns IS NULL AND handed_on) AS not_known
FROM each JOIN peak USING ({names}) GROUP BY ALL
ORDER BY open + at_end DESC, opened DESC, {names} {limit}"""
_EACH = """
SELECT p.command AS name, p.pid, told.fd, o.op, {what}, at_ns AS opened_ns,
       coalesce(until_ns, last_ns) - at_ns AS open_ns,
       CASE WHEN exiting THEN 'closed as it ended' WHEN ended THEN 'process ended' ELSE 'still open' END AS left{stack}
FROM told {join} WHERE never OR exiting ORDER BY at_ns, p.pid, told.fd {limit}"""


def leaks(case: Case, lens: Lens, by: str = "process", limit: int | None = None) -> Answer:
    """Descriptors opened under ``lens`` that were never closed, by one of BY, the most of them first.

    A time range of the Lens is when they were opened; what happened after its end is not looked at. Columns: ``name``
    (and ``pid``, ``tid``, ``op``, ``what`` where they apply: ``what`` is the path, or the other end), ``opened`` (all),
    ``open`` (never closed), ``at_end`` (closed in the last hundredth of the time that the process ran: as it ended),
    ``late`` (of these both, opened in the later half of that time: a leak goes on, a pool is filled once), ``most``
    (open at a time), ``first_ns``, ``last_ns`` (when the first and the last of them were opened), ``not_known`` (open
    when an exec may have closed them). by="descriptor" has a row for each of them, as they were opened: ``name``,
    ``pid``, ``fd``, ``op``, ``what``, ``opened_ns``, ``open_ns`` (how long it was open), ``left`` (process ended, still
    open, closed as it ended), ``stack`` (functions from the innermost; where stacks were recorded). ``note`` says which
    process leaves more and more open, and what is not known. Raises ClewError for a ``by`` that there is not, and where
    single calls were not recorded.
    """
    if by not in BY:
        raise ClewError(f"cannot count descriptors by {by!r:.60}: {one_of(by, BY)}")
    need_events(case, "leaks")
    predicate, params = lens.compile("event")
    last_ns = lens.end_ns
    if last_ns is None:
        last_ns = max(case.bounds()[1], scalar(case, "SELECT coalesce(max(end_ns), 0) FROM process"))
    params |= {"makes_one": _MAKE_ONE, "makes_two": _MAKE_TWO, "closes": _CLOSE, "last_ns": last_ns}
    params["ops"] = [*_MAKE_ONE, *_MAKE_TWO, *_CLOSE, "close_range"]
    tail = "" if limit is None else "LIMIT $limit"
    params |= {} if limit is None else {"limit": limit}
    stacks = _has_stacks(case) and by in ("stack", "descriptor")
    sql = _SQL.format(predicate=predicate, until="ts_ns < $last_ns" if lens.end_ns is not None else "TRUE")
    sql += _WAY if stacks or by == "stack" else ""
    if by == "descriptor":
        stack = ", way.functions AS stack" if stacks else ""
        sql += _EACH.format(what=_WHAT, stack=stack, join=f"{_WHO} {_STACK if stacks else ''}", limit=tail)
    else:
        join, columns, names = _BY[by]
        sql += _GROUPED.format(columns=columns, join=join, names=names, limit=tail)
    answer = ask(
        case, sql, params, "descriptors that were not closed" if by == "descriptor" else f"descriptors by {by}"
    )
    return replace(answer, note="; ".join(_notes(case, answer, by)) or None)


def growing(answer: Answer) -> str | None:
    """One sentence on the process that leaves most open and goes on doing so, of an answer by="process"; None: none."""
    for row in answer.table.to_pylist():
        left = row["open"] + row["at_end"]
        if row["late"] >= LEAST // 2 and left >= LEAST and 3 * row["late"] >= left:
            return (
                f"{row['name']} (pid {row['pid']}) leaves more and more open: {number(left)} of the "
                f"{number(row['opened'])} descriptors that it opened, {number(row['late'])} of them in its later half"
            )
    return None


def _notes(case: Case, answer: Answer, by: str) -> list[str]:
    notes = []
    if not answer.table.num_rows:
        notes.append("every descriptor that was opened under the lens was closed")
    if by == "process" and (said := growing(answer)):
        notes.append(said)
    if by == "stack" and not _has_stacks(case):
        notes.append("no stack was recorded: clew record --stacks open,socket,accept,dup,pipe")
    if by != "descriptor" and (unknown := sum(answer.table["not_known"].to_pylist())):
        notes.append(f"{number(unknown)} were open when an exec may have closed them")
    if scalar(case, "SELECT sum(lost_events) FROM capture"):
        notes.append("records were lost: a close may be among them")
    return notes


def _has_stacks(case: Case) -> bool:
    return bool(scalar(case, "SELECT EXISTS (SELECT 1 FROM sample WHERE seq IS NOT NULL AND stack_id IS NOT NULL)"))
