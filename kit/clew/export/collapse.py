"""Any profile as folded stacks: one line for each stack, frames from the outermost joined by ``;``, and its weight."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from clew.capture.meta import RAW
from clew.errors import ClewError
from clew.export._perf_names import in_kernel, is_java, tidy, unknown
from clew.export.collapse_perf import Collapse, Options
from clew.ingest.profile import Profile
from clew.ingest.profiles import HEAD, folded, perf_data, perf_script, reader_of, readers
from clew.ingest.profiles._text import opened, unpacked


def collapse(path: Path, options: Options, say: Callable[[str], object]) -> Iterator[bytes]:
    """Lines of folded stacks of the profile at ``path``, sorted; ``say`` gets what is to be known of them.

    Text of perf script is folded as stackcollapse-perf.pl does. Of any other profile samples of one event are counted:
    that of ``options``, or the first. Raises ClewError if there is no sample, or nobody knows the file.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        with path.open("rb") as pipe:
            return collapse_stream(pipe, options, say, str(path))
    if (path / RAW).is_dir():
        raise ClewError(f"{path} is a case, not a profile: `clew stacks {path} -o FILE.folded` folds its stacks")
    reader = reader_of(path)
    if reader is None or reader is perf_script:
        with opened(path) as file:
            return _text(file, b"", options, say, str(path))
    profile = reader.read(path)
    for note in profile.said():
        say(note)
    return fold(profile, options, say, perf=reader is perf_data, marked=reader is folded)


def collapse_stream(
    stream: BinaryIO, options: Options, say: Callable[[str], object], name: str = "standard input"
) -> Iterator[bytes]:
    """As collapse(), of what comes from a pipe: text is folded as it comes, anything else is kept in a file first."""
    head = stream.read(HEAD)
    reader = next((one for one in readers() if one.matches(head, Path("-"))), None)
    if (reader is None or reader is perf_script) and unpacked(head) is head:
        return _text(stream, head, options, say, name)
    with NamedTemporaryFile(prefix="clew-") as copy:
        copy.write(head)
        shutil.copyfileobj(stream, copy)
        copy.flush()
        return collapse(Path(copy.name), options, say)


def _text(file: BinaryIO, head: bytes, options: Options, say: Callable[[str], object], name: str) -> Iterator[bytes]:
    """Text of perf script: ``head`` and what ``file`` holds."""
    head = head or file.read(HEAD)
    if b"\0" in head:
        raise ClewError(f"{name} is none of the profiles that clew reads")
    text = Collapse(options, say)
    text.add(file, head)
    if not text.counted and not options.compatible:
        what = f"no sample of {options.event_filter!r:.80} in it" if options.event_filter else "no sample in it"
        raise ClewError(f"{name}: {what}" + ("" if head else "; `perf script` prints nothing where perf took none"))
    if text.strange:
        say(f"{text.strange} lines are no samples and no frames, and were left out")
    if text.kept:
        say(f"{text.kept} samples counted that stackcollapse-perf.pl loses (--flamegraph-compat: lost here, too)")
    return text.folded()


def fold(
    profile: Profile, options: Options, say: Callable[[str], object], *, perf: bool = False, marked: bool = False
) -> Iterator[bytes]:
    """Lines of folded stacks of ``profile``. ``perf``: names as of perf script; ``marked``: all suffixes are set."""
    samples = profile.samples
    event = _event(profile, options, say)
    samples = samples.filter(pc.equal(samples["event"], pa.scalar(event, samples["event"].type)))
    for name in ("stack", "thread"):
        if name not in samples.column_names:
            samples = samples.append_column(name, pa.nulls(samples.num_rows, pa.int32()))
    grouped = samples.group_by(["stack", "thread"]).aggregate([("weight", "sum")])
    roots = [_root(row, options) for row in profile.threads.select(["pid", "tid", "name", "command"]).to_pylist()]
    rows = profile.frames.to_pylist()
    plain = [_name(row, options, perf, marked) for row in rows]
    java = (
        [_name(row, options, perf, marked, java=True) for row in rows] if perf and any(map(is_java, roots)) else plain
    )
    parents, frame_of = (profile.stacks[name].to_pylist() for name in ("parent", "frame"))
    sums: defaultdict[bytes, float] = defaultdict(float)
    for stack, thread, weight in zip(*(grouped[name].to_pylist() for name in grouped.column_names), strict=True):
        parts = []
        frames = plain if thread is None or not is_java(roots[thread]) else java
        while stack is not None:
            parts.append(frames[frame_of[stack]])
            stack = parents[stack]
        if thread is not None:
            parts.append(roots[thread])
        if parts:
            sums[b";".join(reversed(parts))] += weight
    return (b"%b %b" % (stack, _weight(sums[stack])) for stack in sorted(sums))


def _event(profile: Profile, options: Options, say: Callable[[str], object]) -> int:
    """The event to count, as an index into the profile's; says which other there is, as the script does."""
    names = [event.name for event in profile.events]
    if options.event_filter:
        if options.event_filter not in names:
            raise ClewError(f"no sample of {options.event_filter!r:.80}; there are {', '.join(names)}")
        return names.index(options.event_filter)
    present = profile.samples["event"].unique().to_pylist()
    if len(present) > 1:
        say(f"Filtering for events of type: {names[present[1]]}")
    return int(present[0]) if present else 0


def _root(thread: dict[str, object], options: Options) -> bytes:
    comm, pid, tid = thread["name"] or thread["command"] or "", thread["pid"], thread["tid"]
    pid, tid = ("?" if number is None else number for number in (pid, tid))
    return options.root(*(str(text).encode().replace(b";", b":").replace(b"\n", b" ") for text in (comm, pid, tid)))


def _name(frame: dict[str, object], options: Options, perf: bool, marked: bool, java: bool = False) -> bytes:
    function, module = (str(frame[name] or "").encode() for name in ("function", "module"))
    kind, address = frame["kind"], frame["address"]
    if function == b"[unknown]":
        at = None if address is None else b"%x" % int(str(address))
        function = unknown(module or b"[unknown]", at if options.style.addrs else None)
    function = tidy(function, java) if perf else function.replace(b";", b":")
    function = function.replace(b"\n", b" ")
    if kind == "inlined" and not perf:
        return function + b"_[i]"
    if (kind == "kernel" and (options.style.kernel or marked)) or (perf and options.style.kernel and in_kernel(module)):
        return function + b"_[k]"
    if kind == "jit" and (options.style.jit or marked):
        return function + b"_[j]"
    return function


def _weight(weight: float) -> bytes:
    """A whole number as such, another with at most 15 digits."""
    return b"%d" % weight if weight == int(weight) else b"%.15g" % weight
