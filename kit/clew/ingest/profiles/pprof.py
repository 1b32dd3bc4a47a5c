"""pprof's profile.proto, gzip or not: what Go programs, gperftools, jemalloc tools and many services write.

Each sample has a value for each sample type; each type becomes an event of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from clew.errors import ClewError
from clew.ingest.profile import Event, Profile
from clew.ingest.profiles._gathered import Gathered
from clew.ingest.profiles._json import damage
from clew.ingest.profiles._pprof import profile_class
from clew.ingest.profiles._text import opened, unpacked

FORMAT = "pprof"
RANK = 60
_VARINT, _BYTES = 0, 2  # kinds of values in the protobuf encoding
_KINDS = {"cpu": "on-cpu", "wall": "wall", "delay": "off-cpu", "contentions": "off-cpu"}
_UNITS = {
    1: "nanoseconds nanosecond ns",
    1e3: "microseconds microsecond us \u00b5s \u03bcs",
    1e6: "milliseconds millisecond ms",
    1e9: "seconds second sec s",
}
_NS = {name: scale for scale, names in _UNITS.items() for name in names.split()}


def matches(head: bytes, path: Path) -> bool:
    """Whether it can be read as such a message: the format has no magic number, and fields may be in any order."""
    if not _fields(unpacked(head)):
        return False
    try:
        message = _message(path)
    except ClewError:
        return False
    return bool(message.sample_type) and list(message.string_table[:1]) == [""]  # the format wants it so


def _fields(text: bytes) -> int:
    """How many fields of the message Profile ``text`` begins with; 0 if anything else is between them."""
    known = {
        field.number: _BYTES if field.message_type or field.type == field.TYPE_STRING else _VARINT
        for field in profile_class().DESCRIPTOR.fields
    }
    at = found = 0
    while at < len(text):
        number, kind = text[at] >> 3, text[at] & 7
        if number not in known or kind not in (known[number], _BYTES):  # numbers of a repeated field may be packed
            return 0
        value, at = _varint(text, at + 1)
        at += value if kind == _BYTES else 0
        found += 1
    return found


def _varint(text: bytes, at: int) -> tuple[int, int]:
    """(number, where it ends) of the number at ``at``, as far as ``text`` goes."""
    number = shift = 0
    while at < len(text) and shift < 70:
        number |= (text[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if text[at - 1] < 0x80:
            break
    return number, at


def _message(path: Path) -> Any:
    with opened(path) as file:
        text = file.read()
    try:
        return profile_class().FromString(text)
    except DecodeError:
        raise ClewError(f"{path} is damaged: it cannot be read as profile.proto") from None


def read(path: Path) -> Profile:
    """Every sample of the file; raises ClewError where it is damaged or holds none."""
    message = _message(path)
    with damage(path):
        strings = message.string_table
        events, scales = [], []
        for kind in message.sample_type:
            name, unit = strings[kind.type], strings[kind.unit]
            scale = _NS.get(unit)
            scales.append(scale or 1.0)
            first = name.lower().partition(" ")[0]
            family = "alloc" if first.startswith(("alloc", "inuse")) else _KINDS.get(first, "other")
            events.append(Event(name, family, "ns" if scale else _unit(name, unit)))
        gathered = Gathered()
        frames = _frames(gathered, message)
        for sample in message.sample:
            stack = gathered.tree.stack(
                frame for location in reversed(sample.location_id) for frame in frames[location]
            )
            labels = {strings[label.key]: strings[label.str] or label.num for label in sample.label}
            thread = None
            if labels.keys() & {"pid", "tid", "thread", "thread_id"}:
                tid = labels.get("tid", labels.get("thread_id"))
                thread = gathered.thread(labels.get("pid"), tid, _text(labels.get("thread")), _text(labels.get("comm")))
            for index, value in enumerate(sample.value):
                if value:
                    gathered.add(index, value * scales[index], stack, thread)
        return gathered.profile(events, path)


def _unit(name: str, unit: str) -> str:
    return "samples" if name == "samples" and unit == "count" else "calls" if unit == "count" else unit or "samples"


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _frames(gathered: Gathered, message: Any) -> dict[int, list[int]]:
    """The frames of each location, outermost first: what was inlined there stands last."""
    strings = message.string_table
    functions = {one.id: one for one in message.function}
    mappings = {one.id: one for one in message.mapping}
    found = dict[int, list[int]]()
    for location in message.location:
        mapping = mappings.get(location.mapping_id)
        module = strings[mapping.filename] or None if mapping else None
        build_id = strings[mapping.build_id] or None if mapping else None
        at = location.address - mapping.memory_start + mapping.file_offset if mapping else location.address
        address = at if 0 < at < 2**64 else None  # some writers leave the mapping, and make addresses relative to it
        kernel = bool(module and module.startswith("[kernel"))
        frames = []
        for depth, line in enumerate(reversed(location.line)):
            function = functions[line.function_id]
            kind = "inlined" if depth else "kernel" if kernel else "user"
            file = strings[function.filename] or None
            number = line.line if 0 < line.line < 2**32 else None
            name = strings[function.name] or strings[function.system_name] or "[unknown]"
            frames.append(gathered.tree.frame(name, module, kind, address, None, file, number, build_id))
        if not frames:
            frames = [gathered.tree.frame("[unknown]", module, "unknown", address)]
        found[location.id] = frames
    return found
