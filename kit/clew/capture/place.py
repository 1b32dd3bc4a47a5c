"""Where a capture goes: a new case, or one more capture in an old one."""

from __future__ import annotations

import os
import re
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from clew.capture.meta import RAW
from clew.errors import ClewError


@dataclass(frozen=True)
class Place:
    """A case, the directory of a new capture in it, and whether the case was made for it."""

    case: Path
    directory: Path
    new_case: bool

    def remove(self) -> None:
        """Undo make_place(): nothing was recorded."""
        shutil.rmtree(self.case if self.new_case else self.directory, ignore_errors=True)


def default_case(command: str) -> Path:
    """clew-<command>-<date>-<time> in the current directory."""
    name = re.sub(r"[^\w.+-]", "_", os.path.basename(command)) or "program"  # noqa: PTH119 -- may end in a slash
    return Path(f"clew-{name[:40]}-{time.strftime('%Y%m%d-%H%M%S')}")


def make_private(folder: Path) -> None:
    """Nobody but its owner may look into ``folder`` and what is in it, whoever wrote that; links are left alone."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o700 if path.is_dir() else 0o600)


def make_place(case: Path) -> Place:
    """A directory for a new capture in ``case``, which is made if it does not exist (0700).

    Raises ClewError if ``case`` is something else than a case or an empty directory.
    """
    try:
        new = not case.exists()
        if new:
            case.mkdir(mode=0o700)
        elif not case.is_dir():
            raise ClewError(f"{case} exists and is no folder")
        elif any(case.iterdir()) and not (case / RAW).is_dir() and not (case / "case.duckdb").is_file():
            raise ClewError(f"{case} exists and is not a case; name another folder with -o")
        (case / RAW).mkdir(mode=0o700, exist_ok=True)
        while True:
            taken = [int(entry.name) for entry in (case / RAW).iterdir() if entry.name.isdecimal()]
            directory = case / RAW / f"{max(taken, default=0) + 1:03d}"
            with suppress(FileExistsError):
                directory.mkdir(mode=0o700)
                return Place(case, directory, new)
    except OSError as error:
        raise ClewError(f"cannot make a case at {case}: {error.strerror}") from None
