"""How full the connections are that programs keep to others: whoever finds all of them in use waits for one."""

from __future__ import annotations

from dataclasses import replace

from clew.case import Case
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.ask import ask, need_requests
from clew.units import number

FULL = 0.5
"""Share of its time in which all connections of a program must be in use to be worth a sentence."""

# A connection is in use for a request from the first of its exchanges to the end of the last: a transaction holds it.
_SQL = """WITH held AS (
    SELECT s.command, s.host, s.pid, s.protocol, coalesce(c.peer, 'not known') AS peer, s.conn_id, s.request_id,
           min(s.start_ns) AS begin_ns, max(s.end_ns) AS last_ns, count(*) AS calls
    FROM (SELECT * FROM span WHERE {predicate}) s JOIN connection c USING (conn_id)
    WHERE s.kind = 'client' AND s.end_ns IS NOT NULL GROUP BY ALL),
pool AS (
    SELECT command, host, pid, protocol, peer, count(DISTINCT conn_id) AS connections, sum(calls)::BIGINT AS calls,
           sum(last_ns - begin_ns)::BIGINT AS in_use_ns, max(last_ns) - min(begin_ns) AS of_ns
    FROM held GROUP BY ALL),
change AS (
    SELECT command, host, pid, protocol, peer, begin_ns AS at_ns, 1 AS more FROM held
    UNION ALL SELECT command, host, pid, protocol, peer, last_ns, -1 FROM held),
level AS (
    SELECT command, host, pid, protocol, peer, sum(more) OVER w AS n, lead(at_ns) OVER w - at_ns AS for_ns FROM change
    WINDOW w AS (PARTITION BY command, host, pid, protocol, peer ORDER BY at_ns, more)),
busy AS (
    SELECT command, host, pid, protocol, peer, sum(for_ns) FILTER (n >= connections) AS full_ns
    FROM level JOIN pool USING (command, host, pid, protocol, peer) GROUP BY ALL),
asked AS (
    SELECT host, pid, unnest([start_ns, end_ns]) AS at_ns, unnest([1, -1]) AS more
    FROM span WHERE kind = 'server' AND end_ns IS NOT NULL AND (host, pid) IN (SELECT host, pid FROM pool)),
server AS (
    SELECT host, pid, max(n)::BIGINT AS asked_at_a_time
    FROM (SELECT host, pid, sum(more) OVER (PARTITION BY host, pid ORDER BY at_ns, more) AS n FROM asked) GROUP BY ALL)
SELECT command, host, pid, protocol, peer, connections, calls, in_use_ns, of_ns,
       in_use_ns / nullif(connections * of_ns, 0) AS in_use_share,
       coalesce(full_ns, 0) / nullif(of_ns, 0) AS full_share, asked_at_a_time
FROM pool JOIN busy USING (command, host, pid, protocol, peer) LEFT JOIN server USING (host, pid)
ORDER BY full_share DESC NULLS LAST, calls DESC, command, host, pid, peer, protocol"""


def pools(case: Case, lens: Lens) -> Answer:
    """Connections that programs asked others on in the requests under ``lens``, those that were fullest first.

    Columns: ``command``, ``host``, ``pid``, ``protocol``, ``peer`` (the other end), ``connections`` (on which anything
    was asked), ``calls``, ``in_use_ns`` (of all connections: each is in use for a request from its first question to
    its last answer there), ``of_ns`` (from the first use of any to the last), ``in_use_share`` (of the time of all),
    ``full_share`` (of ``of_ns``: all of them were in use), ``asked_at_a_time`` (how many requests the process had at a
    time itself, at most, in the whole case; NULL: nobody asked it). ``note`` is on the fullest of a process that had
    more requests at a time than connections, from FULL on. Raises ClewError where no requests were recorded.
    """
    need_requests(case, "pools")
    predicate, params = lens.compile("span")
    answer = ask(case, _SQL.format(predicate=predicate), params, "how full connections are")
    if not answer.table.num_rows:
        return replace(answer, note="nothing was asked on a connection under the lens")
    return replace(answer, note=_said(answer))


def _said(answer: Answer) -> str | None:
    for row in answer.table.to_pylist():
        if (row["asked_at_a_time"] or 0) > row["connections"] and (row["full_share"] or 0) >= FULL:
            count = number(row["connections"])
            what = "its only connection" if row["connections"] == 1 else f"all its {count} connections"
            return (
                f"{row['command']} (pid {row['pid']}) has {what} to {row['peer']} in use "
                f"{100 * row['full_share']:.0f} % of the time, and up to {number(row['asked_at_a_time'])} requests "
                "at once: what needs one waits"
            )
    return None
