"""Which ways of recording this machine allows: each is tried, never guessed."""

from __future__ import annotations

import mmap
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import pyarrow as pa

from clew.errors import ClewError

_PATIENCE_S = 20.0
_TRACEFS = (Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing"))
_ROOM = 256 << 20  # bytes of shared memory that a recorder of many threads can need


@dataclass(frozen=True)
class Finding:
    """One source: ``state`` is "yes", "partly" or "no"; ``reason`` what was found; ``remedy`` what to do, or None."""

    source: str
    state: str
    reason: str
    remedy: str | None = None


def probe() -> pa.Table:
    """Try every source: a table of source, state, reason, remedy. Takes a second or two, changes nothing."""
    found = [check() for check in CHECKS]
    names = [field.name for field in fields(Finding)]
    rows = [dict(zip(names, astuple(finding), strict=True)) for finding in found]
    return pa.Table.from_pylist(rows, schema=pa.schema([(name, pa.string()) for name in names]))


def can_record(findings: pa.Table) -> bool:
    """Whether the preload library works here: what `clew record` needs."""
    return any(row["source"] == "preload" and row["state"] == "yes" for row in findings.to_pylist())


def _preload() -> Finding:
    """The library is built, of this version, and the loader takes it into a program that then does what it should."""
    from clew.native import library_path, load

    try:
        path = library_path()
        load()
    except ClewError as error:
        return Finding("preload", "no", str(error), "build it: make native")
    code, text = _try([sys.executable, "-c", "print('well')"], {"LD_PRELOAD": str(path)})
    if code != 0 or text.strip() != "well":
        return Finding(
            "preload", "no", f"a program with it says: {_line(text)}", "report this with `clew doctor --json`"
        )
    return Finding("preload", "yes", f"{path.name} loads, also into another program")


def _shared_memory() -> Finding:
    """Rings are in a file in memory: there must be room for them, or recording is slower or loses."""
    for folder in (Path("/dev/shm"), Path(tempfile.gettempdir())):  # noqa: S108 -- asked for its room only
        if folder.is_dir() and os.access(folder, os.W_OK):
            free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
            state = "yes" if free >= _ROOM else "partly"
            remedy = (
                None
                if state == "yes"
                else "make it larger: mount -o remount,size=1G /dev/shm (docker run --shm-size=1g)"
            )
            return Finding("shared memory", state, f"{free >> 20} MiB free in {folder}", remedy)
    return Finding("shared memory", "no", "neither /dev/shm nor the temporary folder can be written", "set TMPDIR")


def _cores() -> Finding:
    count = len(os.sched_getaffinity(0))
    if count > 1:
        return Finding("cores", "yes", f"{count} to run on: the recorder has one beside the program")
    return Finding(
        "cores", "partly", "one core: the recorder takes time from the program", "record with --on-full wait"
    )


def _clock() -> Finding:
    """Times are taken with a processor counter if the kernel itself trusts it."""
    source = _read(Path("/sys/devices/system/clocksource/clocksource0/current_clocksource"))
    machine = os.uname().machine
    if machine == "aarch64":
        return Finding("clock", "yes", "the counter CNTVCT")
    flags = _read(Path("/proc/cpuinfo"))
    if machine == "x86_64" and "constant_tsc" in flags and "nonstop_tsc" in flags:
        return Finding("clock", "yes", f"the time stamp counter is constant; the kernel uses {source or 'another'}")
    return Finding(
        "clock", "partly", f"the time stamp counter is not constant; the kernel uses {source}: calls cost more"
    )


def _ptrace() -> Finding:
    """gdb and strace of a program that they start themselves."""
    scope = _read(Path("/proc/sys/kernel/yama/ptrace_scope")) or "0"
    strace = shutil.which("strace")
    if strace is None:
        return Finding("ptrace", "partly", f"strace is not installed (ptrace_scope {scope})", "apt-get install strace")
    code, text = _try([strace, "-o", "/dev/null", "true"])
    if code != 0:
        return Finding("ptrace", "no", _line(text), "allow it: docker run --cap-add SYS_PTRACE")
    if scope != "0" and os.geteuid() != 0:
        return Finding("ptrace", "partly", f"children only (ptrace_scope {scope})", "sysctl kernel.yama.ptrace_scope=0")
    return Finding("ptrace", "yes", "strace follows a program")


def _gdb() -> Finding:
    gdb = shutil.which("gdb")
    if gdb is None:
        return Finding("gdb", "no", "gdb is not installed", "apt-get install gdb")
    code, text = _try([gdb, "-nx", "-batch", "-ex", "run", "-ex", "info program", "true"])
    if code == 0 and "exited normally" in text:
        return Finding("gdb", "yes", "gdb runs a program")
    return Finding("gdb", "no", _line(text), "allow ptrace")


def _perf() -> Finding:
    """A sampled run must have samples: perf ends with success and an empty file where it may not look."""
    perf = shutil.which("perf")
    if perf is None:
        return Finding("perf cpu-clock", "no", "perf is not installed", "apt-get install linux-perf")
    spin = "import time\nend = time.monotonic() + 0.2\nwhile time.monotonic() < end: pass"
    with tempfile.TemporaryDirectory(prefix="clew-doctor-") as folder:
        data = str(Path(folder) / "perf.data")
        record = [perf, "record", "-q", "-e", "cpu-clock:u", "-k", "CLOCK_MONOTONIC", "-o", data]
        code, text = _try([*record, "--", sys.executable, "-c", spin])
        if code == 0:
            code, text = _try([perf, "script", "-i", data, "-F", "comm,time"])
            if code == 0 and text.strip():
                return Finding("perf cpu-clock", "yes", f"{len(text.splitlines())} samples of 0.2 s")
    level = _read(Path("/proc/sys/kernel/perf_event_paranoid"))
    return Finding(
        "perf cpu-clock",
        "no",
        _line(text) or f"no samples (perf_event_paranoid {level})",
        "sysctl kernel.perf_event_paranoid=1",
    )


def _counters() -> Finding:
    perf = shutil.which("perf")
    if perf is None:
        return Finding("hardware counters", "no", "perf is not installed", "apt-get install linux-perf")
    code, text = _try([perf, "stat", "-x", ",", "-e", "instructions:u", "true"])
    if code == 0 and "<not" not in text and text.strip():
        return Finding("hardware counters", "yes", "instructions are counted")
    return Finding(
        "hardware counters", "no", "the processor or the virtual machine shows none", "use a machine that has them"
    )


def _tracepoints() -> Finding:
    for folder in _TRACEFS:
        events = folder / "events" / "sched" / "sched_switch" / "id"
        if os.access(events, os.R_OK):
            return Finding("tracepoints", "yes", f"{events} can be read")
    if os.geteuid() != 0:
        return Finding(
            "tracepoints", "no", "tracefs is for root", "run as root, or: mount -o remount,mode=755 /sys/kernel/tracing"
        )
    return Finding("tracepoints", "no", "tracefs is not mounted", "mount -t tracefs tracefs /sys/kernel/tracing")


def _bpftrace() -> Finding:
    bpftrace = shutil.which("bpftrace")
    if bpftrace is None:
        return Finding("bpftrace", "no", "bpftrace is not installed", "apt-get install bpftrace")
    if os.geteuid() != 0:
        return Finding("bpftrace", "no", "it needs root", "run as root")
    code, text = _try([bpftrace, "-e", "BEGIN { exit() }"])
    return (
        Finding("bpftrace", "yes", "a program runs")
        if code == 0
        else Finding("bpftrace", "no", _line(text), "see bpftrace --info")
    )


def _populate() -> Finding:
    """The library asks for pages of its ring so that a full /dev/shm is an error, not a signal (Linux 5.14)."""
    with tempfile.TemporaryFile() as file:
        file.truncate(mmap.PAGESIZE)
        with mmap.mmap(file.fileno(), mmap.PAGESIZE) as memory:
            try:
                memory.madvise(23)  # MADV_POPULATE_WRITE
            except OSError as error:
                return Finding("kernel", "partly", f"MADV_POPULATE_WRITE: {error.strerror}", "Linux 5.14 or newer")
    return Finding("kernel", "yes", f"Linux {os.uname().release}")


CHECKS: tuple[Callable[[], Finding], ...] = (
    *(_preload, _shared_memory, _cores, _clock, _populate),
    *(_perf, _counters, _tracepoints, _bpftrace, _ptrace, _gdb),
)
"""What is tried, in the order of the table."""


def _try(command: list[str], extra: dict[str, str] | None = None) -> tuple[int, str]:
    """Exit code and everything that ``command`` says; 124 if it does not end in time."""
    environment = {**os.environ, "LC_ALL": "C", **(extra or {})}
    began = time.monotonic()
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 124, f"no answer after {time.monotonic() - began:.0f} s"
    except OSError as error:
        return 126, str(error)
    return done.returncode, done.stdout.decode("utf-8", "replace")


def _line(text: str) -> str:
    """The first line that says something, shortened."""
    said = [line.strip() for line in text.splitlines() if line.strip()]
    return said[0][:160] if said else ""


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except OSError:
        return ""
