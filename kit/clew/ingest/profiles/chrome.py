"""Profiles of V8 (.cpuprofile and .heapprofile of node and Chrome), and traces of Chrome's trace event format.

A CPU profile has nodes (a function, its place, its children), samples (ids of nodes) and the microseconds between them.
In a trace the same comes in pieces, as Profile and ProfileChunk events; slices of a trace (ph B, E, X) become stacks,
too, and so do its ``samples``, which name a place in ``stackFrames``. A trace may end anywhere: the format does not ask
for the bracket at its end. A heap profile is a tree of functions with the bytes that each allocated.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from pathlib import Path
from typing import Any, TypeVar

from clew.ingest.profile import Event, Profile
from clew.ingest.profiles._gathered import Gathered
from clew.ingest.profiles._json import damage, load_open
from clew.ingest.profiles._text import unpacked

FORMAT = "Chrome profile or trace"
RANK = 30
_US = 1000  # ns
CPU, SLICES = Event("cpuprofile", "wall", "ns"), Event("slices", "wall", "ns")
SAMPLES, HEAP = Event("samples", "other", "samples"), Event("heap", "alloc", "bytes")
_EVENTS = [CPU, SLICES, SAMPLES, HEAP]
_IDLE = ("(idle)",)
_DEEPEST = 2000  # slices within each other
Node = TypeVar("Node", int, str)


def matches(head: bytes, path: Path) -> bool:  # noqa: ARG001 -- content alone decides
    """Whether it begins as such JSON does."""
    text = unpacked(head).lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"[") and b'"ph"' in text[:4096]:
        return True
    return text.startswith(b"{") and (b'"traceEvents"' in text or b'"callFrame"' in text)


def read(path: Path) -> Profile:
    """Samples and slices; raises ClewError where the file is damaged or holds neither."""
    document, cut = load_open(path)
    with damage(path):
        gathered, notes = Gathered(), list[str]()
        events = document if isinstance(document, list) else document.get("traceEvents")
        if cut:
            notes.append(f"{cut} characters at the trace's end are no whole event and were left out")
        if events is not None:
            notes += _trace(gathered, events)
            if isinstance(document, dict) and document.get("stackFrames"):
                _samples(gathered, document, _names(events))
        elif "head" in document:
            _heap(gathered, document["head"])
        else:
            document = document.get("profile", document)  # Profiler.stop of the protocol of Chrome's tools gives that
            _profile(gathered, document, gathered.thread(None, None, "main"))
        return gathered.profile(_EVENTS, path, notes)


def _heap(gathered: Gathered, head: dict[str, Any]) -> None:
    """The functions of a heap profile with the bytes that each allocated itself."""
    thread = gathered.thread(None, None, "main")
    waiting = [(head, -1)]
    while waiting:
        node, under = waiting.pop()
        frame = _frame(gathered, node["callFrame"])
        row = under if frame is None else gathered.tree.under(under, frame)
        if node["selfSize"]:
            gathered.add(_EVENTS.index(HEAP), node["selfSize"], row if row >= 0 else None, thread)
        waiting += [(child, row) for child in node["children"]]


def _samples(gathered: Gathered, document: dict[str, Any], names: dict[tuple[Any, Any], str]) -> None:
    """The samples that a trace may hold beside its events."""
    parents, frames = dict[str, str](), dict[str, int | None]()
    for key, frame in document["stackFrames"].items():
        if frame.get("parent") is not None:
            parents[key] = str(frame["parent"])
        frames[key] = gathered.tree.frame(str(frame.get("name")))
    for sample in document.get("samples", ()):
        pid, tid = sample.get("pid"), sample.get("tid")
        stack = gathered.tree.stack(_path(str(sample["sf"]), parents, frames))
        thread = gathered.thread(pid, tid, names.get((pid, tid)))
        weight = float(sample.get("weight", 1))
        gathered.add(_EVENTS.index(SAMPLES), weight, stack, thread, float(sample["ts"]) * _US)


def _profile(gathered: Gathered, profile: dict[str, Any], thread: int) -> None:
    """One profile; nodes tell their children, or (in traces) their parent. Samples may stand out of order."""
    parents = {node["id"]: node["parent"] for node in profile["nodes"] if "parent" in node}
    for node in profile["nodes"]:
        for child in node.get("children", ()):
            parents[child] = node["id"]
    frames = {node["id"]: _frame(gathered, node["callFrame"]) for node in profile["nodes"]}
    idle = {node["id"] for node in profile["nodes"] if node["callFrame"]["functionName"] in _IDLE}
    rows = dict[int, int | None]()
    times = itertools.accumulate(profile["timeDeltas"], initial=profile.get("startTime") or 0)
    taken = sorted(zip(itertools.islice(times, 1, None), profile["samples"], strict=False), key=lambda one: one[0])
    last = taken[-1][0] if taken else 0
    ends = [at for at, _ in taken[1:]] + [max(profile.get("endTime") or last, last)]
    for (at, node), end in zip(taken, ends, strict=True):  # a sample stands for the time until the next one
        if node not in rows:
            rows[node] = gathered.tree.stack(_path(node, parents, frames))
        if node not in idle:
            gathered.add(_EVENTS.index(CPU), (end - at) * _US, rows[node], thread, at * _US)


def _path(node: Node, parents: dict[Node, Node], frames: dict[Node, int | None]) -> list[int]:
    path, seen = [], set[Node]()
    at: Node | None = node
    while at is not None and at not in seen:
        seen.add(at)
        frame = frames[at]
        if frame is not None:
            path.append(frame)
        at = parents.get(at)
    return path[::-1]


def _frame(gathered: Gathered, call: dict[str, Any]) -> int | None:
    """The frame of a node; None for the root, which is no function."""
    name = str(call["functionName"])
    if name == "(root)":
        return None
    line = call.get("lineNumber", -1)
    url = str(call.get("url") or "") or None
    number = line + 1 if isinstance(line, int) and 0 <= line < 2**32 - 1 else None
    return gathered.tree.frame(name or "(anonymous)", url, "jit" if url else "user", file=url, line=number)


def _names(events: list[dict[str, Any]]) -> dict[tuple[Any, Any], str]:
    """Names of threads, by process and thread."""
    return {
        (event.get("pid"), event.get("tid")): str((event.get("args") or {}).get("name", ""))
        for event in events
        if event.get("ph") == "M" and event.get("name") == "thread_name"
    }


def _trace(gathered: Gathered, events: list[dict[str, Any]]) -> list[str]:
    """The profiles and slices of ``events``; returns what is to be known of them."""
    names = _names(events)
    chunks = defaultdict[tuple[Any, Any], list[dict[str, Any]]](list)
    slices = defaultdict[tuple[Any, Any], list[dict[str, Any]]](list)
    tids = dict[tuple[Any, Any], Any]()
    for event in events:
        phase, name = event.get("ph"), event.get("name")
        if name in ("Profile", "ProfileChunk") and phase in ("P", "I"):
            key = (event.get("pid"), event.get("id"))
            if data := (event.get("args") or {}).get("data"):
                chunks[key].append(data)
            if name == "Profile":
                tids[key] = event.get("tid")
        elif phase in ("B", "E", "X"):
            slices[event.get("pid"), event.get("tid")].append(event)
    for (pid, number), parts in chunks.items():
        tid = tids.get((pid, number))
        _profile(gathered, _joined(parts), gathered.thread(pid, tid, names.get((pid, tid))))
    found = [_slices(gathered, of, gathered.thread(*who, names.get(who))) for who, of in slices.items()]
    said = ("slices never end: they are counted up to the last event", "ends of slices have no begin and were left out")
    odd = (sum(numbers) for numbers in zip(*found, strict=True))
    return [f"{number} {what}" for number, what in zip(odd, said, strict=False) if number]


def _joined(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The profile that comes in these pieces."""
    whole: dict[str, Any] = {"nodes": [], "samples": [], "timeDeltas": [], "startTime": 0}
    for part in parts:
        profile = part.get("cpuProfile", {})
        whole |= {name: part[name] for name in ("startTime", "endTime") if name in part}
        whole["nodes"] += profile.get("nodes", [])
        whole["samples"] += profile.get("samples", [])
        whole["timeDeltas"] += part.get("timeDeltas", profile.get("timeDeltas", []))
    return whole


