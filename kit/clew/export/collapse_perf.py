r"""Text of ``perf script`` as folded stacks: what FlameGraph's stackcollapse-perf.pl prints of it, byte for byte.

The script's grammar, which is wider than perf's: a line that begins with ``#`` is a comment; one that does not begin
with a blank and holds a number between blanks is a sample's head; one with `` (...)`` is a frame; an empty one ends the
sample. Only samples of the first event are counted, where heads end in an event's name; periods are added up where
heads have them.

The script loses samples that perf prints: the last one if no empty line follows, those of threads whose name is empty,
begins with a blank or ``#`` or is one letter, those without stack or with the stack in the head's line, and all of a
text with CR LF. They are kept here, and counted in ``kept``, unless ``compatible``; everything else is the same.
"""

from __future__ import annotations

import re
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from clew.export._perf_names import Style, is_java, names, resolved, split
from clew.ingest.profiles import _perf_lines
from clew.ingest.profiles._chains import outer
from clew.ingest.profiles._perf_lines import Frame, Head
from clew.ingest.profiles._plain import Place, PlainText, Rows
from clew.ingest.profiles._text import BLOCK, blocks, paragraphs
from clew.native.text import LEAVE, SKIP, Meanings

Array = NDArray[Any]
_NUMBER = re.compile(rb"(?<=\s)(\d++)/*+(\d++)?+\s")
_EVENT = re.compile(rb":(?:\s*+(\d++)\s++|\s++)(\S+):\s*\Z")
_UNKNOWN = re.compile(rb"\[unknown(?: <\w+>)?\](?:_\[i\])?\Z")
_BRACKETS = re.compile(rb"\[.*?\]", re.DOTALL)
_EXACT = 2**64  # the script counts in 64 bits, and in floating point beyond that
_KEPT = 100_000  # heads that are remembered, of each half
_MANY = 1 << 20  # samples whose counts wait to be added up
_PART = 10_000  # stacks whose names are put together at once
_LOW = 2**32 - 1
_LOOK, _NO_FRAME, _STRANGE = -1, -2, -3


@dataclass(frozen=True)
class Options:
    """The script's options. ``event_filter`` "": the first event that comes."""

    pid: bool = False
    tid: bool = False
    srcline: bool = False
    event_filter: str = ""
    style: Style = field(default_factory=Style)
    compatible: bool = False

    def root(self, comm: bytes, pid: bytes, tid: bytes) -> bytes:
        """What stands for the thread at the root of its stacks."""
        if self.tid:
            comm = b"%b-%b/%b" % (comm, pid, tid)
        elif self.pid:
            comm = b"%b-%b" % (comm, pid)
        return comm.replace(b" ", b"_")


class _Names(dict[bytes, int]):
    """Lines of stacks to numbers of names: each distinct line is taken apart once. Below 0: no frame."""

    def __init__(self, known: dict[bytes, int], style: Style, java: bool) -> None:
        super().__init__()
        self.known, self.style, self.java = known, style, java
        self.callers: dict[int, bytes] = {}  # by hash of their lines: of a million two are alike once in 10^7 files
        self.strange = 0

    def __missing__(self, line: bytes) -> int:
        number = _LOOK
        if line[:1].isspace():
            found = names(line, self.style, self.java)
            number = _STRANGE if found is None else self.number(found)
        self[line] = number
        return number

    def meaning(self, line: bytes) -> int:
        """The number of the names of one line, LEAVE, or SKIP."""
        number = self[line]
        return SKIP if number == _NO_FRAME else max(number, LEAVE)

    def stack(self, lines: bytes) -> bytes | None:
        """Numbers of names of ``lines`` from the innermost, as bytes; None if one of them may be no frame."""
        key = hash(lines)
        known = self.callers.get(key)
        if known is None:
            cut = outer(lines)
            more = self.stack(lines[cut:]) if cut else b""
            numbers = list(map(self.__getitem__, (lines[: cut - 1] if cut else lines).split(b"\n")))
            if more is None or _LOOK in numbers:
                return None
            if min(numbers) < 0:
                self.strange += numbers.count(_STRANGE)
                numbers = [number for number in numbers if number >= 0]
            known = self.callers[key] = array("I", numbers).tobytes() + more
        return known

    def number(self, found: list[bytes]) -> int:
        """The number of the names of one line, joined."""
        return self.known.setdefault(b";".join(found), len(self.known)) if found else _NO_FRAME


