"""What questions share: by what to group, where calls are counted, and how SQL becomes an Answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from clew.case import Case
from clew.cells import moments
from clew.errors import ClewError, one_of
from clew.lens import Lens
from clew.questions.answer import Answer, runnable
from clew.questions.recorded import no_calls, no_payload
from clew.store import DATABASE


class Key(NamedTuple):
    """A way to group calls.

    First by ``cell`` (a small number in the event), then by ``columns`` that ``join`` finds for it.
    """

    cell: str
    join: str
    columns: str
    names: tuple[str, ...]


_THREAD = "JOIN thread t USING (thread_id)"
_PROCESS = _THREAD + " JOIN process p USING (process_id)"
KEYS = {
    "host": Key("thread_id", _THREAD, "t.host AS name", ("name",)),
    "command": Key("thread_id", _PROCESS, "p.command AS name", ("name",)),
    "process": Key("thread_id", _PROCESS, "p.command AS name, p.pid", ("name", "pid")),
    "thread": Key("thread_id", _PROCESS, "coalesce(t.name, p.command) AS name, t.pid, t.tid", ("name", "pid", "tid")),
    "op": Key("op_id", "JOIN op o USING (op_id)", "o.op AS name", ("name",)),
    "file": Key("conn_id", "JOIN connection c USING (conn_id) WHERE c.path IS NOT NULL", "c.path AS name", ("name",)),
    "peer": Key("conn_id", "JOIN connection c USING (conn_id) WHERE c.peer IS NOT NULL", "c.peer AS name", ("name",)),
}
MEASURES = ("calls", "errors", "bytes", "total_ns", "mean_ns", "min_ns", "max_ns", "p50_ns", "p99_ns")


def key_of(by: str) -> Key:
    """The Key called ``by``; raises ClewError if there is none."""
    if by not in KEYS:
        raise ClewError(f"cannot count by {by!r:.60}: {one_of(by, KEYS)}")
    return KEYS[by]


def order_by(order: str, names: tuple[str, ...], columns: tuple[str, ...] = MEASURES) -> str:
    """ORDER BY terms: ``order`` first (numbers from the largest, text from A), then what makes the order complete."""
    if order not in names + columns:
        raise ClewError(f"cannot sort by {order!r:.60}: {one_of(order, names + columns)}")
    first = [f"{order} DESC NULLS LAST"] if order in columns else [order]
    return ", ".join(first + [name for name in names if name != order])


def ask(case: Case, sql: str, params: Mapping[str, Any], title: str, note: str | None = None) -> Answer:
    """Run ``sql`` and make the Answer of it."""
    table = case.sql(sql, params)
    origin_ns = case.bounds()[0] if moments(table) else 0
    return Answer(table, runnable(sql, params), title, note, origin_ns=origin_ns)


def scalar(case: Case, sql: str, params: Mapping[str, Any] | None = None) -> Any:
    """The one value that ``sql`` gives."""
    return case.sql(sql, params).column(0)[0].as_py()


def has_events(case: Case) -> bool:
    """Whether single calls were recorded; if not, only running totals were (`clew record --count-only`)."""
    return bool(scalar(case, "SELECT EXISTS (SELECT 1 FROM event)"))


def need_events(case: Case, what: str) -> None:
    """Raise the ClewError that says why ``what`` cannot be told of this case, if it cannot."""
    if has_events(case):
        return
    if scalar(case, "SELECT EXISTS (SELECT 1 FROM counter)"):
        if scalar(case, "SELECT bool_or(traced AND engine = 'preload') FROM capture"):
            raise ClewError(f"{what}: no single call was made while recording; `clew counts {case.path} --by op`")
        raise ClewError(f"{what}: only running totals were recorded (--count-only); record again without it")
    raise ClewError(f"{what}: {no_calls(case)}; `clew info {case.path}` says more")


def need_requests(case: Case, what: str) -> None:
    """Find the requests of ``case`` if that was not done yet; raise the ClewError that says why there are none."""
    case.trace()
    if scalar(case, "SELECT EXISTS (SELECT 1 FROM request)"):
        return
    need_events(case, what)
    if not scalar(case, "SELECT EXISTS (SELECT 1 FROM payload)"):
        raise ClewError(f"{what}: no message was found: {no_payload(case)}")
    untold = not scalar(case, "SELECT EXISTS (SELECT 1 FROM setting WHERE name = 'traced')")
    if (case.path / DATABASE).exists() and untold:
        raise ClewError(f"{what}: nobody has looked for requests yet, and {case.path} cannot be written: copy it first")
    if not (case.path / DATABASE).exists():  # tables of Parquet stay as they were written
        raise ClewError(f"{what}: these tables hold none; `clew trace` the case they are of, and write them again")
    raise ClewError(
        f"{what}: no message of a known kind was found; `clew counts {case.path} --by peer` shows who talked"
    )


def totals(lens: Lens) -> tuple[str, dict[str, Any]]:
    """SQL (and parameters) of what threads did under ``lens`` by running totals: one row for each thread and op.

    A time range is cut at the last readings before its ends: totals are read several times a second, not at each call.
    """
    predicate, params = lens.without("time").compile("counter")
    end = "TRUE"
    if lens.end_ns is not None:
        end, params["lens_end_ns"] = "ts_ns < $lens_end_ns", lens.end_ns
    fields = []
    for field in ("calls", "errors", "bytes", "busy_ns"):
        since = ""
        if lens.start_ns is not None:
            since = f" - coalesce(max({field}) FILTER (ts_ns < $lens_start_ns), 0)"
            params["lens_start_ns"] = lens.start_ns
        fields.append(f"max({field}){since} AS {field}")
    return f"SELECT thread_id, op_id, {', '.join(fields)} FROM counter WHERE {end} AND {predicate} GROUP BY ALL", params
