"""What bpftrace's scripts kept in maps and printed: latest values, each interval's, distributions, text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from clew.case import Case
from clew.errors import ClewError, one_of
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.ask import ask
from clew.questions.recorded import why_empty

# Every question takes ``capture_id``: what one run of a script left; None: all of them.

_KEY = "array_to_string(m.keys, ', ') AS key"


def maps(case: Case, lens: Lens, *, capture_id: int | None = None) -> Answer:
    """Every map there is: what `map_values` and `histogram` can be asked for.

    Columns: ``capture_id``, ``name``, ``what`` (count, sum, ..., histogram), ``readings`` (how often it was printed),
    ``entries`` (different keys), ``first_ns``, ``last_ns`` (when it was read; NULL: not known).
    """
    term, params = _when(lens, capture_id)
    sql = f"""WITH each AS (
    SELECT capture_id, name, kind AS what, reading, keys, stack_id, ts_ns FROM map_value WHERE {term}
    UNION ALL SELECT capture_id, name, 'histogram', reading, keys, NULL, ts_ns FROM histogram WHERE {term})
SELECT capture_id, name, string_agg(DISTINCT what, ', ' ORDER BY what) AS what, max(reading) AS readings,
       count(DISTINCT (keys, stack_id)) AS entries, min(ts_ns) AS first_ns, max(ts_ns) AS last_ns
FROM each GROUP BY capture_id, name ORDER BY capture_id, name"""
    answer = ask(case, sql, params, "maps of bpftrace scripts", _narrowed(lens))
    if answer.table.num_rows:
        return answer
    why = why_empty(case, "bpftrace") or "`clew recipes` lists some that do"
    return replace(answer, note=f"no script printed a map: {why}")


def map_values(
    case: Case,
    lens: Lens,
    name: str | None = None,
    at: int | str | None = None,
    limit: int | None = None,
    *,
    capture_id: int | None = None,
) -> Answer:
    """The entries of the map ``name`` (None: the only one), the largest first, ``limit`` of them for each reading.

    ``at``: the reading by its number from 1, "each" for all of them; None: the last one of each capture. Columns:
    ``capture_id``, ``reading``, ``ts_ns`` (when it was read), ``key`` (keys joined by ", "), ``function`` (innermost of
    the stack, where a key is one), ``kind`` (count, sum, min, ...), ``value``, ``stack_id``. Raises ClewError for a map
    that is not there.
    """
    term, params = _when(lens, capture_id)
    name = _name(case, "map_value", name)
    chosen = {None: "reading = last", "each": "TRUE"}.get(at if not isinstance(at, int) else "", "reading = $at")
    if isinstance(at, int):
        params["at"] = at
    elif at not in (None, "each"):
        raise ClewError(f"a reading is a number from 1, or 'each', not {at!r:.40}")
    params |= {"name": name, **({"limit": limit} if limit is not None else {})}
    most = "QUALIFY row_number() OVER (PARTITION BY m.capture_id, m.reading ORDER BY m.value DESC, m.keys) <= $limit"
    sql = f"""WITH m AS (
    SELECT *, max(reading) OVER (PARTITION BY capture_id) AS last FROM map_value WHERE name = $name AND {term})
SELECT m.capture_id, m.reading, m.ts_ns, {_KEY}, f.function, m.kind, m.value, m.stack_id
FROM m LEFT JOIN stack k USING (stack_id) LEFT JOIN frame f ON f.frame_id = k.frame_id
WHERE {chosen} {most if limit is not None else ""}
ORDER BY m.capture_id, m.reading, m.value DESC, key, m.kind, m.stack_id"""
    return ask(case, sql, params, f"map {name}", _narrowed(lens))


def histogram(
    case: Case,
    lens: Lens,
    name: str | None = None,
    keys: Sequence[str] | None = None,
    *,
    capture_id: int | None = None,
) -> Answer:
    """The distribution that hist() or lhist() kept in the map ``name`` (None: the only one), as printed last.

    ``keys``: those of one entry; None: every entry. Columns: ``capture_id``, ``key``, ``low``, ``high`` (both
    inclusive; NULL: no end), ``calls``. Raises ClewError for a histogram that is not there.
    """
    term, params = _when(lens, capture_id)
    name = _name(case, "histogram", name)
    params |= {"name": name, **({"keys": list(keys)} if keys is not None else {})}
    of_keys = "AND m.keys = $keys::VARCHAR[]" if keys is not None else ""
    sql = f"""WITH m AS (
    SELECT *, max(reading) OVER (PARTITION BY capture_id) AS last FROM histogram WHERE name = $name AND {term})
SELECT m.capture_id, {_KEY}, m.low, m.high, m.calls FROM m WHERE reading = last {of_keys}
ORDER BY m.capture_id, key, m.low NULLS FIRST"""
    return ask(case, sql, params, f"distribution {name}", _narrowed(lens))


def printed(case: Case, lens: Lens, *, capture_id: int | None = None) -> Answer:
    """What scripts printed, in order. Columns: ``capture_id``, ``ts_ns`` (when it was read), ``kind``, ``text``."""
    term, params = _when(lens, capture_id)
    sql = f"SELECT capture_id, ts_ns, kind, text FROM printed WHERE {term} ORDER BY capture_id, nth"
    answer = ask(case, sql, params, "printed by scripts", _narrowed(lens))
    return answer if answer.table.num_rows else replace(answer, note="no script printed a line in that time")


def _when(lens: Lens, capture_id: int | None) -> tuple[str, dict[str, object]]:
    """The Lens's time and the capture: a map's keys are text that only its script knows the meaning of."""
    term, params = Lens(start_ns=lens.start_ns, end_ns=lens.end_ns).compile("counter")
    if capture_id is None:
        return term, params
    return f"{term} AND capture_id = $capture_id", params | {"capture_id": capture_id}


def _narrowed(lens: Lens) -> str | None:
    left = [chip.label for chip in lens.without("time").chips()]
    return f"maps are shown whole: {', '.join(left)} is not looked at" if left else None


def _name(case: Case, table: str, name: str | None) -> str:
    """``name`` if there is such a map, or the only one."""
    there = case.sql(f"SELECT DISTINCT name FROM {table} ORDER BY name").column("name").to_pylist()
    if name is None and len(there) == 1:
        return str(there[0])
    if name is not None and name in there:
        return name
    what = "histogram" if table == "histogram" else "map"
    asked = f"no {what} {name!r:.60}" if name is not None else f"more than one {what}" if there else f"no {what}"
    raise ClewError(f"there is {asked}; {one_of(name or '', there) if there else 'no script printed one'}")
