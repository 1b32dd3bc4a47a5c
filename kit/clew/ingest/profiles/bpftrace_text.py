r"""Maps that bpftrace prints as text, where stacks are keys: ``@name[STACK, ..., comm]: VALUE``.

    @[
        inner+12
        outer+7
    , comm]: 3

A map is an event, a value a weight. The text does not say what keys are: of two stacks the one that looks like the
kernel's is taken for that, else the first; the last key that is no number for the name of the command. `clew record
--engine bpftrace` knows better.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from clew.errors import ClewError
from clew.ingest.bpftrace_keys import lines_of
from clew.ingest.profile import THREADS, Event, Profile, Tree
from clew.ingest.profiles._text import opened, unpacked

FORMAT = "maps of bpftrace as text"
RANK = 60
_STACKED = re.compile(rb"^@\w*\[.*\n(?:, \n)?(?: {4}|\t)\S[^\n]*$", re.MULTILINE)
_BEGIN = re.compile(r"@(\w*)\[(.*)", re.DOTALL)
_END = re.compile(r"(.*)\]: ?(.*)", re.DOTALL)
_NUMBER = re.compile(r"-?\d{1,19}(?:\.\d+)?$")
_STACK = re.compile(r"\n(?:[ \t][^\n]*\n)+")
_ROOT = re.compile(
    r"\s*(?:[0-9a-f]+ )?(entry_|ret_from_|asm_|do_syscall|x64_sys|__x64_sys|el[01]_|el[01]t?_|exc_|secondary_startup|"
    r"start_secondary|common_startup|start_kernel|cpu_startup|kthread|0x[89a-f][0-9a-f]{15}\b)"
)
_LONGEST = 100_000  # lines of one key


def matches(head: bytes, path: Path) -> bool:  # noqa: ARG001 -- content alone decides
    """Whether a map with a stack in its key is there."""
    head = unpacked(head).replace(b"\r\n", b"\n")
    return b"\0" not in head and bool(_STACKED.search(head))


def read(path: Path) -> Profile:
    """Every value whose key has a stack; raises ClewError if there is none."""
    tree, events, threads = Tree(), dict[str, int](), dict[str | None, int]()
    event, weight, thread, detail = list[int](), list[float](), list[int | None](), list[str | None]()
    stack: list[int | None] = []
    seen, again, others = set[tuple[str, str]](), 0, 0
    with opened(path) as file:
        for name, key, value in _entries(line.decode("utf-8", "replace").rstrip("\r\n") for line in file):
            stacks = _STACK.findall(key)
            if not stacks or not _NUMBER.match(value):
                others += 1
                continue
            again += (name, key) in seen
            seen.add((name, key))
            comm, rest = _texts(key)
            event.append(events.setdefault(f"@{name}", len(events)))
            weight.append(float(value))
            stack.append(tree.stack(tree.frame(*line[:5]) for line in lines_of(_named(stacks))))
            thread.append(None if comm is None else threads.setdefault(comm, len(threads)))
            detail.append(rest)
    if not stack:
        raise ClewError(f"{path}: no map with a stack in its key, only {others} other values")
    notes = [f"{again} keys were printed more than once and are added up"] if again else []
    notes += [f"{others} values without a stack, histograms and statistics were left out"] if others else []
    columns = {
        field.name: [comm if field.name in ("name", "command") else None for comm in threads] for field in THREADS
    }
    samples = {
        "event": pa.array(event, pa.uint16()),
        "weight": pa.array(weight, pa.float64()),
        "stack": pa.array(stack, pa.int32()),
        "thread": pa.array(thread, pa.int32()),
        "detail": pa.array(detail, pa.string()),
    }
    made = [Event(name, "other", "events") for name in events]
    return Profile(made, *tree.tables(), pa.table(samples), pa.table(columns, schema=THREADS), notes=notes)


def _entries(lines: Iterator[str]) -> Iterator[tuple[str, str, str]]:
    """(map, key as printed, value as printed) of each entry."""
    name, parts = "", list[str]()
    for line in lines:
        found = _BEGIN.match(line)
        if found:
            name, line = found[1], found[2]  # an entry that has not ended is none
            parts = []
        elif not parts or len(parts) > _LONGEST:
            parts = []
            continue
        parts.append(line)
        if line[:1] not in (" ", "\t") and (end := _END.match(line)):
            parts[-1] = end[1]
            yield name, "\n".join(parts), end[2].strip()
            parts = []


def _named(stacks: list[str]) -> tuple[tuple[str, str], ...]:
    """``stacks`` with what they are, as a script would name it; "": one that may be either."""
    kernel = [bool(_ROOT.match(text.strip("\n").rpartition("\n")[2])) for text in stacks]
    if len(stacks) == 1:
        return (("kstack" if kernel[0] else "", stacks[0]),)
    first = kernel.index(True) if any(kernel) else 0
    return tuple(("kstack" if number == first else "ustack", text) for number, text in enumerate(stacks))


def _texts(key: str) -> tuple[str | None, str | None]:
    """(command, other keys as text): None where there is none."""
    plain = [part for part in _STACK.sub("\0", key).split(", ") if part.strip("\0\n ")]
    texts = [part.replace("\0", "") for part in plain]
    comm = next((text for text in reversed(texts) if not _NUMBER.match(text)), None)
    if comm is not None:
        texts.remove(comm)
    return comm, ", ".join(texts) or None
