"""What perf says when it fails, as one line with the remedy."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from clew.capture.engines import Target

_PARANOID = Path("/proc/sys/kernel/perf_event_paranoid")
_SYNTAX = re.compile(r"event syntax error: '(.*)'\n.*\\___ (.*)")
_NO_EVENT = re.compile(r"The (\S+) event is not supported")
_TRACEPOINT = re.compile(r"No permission to enable \w+:\w{5,} event")  # less is a modifier
_NOISE = re.compile(
    r"^\[ perf record|^\s*$|^Error:\s*$|^Usage|^Run 'perf list'|^\s+or: |^Hint:|^WARNING:|^Events (enabled|disabled)"
)


class Failure(NamedTuple):
    """Why perf has ended, and what to do about it ("" if nothing is known)."""

    reason: str
    remedy: str = ""

    def __str__(self) -> str:
        """Both, as one line."""
        return f"{self.reason}: {self.remedy}" if self.remedy else self.reason


def explain(text: str, target: Target) -> Failure:
    """What perf's stderr ``text`` comes down to."""
    if found := _SYNTAX.search(text):
        return _event(found[1][:80], found[2], text)
    if found := _NO_EVENT.search(text):
        return Failure(f"this machine cannot count {found[1]:.60} (a virtual machine shows few hardware counters)")
    if "Access to performance monitoring" in text or "No permission" in text or "Permission denied" in text:
        return _forbidden(target, text)
    if "No such process" in text or "Can't find PID" in text or "No such thread" in text:
        return Failure(f"{target} has ended, or is in another PID namespace")
    if target.cpus is not None and ("data streaming masks" in text or "Invalid argument" in text):
        return Failure(f"there is no processor {target.cpus}")
    if "No space left" in text:
        return Failure("the disk is full")
    if "Operation not permitted" in text or "perf_event_mlock_kb" in text:
        return Failure("perf may not lock more memory", "run as root, or raise kernel.perf_event_mlock_kb")
    if "Too many events are opened" in text or "Too many open files" in text:
        return Failure("too many open files for perf", "ulimit -n 65536")
    return Failure(_last(text))


def _event(event: str, why: str, text: str) -> Failure:
    """An event that perf refuses."""
    if "No permissions to read" in text or not _has_tracefs():
        return Failure(f"event {event}", _tracefs())
    if why.startswith("unknown tracepoint"):
        return Failure(f"event {event}: the kernel has no such tracepoint", "`perf list` names what there is")
    return Failure(f"event {event}: perf does not know it ({why:.80})", "`perf list` names what there is")


def _forbidden(target: Target, text: str) -> Failure:
    other = [pid for pid in target.pids if not target.command and _owner(pid) not in (None, os.geteuid())]
    if other and os.geteuid() != 0:
        return Failure(f"process {other[0]} belongs to another user", "run as root")
    level = _read(_PARANOID)
    level = f" (kernel.perf_event_paranoid is {level})" if level else ""
    tracepoints = _TRACEPOINT.search(text) is not None
    wanted = "-1" if tracepoints or target.system or target.cpus is not None else "1"
    return Failure(
        f"it may not {'use tracepoints' if tracepoints else f'look at {target}'}{level}",
        f"run as root, or: sysctl kernel.perf_event_paranoid={wanted}",
    )


def warnings(text: str) -> list[str]:
    """What perf said that people should know although it went on."""
    found = []
    if "Kernel address maps" in text and "restricted" in text:
        found.append(
            "kernel functions have no names: sysctl kernel.kptr_restrict=0 kernel.perf_event_paranoid=1, or be root"
        )
    if match := re.search(r"throttling from (\d+) Hz to (\d+) Hz", text):
        found.append(
            f"the kernel allows {match[2]} samples a second, not {match[1]}: kernel.perf_event_max_sample_rate"
        )
    if match := re.search(r"lost (\d+) (?:events|chunks)", text, re.IGNORECASE):
        found.append(f"{match[1]} events lost, perf could not keep up: a lower --rate, or fewer events")
    return found


def _last(text: str) -> str:
    said = [line.strip() for line in text.splitlines() if not _NOISE.search(line)]
    return said[0][:200] if said else "perf ended without saying why"


def _tracefs() -> str:
    from clew.capture.engines._perf_events import tracefs_remedy

    return tracefs_remedy()


def _has_tracefs() -> bool:
    from clew.capture.engines._perf_events import tracefs

    return tracefs() is not None


def _owner(pid: int) -> int | None:
    """uid of a process."""
    try:
        return Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return None


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except OSError:
        return ""