def _slices(gathered: Gathered, events: list[dict[str, Any]], thread: int) -> tuple[int, int]:
    """Slices of one thread: each part of time belongs to those that are open then, the one that began first outermost.

    Returns how many have no end, and how many ends have no begin.
    """
    spans, unended, unbegun = _spans(events)
    edges = []  # at one moment slices end before others begin, the longer ones begin first
    for number, (begin, end, _) in enumerate(spans):
        if end > begin:
            edges += [(begin, 1, begin - end, number), (end, 0, 0.0, number)]
    edges.sort()
    frames = {name: gathered.tree.frame(name) for name in dict.fromkeys(name for _, _, name in spans)}
    stack, rows, last = list[int](), list[int](), 0.0
    for at, begins, _, number in edges:
        if stack and at > last:
            gathered.add(_EVENTS.index(SLICES), (at - last) * _US, rows[-1], thread, last * _US)
        last = at
        place = len(stack) if begins else stack.index(number)
        stack[place:] = [number] if begins else stack[place + 1 :]
        del rows[place:]
        for one in stack[place:]:
            rows.append(gathered.tree.under(rows[-1] if rows else -1, frames[spans[one][2]]))
        if len(stack) > _DEEPEST:
            raise ValueError(f"more than {_DEEPEST} slices within each other")
    return unended, unbegun


def _spans(events: list[dict[str, Any]]) -> tuple[list[tuple[float, float, str]], int, int]:
    """(begin, end, name) of each slice, how many have no end, how many ends no begin; outer ones first in a draw.

    An end closes the innermost slice of its name, or, of another name or none, the innermost.
    """
    spans, unbegun = list[tuple[float, float, str]](), 0
    waiting = dict[int, None]()  # slices that have no end yet, inner ones last
    named = defaultdict[str, list[int]](list)  # the same by name
    timed = sorted(((float(event["ts"]), event) for event in events), key=lambda pair: pair[0])
    for at, event in timed:
        name = str(event.get("name") or "")
        if event["ph"] == "E":
            if not waiting:
                unbegun += 1
                continue
            place = named[name][-1] if named[name] else next(reversed(waiting))
            del waiting[place]
            begin, _, begun = spans[place]
            named[begun].pop()
            spans[place] = begin, at, begun
            continue
        if event["ph"] == "B":
            waiting[len(spans)] = None
            named[name].append(len(spans))
        spans.append((at, at + max(float(event.get("dur") or 0), 0.0), name))
    latest = max((end for _, end, _ in spans), default=0.0)
    for place in waiting:
        spans[place] = spans[place][0], latest, spans[place][2]
    return spans, len(waiting), unbegun
