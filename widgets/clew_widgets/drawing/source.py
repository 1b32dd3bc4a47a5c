"""Lines of code with what samples weigh at each, for the page and as a small table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clew.units import printable
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.flame import amount
from clew_widgets.drawing.static import bars
from clew_widgets.drawing.table import UNKNOWN

_TWIN_ROWS = 12
_MOST_LINES = 5_000


def source(rows: Sequence[dict[str, Any]], *, unit: str, whole: float, label: str) -> Drawing:
    """Rows of ``questions.annotate``: all source lines, or all instructions, of one function, in their order."""
    kept = rows[:_MOST_LINES]
    lines = [
        {
            "at": f"{row['address']:x}" if row["address"] is not None else str(row["line"] or ""),
            "line": row["line"] if row["address"] is not None else None,
            "text": printable((row["text"] or "").expandtabs(4)) if row["text"] is not None else UNKNOWN,
            "self": row["self"],
            "total": row["total"],
            "said": [amount(unit, row["self"]), amount(unit, row["total"])],
        }
        for row in kept
    ]
    body = {"lines": lines, "whole": whole, "label": label, "cut": len(rows) - len(kept)}
    if not lines:
        return Drawing("source", body, "")
    heaviest = sorted(lines, key=lambda line: -line["self"])[:_TWIN_ROWS]
    first = heaviest[0]
    share = first["self"] / whole if whole else 0.0
    finding = f"{label}: {first['at']} has {share:.1%} of all samples' weight"
    picture = bars([(f"{one['at']} {one['text'].strip()}", one["self"], one["said"][0], "s0") for one in heaviest[:8]])
    cells = [[one["at"], one["text"].strip(), *one["said"]] for one in heaviest]
    return Drawing("source", body, finding, picture, ["line", "code", "self", "total"], cells)
