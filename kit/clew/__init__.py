"""clew: record what programs do, keep it in DuckDB, drill from counts to causes.

>>> import clew
>>> case = clew.open("CASE")      # a recorded case, or a folder of Parquet tables
>>> case.explore()                # in a notebook
"""

from __future__ import annotations

import os
from importlib import metadata
from typing import TYPE_CHECKING

from clew.errors import ClewError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from clew.case import Case

__all__ = ["ClewError", "__version__", "open"]

try:
    __version__ = metadata.version("clew")
except metadata.PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0"


def open(path: str | os.PathLike[str]) -> Case:  # noqa: A001 -- clew.open() is the one-line entry
    """Open the case (or the folder of Parquet tables) at ``path`` and ingest what is new in it.

    Raises ClewError if there is no case, or it cannot be read.
    """
    from clew.case import Case  # DuckDB and Arrow take 0.2 s to import: only when a case is opened

    return Case.open(path)


def load_ipython_extension(shell: InteractiveShell) -> None:
    """``%load_ext clew`` in a notebook: the magic command ``%%clew``."""
    from clew_widgets import magics

    magics.load_ipython_extension(shell)
