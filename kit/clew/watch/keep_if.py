"""``--keep-if``: a look into the profile itself before it is kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clew.errors import ClewError
from clew.ingest.profile import Profile
from clew.ingest.profiles import reader_of
from clew.native import tree

_FORM = re.compile(r"^\s*(frame|module)\s*~\s*(\"[^\"]+\"|'[^']+'|\S+)\s*(?:>\s*(\d+(?:\.\d+)?)\s*%)?\s*$")


def parse(text: str) -> Callable[[Sequence[Path]], str | None]:
    """A function of the files: why they are to be kept, or None. Raises ClewError where ``text`` is no condition.

    ``frame ~ "REGEX"``: a function of that name stands in some stack; ``> 5%``: in more than that share of the samples'
    weight; ``module``: a binary's path.
    """
    form = _FORM.match(text)
    if form is None:
        raise ClewError(f'--keep-if {text!r:.80}: write frame ~ "REGEX" or module ~ "REGEX", then > 5% if you like')
    try:
        pattern = re.compile(form[2].strip("\"'"))
    except re.error as error:
        raise ClewError(f"--keep-if {text!r:.80}: {error}") from None
    column, least = {"frame": "function", "module": "module"}[form[1]], float(form[3] or 0) / 100

    def keep(paths: Sequence[Path]) -> str | None:
        found, whole = 0.0, 0.0
        for path in paths:
            reader = reader_of(path)
            if reader is None:
                continue
            try:
                one, of = _share(reader.read(path), column, pattern)
            except ClewError:
                continue  # a file without a sample has nothing to be looked for in
            found, whole = found + one, whole + of
        if not found or found <= least * whole:
            return None
        return f"{text} ({found / whole:.1%} of the samples)"

    return keep


def _share(profile: Profile, column: str, pattern: re.Pattern[str]) -> tuple[float, float]:
    """(weight of samples with such a frame, weight of all samples)."""
    names = profile.frames[column]
    coded = pa.chunked_array(names).combine_chunks().dictionary_encode()
    hits = np.array([bool(pattern.search(name or "")) for name in coded.dictionary.to_pylist()], bool)
    frame = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False)
    hit_frame = np.where(frame >= 0, hits[frame] if len(hits) else False, False)
    parent = pc.fill_null(profile.stacks["parent"].cast(pa.int32()), -1).to_numpy().astype(np.int32)
    inside = tree.at_or_below(parent, hit_frame[profile.stacks["frame"].to_numpy()])
    weight = profile.samples["weight"].to_numpy()
    stack = pc.fill_null(profile.samples["stack"].cast(pa.int32()), -1).to_numpy()
    return float(weight[(stack >= 0) & inside[stack]].sum()), float(weight.sum())
