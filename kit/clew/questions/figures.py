"""Figures over time: what perf stat counted in each interval, maps of bpftrace that are one number."""

from __future__ import annotations

from clew.case import Case
from clew.errors import ClewError, one_of
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.ask import ask

NONE = "no figures over time were recorded: `clew record --engine perf --stat task-clock,page-faults -- COMMAND` does"

# An interval of a figure begins with the reading before it, the first one with its capture.
_READ = """SELECT s.*, coalesce(lag(s.ts_ns) OVER (PARTITION BY s.capture_id, s.name, s.host, s.pid, s.tid, s.cpu
                                         ORDER BY s.ts_ns), least(c.started_ns, s.ts_ns)) AS start_ns
FROM series s JOIN capture c USING (capture_id)"""


def figures(case: Case, lens: Lens) -> Answer:
    """Every figure there is in the time and of the hosts of ``lens``.

    Columns: ``capture_id``, ``name``, ``unit`` (NULL: a plain number), ``of`` (how many processors or processes it is
    told for), ``readings``, ``total``, ``mean``, ``min``, ``max`` (of single readings), ``first_ns``, ``last_ns`` (when
    the first interval began, the last ended). Readings that could not be counted are left out.
    """
    term, params = _under(lens)
    sql = f"""WITH r AS ({_READ})
SELECT capture_id, name, any_value(unit) AS unit, count(DISTINCT (host, pid, tid, cpu)) AS "of",
       count(*) AS readings, sum(value) AS total, avg(value) AS mean, min(value) AS min, max(value) AS max,
       min(start_ns) AS first_ns, max(ts_ns) AS last_ns
FROM r WHERE value IS NOT NULL AND {term} GROUP BY capture_id, name ORDER BY capture_id, name"""
    answer = ask(case, sql, params, "figures over time", _narrowed(lens))
    return answer if answer.table.num_rows else Answer(answer.table, answer.sql, answer.title, NONE)


def figure(case: Case, lens: Lens, name: str, *, capture_id: int | None = None) -> Answer:
    """The readings of the figure ``name`` (of one capture, or of all) that the time and hosts of ``lens`` touch.

    Columns: ``capture_id``, ``start_ns``, ``end_ns`` (the interval that the value is of), ``of`` (whose it is: a
    processor, a process, or the host), ``value`` (NULL: it could not be counted). Summary: name, unit. Raises ClewError
    if there is no such figure.
    """
    known = case.sql("SELECT name, any_value(unit) AS unit FROM series GROUP BY name ORDER BY name").to_pylist()
    unit = {row["name"]: row["unit"] for row in known}
    if name not in unit:
        raise ClewError(f"there is no figure {name!r:.60}; {one_of(name, list(unit)) if unit else NONE}")
    term, params = _under(lens)
    params |= {"name": name} | ({} if capture_id is None else {"capture_id": capture_id})
    one = "" if capture_id is None else "AND capture_id = $capture_id"
    sql = f"""WITH r AS ({_READ})
SELECT capture_id, start_ns, ts_ns AS end_ns,
       CASE WHEN cpu IS NOT NULL THEN 'CPU ' || cpu WHEN tid IS NOT NULL THEN 'thread ' || tid
            WHEN pid IS NOT NULL THEN 'process ' || pid ELSE host END AS "of", value
FROM r WHERE name = $name AND {term} {one} ORDER BY capture_id, end_ns, "of\""""
    answer = ask(case, sql, params, f"{name} over time", _narrowed(lens))
    return Answer(
        answer.table, answer.sql, answer.title, answer.note, {"name": name, "unit": unit[name]}, answer.origin_ns
    )


def _under(lens: Lens) -> tuple[str, dict[str, object]]:
    """Intervals that the Lens's time touches, of its hosts: figures know no command, call or stack."""
    asked = {
        "ts_ns > $lens_start_ns": ("lens_start_ns", lens.start_ns),
        "start_ns < $lens_end_ns": ("lens_end_ns", lens.end_ns),
        "host IN (SELECT unnest($lens_hosts))": ("lens_hosts", list(lens.hosts) or None),
    }
    kept = {term: (name, value) for term, (name, value) in asked.items() if value is not None}
    return " AND ".join(f"({term})" for term in kept) or "TRUE", dict(kept.values())


def _narrowed(lens: Lens) -> str | None:
    left = [chip.label for chip in lens.without("time").without("hosts").chips()]
    return f"figures are shown whole: {', '.join(left)} is not looked at" if left else None
