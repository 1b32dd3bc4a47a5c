"""Figures over time and maps of bpftrace scripts in a report: each of them a panel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from clew.case import Case
from clew.lens import Lens
from clew.questions.figures import figure, figures
from clew.questions.maps import histogram, map_values, maps
from clew.units import printable
from clew_widgets import answers
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.figures import figure as draw_figure
from clew_widgets.findings import Finding
from clew_widgets.redact import Redactor
from clew_widgets.views.base import panel
from clew_widgets.views.maps import SHOWN, draw_distribution, draw_map

MOST = 12
"""Figures, and maps, that a report shows."""


@dataclass(frozen=True)
class Figures:
    """What a report shows of figures and maps: panels, their drawings by title, and what was found."""

    specs: list[dict[str, Any]]
    drawings: dict[str, Drawing]
    findings: list[Finding]


def of_figures(case: Case, lens: Lens, redactor: Redactor) -> Figures:
    """The first MOST figures and maps of ``case`` under ``lens``; nothing where there are none."""
    shown = Figures([], {}, [])
    listed = figures(case, Lens()).table.slice(0, MOST).to_pylist()
    kept = maps(case, Lens()).table.slice(0, MOST).to_pylist()
    several = len({row["capture_id"] for row in (*listed, *kept)}) > 1
    for row in listed:
        answer = redactor.answer(figure(case, lens, row["name"], capture_id=row["capture_id"]))
        drawing = draw_figure(answer.table, **answer.summary, origin_ns=answers.bounds(case)[0])
        _add(shown, "figures", _title(row, "over time", several=several), drawing, answer.sql)
    for row in kept:
        title = _title(row, "as bpftrace kept it", several=several)
        if row["what"] == "histogram":
            answer = redactor.answer(histogram(case, lens, row["name"], capture_id=row["capture_id"]))
            drawing = draw_distribution(answer.table, label=title)
        else:
            answer = redactor.answer(map_values(case, lens, row["name"], limit=SHOWN, capture_id=row["capture_id"]))
            drawing = draw_map(answer.table, row["name"], label=title)
        _add(shown, "maps", title, drawing, answer.sql)
    return shown


def _title(row: dict[str, Any], what: str, *, several: bool) -> str:
    return printable(f"{row['name']} {what}" + (f" (capture {row['capture_id']})" if several else ""))


def _add(shown: Figures, view: str, title: str, drawing: Drawing, sql: str) -> None:
    if not drawing.rows:
        return
    shown.specs.append(panel(view, title, drawing, sql=sql, note=drawing.finding.rstrip(".")))
    shown.drawings[title] = drawing
    if not shown.findings:
        shown.findings.append(Finding(title, drawing.finding))
