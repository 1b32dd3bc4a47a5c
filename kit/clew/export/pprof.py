"""pprof's profile.proto, gzip: for `pprof`, Pyroscope, Speedscope and others."""

from __future__ import annotations

import gzip
from collections.abc import Sequence

import numpy as np

from clew.case import Case
from clew.errors import ClewError
from clew.export._stacked import check_stacks
from clew.ingest.profiles._pprof import profile_class
from clew.lens import Lens
from clew.questions.forest import Edit, weigh

_UNITS = {"ns": "nanoseconds", "bytes": "bytes"}
_TYPES = {"on-cpu": "cpu", "off-cpu": "delay", "wall": "wall", "alloc": "alloc_space"}

_LARGEST = 2**63


def pprof(case: Case, lens: Lens, event: str | None = None, edits: Sequence[Edit] = ()) -> bytes:
    """For each stack how many samples, and what they weigh if that is something else; a location for each frame.

    Raises ClewError where a weight is larger than the format's numbers.
    """
    weighed = weigh(case, lens, event, edits=edits)
    check_stacks(float(weighed.weight.sum()), weighed.chosen.name)
    message = profile_class()()
    strings: dict[str, int] = {"": 0}

    def text(value: str | None) -> int:
        return strings.setdefault(value or "", len(strings))

    unit, name = weighed.chosen.unit, _TYPES.get(weighed.chosen.kind, weighed.chosen.name)
    counted = unit != "samples"  # else the weight is the count
    if counted:
        message.sample_type.add(type=text("samples"), unit=text("count"))
    message.sample_type.add(type=text(name), unit=text(_UNITS.get(unit, "count")))
    message.default_sample_type = text(name)
    forest = weighed.forest
    if np.abs(weighed.weight).max(initial=0) >= _LARGEST:
        raise ClewError("weights are too large for pprof, whose numbers have 64 bits: write .folded")
    rows = np.flatnonzero(weighed.weight)
    used = set[int]()
    for row, weight, count in zip(
        rows.tolist(), weighed.weight[rows].tolist(), weighed.samples[rows].tolist(), strict=True
    ):
        sample = message.sample.add(value=[int(count), round(weight)] if counted else [round(weight)])
        at = row
        while at >= 0:
            if weighed.key[at] >= 0:
                frame = int(forest.frame[at])
                used.add(frame)
                sample.location_id.append(frame + 1)
            at = int(forest.parent[at])
    mappings, functions = dict[str, int](), dict[tuple[str, str | None], int]()
    numbers = sorted(used)
    for number, frame in zip(numbers, forest.frames.take(numbers).to_pylist(), strict=True):
        module, file = frame["module"], frame["file"]
        if module is not None and module not in mappings:
            mappings[module] = len(mappings) + 1
            message.mapping.add(id=mappings[module], filename=text(module), has_functions=True)
        key = (frame["function"], file)
        if key not in functions:
            functions[key] = len(functions) + 1
            function = text(frame["function"])
            message.function.add(id=functions[key], name=function, system_name=function, filename=text(file))
        location = message.location.add(id=number + 1, mapping_id=mappings.get(module, 0))
        location.line.add(function_id=functions[key], line=frame["line"] or 0)
    message.string_table.extend(text.encode("utf-8", "replace").decode() for text in strings)
    return gzip.compress(message.SerializeToString(), 6, mtime=0)
