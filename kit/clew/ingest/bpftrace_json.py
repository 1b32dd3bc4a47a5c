"""What bpftrace prints with ``-f json``, as tables: maps, histograms, printed text, and samples where a key is a stack.

One JSON object on each line, empty lines between them. clew's own recordings (bpftrace.ndjson) put each line into an
object with the time at which it was read, ``{"ns": ..., "line": ...}``, and begin with one that holds the script. Traps
that this reader knows: bytes above 127 are printed as U+FFFF and four digits, keys are joined by commas without
escapes, stacks are text within keys, whole numbers may be quoted, and the last bucket of a histogram of bpftrace 0.17
lies below its first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from clew.ingest.bpftrace_keys import Keys, Splitter, folded
from clew.ingest.bpftrace_stacks import Stacks
from clew.ingest.profile import Event, Profile
from clew.ingest.profiles._text import opened
from clew.recipes.script import Map, maps_of

HEAD = b'{"clew": "bpftrace"'
"""How a recording of ours begins."""

TYPES = ("attached_probes", "lost_events", "map", "stats", "hist", "value", "printf", "time", "join", "cat", "syscall")
"""Kinds of records that every bpftrace since 0.9 prints; others are kept as text."""

_BYTES = re.compile(r"(?:\uffffff[0-9a-f]{2})+")
_STATS = ["count", "average", "total"]
_EXACT = 1 << 53
_LARGEST = 1e300  # JSON's whole numbers have no end
_TOO_LARGE = (-(1 << 31), 0)  # bpftrace 0.17 computes the ends of this bucket and all above it in 32 bits
_ADDING = ("count", "sum", "value")
_NONE = Keys((), (), ())

MAP_VALUE = pa.schema(
    [
        ("ts_ns", pa.int64()),
        ("reading", pa.uint32()),
        ("name", pa.string()),
        ("keys", pa.list_(pa.string())),
        ("kind", pa.string()),
        ("value", pa.float64()),
        ("stack", pa.int32()),
    ]
)
HISTOGRAM = pa.schema(
    [
        *[MAP_VALUE.field(name) for name in ("ts_ns", "reading", "name", "keys")],
        ("low", pa.int64()),
        ("high", pa.int64()),
        ("calls", pa.uint64()),
    ]
)
PRINTED = pa.schema([("ts_ns", pa.int64()), ("nth", pa.uint32()), ("kind", pa.string()), ("text", pa.string())])
SERIES = pa.schema([("ts_ns", pa.int64()), ("name", pa.string()), ("unit", pa.string()), ("value", pa.float64())])


class Pairs(list[tuple[str, Any]]):
    """A JSON object with its names in order, repeated ones included: two keys may have been joined to the same text."""


@dataclass
class _Rows:
    """Columns as they grow."""

    schema: pa.Schema
    rows: list[tuple[Any, ...]] = field(default_factory=list)

    def table(self) -> pa.Table:
        columns = list(zip(*self.rows, strict=True)) or [()] * len(self.schema)
        return pa.table(
            [pa.array(column, kind.type) for column, kind in zip(columns, self.schema, strict=True)], self.schema
        )


class _Reading:
    """One file while it is read."""

    def __init__(self) -> None:
        self.events: dict[str, int] = {}
        self.threads: dict[tuple[int | None, int | None, str | None], int] = {}
        self.maps, self.histograms = _Rows(MAP_VALUE), _Rows(HISTOGRAM)
        self.printed, self.series = _Rows(PRINTED), _Rows(SERIES)
        self.samples: list[tuple[int, float, Any, int | None, int | None]] = []  # stack: a number, at the end a row
        self.lost = self.strange = 0
        self.stacks = Stacks()
        self.head: dict[str, Any] = {}
        self.full: set[str] = set()
        self._forms: dict[str, Map] = {}
        self._splitters: dict[str, Splitter] = {}
        self._readings: dict[str, int] = {}
        self._before: dict[str, dict[str, float]] = {}

    def begin(self, head: dict[str, Any]) -> None:
        """The first line of a recording of ours."""
        self.head = head
        script = head.get("script")
        self._forms = maps_of(script) if isinstance(script, str) else {}

    def record(self, ns: int | None, kind: str, data: Any, whole: dict[str, Any]) -> None:
        """One object that bpftrace printed."""
        if kind == "attached_probes":
            return
        if kind == "lost_events":
            found = dict(data).get("events") if isinstance(data, Pairs) else whole.get("count")
            self.lost += _calls(found)
        elif kind in ("map", "stats", "hist") and isinstance(data, Pairs):
            for name, value in data:
                self._map(ns, kind, text_of(name), value)
        else:
            self._say(ns, text_of(kind), text_of(data) if isinstance(data, str) else _json(data))

    def _say(self, ns: int | None, kind: str, text: str) -> None:
        self.printed.rows.append((ns, len(self.printed.rows) + 1, kind, text))

    def _map(self, ns: int | None, kind: str, name: str, value: Any) -> None:
        """One printing of one map."""
        reading = self._readings[name] = self._readings.get(name, 0) + 1
        form = self._forms.get(name)
        if name not in self._splitters:
            self._splitters[name] = Splitter(form)
        keyed = isinstance(value, Pairs) and not (kind == "stats" and _is_stats(value, form))
        room = self.head.get("map_keys_max")
        if keyed and isinstance(room, int) and len(value) >= room:
            self.full.add(name)
        grown = list[tuple[str, Keys, int, float]]()
        for joined, item in value if keyed else [("", value)]:
            key = text_of(joined)
            keys = self._splitters[name].split(key) if keyed else _NONE
            if kind == "hist" and isinstance(item, list):
                self._histogram(ns, reading, name, keys, item)
                continue
            stack = self._stack(keys)
            for figure, number in _figures(item, kind, form):
                if number is None:
                    text = text_of(item) if isinstance(item, str) else _json(item)
                    self._say(ns, "value", f"{name}[{key}]: {text}" if keyed else f"{name}: {text}")
                    continue
                self.maps.rows.append((ns, reading, name, list(keys.texts), figure, number, stack))
                if not keyed and ns is not None:
                    self.series.rows.append((ns, name if kind == "map" else f"{name} {figure}", None, number))
                elif stack is not None and figure in _ADDING:
                    grown.append((key, keys, stack, number))
        if grown:
            self._grow(ns, name, form, grown)

    def _grow(self, ns: int | None, name: str, form: Map | None, now: list[tuple[str, Keys, int, float]]) -> None:
        """Make samples of what the values of stacks have grown by since the map was printed before."""
        before = self._before.setdefault(name, {})
        values = {key: number for key, _, _, number in now}
        emptied = form.emptied if form else any(values.get(key, -1.0) < number for key, number in before.items())
        if emptied:
            before.clear()
        for key, keys, stack, number in now:
            self._sample(ns, name, keys, stack, number - before.get(key, 0.0))
        before.update(values)

    def _histogram(self, ns: int | None, reading: int, name: str, keys: Keys, buckets: list[Any]) -> None:
        texts = [*keys.texts, folded(keys.stacks)] if keys.stacks else list(keys.texts)
        for pairs in buckets:
            bucket = dict(pairs) if isinstance(pairs, Pairs) else {}
            low, high = _number(bucket.get("min")), _number(bucket.get("max"))
            if (low, high) == _TOO_LARGE:
                low, high = float(1 << 31), None
            row = (ns, reading, name, texts, _whole(low), _whole(high), _calls(bucket.get("count")))
            self.histograms.rows.append(row)

    def _stack(self, keys: Keys) -> int | None:
        if not keys.stacks:
            return None
        of_all = self.head.get("pid")
        pid = _id(keys.get("pid")) or (of_all if isinstance(of_all, int) else None)
        return self.stacks.number(keys.stacks, pid)

    def _sample(self, ns: int | None, name: str, keys: Keys, stack: int, weight: float) -> None:
        """One row of samples; a stack that was not met again has none."""
        if weight <= 0:
            return
        pid, tid, command = keys.get("pid"), keys.get("tid"), keys.get("comm")
        thread = None
        if pid is not None or tid is not None or command is not None:
            who = (_id(pid), _id(tid), command)
            thread = self.threads.setdefault(who, len(self.threads))
        event = self.events.setdefault(name, len(self.events))
        self.samples.append((event, weight, stack, thread, ns))

    def profile(self, notes: list[str], keep: Path) -> Profile:
        """Everything that was read; ``keep``: folder of symbols beside the file."""
        frames, stacks, rows = self.stacks.tables(keep if keep.is_dir() else None)
        self.samples = [(event, weight, rows[stack], thread, ns) for event, weight, stack, thread, ns in self.samples]
        self.maps.rows = [(*row[:-1], None if row[-1] is None else rows[row[-1]]) for row in self.maps.rows]
        columns = list(zip(*self.samples, strict=True)) or [()] * 5
        kinds = [pa.uint16(), pa.float64(), pa.int32(), pa.int32(), pa.int64()]
        names = ["event", "weight", "stack", "thread", "ts_ns"]
        samples = pa.table([pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)], names)
        threads = list(zip(*self.threads, strict=True)) or [()] * 3
        mains = {pid: name for pid, tid, name in sorted(self.threads, key=lambda who: who[0] == who[1])}
        known = pa.table(
            {
                "pid": pa.array(threads[0], pa.int32()),
                "tid": pa.array(threads[1], pa.int32()),
                "name": pa.array(threads[2], pa.string()),
                "command": pa.array([mains[pid] for pid in threads[0]], pa.string()),
            }
        )
        tables = {"map_value": self.maps, "histogram": self.histograms, "printed": self.printed, "series": self.series}
        said = "was full, further keys are not in it: set BPFTRACE_MAP_KEYS_MAX"
        notes += [f"map {name} {said}" for name in sorted(self.full)]
        if self.strange:
            notes.append(f"{self.strange} lines are no records of bpftrace and were left out")
        return Profile(
            [self._event(name) for name in self.events],
            frames,
            stacks,
            samples,
            known,
            lost=self.lost,
            notes=notes,
            tables={name: rows.table() for name, rows in tables.items() if rows.rows},
        )

    def _event(self, name: str) -> Event:
        """What the stacks of a map are samples of: as the recipe says, else what the map keeps."""
        said = self.head.get("samples", {}).get(name, {})
        form = self._forms.get(name)
        unit = "events" if form and form.kind == "count" else "units"
        return Event(said.get("event", name), said.get("kind", "other"), said.get("unit", unit), said.get("op"))


def read(path: Path) -> Profile:
    """The whole file; a last line that is not finished yet is left for the next time. Raises ClewError."""
    reading, notes = _Reading(), list[str]()
    for ns, whole in _records(path, reading):
        kind = whole.get("type")
        if isinstance(kind, str):
            reading.record(ns, kind, whole.get("data"), whole)
        else:
            reading.strange += 1
    return reading.profile(notes, path.parent / "symbols")


def _records(path: Path, reading: _Reading) -> Iterator[tuple[int | None, dict[str, Any]]]:
    """(time of reading, object) of each line."""
    decode = json.JSONDecoder(object_pairs_hook=Pairs).decode
    with opened(path) as file:
        for raw in file:
            if not raw.strip():
                continue
            try:
                found = decode(raw.decode("utf-8", "replace"))
            except (ValueError, RecursionError):
                reading.strange += raw.endswith(b"\n")
                continue
            if not isinstance(found, Pairs):
                reading.strange += 1
                continue
            whole = dict(found)
            if "line" in whole:
                ns, line = whole.get("ns"), whole["line"]
                yield (ns if isinstance(ns, int) else None), (dict(line) if isinstance(line, Pairs) else {})
            elif "maps" in whole:
                reading.stacks.mapped(_plain(whole["maps"]))
            elif "clew" in whole:
                reading.begin(_plain(found))
            else:
                yield None, whole


def text_of(text: str) -> str:
    """``text`` with the bytes that bpftrace printed as U+FFFF, "ff" and two digits made characters again."""
    if text.isascii():
        return text
    if "\uffff" in text:
        text = _BYTES.sub(
            lambda run: bytes.fromhex(run.group().replace("\uffffff", "")).decode("utf-8", "backslashreplace"), text
        )
    return text.encode("utf-8", "backslashreplace").decode()


def _is_stats(pairs: Pairs, form: Map | None) -> bool:
    """Whether an object is what stats() keeps, not the entries of a map."""
    return [name for name, _ in pairs] == _STATS and not (form and form.keys)


def _figures(item: Any, kind: str, form: Map | None) -> list[tuple[str, float | None]]:
    """(kind, number) of one value of a map; one without a number where it is text or a tuple."""
    if kind == "stats":
        if isinstance(item, Pairs):
            found = dict(item)
            return [
                (name, _number(found.get(said)))
                for name, said in (("count", "count"), ("avg", "average"), ("total", "total"))
            ]
        return [("avg", _number(item))]
    number = _number(item, quoted=form is not None and form.kind != "value")
    return [(form.kind if form else "value", number)]


def _number(value: Any, *, quoted: bool = False) -> float | None:
    """A number as printed; whole numbers that a double cannot hold are quoted by newer bpftrace."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if abs(value) < _LARGEST else None
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,20}", value) and (quoted or abs(int(value)) > _EXACT):
        return float(value)
    return None


def _json(value: Any) -> str:
    return text_of(json.dumps(_plain(value), ensure_ascii=False))


def _whole(value: float | None) -> int | None:
    return None if value is None else max(-(1 << 63), min(int(value), (1 << 63) - 1))


def _calls(value: Any) -> int:
    """How often, as far as the column goes."""
    return min(max(int(_number(value) or 0), 0), (1 << 63) - 1)


def _id(text: Any) -> int | None:
    """The number of a process or thread."""
    return int(text) if isinstance(text, str) and re.fullmatch(r"[0-9]{1,10}", text) and int(text) < 1 << 31 else None


def _plain(value: Any) -> Any:
    """Objects as dict again."""
    if isinstance(value, Pairs):
        return {name: _plain(item) for name, item in value}
    return [_plain(item) for item in value] if isinstance(value, list) else value
