"""What stops or follows a program from outside: ptrace with strace and gdb, and bpftrace."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from clew.capture.checks.finding import Finding
from clew.capture.trial import attempt, first_line, read_text

_SCOPE = Path("/proc/sys/kernel/yama/ptrace_scope")


def _bpftrace() -> Finding:
    bpftrace = shutil.which("bpftrace")
    if bpftrace is None:
        return Finding("bpftrace", "no", "bpftrace is not installed", "apt-get install bpftrace")
    if os.geteuid() != 0:
        return Finding("bpftrace", "no", "it needs root", "run as root")
    code, text = attempt([bpftrace, "-e", "BEGIN { exit() }"])
    return (
        Finding("bpftrace", "yes", "a program runs")
        if code == 0
        else Finding("bpftrace", "no", first_line(text), "see bpftrace --info")
    )


def _ptrace() -> Finding:
    """gdb and strace of a program that they start themselves."""
    scope = read_text(_SCOPE) or "0"
    strace = shutil.which("strace")
    if strace is None:
        return Finding("ptrace", "partly", f"strace is not installed (ptrace_scope {scope})", "apt-get install strace")
    code, text = attempt([strace, "-o", "/dev/null", "true"])
    if code != 0:
        return Finding("ptrace", "no", first_line(text), "allow it: docker run --cap-add SYS_PTRACE")
    if scope != "0" and os.geteuid() != 0:
        return Finding("ptrace", "partly", f"children only (ptrace_scope {scope})", "sysctl kernel.yama.ptrace_scope=0")
    return Finding("ptrace", "yes", "strace follows a program")


def _gdb() -> Finding:
    gdb = shutil.which("gdb")
    if gdb is None:
        return Finding("gdb", "no", "gdb is not installed", "apt-get install gdb")
    code, text = attempt([gdb, "-nx", "-batch", "-ex", "run", "-ex", "info program", "true"])
    if code == 0 and "exited normally" in text:
        return Finding("gdb", "yes", "gdb runs a program")
    return Finding("gdb", "no", first_line(text), "allow ptrace")


def _gdb_attach() -> Finding:
    """gdb looks at a process that runs, and lets it go."""
    gdb = shutil.which("gdb")
    if gdb is None:
        return Finding("gdb attach", "no", "gdb is not installed", "apt-get install gdb")
    with subprocess.Popen(["sleep", "60"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        try:
            code, text = attempt([gdb, "-nx", "-batch", "-p", str(process.pid), "-ex", "backtrace"])
        finally:
            process.kill()
    if code == 0 and "#0" in text:
        return Finding("gdb attach", "yes", "a process that runs is looked at")
    scope = read_text(_SCOPE) or "0"
    reason = next((line for line in text.splitlines() if "ptrace" in line), first_line(text))
    remedy = "sysctl kernel.yama.ptrace_scope=0, or run as root" if scope != "0" else "docker run --cap-add SYS_PTRACE"
    return Finding("gdb attach", "no", f"{reason[:140]} (ptrace_scope {scope})", remedy)


CHECKS = (_bpftrace, _ptrace, _gdb, _gdb_attach)
