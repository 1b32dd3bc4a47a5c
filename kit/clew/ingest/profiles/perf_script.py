"""What ``perf script`` prints: a head line for each sample, its frames from the innermost, a blank line.

Of perf 4 to 6, with and without process, processor, time, period, stacks, inlined frames, source lines and header; as
text or gzip. The form is ambiguous, since names of threads and files are printed as they are; perf.data itself is not.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from clew.errors import ClewError
from clew.ingest.profile import THREADS, Profile, Tree
from clew.ingest.profiles import _perf_lines
from clew.ingest.profiles._chains import Chains, outer
from clew.ingest.profiles._perf_event import event_of
from clew.ingest.profiles._perf_lines import Frame, Head, Source, text
from clew.ingest.profiles._plain import Place, PlainText, Rows
from clew.ingest.profiles._text import blocks, opened, paragraphs, unpacked
from clew.native.text import LEAVE, Meanings

FORMAT = "text of perf script"
RANK = 50
_HEADER = b"# ========\n# captured on"
_STACKED = re.compile(
    rb"^[^\s#].*(?:[^\s:]:| \d+)[ \t]*\n(?:[ \t]+[0-9a-f]{1,16} \S.* \(.*\)|\t {0,12}[0-9a-f]{4,16} [^\s(].*)$",
    re.MULTILINE,
)
_RECORD = re.compile(rb"^.{0,40}\s\d{1,10}\.(?:\d{9}|\d{6}): PERF_RECORD_[A-Z]", re.MULTILINE)  # of --show-mmap-events
_LOST = re.compile(rb"PERF_RECORD_LOST(?:_SAMPLES)?\s+lost (\d{1,18})")
_NO_SOURCE = re.compile(rb"\s*\S*\[[0-9a-f]+\]\s*$")  # where perf knows no source line: libc.so.6[27b25]
_ADDRESS = re.compile(rb"([0-9a-f]{1,16})(?:\s+(?=[0-9a-f]{1,16}\s)|$)")
_NO_HEAD = b"# \t"  # a head may begin so, but then it is looked at with care
_NONE = -1  # no stack, no processor, no time
_PLAIN = -2  # from here on down: nodes of the tree of plain samples
_EVENTS = 65536
_KEPT = 100_000  # heads that are remembered, of each half


def matches(head: bytes, path: Path) -> bool:  # noqa: ARG001 -- content alone decides
    """Whether one of the first lines has a time as a sample's or a record's head, or a head and a frame follow.

    The header that ``--header`` prints has a line for each cache of each processor: it may be all that is shown here.
    """
    head = unpacked(head)
    if b"\0" in head:
        return False
    head = head.replace(b"\r\n", b"\n")
    if head.startswith(_HEADER) and not re.search(rb"^[^#]", head, re.MULTILINE):
        return True
    lines = [line for line in head[:4096].split(b"\n") if line and not line.startswith(b"# ")] or [b""]
    return any(_perf_lines.head(line[:512]) for line in lines) or bool(_STACKED.search(head) or _RECORD.search(head))


def read(path: Path) -> Profile:
    """Every sample; raises ClewError if there is none, or the file cannot be read."""
    script = _Script()
    with opened(path) as file:
        for block, ended in blocks(file):
            script.block(block, ended)
    script.end()
    if not script.time:
        said = f"it says: {text(script.said[:200])}" if script.said else "perf takes none of a program that sleeps"
        raise ClewError(f"{path}: no sample in it; {said}")
    return script.profile()


class _Frames(dict[bytes, int]):
    """Lines of stacks to rows of frames: each distinct line is taken apart once. Below 0: -1 - index into ``odd``."""

    def __init__(self, tree: Tree) -> None:
        super().__init__()
        self.tree = tree
        self.odd: list[Head | Frame | Source | None] = []
        self.known: dict[bytes, Frame] = {}  # by line: rows of frames do not tell the addresses that were printed

    def __missing__(self, line: bytes) -> int:
        found = _perf_lines.head(line) or _perf_lines.frame(line)
        if (
            isinstance(found, Frame)
            and found.kind != "inlined"
            and not (found.kind == "jit" and "->" in found.function)
        ):
            row = self.tree.frame(found.function, found.module, found.kind, found.address, found.byte_offset)
            self.known[line] = found
        else:
            self.odd.append(found)
            row = -len(self.odd)
        self[line] = row
        return row


class _Later(dict[int, int]):
    """Numbers of heads to rows, which are made when a sample wants them: threads stand in order of their samples."""

    def __init__(self, make: Callable[[int], int]) -> None:
        super().__init__()
        self.make = make

    def __missing__(self, number: int) -> int:
        row = self[number] = self.make(number)
        return row


class _Script:
    """Samples found so far."""

    def __init__(self) -> None:
        self.tree, self.chains = Tree(), Chains()
        self.frames = _Frames(self.tree)
        self.plain = PlainText()
        self.learned: list[Head] = []
        self.later_who = _Later(lambda number: self.who_of(self.learned[number], self.learned[number].comm))
        self.later_event = _Later(lambda number: self.event_of(self.learned[number]))
        self.lines_mean = Meanings(lambda line: max(self.frames[line], LEAVE))
        self.stacks: dict[int, int] = {}  # by hash of the text: of a million texts two are alike once in 10^7 files
        self.events: dict[bytes, int] = {}
        self.threads: dict[tuple[int | None, int, bytes], int] = {}  # process, thread, name
        self.whos: dict[tuple[int, int], int] = {}  # thread, processor
        self.whats: dict[tuple[int, int | None], int] = {}  # event, period
        self.known_who: dict[bytes, int] = {}  # by what stands before the time
        self.known_what: dict[bytes, int] = {}  # by what stands after it
        self.who, self.what, self.stack, self.time = array("i"), array("i"), array("i"), array("q")  # of each sample
        self.details: dict[int, bytes] = {}
        self.addresses: dict[int, int] = {}
        self.whole = False  # source lines stand between frames: stacks are told apart as a whole
        self.open = False  # the last sample may have more frames
        self.lines_of_stack: list[bytes] = []  # of the open sample
        self.before = b""  # a line that may be half of a name
        self.cut = False  # no line feed was at the end
        self.ambiguous = self.strange = self.lost = 0
        self.truncated = False
        self.said = b""  # the first line that is nobody's

    def block(self, block: bytes, ended: bool) -> None:
        """Samples of one of blocks(): plain ones all at once, others as paragraph() takes them."""
        if not ended or self.open or self.whole:
            for one in paragraphs(block, ended):
                self.paragraph(one, ended)
            return
        rows = self.plain.read(block)
        rows.stacks(rows.headed, self.lines_mean)
        rows.learn(rows.stacked(), self.learn)
        good = rows.stacked() & rows.known()
        done = 0
        for row in [*np.flatnonzero(~good).tolist(), len(good)]:
            if row > done:
                self.take(rows, slice(done, row))
            if row < len(good):
                self.paragraph(rows.paragraph(row), ended)
            done = row + 1

    def take(self, rows: Rows, part: slice) -> None:
        """Samples that are no more than a head and its frames."""
        whats, event = self.whats, map(self.later_event.__getitem__, rows.what()[part].tolist())
        told = zip(event, rows.rows["period"][part].tolist(), strict=True)
        self.what.extend(whats.setdefault((row, None if period < 0 else period), len(whats)) for row, period in told)
        self.who.extend(map(self.later_who.__getitem__, rows.who()[part].tolist()))
        self.time.frombytes(rows.rows["time_ns"][part].tobytes())
        node = rows.rows["stack"][part]
        self.stack.frombytes(np.where(node < 0, _NONE, _PLAIN - node).astype(np.int32).tobytes())

    def learn(self, line: bytes, place: Place) -> tuple[int, int] | None:
        """Numbers in ``learned`` of a head that can be read in one way only; None: it cannot."""
        head = _perf_lines.head(line)
        if head is None or head.ambiguous or head.fields or head.time_ns != place.time_ns:
            return None
        if (-1 if head.period is None else head.period) != place.period:
            return None
        self.learned.append(head)
        return len(self.learned) - 1, len(self.learned) - 1

    def paragraph(self, paragraph: bytes, ended: bool) -> None:
        """One sample as a rule: a head and its frames."""
        first, _, rest = paragraph.partition(b"\n")
        if self.open or not ended or first[0] in _NO_HEAD or not self.begin(first):
            self.lines(paragraph, ended)
        elif rest:
            row = self.row(rest)
            if row is None:
                self.open = True
                self.lines(rest, ended)
            else:
                self.stack[-1] = row

    def begin(self, line: bytes) -> bool:
        """Add the sample whose head is ``line``, without its stack; False if it is none."""
        time = _perf_lines.TIME.search(line)
        before, after = (line[: time.start()], line[time.end() :]) if time else (line, b"")
        who, what = self.known_who.get(before), self.known_what.get(after)
        if time and who is not None and what is not None:
            seconds, fraction = time.groups()
            self.time.append(int(seconds + (fraction if len(fraction) == 9 else fraction + b"000")))
            self.who.append(who)
            self.what.append(what)
            self.stack.append(_NONE)
            return True
        head = _perf_lines.head(line) or _perf_lines.bare(line)
        if head is None:
            return False
        self.sample(head)
        if time and not head.ambiguous and not head.fields and len(self.known_what) < _KEPT > len(self.known_who):
            self.known_who[before], self.known_what[after] = self.who[-1], self.what[-1]
        return True

    def sample(self, head: Head, before: bytes = b"") -> None:
        """Add a sample, without its stack. ``before``: a line that is the first half of its thread's name."""
        comm = before + b"\n" + head.comm if before else head.comm
        self.ambiguous += head.ambiguous or bool(before)
        event = self.event_of(head)
        self.who.append(self.who_of(head, comm))
        self.what.append(self.whats.setdefault((event, head.period), len(self.whats)))
        self.time.append(_NONE if head.time_ns is None else head.time_ns)
        self.stack.append(_NONE)
        if head.fields:
            self.more(event, head.fields)

    def event_of(self, head: Head) -> int:
        event = self.events.setdefault(head.event, len(self.events))
        if event >= _EVENTS:
            raise ClewError(f"more than {_EVENTS} kinds of events: this is no text of perf script")
        return event

    def who_of(self, head: Head, comm: bytes) -> int:
        thread = self.threads.setdefault((head.pid, head.tid, comm), len(self.threads))
        return self.whos.setdefault((thread, _NONE if head.cpu is None else head.cpu), len(self.whos))

    def more(self, event: int, fields: bytes) -> None:
        """What follows the event: the only frame, with the address of a fault before it perhaps, or a tracepoint's."""
        fault = _ADDRESS.match(fields)
        if fault and event_of(text(list(self.events)[event])).kind == "fault":
            self.addresses[len(self.time) - 1] = int(fault[1], 16)
            fields = fields[fault.end() :]
        frame = _perf_lines.frame(fields)
        if isinstance(frame, Frame):
            self.stack[-1] = self.chains.under(
                _NONE, self.tree.frame(frame.function, frame.module, frame.kind, frame.address, frame.byte_offset)
            )
        elif fields:
            self.details[len(self.time) - 1] = fields

    def row(self, rest: bytes) -> int | None:
        """The row of the stack whose lines are ``rest``; None if a line of it begins another sample.

        Callers are looked up without the innermost frame: that differs from sample to sample, they seldom do.
        """
        inner, _, callers = rest.partition(b"\n")
        frame = self.frames[inner]
        if self.whole or frame < 0:
            return self.whole_row(rest)
        if not callers:
            return self.chains.under(_NONE, frame)
        row = self.chain(callers)
        return self.whole_row(rest) if row is None else self.chains.under(row, frame)

    def chain(self, callers: bytes) -> int | None:
        """The row of the innermost of ``callers``; None if one of their lines is not simply a frame."""
        key = hash(callers)
        row = self.stacks.get(key)
        if row is None:
            cut = outer(callers)
            under = self.chain(callers[cut:]) if cut else _NONE
            rows = list(map(self.frames.__getitem__, (callers[: cut - 1] if cut else callers).split(b"\n")))
            if under is None or min(rows) < 0:
                return None
            rows.reverse()
            row = self.stacks[key] = self.chains.add(rows, under)
        return row

    def whole_row(self, rest: bytes) -> int | None:
        """As row(), for stacks with lines that mean something only beside others."""
        key = hash(b"\n" + rest)
        known = self.stacks.get(key)
        if known is not None:
            return known
        parts: list[Frame | Source] = []
        for line in rest.split(b"\n"):
            row = self.frames[line]
            part = self.frames.known[line] if row >= 0 else self.frames.odd[-1 - row]
            if isinstance(part, Head):
                return None
            if part is None:
                self.strange += bool(line.strip()) and not _NO_SOURCE.match(line)
            else:
                self.whole = self.whole or isinstance(part, Source)
                parts.append(part)
        made = self.stacks[key] = self.chains.add(self.placed(parts))
        return made

    def placed(self, parts: Sequence[Frame | Source]) -> list[int]:
        """Rows of frames, outermost first: source lines put to theirs, inlined frames into their function's module."""
        rows: list[int] = []
        source: tuple[str | None, int | None] = (None, None)
        module, inlined, printed = None, False, -1
        for part in reversed(parts):
            if isinstance(part, Source):
                source, inlined = (part.file, part.line), part.inlined
                continue
            inlined = inlined or part.kind == "inlined"
            module = part.module if not inlined else module if part.printed == printed else None
            names = part.function.split("->") if part.kind == "jit" else [part.function]
            for number, name in enumerate(name for name in names if name):
                kind = "inlined" if number or inlined else part.kind
                rows.append(
                    self.tree.frame(name, module, kind, part.address, None if inlined else part.byte_offset, *source)
                )
            source, inlined, printed = (None, None), False, part.printed
        return rows

    def lines(self, paragraph: bytes, ended: bool) -> None:
        """A paragraph that is not one head and its frames, line by line."""
        for line in paragraph.split(b"\n"):
            head = _perf_lines.head(line)
            if head:
                before = self.half_name(head.comm)
                self.close()
                self.sample(head, before)
                self.open = True
            elif found := _LOST.search(line):
                self.lost += int(found[1])
            elif line[:1] in (b" ", b"\t") and self.open:
                self.lines_of_stack.append(line)
            elif line and not line.startswith(b"#") and b"PERF_RECORD_" not in line:
                self.said = self.said or line.strip()
                self.strange += 1
                self.before = line
        self.cut = not ended and not paragraph.endswith(b"\n")
        if ended:
            self.close()
            self.open = False

    def half_name(self, comm: bytes) -> bytes:
        """The line before a head, if it is the first half of the thread's name ``comm``; b"" if not."""
        before, self.before = self.before, b""
        if not before and self.lines_of_stack and _perf_lines.frame(self.lines_of_stack[-1]) is None:
            before = self.lines_of_stack.pop()
            self.strange += 1
        size = len(before) + 1 + len(comm)
        if not before or size > _perf_lines.COMM + 1:
            return b""
        self.strange -= 1
        return before.lstrip() if size == _perf_lines.COMM + 1 else before

    def close(self) -> None:
        """Give the last sample the frames whose lines have come."""
        lines = self.lines_of_stack
        if lines and (row := self.whole_row(b"\n".join(lines))) is not None and self.stack[-1] == _NONE:
            self.stack[-1] = row
        lines.clear()

    def end(self) -> None:
        """The text has ended."""
        lines = self.lines_of_stack
        if self.cut and lines and _perf_lines.frame(lines[-1]) is None:
            lines.pop()
            self.truncated = True
        self.close()

    def profile(self) -> Profile:
        """Everything as tables."""
        frames, _ = self.tree.tables()
        place, first = np.array(self.stack), self.chains.graft(*self.plain.text.tree())
        stacks, stack = self.chains.rows(np.where(place <= _PLAIN, first + _PLAIN - place, place))
        who, what = np.array(self.who), np.array(self.what)
        thread, cpu = (np.array(column, np.int32)[who] for column in zip(*self.whos, strict=True))
        kind, period = zip(*self.whats, strict=True)
        samples = {
            "event": pa.array(np.array(kind, np.uint16)[what]),
            "weight": pa.array(np.array([1.0 if one is None else one for one in period], np.float64)[what]),
            "stack": stack,
            "thread": pa.array(thread),
            "ts_ns": pa.array(np.array(self.time), mask=np.array(self.time) == _NONE),
            "cpu": pa.array(cpu, mask=cpu == _NONE),
        }
        if self.details:
            details = (self.details.get(row) for row in range(len(self.time)))
            samples["detail"] = pa.array([None if detail is None else text(detail) for detail in details])
        if self.addresses:
            samples["address"] = pa.array([self.addresses.get(row) for row in range(len(self.time))], pa.uint64())
        events = [event_of(text(name)) for name in self.events]
        with_period = {row for row, period in self.whats if period is not None}
        for row, event in enumerate(events):  # where no period is printed each sample counts as one
            if row not in with_period and event.kind not in ("tracepoint", "syscall"):
                events[row] = replace(event, unit="samples")
        return Profile(events, frames, stacks, pa.table(samples), self.thread_table(), self.lost, self.notes())

    def thread_table(self) -> pa.Table:
        """Threads by (process, thread, name); the command is the name of the process's first thread, if it was seen."""
        names = {(pid, tid): comm for pid, tid, comm in self.threads}
        rows = [
            (
                pid,
                tid,
                text(comm),
                text(names.get((pid, pid), comm) if pid is not None else comm),
                None,
                None,
                None,
                None,
            )
            for pid, tid, comm in self.threads
        ]
        columns = list(zip(*rows, strict=True)) or [()] * len(THREADS)
        return pa.table([pa.array(column, kind.type) for column, kind in zip(columns, THREADS, strict=True)], THREADS)

    def notes(self) -> list[str]:
        """What people must know of this text."""
        notes = []
        if self.ambiguous:
            notes.append(
                f"{self.ambiguous} samples can be read in more than one way, for names are printed as they are"
            )
        if self.strange:
            notes.append(f"{self.strange} lines are none of perf script's and were left out")
        if self.truncated:
            notes.append("the text ends inside a stack: the last sample lacks outer frames")
        return notes
