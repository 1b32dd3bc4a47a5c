"""Columns that are too long for memory: added part by part to files without a name, read a range at a time."""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from clew.errors import ClewError

Array = NDArray[Any]


def folder_of(connection: duckdb.DuckDBPyConnection) -> Path | None:
    """Where the case's file is, which has room for what is made of it; None: it is in memory."""
    query = "SELECT path FROM duckdb_databases() WHERE database_name = current_database()"
    path = connection.execute(query).fetchall()[0][0]
    return Path(path).parent if path else None


class Kept:
    """Columns of the given numpy types (name to type) in ``folder`` (None: where temporary files are)."""

    def __init__(self, kinds: Mapping[str, Any], folder: Path | None) -> None:
        self._kinds = {name: np.dtype(kind) for name, kind in kinds.items()}
        self._folder = folder
        self._files = {name: self._open() for name in kinds}
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def append(self, part: Mapping[str, Array]) -> None:
        """Add the rows of ``part``, which may have other columns, too; raises ClewError where the disk has no room."""
        for name, file in self._files.items():
            values = np.ascontiguousarray(part[name], self._kinds[name])
            left = values.view(np.uint8).data
            try:
                while left:
                    left = left[os.write(file, left) :]
            except OSError as error:
                raise self._failed(error) from None
        self._rows += len(values)

    def column(self, name: str, first: int = 0, last: int | None = None) -> Array:
        """The values of rows ``first`` to ``last`` (not included; None: the last row of all)."""
        count = max(min(self._rows if last is None else last, self._rows) - first, 0)
        values = np.empty(count, self._kinds[name])
        left, at = values.view(np.uint8).data, first * values.itemsize
        while left:
            size = os.preadv(self._files[name], [left], at)
            left, at = left[size:], at + size
        return values

    def _open(self) -> int:
        try:
            with TemporaryFile(dir=self._folder) as file:
                number = os.dup(file.fileno())
        except OSError as error:
            raise self._failed(error) from None
        weakref.finalize(self, os.close, number)
        return number

    def _failed(self, error: OSError) -> ClewError:
        where = "temporary files" if self._folder is None else self._folder
        return ClewError(f"{where}: {error.strerror}: no place to keep spans while they are linked", exit_code=1)
