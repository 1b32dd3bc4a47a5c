"""What perf is asked to record: events by what people want to know, as perf writes them."""

from __future__ import annotations

import difflib
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from clew.capture.engines import Target
from clew.capture.engines._perf_file import first_sample
from clew.capture.trial import attempt
from clew.errors import ClewError

CLOCKS = ("cycles", "cpu-clock", "task-clock")
"""Events that are sampled at a rate while a program is on a processor."""

_TRACEFS = (Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing"))
_OFTEN = ("sched:", "syscalls:", "raw_syscalls:")
_OFF_CPU = ("sched:sched_switch", "sched:sched_waking", "sched:sched_wakeup_new")


@dataclass(frozen=True)
class Wanted:
    """What is to be recorded; see the options of the same names."""

    on_cpu: str = "auto"  # an event of CLOCKS, "auto" or "no"
    rate: int = 499  # Hz
    call_graph: str = "fp"
    off_cpu: bool = False
    page_faults: bool = False
    syscalls: str | None = None  # names with commas between them; "all"
    events: tuple[str, ...] = ()

    @property
    def samples(self) -> bool:
        """Whether perf record has anything to do."""
        return self.on_cpu != "no" or self.off_cpu or self.page_faults or bool(self.syscalls) or bool(self.events)

    @property
    def heavy(self) -> bool:
        """Whether much is written at a time: larger buffers lose less."""
        return self.off_cpu or bool(self.syscalls) or bool(self.events) or self.call_graph.startswith("dwarf")


def event_names(wanted: Wanted) -> list[str]:
    """Names of the events, as people know them; raises ClewError where one is not there."""
    names = [] if wanted.on_cpu == "no" else [clock() if wanted.on_cpu == "auto" else wanted.on_cpu]
    names += _OFF_CPU if wanted.off_cpu else ()
    names += ["page-faults"] if wanted.page_faults else []
    names += _syscalls(wanted.syscalls) if wanted.syscalls else []
    return [*names, *wanted.events]


def arguments(wanted: Wanted, names: Sequence[str], target: Target) -> list[str]:
    """Options of perf record for the events ``names`` of event_names().

    Never -F or -c: they would hold for tracepoints as well, of which every one is wanted. An event's rate or period
    is a term of its own (perf-list(1)).
    """
    everybody, listed = target.system or target.cpus is not None, list[str]()
    for name in names:
        term = {**dict.fromkeys(CLOCKS, f"freq={wanted.rate}"), "page-faults": "period=1"}.get(name)
        listed += ["-e", f"{name}/{term},name={name}/" if term and name not in wanted.events else name]
        if everybody and name.startswith(_OFTEN):
            listed.append("--exclude-perf")  # of the tracepoint before it: perf's own writing would be most of it
    if wanted.call_graph != "none":
        listed += ["--call-graph", wanted.call_graph]
    if wanted.page_faults:
        listed.append("-d")
    if wanted.off_cpu and not everybody:
        listed.append("--switch-events")  # sched_switch tells a thread's leaving to those who watch it, not its return
    if (wanted.heavy or everybody) and os.geteuid() == 0:  # everybody's maps and programs come at a time, too
        listed += ["-m", f"{_buffer_pages(4 if wanted.heavy else 2)}"]
    return listed


def aim(target: Target) -> list[str]:
    """Options that say whom perf looks at."""
    if target.system:
        return ["-a"]
    if target.cpus is not None:
        return ["-C", target.cpus]
    return ["-p", ",".join(map(str, target.pids))]


def perf_path() -> str:
    """Where perf is; raises ClewError with the remedy if it is not installed."""
    path = shutil.which("perf")
    if path is None:
        raise ClewError("perf is not installed: apt-get install linux-perf (Ubuntu: linux-tools-generic)")
    return path


@cache
def clock() -> str:
    """What on-CPU samples are taken by here: cycles where they can be sampled, else cpu-clock. Tried, not guessed.

    perf record takes cpu-clock without a word where there are no cycles, so its file is asked what it holds.
    """
    perf = perf_path()
    with tempfile.TemporaryDirectory(prefix="clew-perf-") as folder:
        data = Path(folder) / "perf.data"
        code, _ = attempt([perf, "record", "-q", "-N", "-B", "-e", "cycles:u", "-c", "10000", "-o", str(data), "true"])
        if code == 0 and first_sample(data) is not None:
            code, text = attempt([perf, "evlist", "-i", str(data)])
            if code == 0 and text.startswith("cycles"):
                return "cycles"
    return "cpu-clock"


def tracefs() -> Path | None:
    """Where the kernel lists its tracepoints and we may read them; None if nowhere."""
    return next(
        (path for path in _TRACEFS if os.access(path / "events" / "sched" / "sched_switch" / "id", os.R_OK)), None
    )


def tracefs_remedy() -> str:
    """Why tracefs() is None, and what to do."""
    if os.geteuid() != 0:
        return "tracepoints are for root: run as root, or once: sudo mount -o remount,mode=755 /sys/kernel/tracing"
    return "tracefs is not mounted: mount -t tracefs tracefs /sys/kernel/tracing"


def _syscalls(text: str) -> list[str]:
    """The tracepoints of the calls in ``text``; the kernel's names differ from libc's (newfstat, pread64)."""
    if text == "all":
        return ["raw_syscalls:sys_enter"]
    place = tracefs()
    if place is None:
        raise ClewError(f"--syscalls: {tracefs_remedy()}")
    known = {path.name.removeprefix("sys_enter_") for path in (place / "events" / "syscalls").glob("sys_enter_*")}
    if not known:
        raise ClewError("--syscalls: this kernel has no such tracepoints (CONFIG_FTRACE_SYSCALLS); try --syscalls all")
    found = []
    for name in filter(None, text.split(",")):
        real = next((each for each in (name, f"new{name}", f"{name}64", f"{name}4") if each in known), None)
        if real is None:
            near = difflib.get_close_matches(name, known, 3)
            hint = f"; do you mean {' or '.join(near)}?" if near else ""
            raise ClewError(f"--syscalls {name:.40}: the kernel has no such call{hint}")
        found.append(f"syscalls:sys_enter_{real}")
    return found


def _buffer_pages(mib: int) -> int:
    """Pages of each processor's buffer, as a power of two: ``mib`` MiB, at most 64 times as much in all."""
    room = min(mib << 20, (mib << 26) // (os.cpu_count() or 1)) // os.sysconf("SC_PAGE_SIZE")
    return 1 << max(room.bit_length() - 1, 5)
