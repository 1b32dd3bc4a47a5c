"""Profiles of the Firefox Profiler: the processed form (also samply's) and the raw form that Gecko writes.

Tables of columns that point into each other: samples -> stackTable (prefix, frame) -> frameTable -> funcTable ->
strings. The processed form keeps them by thread or, in newer versions, in ``shared``; the raw form is rows with a
schema. Weights are samples, or what ``weightType`` says. The format:
https://github.com/firefox-devtools/profiler/blob/main/docs-developer/CHANGELOG-formats.md
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from clew.ingest.profile import Event, Profile
from clew.ingest.profiles._gathered import Gathered
from clew.ingest.profiles._json import damage, load
from clew.ingest.profiles._text import unpacked

FORMAT = "Firefox profile"
RANK = 25
_MS = 1e6  # ns
_EVENTS = {
    "samples": Event("samples", "wall", "ns"),
    "tracing-ms": Event("traced", "wall", "ns"),
    "bytes": Event("bytes", "other", "bytes"),
}


def matches(head: bytes, path: Path) -> bool:  # noqa: ARG001 -- content alone decides
    """Whether it begins with what every such profile says of itself."""
    text = unpacked(head)
    marks = (b'"preprocessedProfileVersion"', b'"processType"', b'"stackwalk"', b'"initialVisibleThreads"')
    return text.lstrip().startswith(b"{") and b'"meta"' in text and any(mark in text for mark in marks)


def read(path: Path) -> Profile:
    """The samples of every thread; raises ClewError where the file is damaged or holds none."""
    document = load(path)
    with damage(path):
        gathered = Gathered()
        interval = float(document["meta"].get("interval") or 1)
        scales = {"samples": interval * _MS, "tracing-ms": _MS, "bytes": 1.0}
        kinds = list(_EVENTS)
        shared = document.get("shared", {})
        for process in _processes(document):
            for thread in process.get("threads", ()):
                tables = _Tables(thread, shared)
                row = gathered.thread(
                    thread.get("pid"), thread.get("tid"), thread.get("name"), thread.get("processName") or None
                )
                kind = tables.weight_type()
                event, scale = kinds.index(kind), scales[kind]
                for stack, at, weight in tables.samples():
                    gathered.add(event, weight * scale, tables.stack(gathered, stack), row, at * _MS)
        return gathered.profile(list(_EVENTS.values()), path)


def _processes(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield document
    for process in document.get("processes", ()):
        yield from _processes(process)


class _Tables:
    """The tables of one thread, whatever form they are in."""

    def __init__(self, thread: dict[str, Any], shared: dict[str, Any]) -> None:
        self._thread, self._shared = thread, shared
        self._strings: Sequence[str] = self._find("stringArray") or self._find("stringTable") or ()
        self._rows = dict[int, int]()

    def _find(self, name: str) -> Any:
        return self._thread.get(name, self._shared.get(name))

    def _column(self, table: str, name: str) -> Sequence[Any]:
        """One column of a table, [] where there is none."""
        found = self._find(table) or {}
        if "schema" in found:
            at = found["schema"].get(name)
            return [row[at] if at < len(row) else None for row in found["data"]] if at is not None else []
        return found.get(name) or []

    def weight_type(self) -> str:
        """What weights count, a key of _EVENTS; raises ValueError if it is none of those."""
        found = (self._find("samples") or {}).get("weightType") or "samples"
        if found not in _EVENTS:
            raise ValueError(f"weights of the unknown type {found!r:.40}")
        return str(found)

    def samples(self) -> Iterator[tuple[int | None, float, float]]:
        """(stack, ms, weight) of each sample."""
        stacks = self._column("samples", "stack")
        times = self._column("samples", "time") or list(itertools.accumulate(self._column("samples", "timeDeltas")))
        weights = self._column("samples", "weight") or [1] * len(stacks)
        return zip(stacks, times, weights, strict=True)

    def stack(self, gathered: Gathered, number: int | None) -> int | None:
        """The row of that stack in the tree."""
        if number is None:
            return None
        prefixes, frames = self._cached("stackTable", "prefix"), self._cached("stackTable", "frame")
        way = list[int]()
        while number is not None and number not in self._rows:
            if len(way) > len(frames):
                raise ValueError("a stack that is its own caller")
            way.append(number)
            number = prefixes[number]
        row = self._rows[number] if number is not None else -1
        for one in reversed(way):
            row = gathered.tree.under(row, self._frame(gathered, frames[one]))
            self._rows[one] = row
        return row

    def _cached(self, table: str, name: str) -> Sequence[Any]:
        key = f"{table}.{name}"
        if key not in self.__dict__:
            self.__dict__[key] = self._column(table, name)
        found: Sequence[Any] = self.__dict__[key]
        return found

    def _frame(self, gathered: Gathered, number: int) -> int:
        functions = self._cached("frameTable", "func")
        line = self._optional("frameTable", "line", number)
        if not functions:  # raw form: the place is one text
            return gathered.tree.frame(str(self._strings[self._cached("frameTable", "location")[number]]), line=line)
        function = functions[number]
        name = str(self._strings[self._cached("funcTable", "name")[function]])
        file = self._optional("funcTable", "fileName", function)
        source = self._optional("funcTable", "source", function)
        if file is None and source is not None:  # since version 58
            file = self._optional("sources", "filename", source)
        kind = "jit" if self._optional("funcTable", "isJS", function) else "user"
        return gathered.tree.frame(
            name,
            self._module(function),
            "inlined" if self._optional("frameTable", "inlineDepth", number) else kind,
            file=str(self._strings[file]) if file is not None else None,
            line=line,
        )

    def _module(self, function: int) -> str | None:
        resource = self._optional("funcTable", "resource", function)
        if resource is None or resource < 0:
            return None
        name = self._optional("resourceTable", "name", resource)
        return str(self._strings[name]) if name is not None else None

    def _optional(self, table: str, name: str, row: int) -> Any:
        column = self._cached(table, name)
        return column[row] if row < len(column) else None
