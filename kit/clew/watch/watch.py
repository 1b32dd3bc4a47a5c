"""The watch: a ring of perf's files, triggers looked at every second, and what surrounds a trigger made a capture."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from clew import __version__
from clew.capture.engines import Target
from clew.capture.engines._perf_events import Wanted
from clew.capture.engines._tool import Tool
from clew.capture.meta import Meta
from clew.capture.place import make_place, make_private
from clew.errors import ClewError
from clew.symbols.keep import FOLDER, keep_kernel
from clew.watch import keep_if
from clew.watch.ring import Piece, Ring
from clew.watch.triggers import Trigger

ALSO = "also"
"""Folder in which --also commands write, and of what they wrote in a kept capture."""
_TURN_S = (2.0, 10.0)  # shortest and longest time of one file
_LOOK_S = 1.0


@dataclass(frozen=True)
class Plan:
    """What is watched for, and what is kept; times in seconds."""

    triggers: Sequence[Trigger]
    before_s: float = 30.0
    after_s: float = 10.0
    keep_if: str | None = None
    also: Sequence[str] = ()
    count: int = 10  # captures that are kept at most
    wanted: Wanted = field(default_factory=lambda: Wanted(rate=199))
    target: Target = field(default_factory=lambda: Target(system=True))

    @property
    def turn_s(self) -> float:
        """How long one file lasts: a third of what is kept from before."""
        return min(max(self.before_s / 3, _TURN_S[0]), _TURN_S[1])


class Watch:
    """Watches until ``count`` captures were kept, or ``ended()`` says so. ``tell`` gets a line for what happens."""

    def __init__(self, plan: Plan, case: Path, tell: Callable[[str], None]) -> None:
        self.plan, self.case, self.tell = plan, case, tell
        self.kept: list[Path] = []
        self.dropped = 0
        self._told: set[tuple[str, str]] = set()  # what was wrong with which trigger
        self._keep = keep_if.parse(plan.keep_if) if plan.keep_if else None

    def run(self, ended: Callable[[], bool]) -> None:
        """Raises ClewError where perf, a trigger or a second command cannot work; nothing is left behind but cases."""
        new = not self.case.exists()
        made = make_place(self.case)  # the disk of the case is that of the ring; an empty capture holds the place
        made.directory.rmdir()
        folder = Path(tempfile.mkdtemp(prefix=".watch-", dir=self.case))
        try:
            with ExitStack() as stack:
                ring = stack.enter_context(Ring(self.plan.wanted, self.plan.target, folder))
                (folder / ALSO).mkdir(mode=0o700)
                for command in self.plan.also:
                    tool = self._start(command, folder / ALSO)
                    stack.callback(tool.stop)
                self._watch(ring, folder, ended)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            if new and not self.kept:
                shutil.rmtree(self.case, ignore_errors=True)

    def _start(self, command: str, folder: Path) -> Tool:
        words = shlex.split(command.replace("{folder}", shlex.quote(str(folder))))
        if not words:
            raise ClewError("--also: name a command")
        return Tool(words, folder / ".said.txt", environment={"CLEW_FOLDER": str(folder)})

    def _watch(self, ring: Ring, folder: Path, ended: Callable[[], bool]) -> None:
        turned = time.monotonic()
        while not ended() and len(self.kept) < self.plan.count:
            time.sleep(_LOOK_S)
            why = self._fired()
            if why is not None:
                self._keep_around(ring, folder, why, ended)
                turned = time.monotonic()
            elif time.monotonic() - turned >= self.plan.turn_s:
                ring.turn()
                turned = time.monotonic()
                ring.prune(time.monotonic_ns() - round((self.plan.before_s + _LOOK_S) * 1e9))

    def _fired(self) -> str | None:
        for trigger in self.plan.triggers:
            try:
                why = trigger.check()
            except ClewError as error:
                self._warn(trigger, str(error))
                continue
            if not trigger.had and trigger.absent:
                self._warn(trigger, trigger.absent)
            if why is not None:
                return why
        return None

    def _warn(self, trigger: Trigger, what: str) -> None:
        """Say what is wrong with a trigger, once: it is looked at every second."""
        if (trigger.text, what) not in self._told:
            self._told.add((trigger.text, what))
            self.tell(f"{trigger.text}: {what}")

    def never_had(self) -> list[str]:
        """Triggers that could not fire: there never was a figure to compare."""
        return [trigger.text for trigger in self.plan.triggers if not trigger.had]

    def _keep_around(self, ring: Ring, folder: Path, why: str, ended: Callable[[], bool]) -> None:
        """Wait for what is to be kept from after the trigger, then make a capture of it, or drop it."""
        fired_ns = time.monotonic_ns()
        self.tell(f"fired: {why}")
        until = time.monotonic() + self.plan.after_s
        while time.monotonic() < until and not ended():
            time.sleep(min(0.1, max(until - time.monotonic(), 0.0)))
        ring.turn()
        begin_ns, end_ns = fired_ns - round(self.plan.before_s * 1e9), time.monotonic_ns()
        pieces = [piece for piece in ring.pieces if piece.end_ns >= begin_ns]
        reason = self._keep([piece.path for piece in pieces]) if self._keep else ""
        if reason is None:
            self.dropped += 1
            self.tell(f"dropped: not {self.plan.keep_if}")
        else:
            window = {"fired_ns": fired_ns, "begin_ns": begin_ns, "end_ns": end_ns, "why": why, "keep_if": reason}
            short = self._short(pieces[0], begin_ns, fired_ns)
            self.kept.append(self._make(pieces, folder, window, ring.command, short))
            self.tell(f"kept: {self.kept[-1]}{''.join(f'; {text}' for text in short)}")
        ring.prune(time.monotonic_ns())

    def _short(self, first: Piece, begin_ns: int, fired_ns: int) -> list[str]:
        """What is to be said where less could be kept from before the trigger than was asked for."""
        if first.begin_ns <= begin_ns:
            return []
        there = max(fired_ns - first.begin_ns, 0) / 1e9
        why = "the rest is of the trigger before" if self.kept or self.dropped else "watching had only begun"
        return [f"it has {there:.1f} s from before the trigger, not {self.plan.before_s:g} s: {why}"]

    def _make(
        self, pieces: Sequence[Piece], folder: Path, window: dict[str, Any], command: list[str], said: list[str]
    ) -> Path:
        directory = make_place(self.case).directory
        for number, piece in enumerate(pieces, 1):
            os.link(piece.path, directory / f"perf-{number:03d}.data")
        keep_kernel(directory / FOLDER)
        if any((folder / ALSO).iterdir()):
            shutil.copytree(folder / ALSO, directory / ALSO)
            make_private(directory / ALSO)
        started = min(pieces[0].begin_ns, window["begin_ns"])
        utc = datetime.now(UTC) - timedelta(microseconds=(time.monotonic_ns() - started) // 1000)
        options = {**asdict(self.plan.wanted), "watch": window, "tools": [{"command": command}], "said": said}
        Meta(
            "perf",
            ["watch", window["why"]],
            socket.gethostname(),
            __version__,
            pieces[0].begin_ns,
            utc.isoformat(),
            options,
            window["end_ns"],
        ).write(directory)
        return directory
