"""Triggers: what ``--when`` asks for, looked at every second until it is true."""

from __future__ import annotations

import operator
import os
import re
import shlex
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clew.errors import ClewError, one_of
from clew.watch.figures import of_file, of_page

KINDS = "shell COMMAND | cpu PID | file PATH FIELD | url URL METRIC | case PATH p50|p90|p99|max|errors|calls"
_FORM = re.compile(r"^\s*(rate\s+)?(shell|cpu|file|url|case)\s+(.*)$", re.DOTALL)
_COMPARED = re.compile(r"^(.*?)\s*(>=|<=|>|<|==|!=)\s*(-?\d+(?:\.\d+)?)\s*(%|ns|us|µs|ms|s|K|M|G)?\s*$", re.DOTALL)
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
_UNITS = {
    "": 1.0,
    "%": 1.0,
    "ns": 1.0,
    "us": 1e3,
    "µs": 1e3,
    "ms": 1e6,
    "s": 1e9,
    "K": 1024.0,
    "M": 1024.0**2,
    "G": 1024.0**3,
}
_SHELL_S = 10.0
_CASE = {"p50": "p50_ns", "p90": "p90_ns", "p99": "p99_ns", "max": "max_ns"}
_LOOKBACK_NS = 5 * 10**9  # of a live case


@dataclass
class Trigger:
    """``check`` says why it fires now, or None. ``text`` is what was asked for.

    ``had``: whether there ever was a figure; ``absent``: what is said while there was none, "" where that is usual.
    """

    text: str
    look: Callable[[], float | None]
    compare: Callable[[float, float], bool]
    limit: float
    rate: bool
    absent: str = ""
    had: bool = False
    _last: tuple[float, float] | None = None  # seconds, value

    def check(self) -> str | None:
        """Why it fires, with the figure; None if it does not. Raises ClewError if the figure cannot be had."""
        value = self.look()
        self.had |= value is not None
        if value is not None and self.rate:
            now, last = time.monotonic(), self._last
            self._last = (now, value)
            value = (value - last[1]) / (now - last[0]) if last is not None and now > last[0] else None
        if value is None or not self.compare(value, self.limit):
            return None
        return f"{self.text} (it is {value:.6g})"


def parse(text: str) -> Trigger:
    """The trigger that ``text`` describes; raises ClewError with the forms there are."""
    form = _FORM.match(text)
    if form is None:
        raise ClewError(f"--when {text!r:.80}: write {KINDS}, then (but for shell) > or < and a number")
    rate, kind, rest = bool(form[1]), form[2], form[3]
    if kind == "shell":
        if rate or not rest.strip():
            raise ClewError(f"--when {text!r:.80}: a shell command fires when its exit code is 0")
        return Trigger(text, lambda: _shell(rest), operator.eq, 0.0, rate=False)
    compared = _COMPARED.match(rest)
    if compared is None:
        raise ClewError(f"--when {text!r:.80}: end it with a comparison, such as > 100 or < 5ms")
    try:
        words = shlex.split(compared[1])
    except ValueError as error:
        raise ClewError(f"--when {text!r:.80}: {error}") from None
    wanted = {"cpu": 1, "file": 2, "url": 2, "case": 2}[kind]
    if len(words) != wanted:
        raise ClewError(f"--when {text!r:.80}: write {KINDS}")
    makers: dict[str, Callable[..., Callable[[], float | None]]] = {
        "cpu": _cpu,
        "file": _file,
        "url": _url,
        "case": _case,
    }
    look = makers[kind](*words)
    limit = float(compared[3]) * _UNITS[compared[4] or ""]
    absent = (
        f"{words[0]} has no {words[1]!r:.60} yet: it fires only once there is one" if kind in ("file", "url") else ""
    )
    return Trigger(text, look, _COMPARISONS[compared[2]], limit, rate, absent)


def _shell(command: str) -> float:
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_SHELL_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 124.0
    return float(done.returncode)


def _cpu(pid: str) -> Callable[[], float | None]:
    """Percent of one processor that a process used since the last look."""
    if not pid.isdecimal():
        raise ClewError(f"cpu {pid!r:.40}: name a process by its pid")
    stat, tick = Path(f"/proc/{pid}/stat"), os.sysconf("SC_CLK_TCK")
    last: list[tuple[float, float]] = []

    def look() -> float | None:
        try:
            fields = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
        except OSError:
            raise ClewError(f"process {pid} has ended") from None
        now = (time.monotonic(), (int(fields[11]) + int(fields[12])) / tick)
        last.append(now)
        if len(last) < 2:
            return None
        before = last.pop(0)
        return 100 * (now[1] - before[1]) / max(now[0] - before[0], 1e-9)

    return look


def _file(path: str, field: str) -> Callable[[], float | None]:
    of_file(Path(path), field)  # a mistake is said at once, not after a night
    return lambda: of_file(Path(path), field)


def _url(url: str, metric: str) -> Callable[[], float | None]:
    if not url.startswith(("http://", "https://")):
        raise ClewError(f"url {url!r:.60}: write http:// or https://")
    of_page(url, metric)
    return lambda: of_page(url, metric)


def _case(path: str, what: str) -> Callable[[], float | None]:
    """A figure of the calls in the last five seconds of a case that is being recorded; latencies in ns, errors in %."""
    from clew import questions
    from clew.case import Case
    from clew.lens import Lens

    if what not in (*_CASE, "errors", "calls"):
        raise ClewError(f"case {what!r:.40}: {one_of(what, [*_CASE, 'errors', 'calls'])}")
    case = Case.open(path)

    def look() -> float | None:
        case.refresh()
        lens = Lens(start_ns=time.monotonic_ns() - _LOOKBACK_NS)
        if what in _CASE:
            value = questions.latency(case, lens).summary[_CASE[what]]
            return None if value is None else float(value)
        rows = questions.counts(case, lens, by="host").table.to_pylist()
        calls, errors = (sum(row[name] for row in rows) for name in ("calls", "errors"))
        if what == "calls":
            return float(calls) / (_LOOKBACK_NS / 1e9)
        return 100.0 * errors / calls if calls else None

    return look
