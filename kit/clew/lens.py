"""The Lens: one immutable value that says what is being looked at, and the one place that makes SQL of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

from clew.errors import ClewError
from clew.units import duration, shape_name

_OF_REQUESTS = ("requests", "request_ids", "shapes")
_LISTS = (
    *("hosts", "commands", "pids", "tids", "ops", "files", "peers", "errnos", "events", "functions", "modules"),
    *_OF_REQUESTS,
)
_NUMBERS = ("pids", "tids", "errnos", "request_ids", "shapes")
_RANGES = ("latency", "took")
_SINGULAR = {
    "hosts": "host",
    "commands": "command",
    "pids": "pid",
    "tids": "tid",
    "ops": "op",
    "files": "file",
    "peers": "peer",
    "errnos": "errno",
    "events": "event",
    "functions": "function",
    "modules": "module",
    "requests": "request",
    "request_ids": "request id",
    "shapes": "shape",
}


class Chip(NamedTuple):
    """One removable part of a Lens: ``lens.without(chip.field, chip.value)`` takes it away."""

    field: str
    value: Any
    label: str


@dataclass(frozen=True, repr=False)
class Lens:
    """What is being looked at. A field that is None or () asks for everything.

    Times are ns of the case's clock; ranges are half-open: [start_ns, end_ns) holds calls that were entered in
    it, latency = (low_ns, high_ns) holds calls that took low_ns <= duration < high_ns (either may be None).
    Tuples are alternatives; different fields must all hold. ``commands`` are kernel names of programs
    (process.command), ``files`` paths, ``peers`` the other ends of sockets (connection.peer), ``ops`` names of calls,
    ``errnos`` numbers (0: calls that succeeded). Samples: ``events`` are names of what was sampled (they narrow
    samples only), ``functions`` and ``modules`` stand anywhere in the stack, ``stack`` is how it begins: names of
    functions from the outermost. Calls have a stack where one was recorded with them. Requests: ``requests`` are their
    names, ``request_ids`` single ones, ``shapes`` paths that they took, ``took`` = (low_ns, high_ns) how long they
    lasted; a call or sample belongs to the request that its thread worked for at that time.
    """

    start_ns: int | None = None
    end_ns: int | None = None
    hosts: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    pids: tuple[int, ...] = ()
    tids: tuple[int, ...] = ()
    ops: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    errnos: tuple[int, ...] = ()
    latency: tuple[int | None, int | None] | None = None
    events: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    stack: tuple[str, ...] = ()
    requests: tuple[str, ...] = ()
    request_ids: tuple[int, ...] = ()
    shapes: tuple[int, ...] = ()
    took: tuple[int | None, int | None] | None = None

    def __post_init__(self) -> None:
        """Bring every field to its one form (tuples without repeats, plain int and str).

        Raises ClewError if it has none.
        """
        for name in _LISTS:
            values = getattr(self, name)
            if values is None:
                values = ()
            elif not isinstance(values, Iterable) or isinstance(values, str):
                values = (values,)
            kind = int if name in _NUMBERS else str
            object.__setattr__(self, name, tuple(dict.fromkeys(_plain(kind, name, value) for value in values)))
        for name in ("start_ns", "end_ns"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else _plain(int, name, value))
        steps = (self.stack,) if isinstance(self.stack, str) else self.stack or ()
        object.__setattr__(self, "stack", tuple(_plain(str, "stack", step) for step in steps))
        for name in _RANGES:
            if (ends := getattr(self, name)) is not None:
                low, high = ends
                bounds = tuple(None if bound is None else _plain(int, name, bound) for bound in (low, high))
                object.__setattr__(self, name, None if bounds == (None, None) else bounds)

    def __repr__(self) -> str:
        """Python that makes this Lens again; only what it asks for, of the many fields that it has."""
        asked = ((field.name, getattr(self, field.name)) for field in fields(self))
        return f"Lens({', '.join(f'{name}={value!r}' for name, value in asked if value not in (None, ()))})"

    # -- algebra: every change makes a new Lens --

    def narrow(self, **changes: Any) -> Lens:
        """This Lens with ``changes`` (fields by name) on top of it.

        Ranges are intersected. A list field keeps what old and new choice have in common; where that is nothing the
        new choice takes its place, because a click on what is not in view is a wish to see it.
        """
        known = {field.name for field in fields(self)}
        merged: dict[str, Any] = {}
        wanted = Lens(**_only(changes, known))
        for name in changes:
            old, new = getattr(self, name), getattr(wanted, name)
            if name in _LISTS:
                merged[name] = (tuple(value for value in new if value in old) or new) if old and new else (new or old)
            elif name == "start_ns":
                merged[name] = _highest(old, new)
            elif name == "end_ns":
                merged[name] = _lowest(old, new)
            elif name == "stack":
                merged[name] = new or old
            elif old and new:  # ranges
                merged[name] = (_highest(old[0], new[0]), _lowest(old[1], new[1]))
            else:
                merged[name] = new or old
        return self._with(merged)

    def _with(self, changes: dict[str, Any]) -> Lens:
        return replace(self, **changes)

    def without(self, field: str, value: Any = None) -> Lens:
        """This Lens without ``field`` ("time" for both ends of the time range), or without one value of it."""
        if field == "time":
            return replace(self, start_ns=None, end_ns=None)
        _only({field: value}, {item.name for item in fields(self)})
        if field in _LISTS:
            left = () if value is None else tuple(item for item in getattr(self, field) if item != value)
            return self._with({field: left})
        return self._with({field: () if field == "stack" else None})

    def chips(self, origin_ns: int = 0) -> list[Chip]:
        """The parts of this Lens for display, each removable by itself; times are shown since ``origin_ns``."""
        chips = []
        if self.start_ns is not None or self.end_ns is not None:
            low = None if self.start_ns is None else self.start_ns - origin_ns
            high = None if self.end_ns is None else self.end_ns - origin_ns
            chips.append(Chip("time", (self.start_ns, self.end_ns), "time " + _range(low, high)))
        for name in _LISTS:
            shown = shape_name if name == "shapes" else str
            chips += [Chip(name, value, f"{_SINGULAR[name]} {shown(value)}") for value in getattr(self, name)]
        for name in _RANGES:
            if (ends := getattr(self, name)) is not None:
                chips.append(Chip(name, ends, f"{name} {_range(*ends)}"))
        if self.stack:
            chips.append(Chip("stack", self.stack, "stack " + ";".join(self.stack)))
        return chips

    # -- the one place that makes SQL --

    def compile(self, table: str = "event") -> tuple[str, dict[str, Any]]:
        """The predicate over ``table`` and the values of its ``$lens_...`` parameters.

        ``table``: "event", "counter", "sample", "request" or "span". A request is in view if something of it is: it
        began in the time range, has a span of the host, program or thread, and worked while such a call or sample was
        made. Only constant text enters the SQL; every value is bound. Raises ClewError where ``table`` does
        not hold what the Lens asks about (running totals know no file, peer, errno, latency, stack or request).
        """
        params: dict[str, Any] = {}

        def bind(*conditions: tuple[str, str, Any]) -> list[str]:
            """The ``(term, name, value)`` that ask for something; their values become parameters."""
            asked = [(term, name, value) for term, name, value in conditions if value is not None and value != ()]
            params.update(
                {f"lens_{name}": list(value) if isinstance(value, tuple) else value for _, name, value in asked}
            )
            return [term for term, _, _ in asked]

        low, high = self.latency or (None, None)
        shortest, longest = self.took or (None, None)
        of_requests = table in ("request", "span")
        when = "start_ns" if of_requests else "ts_ns"
        in_time = bind(
            (f"{when} >= $lens_start_ns", "start_ns", self.start_ns),
            (f"{when} < $lens_end_ns", "end_ns", self.end_ns),
        )
        who = _of_span if of_requests else _threads
        terms = bind(
            (who("t.host IN (SELECT unnest($lens_hosts))"), "hosts", self.hosts),
            (who("p.command IN (SELECT unnest($lens_commands))"), "commands", self.commands),
            (who("t.pid IN (SELECT unnest($lens_pids))"), "pids", self.pids),
            (who("t.tid IN (SELECT unnest($lens_tids))"), "tids", self.tids),
        )
        ops = "op_id IN (SELECT op_id FROM op WHERE op IN (SELECT unnest($lens_ops)))"
        by_op = bind((ops, "ops", self.ops))
        of_call = bind(
            (_connections("path IN (SELECT unnest($lens_files))"), "files", self.files),
            (_connections("peer IN (SELECT unnest($lens_peers))"), "peers", self.peers),
            ("errno IN (SELECT unnest($lens_errnos))", "errnos", self.errnos),
            ("dur_ns >= $lens_low_ns", "low_ns", low),
            ("dur_ns < $lens_high_ns", "high_ns", high),
        )
        of_stack = bind(
            (ANYWHERE.format("function IN (SELECT unnest($lens_functions))"), "functions", self.functions),
            (ANYWHERE.format("module IN (SELECT unnest($lens_modules))"), "modules", self.modules),
            (BEGINS, "stack", self.stack),
        )
        of_request = bind(
            ("name IN (SELECT unnest($lens_requests))", "requests", self.requests),
            ("request_id IN (SELECT unnest($lens_request_ids))", "request_ids", self.request_ids),
            ("shape_id IN (SELECT unnest($lens_shapes))", "shapes", self.shapes),
            ("dur_ns >= $lens_shortest_ns", "shortest_ns", shortest),
            ("dur_ns < $lens_longest_ns", "longest_ns", longest),
        )
        if of_requests:
            by_thread = [f"request_id IN (SELECT request_id FROM span WHERE {' AND '.join(terms)})"] if terms else []
            by_call = [_during("event", " AND ".join(by_op + of_call))] if by_op + of_call else []
            of_stack += bind((_EVENTS, "events", self.events))
            by_stack = [_during("sample", " AND ".join(of_stack))] if of_stack else []
            chosen = of_request if table == "request" else _chosen(of_request)
            terms = in_time + by_thread + by_call + by_stack + chosen
            return " AND ".join(terms) or "TRUE", params
        terms = in_time + terms + [_worked_for(table, term) for term in _chosen(of_request)]
        if table == "sample":
            terms += [f"event_id IN (SELECT event_id FROM sample_event WHERE {term})" for term in by_op]
            terms += [_linked("event", " AND ".join(of_call))] if of_call else []
            terms += bind((_EVENTS, "events", self.events)) + of_stack
        elif table == "counter" and (of_call or of_stack or of_request):
            what = "file, peer, errno, latency, stack or request"
            raise ClewError(f"running totals know no {what}: record without --count-only for that")
        else:
            terms += by_op + of_call + ([_linked("sample", " AND ".join(of_stack))] if of_stack else [])
        return " AND ".join(terms) or "TRUE", params

    # -- as text --

    def to_json(self) -> str:
        """This Lens as JSON: an object of the fields that are set."""
        chosen = {field.name: getattr(self, field.name) for field in fields(self)}
        return json.dumps({name: value for name, value in chosen.items() if value not in (None, ())})

    @staticmethod
    def from_json(text: str) -> Lens:
        """The Lens that to_json() wrote; raises ClewError if the text is none."""
        try:
            chosen = json.loads(text)
        except ValueError:
            raise ClewError("a Lens is a JSON object") from None
        if not isinstance(chosen, dict):
            raise ClewError("a Lens is a JSON object")
        try:
            return Lens(**_only(chosen, {field.name for field in fields(Lens)}))
        except (TypeError, ValueError):
            raise ClewError("a field of the Lens has the wrong type") from None


def _threads(condition: str) -> str:
    """Who made a call is known by its thread: few rows, so the big table is filtered by one integer column."""
    return f"thread_id IN (SELECT t.thread_id FROM thread t JOIN process p USING (process_id) WHERE {condition})"


def _of_span(condition: str) -> str:
    """A span says itself whose it is, also one that was imported and has no thread."""
    return condition[2:]


def _connections(condition: str) -> str:
    return f"conn_id IN (SELECT conn_id FROM connection WHERE {condition})"


def _linked(table: str, condition: str) -> str:
    """Calls and the samples that are their stacks have the same thread and number."""
    return f"(thread_id, seq) IN (SELECT thread_id, seq FROM {table} WHERE seq IS NOT NULL AND {condition})"


def _chosen(conditions: list[str]) -> list[str]:
    """Conditions on ``request`` as a term over whatever has a request_id."""
    return [f"request_id IN (SELECT request_id FROM request WHERE {' AND '.join(conditions)})"] if conditions else []


def _worked_for(table: str, condition: str) -> str:
    """Rows of ``table`` at whose time their thread worked for such a request (intervals of a thread do not overlap)."""
    who = ", ".join(_whose(table)[0])
    return f"({who}, ts_ns) IN ({_meet(table, f'{who}, x.ts_ns', 'TRUE', condition)})"


def _during(table: str, condition: str) -> str:
    """Requests for which a thread worked when such a row of ``table`` was made."""
    return f"request_id IN ({_meet(table, 'request_id', condition, 'TRUE', ', request_id')})"


def _whose(table: str) -> tuple[tuple[str, ...], str]:
    """What says whose a row of ``table`` is, and what table ``working`` is joined with to know it, too."""
    if table == "event":  # it always has a thread, which is found more quickly than a name
        return ("thread_id",), "JOIN (SELECT thread_id, host, tid FROM thread) USING (host, tid)"
    return ("host", "tid"), ""


def _meet(table: str, columns: str, of_row: str, of_work: str, carried: str = "") -> str:
    """``columns`` of rows of ``table`` and the intervals of ``working`` in which they were made; ``carried``: of these.

    Time is divided into cells about as long as the intervals, so that an interval lies in few cells and a row is
    compared with few intervals. Those that are more than 16 times longer than the median have cells of their own.
    """
    names, thread = _whose(table)
    who = ", ".join(names)
    length = "ceil(log2(greatest(avg(end_ns - start_ns) FILTER ({}), 1)))::INTEGER"
    short, long = "end_ns - start_ns <= bound", "end_ns - start_ns > bound"
    nth = "2 * unnest(range(start_ns >> {0}, (end_ns >> {0}) + 1)) + {1} AS nth"
    cell = f"SELECT {who}, start_ns, end_ns{carried}, {{}} FROM w, most, size WHERE {{}}"
    kept, of_seen = ("", "") if of_row == "TRUE" else ("MATERIALIZED ", f" AND ({who}) IN (SELECT {who} FROM seen)")
    return (
        f"WITH seen AS {kept}(SELECT {who}, ts_ns FROM {table} WHERE {of_row}), "
        f"w AS MATERIALIZED (SELECT {who}, start_ns, end_ns{carried} FROM working {thread} "
        f"WHERE {of_work}{of_seen}), "
        "most AS MATERIALIZED (SELECT 16 * quantile_disc(end_ns - start_ns, 0.5) AS bound FROM w), "
        f"size AS MATERIALIZED (SELECT {length.format(short)} AS short, {length.format(long)} AS long FROM w, most), "
        f"cell AS ({cell.format(nth.format('short', 0), short)} "
        f"UNION ALL {cell.format(nth.format('long', 1), long)}) "
        f"SELECT {columns} FROM (SELECT {who}, ts_ns, 2 * (ts_ns >> short) AS nth FROM seen, size "
        f"UNION ALL SELECT {who}, ts_ns, 2 * (ts_ns >> long) + 1 FROM seen, "
        "(SELECT long FROM size WHERE long IS NOT NULL)) x "
        f"JOIN cell USING ({who}, nth) WHERE x.ts_ns >= start_ns AND x.ts_ns < end_ns"
    )


_EVENTS = "event_id IN (SELECT event_id FROM sample_event WHERE name IN (SELECT unnest($lens_events)))"

ANYWHERE = """stack_id IN (
    WITH RECURSIVE inside AS (
        SELECT stack_id FROM stack JOIN frame USING (frame_id) WHERE {}
        UNION
        SELECT k.stack_id FROM stack k JOIN inside ON k.parent_id = inside.stack_id)
    SELECT stack_id FROM inside)"""
"""Stacks that hold a frame of that kind anywhere, as a term with a condition on ``frame`` to be filled in."""

BEGINS = """stack_id IN (
    WITH RECURSIVE inside AS (
        SELECT stack_id, 1 AS step FROM stack JOIN frame USING (frame_id)
        WHERE parent_id IS NULL AND function = $lens_stack[1]
        UNION
        SELECT k.stack_id, least(inside.step + 1, len($lens_stack)) FROM stack k
        JOIN inside ON k.parent_id = inside.stack_id JOIN frame f ON f.frame_id = k.frame_id
        WHERE inside.step = len($lens_stack) OR f.function = $lens_stack[inside.step + 1])
    SELECT stack_id FROM inside WHERE step = len($lens_stack))"""
"""Stacks that begin with the functions of $lens_stack."""


def _plain(kind: type, name: str, value: Any) -> Any:
    """``value`` as plain ``kind`` (numpy integers become int); anything that would have to be guessed is an error."""
    try:
        if kind is int and not isinstance(value, str | float):
            return value.__index__()
        if kind is str and isinstance(value, str):
            return str(value)
    except AttributeError:
        pass
    raise ClewError(f"lens: {name} takes {'whole numbers' if kind is int else 'text'}, not {value!r:.60}")


def _only(chosen: dict[str, Any], known: set[str]) -> dict[str, Any]:
    for name in chosen:
        if name not in known:
            raise ClewError(f"a Lens has no {name!r:.60}; it has {', '.join(sorted(known))}")
    return chosen


def _highest(a: int | None, b: int | None) -> int | None:
    return b if a is None else a if b is None else max(a, b)


def _lowest(a: int | None, b: int | None) -> int | None:
    return b if a is None else a if b is None else min(a, b)


def _range(low: int | None, high: int | None) -> str:
    """A half-open range of ns for people."""
    if low is None:
        return "< " + duration(high or 0)
    return "≥ " + duration(low) if high is None else f"{duration(low)} to {duration(high)}"
