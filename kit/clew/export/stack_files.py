"""Stacks as files that other tools open: which writer a file's name asks for."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from clew.case import Case
from clew.errors import ClewError
from clew.export import call_graph
from clew.export.folded import folded
from clew.export.pprof import pprof
from clew.export.speedscope import speedscope
from clew.export.svg import svg
from clew.lens import Lens
from clew.questions.forest import Edit

Writer = Callable[[Case, Lens, str | None, Sequence[Edit]], bytes]
WRITERS: dict[str, Writer] = {
    ".folded": folded,
    ".collapsed": folded,
    ".txt": folded,
    ".speedscope.json": speedscope,
    ".json": speedscope,
    ".pb.gz": pprof,
    ".pprof": pprof,
    ".svg": svg,
    ".dot": call_graph.dot,
    ".gv": call_graph.dot,
}
"""What a name ends in -> what is written."""


def write_stacks(
    case: Case, lens: Lens, out: str | os.PathLike[str], event: str | None = None, edits: Sequence[Edit] = ()
) -> Path:
    """Write the stacks of ``event`` under ``lens`` to ``out`` (mode 0600, replaced in one step); returns its path.

    Raises ClewError for a name whose end says no format, where there are no samples, or the file cannot be written.
    """
    path = Path(out)
    writer = next((writer for ending, writer in WRITERS.items() if path.name.endswith(ending)), None)
    if writer is None:
        raise ClewError(f"{path}: a name that ends in {', '.join(WRITERS)} says in what form")
    data = writer(case, lens, event, edits)
    try:
        with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            file.write(data)
        Path(file.name).replace(path)
    except OSError as error:
        raise ClewError(f"cannot write {path}: {error.strerror}") from None
    return path
