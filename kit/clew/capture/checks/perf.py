"""What perf may do here: each kind of recording is made, and must have a sample in it.

perf ends with success and an empty file where it may not look, and takes another event without a word.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from clew.capture.checks.finding import Finding
from clew.capture.engines import Target
from clew.capture.engines._perf_events import clock, tracefs, tracefs_remedy
from clew.capture.engines._perf_file import first_sample
from clew.capture.engines._perf_said import explain
from clew.capture.trial import attempt, first_line, read_text

_SPIN = ("sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); : </dev/null; done; sleep 0.01")
_PARANOID = Path("/proc/sys/kernel/perf_event_paranoid")
_FEATURES = {"zstd": "compressed recordings", "dwarf": "inlined functions", "libelf": "names of functions"}


def _recorded(
    source: str, options: Sequence[str], works: str, level: int, command: Sequence[str] = _SPIN
) -> Callable[[], Finding]:
    """A check that records ``command`` with ``options``; ``level``: perf_event_paranoid that allows it to anybody."""

    def check() -> Finding:
        perf = shutil.which("perf")
        if perf is None:
            return _missing(source)
        if any(":" in option and not option.endswith(":u") for option in options) and tracefs() is None:
            return Finding(source, "no", *tracefs_remedy().split(": ", 1))
        with tempfile.TemporaryDirectory(prefix="clew-doctor-") as folder:
            data = Path(folder) / "perf.data"
            record = [perf, "record", "-N", "-B", "-k", "CLOCK_MONOTONIC", *options, "-o", str(data)]
            code, text = attempt([*record, "--", *command])
            if code == 0 and first_sample(data, kernel=source == "perf kernel") is not None:
                return Finding(source, "yes", works)
        nothing = "samples of programs, none in the kernel" if source == "perf kernel" else "perf took no sample"
        reason = explain(text, Target(command=("programs",))).reason if code != 0 else nothing
        return Finding(source, "no", reason, _remedy(level))

    return check


def _remedy(level: int) -> str:
    return f"run as root, or: sysctl kernel.perf_event_paranoid={level}; in a container also --cap-add PERFMON"


def _missing(source: str) -> Finding:
    return Finding(source, "no", "perf is not installed", "apt-get install linux-perf")


def _counters() -> Finding:
    """Cycles that can be sampled, not only counted."""
    if shutil.which("perf") is None:
        return _missing("hardware counters")
    if clock() == "cycles":
        return Finding("hardware counters", "yes", "cycles are sampled")
    reason = "the processor or the virtual machine shows none, or perf may not use them: cpu-clock is taken instead"
    return Finding("hardware counters", "no", reason, "use a machine that has them")


def _tracepoints() -> Finding:
    place = tracefs()
    if place is not None:
        return Finding("tracepoints", "yes", f"{place} can be read")
    return Finding("tracepoints", "no", *tracefs_remedy().split(": ", 1))


def _stat() -> Finding:
    perf = shutil.which("perf")
    if perf is None:
        return _missing("perf stat")
    code, text = attempt([perf, "stat", "-I", "20", "-x", ",", "-e", "task-clock:u", "--", "sleep", "0.05"])
    if code == 0 and "task-clock" in text:
        return Finding("perf stat", "yes", "figures over time")
    return Finding("perf stat", "no", explain(text, Target(command=("programs",))).reason, _remedy(2))


def _build() -> Finding:
    """What perf was built with; clew reads its files by itself and needs little of it."""
    perf = shutil.which("perf")
    if perf is None:
        return _missing("perf build")
    _, version = attempt([perf, "--version"])
    _, text = attempt([perf, "version", "--build-options"])
    states = {line.split(":")[0].strip(): "[ on" in line for line in text.splitlines() if ":" in line}
    off = [f"{name} ({what})" for name, what in _FEATURES.items() if not states.get(name)]
    if not off:
        return Finding("perf build", "yes", f"{first_line(version)} with {', '.join(_FEATURES)}")
    return Finding("perf build", "partly", f"{first_line(version)} without {', '.join(off)}", "another build of perf")


def _kernel_symbols() -> Finding:
    """Names of kernel functions: addresses in /proc/kallsyms are zeros to those who may not see them."""
    addresses = {line.split(" ", 1)[0].strip("0") for line in read_text(Path("/proc/kallsyms")).splitlines()[:1000]}
    if addresses - {""}:
        return Finding("kernel symbols", "yes", "/proc/kallsyms shows addresses")
    restrict, level = read_text(Path("/proc/sys/kernel/kptr_restrict")).strip(), read_text(_PARANOID).strip()
    reason = f"/proc/kallsyms hides addresses (kernel.kptr_restrict is {restrict}, kernel.perf_event_paranoid {level})"
    remedy = "sysctl kernel.kptr_restrict=0 kernel.perf_event_paranoid=1" + (
        "" if os.geteuid() == 0 else ", or run as root"
    )
    return Finding("kernel symbols", "no", reason, remedy)


_FP = ("--call-graph", "fp")
CHECKS = (
    _recorded("perf cpu-clock", ("-e", "cpu-clock:u", *_FP), "samples of a program, with stacks", 2),
    _recorded("perf kernel", ("-e", "cpu-clock", *_FP), "samples in the kernel, too", 1),
    _recorded("perf whole machine", ("-a", "-e", "cpu-clock", *_FP), "samples of every process", 0),
    _counters,
    _recorded("perf DWARF", ("-e", "cpu-clock:u", "--call-graph", "dwarf"), "stacks without frame pointers", 2),
    _tracepoints,
    _recorded("perf off-CPU", ("-e", "sched:sched_switch", *_FP), "where programs wait", -1),
    _recorded("perf system calls", ("-e", "raw_syscalls:sys_enter", *_FP), "calls with stacks", -1),
    _recorded("perf page faults", ("-e", "page-faults:u", "-c", "1", "-d"), "faults with addresses", 2),
    _stat,
    _build,
    _kernel_symbols,
)
