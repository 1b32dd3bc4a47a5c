"""What the preload library needs: the library itself, memory, a second core, a clock, a kernel, and a timer."""

from __future__ import annotations

import mmap
import os
import sys
import tempfile
from pathlib import Path

from clew.capture.checks.finding import Finding
from clew.capture.trial import attempt, first_line, read_text
from clew.errors import ClewError

_ROOM = 256 << 20  # bytes of shared memory that a recorder of many threads can need
_PROF = """
import signal, time
seen = []
signal.signal(signal.SIGPROF, lambda *_: seen.append(1))
signal.setitimer(signal.ITIMER_PROF, 0.002, 0.002)
while time.process_time() < 0.1:
    pass
signal.setitimer(signal.ITIMER_PROF, 0)
print(len(seen))
"""


def _preload() -> Finding:
    """The library is built, of this version, and the loader takes it into a program that then does what it should."""
    from clew.native import library_path, load

    try:
        path = library_path()
        load()
    except ClewError as error:
        return Finding("preload", "no", str(error), "build it: make native")
    code, text = attempt([sys.executable, "-c", "print('well')"], {"LD_PRELOAD": str(path)})
    if code != 0 or text.strip() != "well":
        return Finding(
            "preload", "no", f"a program with it says: {first_line(text)}", "report this with `clew doctor --json`"
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
    source = read_text(Path("/sys/devices/system/clocksource/clocksource0/current_clocksource"))
    machine = os.uname().machine
    if machine == "aarch64":
        return Finding("clock", "yes", "the counter CNTVCT")
    flags = read_text(Path("/proc/cpuinfo"))
    if machine == "x86_64" and "constant_tsc" in flags and "nonstop_tsc" in flags:
        return Finding("clock", "yes", f"the time stamp counter is constant; the kernel uses {source or 'another'}")
    return Finding(
        "clock", "partly", f"the time stamp counter is not constant; the kernel uses {source}: calls cost more"
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


def _sampler() -> Finding:
    """The timer of processor time that sends SIGPROF: what the sampler without privileges lives on."""
    code, text = attempt([sys.executable, "-c", _PROF])
    if code == 0 and text.strip().isdecimal() and int(text) > 0:
        return Finding("sampler", "yes", f"{text.strip()} signals of a timer in 0.1 s of processor time")
    return Finding(
        "sampler", "no", first_line(text) or "no signal came", "allow setitimer (a seccomp filter forbids it)"
    )


CHECKS = (_preload, _shared_memory, _cores, _clock, _populate, _sampler)
