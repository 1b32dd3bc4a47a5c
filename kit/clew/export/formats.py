"""Which writer a format's name or a file's ending asks for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from clew.case import Case
from clew.errors import ClewError
from clew.export._file import write_private
from clew.export.graph import dot, graphml
from clew.export.jaeger import jaeger
from clew.export.otlp import otlp
from clew.export.pcapng import pcapng
from clew.export.perfetto import perfetto
from clew.export.span_table import parquet
from clew.lens import Lens

WRITERS: dict[str, Callable[..., Iterator[bytes]]] = {
    "otlp": otlp,
    "jaeger": jaeger,
    "perfetto": perfetto,
    "graphml": graphml,
    "dot": dot,
    "parquet": parquet,
}
PCAPNG = "pcapng"
FORMATS = (*WRITERS, PCAPNG)
ENDINGS = {
    ".jsonl": "otlp",
    ".json": "jaeger",
    ".pftrace": "perfetto",
    ".perfetto-trace": "perfetto",
    ".pcapng": PCAPNG,
    ".graphml": "graphml",
    ".dot": "dot",
    ".gv": "dot",
    ".parquet": "parquet",
}
"""What a name ends in -> its format."""


def write_requests(
    case: Case,
    lens: Lens,
    out: str | os.PathLike[str],
    form: str | None = None,
    *,
    unredacted: bool = False,
    payload: bool = False,
) -> Path:
    """Write the requests under ``lens`` to ``out`` (mode 0600, replaced in one step); returns its path.

    ``form`` is one of FORMATS; without, the name's end says it. What is written holds names, with no literals in them;
    with ``unredacted`` also what was said in full. pcapng holds recorded bytes as they were: only if ``payload``.
    Raises ClewError for a format that is none, where there is no such request, or the file cannot be written.
    """
    path = Path(out)
    form = form or next((form for ending, form in ENDINGS.items() if path.name.endswith(ending)), None)
    if form not in FORMATS:
        known = f"--format {', '.join(FORMATS)}, or a name that ends in {', '.join(ENDINGS)}"
        raise ClewError(f"{path}: in what form? {known}")
    if form == PCAPNG:
        if not payload:
            raise ClewError(
                "pcapng holds the recorded bytes themselves, passwords included: say --payload if you mean it"
            )
        return write_private(path, pcapng(case, lens))
    return write_private(path, WRITERS[form](case, lens, unredacted=unredacted))
