"""speedscope's JSON (https://www.speedscope.app/file-format-schema.json): stacks with weights, heaviest first."""

from __future__ import annotations

import json
from collections.abc import Sequence

from clew import __version__
from clew.case import Case
from clew.export._stacked import stacked
from clew.lens import Lens
from clew.questions.flame import flame
from clew.questions.forest import Edit

_UNITS = {"ns": "nanoseconds", "bytes": "bytes"}


def speedscope(case: Case, lens: Lens, event: str | None = None, edits: Sequence[Edit] = ()) -> bytes:
    """One sampled profile; frames are told apart by name, file and line."""
    answer = stacked(flame(case, lens, event, edits=edits))
    frames, numbers = list[dict[str, object]](), dict[tuple[object, ...], int]()
    samples, weights, path = list[list[int]](), list[float](), list[int]()
    columns = (answer.table[name].to_pylist() for name in ("depth", "name", "file", "line", "self"))
    for depth, name, file, line, own in zip(*columns, strict=True):
        del path[max(depth - 1, 0) :]
        if not depth:
            continue
        key = (name, file, line)
        if key not in numbers:
            numbers[key] = len(frames)
            known = {"name": name, "file": file, "line": line}
            frames.append({field: value for field, value in known.items() if value is not None})
        path.append(numbers[key])
        if own:
            samples.append(list(path))
            weights.append(own)
    profile = {
        "type": "sampled",
        "name": f"{case.path.name}: {answer.summary['event']}",
        "unit": _UNITS.get(answer.summary["unit"], "none"),
        "startValue": 0,
        "endValue": sum(weights),
        "samples": samples,
        "weights": weights,
    }
    document = {
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "exporter": f"clew@{__version__}",
        "name": case.path.name,
        "shared": {"frames": frames},
        "profiles": [profile],
    }
    return json.dumps(document).encode()
