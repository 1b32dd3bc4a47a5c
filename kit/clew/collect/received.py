"""The collector's disk: captures of others in one case, added to only, and never said to be there before they are."""

from __future__ import annotations

import errno
import json
import os
import threading
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from clew.capture.meta import Meta, captures
from clew.capture.place import Place, make_place
from clew.collect.protocol import LARGEST_FILE, LARGEST_RANGE, MOST_CAPTURES, MOST_FILES, is_id, is_name
from clew.errors import ClewError

JOURNAL = ".received"
"""Beside meta.json: a line of JSON for each range that was acknowledged, {name, size}: the file is good up to there."""


@dataclass
class Received:
    """One capture that arrives. ``sizes``: bytes of each file that are safe; a file may be longer, for a moment."""

    folder: Path
    meta: Meta
    sizes: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def append(self, name: str, offset: int, crc: int, data: memoryview) -> int:
        """Take bytes [offset, offset + len(data)) of file ``name``; returns how many of it are safe now.

        What is there already is not written again. Raises ClewError where it cannot be right, OSError where the disk
        refuses; then nothing has changed but bytes beyond what is safe.
        """
        if not is_name(name):
            raise ClewError(f"a file called {name!r:.60}")
        if len(data) > LARGEST_RANGE or not 0 <= offset <= LARGEST_FILE:
            raise ClewError("a range that is too large")
        if zlib.crc32(data) != crc:
            raise ClewError(f"{name}: a range whose checksum is wrong")
        with self.lock:
            have = self.sizes.get(name, 0)
            if offset > have:
                raise ClewError(f"{name}: a range at {offset}, where {have} bytes are there")
            if name not in self.sizes and len(self.sizes) >= MOST_FILES:
                raise ClewError("too many files")
            if offset + len(data) > have or name not in self.sizes:
                self._write(name, have, data[have - offset :])
                self._note(name, offset + len(data))
            return self.sizes[name]

    def _write(self, name: str, at: int, data: memoryview) -> None:
        path = self.folder / name
        new = name not in self.sizes
        if new:
            path.parent.mkdir(mode=0o700, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o600)
        try:
            while data:
                done = os.pwrite(descriptor, data, at)
                at, data = at + done, data[done:]
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        if new:
            _sync_folder(path.parent)
            _sync_folder(self.folder)

    def _note(self, name: str, size: int) -> None:
        """Say in the journal that a file is good up to ``size``; a line that a full disk tore is passed over."""
        descriptor = os.open(self.folder / JOURNAL, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            line = ("\n" + json.dumps({"name": name, "size": size})).encode()
            if os.write(descriptor, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        self.sizes[name] = size

    def describe(self, meta: Meta, final: dict[str, int] | None) -> bool:
        """Take over what meta.json says now; returns whether all of the capture is here. Raises OSError."""
        with self.lock:
            meta.recorder_pid = os.getpid()  # who writes the capture here
            whole = final is not None and all(self.sizes.get(name, -1) >= size for name, size in final.items())
            meta.received = whole
            if whole:
                meta.recorder_pid = None
            if meta != self.meta:
                meta.write(self.folder, sync=True)
                _sync_folder(self.folder)
                self.meta = meta
            return whole


class Receiving:
    """All captures of others in ``case``, which is made if need be. Raises ClewError if it cannot be one."""

    def __init__(self, case: Path) -> None:
        self.case = case
        self._lock = threading.Lock()
        self._captures: dict[str, Received] = {}
        for folder in captures(case):
            meta = Meta.read(folder)
            if meta.received is not None and is_id(meta.id):
                self._captures[str(meta.id)] = Received(folder, meta, _journal(folder))

    def capture(self, name: str, meta: Meta) -> tuple[Received, bool]:
        """The capture of that id, and whether it is new; its folder is made. Raises ClewError or OSError."""
        with self._lock:
            known = self._captures.get(name)
            if known is not None:
                if known.meta.host != meta.host:
                    raise ClewError(f"a capture of {known.meta.host!r:.60} that comes from {meta.host!r:.60} now")
                return known, False
            if len(self._captures) >= MOST_CAPTURES:
                raise ClewError("too many captures")
            place = _place(self.case)
            try:
                meta.recorder_pid = os.getpid()
                meta.write(place.directory, sync=True)
                _sync_folder(place.directory.parent)
            except OSError:
                with suppress(OSError):
                    place.directory.rmdir()
                raise
            made = self._captures[name] = Received(place.directory, meta)
            return made, True

    @property
    def unfinished(self) -> list[Received]:
        """Captures of which more may come."""
        with self._lock:
            return [each for each in self._captures.values() if not each.meta.received]


def _place(case: Path) -> Place:
    """make_place(), with the OSError where the disk refuses: that may pass."""
    try:
        return make_place(case)
    except ClewError as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise


def _journal(folder: Path) -> dict[str, int]:
    sizes: dict[str, int] = {}
    try:
        lines = (folder / JOURNAL).read_text("utf-8", "replace").splitlines()
    except OSError:
        return sizes
    for line in lines:
        with suppress(ValueError, KeyError, TypeError, OSError):
            said = json.loads(line)
            name, size = said["name"], said["size"]
            if is_name(name) and type(size) is int and (folder / name).stat().st_size >= size:
                sizes[name] = max(size, sizes.get(name, 0))
    return sizes


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
