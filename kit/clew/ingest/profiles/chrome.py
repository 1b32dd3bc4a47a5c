"""CPU profiles of V8 (.cpuprofile of node and Chrome), alone or inside a trace of Chrome's trace event format.

A profile has nodes (a function, its place, its children), samples (ids of nodes) and the microseconds between them. In
a trace the same comes in pieces, as Profile and ProfileChunk events; slices of a trace (ph B, E, X) become stacks, too.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from clew.ingest.profile import Event, Profile
from clew.ingest.profiles._gathered import Gathered
from clew.ingest.profiles._json import damage, load
from clew.ingest.profiles._text import unpacked

FORMAT = "Chrome profile or trace"
RANK = 30
_US = 1000  # ns
CPU, SLICES = Event("cpuprofile", "wall", "ns"), Event("slices", "wall", "ns")
_IDLE = ("(idle)",)


def matches(head: bytes, path: Path) -> bool:  # noqa: ARG001 -- content alone decides
    """Whether it begins as such JSON does."""
    text = unpacked(head).lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"[") and b'"ph"' in text[:4096]:
        return True
    return text.startswith(b"{") and (b'"traceEvents"' in text or b'"callFrame"' in text)


def read(path: Path) -> Profile:
    """Samples and slices; raises ClewError where the file is damaged or holds neither."""
    document = load(path)
    with damage(path):
        gathered = Gathered()
        events = document if isinstance(document, list) else document.get("traceEvents")
        if events is None:
            _profile(gathered, document, gathered.thread(None, None, "main"))
        else:
            _trace(gathered, events)
        return gathered.profile([CPU, SLICES], path)


def _profile(gathered: Gathered, profile: dict[str, Any], thread: int) -> None:
    """One profile; nodes tell their children, or (in traces) their parent."""
    parents = {node["id"]: node["parent"] for node in profile["nodes"] if "parent" in node}
    for node in profile["nodes"]:
        for child in node.get("children", ()):
            parents[child] = node["id"]
    frames = {node["id"]: _frame(gathered, node["callFrame"]) for node in profile["nodes"]}
    idle = {node["id"] for node in profile["nodes"] if node["callFrame"]["functionName"] in _IDLE}
    rows = dict[int, int | None]()
    at = profile.get("startTime") or 0
    deltas = profile["timeDeltas"]
    samples = profile["samples"]
    for number, (node, delta) in enumerate(zip(samples, deltas, strict=False)):
        at += delta
        if node not in rows:
            rows[node] = gathered.tree.stack(_path(node, parents, frames))
        # a sample stands for the time until the next one
        lasts = deltas[number + 1] if number + 1 < len(deltas) else max((profile.get("endTime") or at) - at, 0)
        if node not in idle:
            gathered.add(0, max(lasts, 0) * _US, rows[node], thread, at * _US)


def _path(node: int, parents: dict[int, int], frames: dict[int, int | None]) -> list[int]:
    path, seen = [], set[int]()
    at: int | None = node
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


def _trace(gathered: Gathered, events: list[dict[str, Any]]) -> None:
    names = {
        (event.get("pid"), event.get("tid")): str(event["args"]["name"])
        for event in events
        if event.get("ph") == "M" and event.get("name") == "thread_name"
    }
    chunks = defaultdict[tuple[Any, Any], list[dict[str, Any]]](list)
    slices = defaultdict[tuple[Any, Any], list[dict[str, Any]]](list)
    tids = dict[tuple[Any, Any], Any]()
    for event in events:
        phase, name = event.get("ph"), event.get("name")
        if name in ("Profile", "ProfileChunk") and phase in ("P", "I"):
            key = (event.get("pid"), event.get("id"))
            chunks[key].append(event["args"]["data"])
            if name == "Profile":
                tids[key] = event.get("tid")
        elif phase in ("B", "E", "X"):
            slices[event.get("pid"), event.get("tid")].append(event)
    for (pid, number), parts in chunks.items():
        tid = tids.get((pid, number))
        _profile(gathered, _joined(parts), gathered.thread(pid, tid, names.get((pid, tid))))
    for (pid, tid), found in slices.items():
        _slices(gathered, found, gathered.thread(pid, tid, names.get((pid, tid))))


def _joined(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The profile that comes in these pieces."""
    whole: dict[str, Any] = {"nodes": [], "samples": [], "timeDeltas": [], "startTime": 0}
    for part in parts:
        profile = part.get("cpuProfile", {})
        whole["startTime"] = part.get("startTime", whole["startTime"])
        whole["nodes"] += profile.get("nodes", [])
        whole["samples"] += profile.get("samples", [])
        whole["timeDeltas"] += part.get("timeDeltas", profile.get("timeDeltas", []))
    return whole


def _slices(gathered: Gathered, events: list[dict[str, Any]], thread: int) -> None:
    """Nested slices of one thread: each part of time belongs to the slices that are open then."""
    edges = []  # at one moment slices end before others begin, the longer ones begin first
    for event in events:
        at = float(event["ts"])
        if event["ph"] == "X":
            lasts = float(event.get("dur") or 0)
            edges += [(at, 1, -lasts, str(event.get("name"))), (at + lasts, 0, 0.0, str(event.get("name")))]
        else:
            edges.append((at, int(event["ph"] == "B"), 0.0, str(event.get("name") or "")))
    edges.sort(key=lambda edge: edge[:3])
    stack, last = list[str](), 0.0
    for at, begins, _, name in edges:
        if stack and at > last:
            row = gathered.tree.stack(gathered.tree.frame(one) for one in stack)
            gathered.add(1, (at - last) * _US, row, thread, last * _US)
        last = at
        if begins:
            stack.append(name)
        elif stack:
            stack.pop()