class _Counts:
    """Sums by key, exact."""

    def __init__(self) -> None:
        self._parts: list[tuple[Array, Array]] = []
        self._sums: defaultdict[int, int] = defaultdict(int)
        self._waiting = 0

    def __bool__(self) -> bool:
        return bool(self._parts or self._sums)

    def add(self, keys: Array, period: Array) -> None:
        """Samples with their keys and periods; no period, and 0, counts as 1."""
        if len(keys):
            self._parts.append((keys, np.maximum(period, 1)))
            self._waiting += len(keys)
        if self._waiting > _MANY:
            self.all()

    def all(self) -> tuple[Array, list[int]]:
        """(keys, sums)."""
        if self._parts:
            keys, periods = (np.concatenate(part) for part in zip(*self._parts, strict=True))
            self._parts, self._waiting = [], 0
            found, place = np.unique(keys, return_inverse=True)
            if periods.max() < 2**63 // len(periods):
                added = np.zeros(len(found), np.int64)
                np.add.at(added, place, periods)
                for key, amount in zip(found.tolist(), added.tolist(), strict=True):
                    self._sums[key] += amount
            else:
                for key, amount in zip(keys.tolist(), periods.tolist(), strict=True):
                    self._sums[key] += amount
        return np.fromiter(self._sums, np.int64, len(self._sums)), list(self._sums.values())


