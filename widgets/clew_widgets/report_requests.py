"""The requests in a report: by name, how long, the slowest one as a timeline, shapes, services, unsure links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from clew.case import Case
from clew.errors import ClewError
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.attribution import attribution
from clew.questions.request_tree import request_tree
from clew.questions.requests import request_latency, requests, requests_by
from clew.questions.services import services
from clew.questions.shapes import shapes
from clew.questions.unresolved import unresolved
from clew.units import duration, number, printable
from clew_widgets import answers
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.shapes import shapes as draw_shapes
from clew_widgets.findings import FEW, Finding
from clew_widgets.redact import Redactor
from clew_widgets.report_narrowing import narrowing
from clew_widgets.views.base import panel
from clew_widgets.views.latency import SCALE
from clew_widgets.views.request_links import draw_links
from clew_widgets.views.request_links import said as linked
from clew_widgets.views.request_path import draw_path
from clew_widgets.views.request_table import draw_requests, draw_single, draw_took
from clew_widgets.views.request_time import draw_attribution
from clew_widgets.views.request_timeline import COLOR, describe, draw_timeline
from clew_widgets.views.services import draw_services

ROWS = 100
SHAPES = 24
_HERE = "narrowing by requests takes a notebook"


@dataclass(frozen=True)
class Requests:
    """What a report shows of requests: panels, their drawings by title, what was found, and what narrows them."""

    specs: list[dict[str, Any]]
    drawings: dict[str, Drawing]
    findings: list[Finding]
    narrowing: dict[str, Any]


def of_requests(case: Case, lens: Lens, redactor: Redactor, colors: Mapping[str, str] | None = None) -> Requests:
    """Everything a report says of the requests under ``lens``; nothing where there are none.

    ``colors``: what programs are painted with elsewhere in the report, by name.
    """
    shown = Requests([], {}, [], {})
    try:
        names = redactor.answer(requests_by(case, lens, limit=ROWS))
    except ClewError:  # nothing that could be traced was recorded, or the lens asks for what requests do not know
        return shown
    if not names.table.num_rows:
        return shown
    origin_ns = answers.bounds(case)[0]
    rows = names.table.to_pylist()
    _add(shown, "requests", "Requests by name", draw_requests(rows, "name", inert=True), names, _HERE)
    took = request_latency(case, lens)
    _add(shown, "request_latency", "How long requests took", draw_took(took, None), took, controls=(SCALE,))
    slow = redactor.answer(requests(case, lens, limit=ROWS))
    listed = draw_single(slow.table.to_pylist(), origin_ns, None, inert=True)
    _add(shown, "single_requests", "The slowest requests", listed, replace(slow, note=None))
    tree = masked(request_tree(case, slow.table["request_id"][0].as_py()), redactor)
    said = not redactor.on  # what messages said has literals in it
    note = "; ".join(filter(None, (describe(tree).rstrip("."), tree.note)))
    lanes = draw_timeline(tree, said=said, colors=colors)
    _add(shown, "request", f"Slowest request: {_name(tree)}", lanes, tree, note, controls=(COLOR,))
    _add(shown, "path", f"Path of the slowest request: {_name(tree)}", draw_path(tree), tree, "arrows: messages")
    for view, title, answer, drawing in _wholes(case, lens, redactor, colors):
        _add(shown, view, title, drawing, answer, drawing.finding.rstrip("."))
    links = redactor.answer(unresolved(case, lens))
    if links.table.num_rows:
        drawing = draw_links(links, Lens(), inert=True)
        _add(shown, "links", "Links that are not sure", drawing, links, linked(links).rstrip("."))
    shown.findings.extend(_found(rows, tree))
    shown.narrowing.update(narrowing(case, lens, redactor, origin_ns=origin_ns))
    return shown


def _wholes(
    case: Case, lens: Lens, redactor: Redactor, colors: Mapping[str, str] | None
) -> list[tuple[str, str, Answer, Drawing]]:
    paths = redactor.answer(shapes(case, lens, limit=SHAPES))
    edges = redactor.answer(services(case, lens))
    times = redactor.answer(attribution(case, lens))
    cards = draw_shapes(paths.table.to_pylist(), label="Paths that requests took", compare=False, colors=colors)
    spent = draw_attribution(times.table.to_pylist(), Lens(), inert=True)
    return [
        ("shapes", "Shapes", paths, cards),
        ("services", "Services", edges, draw_services(edges)),
        ("request_time", "Where the time of requests went", times, spent),
    ]


def masked(tree: Answer, redactor: Redactor) -> Answer:
    """``tree`` with its texts masked; what messages said is left out whole, since names alone have no literals."""
    table = tree.table
    if redactor.on:
        at = table.column_names.index("summary")
        table = table.set_column(at, "summary", table["name"])
    found = redactor.answer(replace(tree, table=table))
    return replace(found, summary=found.summary | {"name": redactor.text(found.summary["name"])})


def _name(tree: Answer) -> str:
    return printable(tree.summary["name"])[:80]


def _add(
    shown: Requests, view: str, title: str, drawing: Drawing, answer: Answer, note: str = "", controls: Any = ()
) -> None:
    if not drawing.rows:
        return
    if answer.note and answer.note not in note:
        note = "; ".join(filter(None, (note, answer.note)))
    shown.specs.append(panel(view, title, drawing, sql=answer.sql, note=note, controls=controls))
    shown.drawings[title] = drawing


def _found(rows: Sequence[dict[str, Any]], tree: Answer) -> list[Finding]:
    """The slowest kind of request and where its time goes; what failed; what is not known."""
    whole = sum(row["count"] for row in rows)
    found = []
    timed = [row for row in rows if row["p99_ns"] is not None]
    if timed:
        often = [row for row in timed if row["count"] >= FEW] or timed
        slow = max(often, key=lambda row: row["p99_ns"])
        statement = f"{printable(slow['name'])[:80]} is the slowest request: 1 in 100 takes {duration(slow['p99_ns'])}"
        statement += " or longer"
        detail = f"{number(slow['count'])} of {number(whole)} requests, half within {duration(slow['p50_ns'])}. "
        found.append(Finding(statement, f"{detail}The slowest of all: {describe(tree)}"))
    failed = sum(row["errors"] for row in rows)
    if failed:
        worst = max(rows, key=lambda row: row["errors"])
        detail = f"Most often {printable(worst['name'])[:80]}: {number(worst['errors'])} times."
        found.append(Finding(f"{number(failed)} of {number(whole)} requests failed", detail, "bad"))
    unknown = sum(row["unresolved"] for row in rows)
    if unknown:
        statement = f"{unknown / whole:.2%} of what begins a path is unresolved"
        detail = (
            f"{number(unknown)} of {number(whole)}: parts of requests that are not known; see Links that are not sure."
        )
        found.append(Finding(statement, detail, "warn"))
    return found
