"""Engines that record the same thing at the same time, each into a capture of its own: started and stopped as one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from clew.capture.engines import Engine, Target
from clew.capture.meta import Meta, new_meta
from clew.capture.place import Place

_LOOK_S = 0.1


@dataclass
class Running:
    """One engine at work, its capture, and why it has ended early if it has."""

    engine: Engine
    place: Place
    meta: Meta
    ended: str | None = None
    said: list[str] = field(default_factory=list)  # what people should know, after the end


class Companions:
    """Engines besides the preload library. ``places``: a capture for each; ``message`` is told what ends early."""

    def __init__(
        self,
        engines: Sequence[Engine],
        places: Sequence[Place],
        target: Target,
        message: Callable[[str], None] | None = None,
    ) -> None:
        self.target = target
        self.message = message
        self.running: list[Running] = []
        self._waiting = list(zip(engines, places, strict=True))
        self._looked = 0.0
        self._over = False

    def begin(self, pid: int | None = None) -> None:
        """Start every engine; the command waits as process ``pid``.

        Raises ClewError from the first that cannot, after all were stopped: the captures are to be removed.
        """
        target = self.target if pid is None else replace(self.target, pids=(pid,))
        try:
            for engine, place in self._waiting:
                meta = new_meta(engine.name, self.target.command, engine.options())
                meta.host = self.target.host or meta.host
                meta.write(place.directory)
                self.running.append(Running(engine, place, meta))
                engine.tell = self._teller(engine.name)
                engine.start(target, place.directory)
                meta.started_ns = time.monotonic_ns()
                meta.options = engine.options()
                meta.write(place.directory)
            if pid is not None:
                for each in self.running:
                    each.engine.began(pid)
        except BaseException:
            self.abort()
            raise

    def look(self) -> None:
        """Note which engines have ended; cheap when called more often than ten times a second."""
        now = time.monotonic()
        if now - self._looked < _LOOK_S:
            return
        self._looked = now
        for each in self.running:
            if each.ended is None and (why := each.engine.look()) is not None:
                each.ended = why
                if self.message is not None and why:
                    self.message(f"{each.engine.name} ended: {why}")

    @property
    def all_ended(self) -> bool:
        """Whether no engine is at work any more."""
        return all(each.ended is not None for each in self.running)

    def progress(self) -> str:
        """What each has so far."""
        parts = [(each.engine.name, each.engine.progress()) for each in self.running]
        return ", ".join(f"{name} {text}" for name, text in parts if text)

    def end(self, interrupts: Callable[[], int] = lambda: 0) -> None:
        """Stop every engine and complete its capture; once. ``interrupts``: how often Ctrl-C came; one more hurries."""
        if self._over:
            return
        self._over = True
        before = interrupts()
        for each in self.running:
            each.meta.ended_ns = time.monotonic_ns()
            each.engine.hurried = lambda: interrupts() > before
        for each in self.running:
            try:
                each.said += each.engine.stop()
            except OSError as error:  # a full disk
                each.said.append(f"{each.engine.name}: {error.strerror}")
            each.meta.options = {**each.engine.options(), **({"said": each.said} if each.said else {})}
            each.meta.error = each.ended or None
            self._write(each)

    def note_exit(self, code: int | None) -> None:
        """Note the exit code of the command in every capture."""
        for each in self.running:
            each.meta.exit_code = code
            self._write(each)

    def abort(self) -> None:
        """Stop what was started, and keep nothing of it."""
        if not self._over:
            self._over = True
            for each in self.running:
                each.engine.stop()

    def _teller(self, name: str) -> Callable[[str], None]:
        def tell(text: str) -> None:
            if self.message is not None:
                self.message(f"{name}: {text}")

        return tell

    @staticmethod
    def _write(each: Running) -> None:
        with suppress(OSError):  # a full disk: the first meta.json stays
            each.meta.write(each.place.directory)