class Collapse:
    """Counts stacks. ``say`` is called with what the script says on standard error of events that it leaves out."""

    def __init__(self, options: Options, say: Callable[[str], object]) -> None:
        self.options, self.say = options, say
        self.known: dict[bytes, int] = {}  # names of frames
        self.plain = _Names(self.known, options.style, java=False)
        self.java = _Names(self.known, options.style, java=True)
        self.plain_text, self.plain_counts = PlainText(), _Counts()
        self.plain_mean, self.java_mean = (Meanings(names.meaning) for names in (self.plain, self.java))
        self.roots_known: dict[bytes, int] = {}
        self.java_roots: list[int] = []
        self.events_known: dict[bytes, int] = {}
        self.roots: dict[bytes, bytes] = {}
        self.whats: dict[bytes, tuple[int, bytes | None]] = {}
        self.stacks: dict[bytes, int] = {b"": 0}  # numbers of names from the innermost, as bytes
        self.counts: defaultdict[tuple[bytes, int, int], int] = defaultdict(int)  # root, callers, innermost
        self.filter = options.event_filter.encode()
        self.warned = bool(self.filter)
        self.unfiltered: set[bytes] = set()  # events whose heads do not end in their names: the script counts them all
        self.root: bytes | None = None  # of the open sample
        self.period = 1
        self.event: bytes | None = None
        self.stack: list[int] = []
        self.head: Head | None = None  # of the open sample, by perf's grammar
        self.is_lost = False  # the open sample is one that the script loses
        self.lost: dict[bytes, list[tuple[tuple[bytes, int, int], int]]] = {}  # by event
        self.kept = self._strange = 0
        self.pushed: bytes | None = None  # a line that was read and is not done with
        self.cut = False  # the text ends inside a line

    @property
    def strange(self) -> int:
        """Lines that are no samples and no frames, those of stacks that come again counted once."""
        return self._strange + self.plain.strange + self.java.strange

    @property
    def counted(self) -> bool:
        """Whether a sample was counted."""
        return bool(self.counts or self.plain_counts)

    def add(self, file: BinaryIO, start: bytes = b"") -> None:
        """Count what ``start`` and ``file`` hold. Raises OSError if it cannot be read."""
        if self.options.srcline:  # a source line may be empty: paragraphs mean nothing
            self.lines(_all_lines(file, start))
        else:
            for block, ended in blocks(file, start, exact=self.options.compatible):
                if ended and self.root is None:
                    self.block(block)
                else:
                    for text in paragraphs(block, ended):
                        self.paragraph(text, ended)
        if self.options.compatible:
            return
        if self.root is not None and not self.cut and (self.stack or self.head):
            self.kept += not self.is_lost
            self.end()
        self.keep()

    def paragraph(self, text: bytes, ended: bool) -> None:
        """One of paragraphs(): one sample as a rule."""
        if not ended or self.root is not None or not self.sample(text):
            self.lines(iter(text.split(b"\n")), ended=ended)
            self.cut = self.cut and not text.endswith(b"\n")

    def block(self, block: bytes) -> None:
        """One of blocks(): plain samples all at once, others as paragraph() takes them."""
        rows = self.plain_text.read(block)
        rows.learn(rows.headed, self.learn)
        java = rows.known() & np.isin(rows.who(), self.java_roots)
        rows.stacks(rows.known() & ~java, self.plain_mean)
        if java.any():
            rows.stacks(java, self.java_mean)
        good = rows.known() & rows.stacked()
        done = 0
        for row in [*np.flatnonzero(~good).tolist(), len(good)]:
            if row > done:
                self.take(rows, slice(done, row))
            if row < len(good):
                self.paragraph(rows.paragraph(row), ended=True)
            done = row + 1

    def take(self, rows: Rows, part: slice) -> None:
        """Count samples that are no more than a head and its frames."""
        events = list(self.events_known)
        what = rows.what()[part]
        kinds, first = np.unique(what, return_index=True)
        wanted = [int(kind) for kind in kinds[np.argsort(first)] if self.wanted(events[kind])]
        chosen = np.isin(what, wanted)
        keys = rows.who()[part].astype(np.int64) << 32 | (rows.rows["stack"][part].astype(np.int64) + 1)
        self.plain_counts.add(keys[chosen], rows.rows["period"][part][chosen])

    def learn(self, line: bytes, place: Place) -> tuple[int, int] | None:
        """(root, event) of a head, by number, if other heads with the same halves have the same; None: they may not."""
        head, number, event = self.head_of(line), _NUMBER.search(line, 3), _EVENT.match(line, place.end - 1)
        if not head or not number or number.end() > place.begin or not event or int(event[1] or -1) != place.period:
            return None
        root = self.roots_known.setdefault(head[0], len(self.roots_known))
        if is_java(head[0]) and root not in self.java_roots:
            self.java_roots.append(root)
        return root, self.events_known.setdefault(event[2], len(self.events_known))

    def sample(self, text: bytes) -> bool:
        """Count one sample that is a head and its frames; False, with nothing done, if it is anything else."""
        line, _, rest = text.partition(b"\n")
        head = self.known_head(line)
        if head is None:
            return False
        root, period, event = head
        names = self.names(root)
        inner, _, callers = rest.partition(b"\n")
        name = names[inner] if inner else _NO_FRAME
        stack = names.stack(callers) if callers else b""
        if stack is None:
            return False
        if name == _LOOK:
            return False
        self._strange += name == _STRANGE
        if self.wanted(event):
            self.counts[root, self.stacks.setdefault(stack, len(self.stacks)), max(name, _LOOK)] += period
            if event is None and not self.options.compatible and (by_perf := _perf_lines.head(line)):
                self.unfiltered.add(by_perf.event)
        return True

    def names(self, root: bytes | None) -> _Names:
        """What names lines of stacks below ``root``."""
        return self.java if root is not None and is_java(root) else self.plain

    def number(self, numbers: list[int]) -> int:
        """The number of a stack, given by numbers of names."""
        return self.stacks.setdefault(array("I", numbers).tobytes(), len(self.stacks))

    def known_head(self, line: bytes) -> tuple[bytes, int, bytes | None] | None:
        """As head_of(), from what is remembered of heads that are alike but for the last part of their times."""
        dot = line.rfind(b".") + 1
        colon = line.find(b":", dot) if dot else -1
        before, after = line[:dot], line[colon:]
        root, what = self.roots.get(before), self.whats.get(after)
        if root and what:
            return root, *what
        head = self.head_of(line)
        if head and colon >= 0 and len(self.roots) < _KEPT and len(self.whats) < _KEPT:
            number = _NUMBER.search(line, 3)
            if number and number.end() <= dot and _EVENT.match(after):
                self.roots[before], self.whats[after] = head[0], head[1:]
        return head

    def head_of(self, line: bytes) -> tuple[bytes, int, bytes | None] | None:
        """(root, period, event) if ``line`` is a sample's head, by the script's grammar."""
        found = _NUMBER.search(line, 3)
        if found is None or line[:1].isspace() or line[:1] == b"#":
            return None
        comm = line[: found.start()].rstrip()
        if len(comm) < 2:
            comm = line[:2]
        first, second = found.groups()
        pid, tid = (first, second) if second and second != b"0" else (b"?", first)
        root = self.options.root(comm, pid, tid)
        event = _EVENT.search(line)
        if event is None:
            return root, 1, None
        period = event[1]
        return root, 1 if period is None or period == b"0" else int(period), event[2]

    def wanted(self, event: bytes | None) -> bool:
        """Whether samples of ``event`` are counted: the first decides. None: the head does not end in its name."""
        if event is None:
            return True
        if not self.filter:
            self.filter = event
        if event == self.filter:
            return True
        if not self.warned:
            self.warned = True
            self.say(f"Filtering for events of type: {_perf_lines.text(event)}")
        return False

    def lines(self, source: Iterator[bytes], *, ended: bool = False) -> None:
        """Lines without their ends one by one, and the end of a sample after them if it has ``ended``."""
        while (line := self.pushed if self.pushed is not None else next(source, None)) is not None:
            self.pushed = None
            if not line:
                if self.options.srcline:
                    self.end()
                continue
            if not self.options.compatible and self.rescue(line):
                continue
            if line[:1] == b"#":
                continue
            head = self.head_of(line)
            if head:
                if self.wanted(head[2]):
                    self.root, self.period, self.event = head
                continue
            names = self.names(self.root)
            number = names[line]
            if number == _LOOK:  # a frame that does not begin with a blank
                number = _STRANGE if split(line) is None else names[b" " + line]
            self.cut = number == _STRANGE  # if the text ends here, without a line feed, it ends inside a line
            self._strange += self.cut
            if number >= 0 and self.root is not None:
                self.stack.append(self.with_source(names, line, source) if self.options.srcline else number)
        if ended:
            self.end()

    def with_source(self, known: _Names, line: bytes, source: Iterator[bytes]) -> int:
        """The number of a frame with the source lines that follow it, one for each name of it.

        The script takes the next line for one whatever that is, even a frame, or an empty one that ends the sample; but
        for an unknown function of an unknown file, and what was inlined there, and for what addr2line has told.
        """
        found = split(line)
        if found and (said := resolved(found, self.options.style)):
            return known.number([said])
        placed, nowhere = [], False
        for name in names(line, self.options.style, known.java) or []:
            nowhere |= bool(found and found[2] == b"[unknown]" and _UNKNOWN.match(name))
            if nowhere:
                placed.append(name)
                continue
            following = next(source, b"") if self.pushed is None else self.pushed
            self.pushed = None
            if not self.options.compatible and (not following or isinstance(_perf_lines.frame(following), Frame)):
                self.pushed, following = following, b""
            place = _BRACKETS.sub(b"", following).strip()
            placed.append(name + b":" + place if place else name)
        return known.number(placed)

    def rescue(self, line: bytes) -> bool:
        """Whether ``line`` is a head of perf's that the script loses; its sample is then begun, or all of it kept."""
        head = _perf_lines.head(line)
        if self.head_of(line):
            self.overwritten()
            self.head = head
            return False
        if head is None or (self.root is not None and not self.is_lost and self.stack):
            return False
        self.overwritten()
        pid = b"?" if head.pid is None else b"%d" % head.pid
        self.root = self.options.root(head.comm, pid, b"%d" % head.tid)
        self.period, self.head, self.is_lost = head.period or 1, head, True
        if self.alone(head):
            self.end()
        return True

    def alone(self, head: Head) -> bool:
        """Whether ``head`` has the only frame of its stack in its line; that is then the open sample's."""
        if not isinstance(_perf_lines.frame(head.fields), Frame):
            return False
        number = self.names(self.root)[b" " + head.fields]
        self.stack = [number] if number >= 0 else []
        return True

    def overwritten(self) -> None:
        """The next head is here and no empty line came: a sample without stack ends so, and the script loses it."""
        if self.is_lost:
            self.end()
        elif self.root is not None and self.head and not self.stack:
            self.is_lost, self.period = True, self.head.period or 1
            self.alone(self.head)
            self.end()

    def end(self) -> None:
        """The end of a sample."""
        if self.root is not None:
            inner = self.stack[0] if self.stack else _LOOK
            key = self.root, self.number(self.stack[1:]), inner
            if self.is_lost and self.head:
                self.lost.setdefault(self.head.event, []).append((key, self.period))
            else:
                self.counts[key] += self.period
                if self.head and self.event is None:
                    self.unfiltered.add(self.head.event)
        self.root, self.head, self.is_lost = None, None, False
        self.stack = []

    def keep(self) -> None:
        """Count the samples that the script loses, if they are of events that it counts."""
        wanted = {self.filter, *self.unfiltered} - {b""}
        if not self.options.event_filter and not self.counted and not wanted & set(self.lost):
            wanted = set(list(self.lost)[:1])
            if len(self.lost) > 1:
                self.say(f"Filtering for events of type: {_perf_lines.text(list(self.lost)[1])}")
        for event in wanted & set(self.lost):
            for key, period in self.lost[event]:
                self.counts[key] += period
            self.kept += len(self.lost[event])

    def folded(self) -> Iterator[bytes]:
        """The stacks with their counts, sorted by their bytes."""
        known = [b";" + name for name in self.known]
        sums: defaultdict[bytes, int] = defaultdict(int)
        stacks, last, text = list(self.stacks), -1, b""
        for (root, stack, inner), count in sorted(self.counts.items(), key=lambda item: item[0][1]):
            if stack != last:
                numbers = array("I", stacks[stack])
                numbers.reverse()
                last, text = stack, b"".join(map(known.__getitem__, numbers))
            sums[b"%b%b%b" % (root, text, known[inner] if inner >= 0 else b"")] += count
        keys, amounts = self.plain_counts.all()
        roots = list(self.roots_known)
        for begin in range(0, len(keys), _PART):
            part = keys[begin : begin + _PART]
            texts = self.plain_text.text.folded((part & _LOW) - 1, known)
            for root, text, amount in zip((part >> 32).tolist(), texts, amounts[begin : begin + _PART], strict=True):
                sums[roots[root] + text] += amount
        return (b"%b %b" % (stack, _count(sums[stack])) for stack in sorted(sums))


def _all_lines(file: BinaryIO, start: bytes) -> Iterator[bytes]:
    """Lines of ``start`` and ``file`` together, without their ends."""
    rest = start
    while block := file.read(BLOCK):
        *lines, rest = (rest + block).split(b"\n")
        yield from lines
    if rest:
        yield from rest.removesuffix(b"\n").split(b"\n")


def _count(number: int) -> bytes:
    return b"%d" % number if number < _EXACT else b"%.15g" % number
