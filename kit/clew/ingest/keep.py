"""Keeps symbols of what a recording met, beside it: programs are replaced, addresses stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clew.errors import ClewError
from clew.ingest.profiles._perf_header import open_perf
from clew.ingest.profiles._perf_places import dumps_of
from clew.ingest.profiles.perf_data import records
from clew.native import perf
from clew.symbols.keep import FOLDER, keep_binaries, keep_dumps


def keep_binaries_met(data: Path) -> int:
    """Keep symbols of every binary that a stack of perf.data at ``data`` goes through, in symbols/ beside it.

    Also what jit-PID.dump files say of code that was made while it ran.

    Returns for how many binaries there are some now; 0 also where the file cannot be read.
    """
    try:
        file = open_perf(data)
        recording = records(file)
    except ClewError:
        return 0
    try:
        place = recording.place
        met = np.unique(place["module"][(place["kind"] == perf.USER) & (place["module"] >= 0)]).tolist()
        rows = [(recording.texts[recording.module["name"][number]], recording.module[number]) for number in met]
        modules = [
            (name, bytes(row["build_id"][: row["build_id_size"]]).hex() or file.build_ids.get(name), int(row["pid"]))
            for name, row in rows
        ]
        keep_dumps(data.parent / FOLDER, dumps_of(recording))
    finally:
        recording.close()
    return keep_binaries(data.parent / FOLDER, modules)
