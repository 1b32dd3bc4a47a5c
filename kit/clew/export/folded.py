"""Folded stacks: one line for each, outermost frame first, for flamegraph.pl, inferno, speedscope and many others."""

from __future__ import annotations

from collections.abc import Sequence

from clew.case import Case
from clew.export._stacked import stacked
from clew.lens import Lens
from clew.questions.flame import flame
from clew.questions.forest import Edit


def folded(case: Case, lens: Lens, event: str | None = None, edits: Sequence[Edit] = ()) -> bytes:
    """Lines ``a;b;c 12``, weights in the event's unit with at most 6 decimals; ``;`` in a name becomes ``:``."""
    table = stacked(flame(case, lens, event, edits=edits)).table
    lines, path = [], list[str]()
    columns = (table[name].to_pylist() for name in ("depth", "name", "self"))
    for depth, name, own in zip(*columns, strict=True):
        del path[max(depth - 1, 0) :]
        if depth:
            path.append(" ".join(name.replace(";", ":").split()) or "-")
        if own and depth:
            lines.append(f"{';'.join(path)} {f'{own:.6f}'.rstrip('0').rstrip('.')}")
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")
