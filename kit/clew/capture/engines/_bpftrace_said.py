"""What bpftrace says on standard error, as one line for the user."""

from __future__ import annotations

import re

_PLACE = re.compile(r"^[^\n]*?:(\d+):(\d+)(?:-\d+)?: (ERROR|WARNING): (.*)$", re.MULTILINE)
_LINES = re.compile(r"^[^\n]*?:(\d+)-\d+: (ERROR|WARNING): (.*)$", re.MULTILINE)
_ERROR = re.compile(r"^(?:ERROR: |terminate called|Error: )(.*)$", re.MULTILINE)
_LOST = re.compile(r"^(?:WARNING: )?Lost (\d+) events", re.MULTILINE)
_STACKLESS = re.compile(r"^ERROR: failed to look up stack id", re.MULTILINE)
_FULL = re.compile(r"^(.*(?:Map full|map is full|full; can't update).*)$", re.MULTILINE)
_HARMLESS = ("couldn't set RLIMIT_MEMLOCK", "Addrspace is not set", "available_filter_functions")
_REMEDIES = (
    ("only supports running as the root user", "run as root"),
    ("lockdown", "the kernel is locked down: start it without Secure Boot's lockdown=confidentiality"),
    ("tracefs", "mount -t tracefs tracefs /sys/kernel/tracing"),
    ("kprobe_events", "this kernel has no kprobes (CONFIG_KPROBE_EVENTS): use a tracepoint"),
    ("uprobe_events", "this kernel has no uprobes (CONFIG_UPROBE_EVENTS)"),
    ("Operation not permitted", "run as root with CAP_BPF and CAP_PERFMON: docker run --privileged"),
    ("Failed to create map", "raise the limit: ulimit -l unlimited, or fewer keys: BPFTRACE_MAP_KEYS_MAX=1024"),
    ("Can't attach to", "raise it: BPFTRACE_MAX_PROBES=8192"),
)


def why(said: str, script: str, code: int) -> str:
    """Why bpftrace has ended with ``code``: its own words, where in ``script``, and what can be done."""
    for found in _PLACE.finditer(said):
        if found[3] == "ERROR":
            return f"bpftrace: line {found[1]}, column {found[2]}: {found[4]}{_near(script, int(found[1]))}"
    for found in _LINES.finditer(said):
        if found[2] == "ERROR":
            return f"bpftrace: line {found[1]}: {found[3]}{_near(script, int(found[1]))}"
    errors = [line for line in _ERROR.findall(said) if not any(text in line for text in _HARMLESS)]
    words = errors[0] if errors else _last(said)
    remedy = next((remedy for sign, remedy in _REMEDIES if sign in said.replace(_HARMLESS[0], "")), None)
    ended = f"exit code {code}" if code >= 0 else f"signal {-code}"
    return f"bpftrace: {words or 'it ended with ' + ended}" + (f" ({remedy})" if remedy else "")


def lost_or_odd(said: str) -> list[str]:
    """Lines about what is missing from the output."""
    lost = sum(int(count) for count in _LOST.findall(said))
    notes = (
        [f"bpftrace lost {lost:,} events, its buffer was full: BPFTRACE_PERF_RB_PAGES=512 makes it larger"]
        if lost
        else []
    )
    if _STACKLESS.search(said):
        notes.append("bpftrace has no stack for some entries of its maps: another stack had its place")
    return notes + [f"bpftrace: {line}" for line in dict.fromkeys(_FULL.findall(said))]


def _near(script: str, line: int) -> str:
    lines = script.splitlines()
    text = lines[line - 1].strip() if 0 < line <= len(lines) else ""
    return f": {text[:80]}" if text else ""


def _last(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    lines = [line for line in lines if not any(text in line for text in _HARMLESS)]
    return lines[-1][:160] if lines else ""
