"""What perf's events are samples of, told by their names where a file does not say more."""

from __future__ import annotations

import re

from clew.ingest.profile import Event

_MODIFIERS = re.compile(r":[ukhHGpPSDIeWb]+$")
_TIME = {"cpu-clock", "task-clock"}
_CYCLES = {"cycles", "cpu-cycles", "ref-cycles", "bus-cycles"}
_FAULTS = {"page-faults", "faults", "minor-faults", "major-faults", "alignment-faults", "emulation-faults"}
_SOFTWARE = {"context-switches", "cs", "cpu-migrations", "migrations", "cgroup-switches", "dummy", "bpf-output"}


def event_of(name: str) -> Event:
    """The event that perf calls ``name`` (``cycles:u``, ``sched:sched_switch``, ``cpu/event=0x3c/``)."""
    plain = _MODIFIERS.sub("", name)
    device, _, terms = plain.partition("/")
    core = re.split("[/,]", terms)[0] if terms and device not in _TIME | _CYCLES | _FAULTS | _SOFTWARE else device
    core = core if "=" not in core else plain
    if core in _TIME:
        return Event(name, "on-cpu", "ns")
    if core in _CYCLES:
        return Event(name, "on-cpu", "cycles")
    if core in _FAULTS:
        return Event(name, "fault", "events")
    if core in _SOFTWARE:
        return Event(name, "other", "events")
    if core.startswith(("syscalls:", "raw_syscalls:")):
        return Event(name, "syscall", "calls")
    if ":" in core:
        return Event(name, "tracepoint", "events")
    return Event(name, "on-cpu", "events")  # a hardware counter: samples are taken while the program runs
