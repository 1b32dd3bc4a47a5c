"""Calls that were given up: who asked closed the connection before an answer came, as one does when time runs out."""

from __future__ import annotations

from dataclasses import replace

from clew.case import Case
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.ask import ask, need_requests
from clew.units import duration, number

_SQL = """WITH asked AS (
    SELECT s.command, s.name, s.protocol, coalesce(c.peer, 'not known') AS peer, s.start_ns,
           CASE WHEN s.end_ns IS NULL AND c.closed_ns > s.start_ns THEN c.closed_ns - s.start_ns END AS waited_ns
    FROM (SELECT * FROM span WHERE {predicate}) s JOIN connection c USING (conn_id) WHERE s.kind = 'client')
SELECT command, name, protocol, peer, count(*) AS calls, count(waited_ns) AS given_up,
       given_up / calls AS given_up_share, quantile_disc(waited_ns, 0.5) AS p50_ns, max(waited_ns) AS max_ns,
       min(start_ns) FILTER (waited_ns IS NOT NULL) AS first_ns, max(start_ns) FILTER (waited_ns IS NOT NULL) AS last_ns
FROM asked GROUP BY ALL HAVING given_up > 0 ORDER BY given_up DESC, command, name, peer, protocol"""


def given_up(case: Case, lens: Lens) -> Answer:
    """Calls in the requests under ``lens`` whose connection was closed by who asked before an answer came.

    Columns: ``command`` (that asked), ``name`` (what), ``protocol``, ``peer`` (the other end), ``calls`` (all of
    these), ``given_up``, ``given_up_share``, ``p50_ns`` and ``max_ns`` (how long was waited until the connection was
    closed: a time limit shows as the same again and again), ``first_ns``, ``last_ns`` (when the first and the last of
    them were asked). ``note`` says the first row. Raises ClewError where no requests were recorded.
    """
    need_requests(case, "calls that were given up")
    predicate, params = lens.compile("span")
    answer = ask(case, _SQL.format(predicate=predicate), params, "calls that were given up")
    rows = answer.table.slice(0, 1).to_pylist()
    if not rows:
        return replace(answer, note="no connection was closed before the answer to what was asked on it")
    first = rows[0]
    some = f"{number(first['given_up'])} of {number(first['calls'])} calls of {first['name']} to {first['peer']}"
    within = duration(first["p50_ns"])
    return replace(answer, note=f"{first['command']} gave up {some}, half of them within {within}: done in vain")
