"""Files that exports write: for their owner only, complete or not there at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from clew.errors import ClewError


def write_private(out: str | os.PathLike[str], chunks: Iterable[bytes]) -> Path:
    """Write ``chunks`` to ``out`` (mode 0600, replaced in one step); returns its path.

    Raises ClewError where that cannot be written; what was there before is still there then.
    """
    path = Path(out)
    temporary: Path | None = None
    try:
        with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = Path(file.name)
            for chunk in chunks:
                file.write(chunk)
        temporary.replace(path)
    except OSError as error:
        _forget(temporary)
        raise ClewError(f"cannot write {path}: {error.strerror}") from None
    except BaseException:
        _forget(temporary)
        raise
    return path


def _forget(temporary: Path | None) -> None:
    if temporary is not None:
        temporary.unlink(missing_ok=True)
