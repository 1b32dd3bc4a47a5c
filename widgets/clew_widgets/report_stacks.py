"""The stacks in a report: flame graph and functions of each of the leading events, all other views of one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from clew.case import Case
from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.flame import flame
from clew.questions.forest import KINDS
from clew.questions.functions import functions
from clew.questions.samples import sample_events
from clew.units import number, printable
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.flame import amount, merged_note
from clew_widgets.drawing.flame import flame as draw_flame
from clew_widgets.drawing.table import Column, Row, table
from clew_widgets.findings import Finding, share
from clew_widgets.redact import Redactor
from clew_widgets.report_views import views, waits
from clew_widgets.views.base import panel
from clew_widgets.views.stack_view import COLOR, heading, samples_in

EVENTS = 4
ROWS = 200
NODES, NARROWEST = 30_000, 5_000
_HERE = "narrowing by the lens takes a notebook; zoom, search and hover work here"


@dataclass(frozen=True)
class Stacks:
    """What a report shows of samples: panels, their drawings by title, and what was found."""

    specs: list[dict[str, Any]]
    drawings: dict[str, Drawing]
    findings: list[Finding]


def stacks(case: Case, lens: Lens, redactor: Redactor, *, brushed: bool = False) -> Stacks:
    """Flame graph and functions of EVENTS of what was sampled under ``lens``; nothing where there are none.

    Of each kind there is one before there are two of any; what is left out is said.

    What runs on a processor, or else the first of them, is shown in every other way, too. ``brushed``: see views().
    """
    shown = Stacks([], {}, [])
    kinds = {row["event_name"]: row["kind"] for row in sample_events(case, lens).table.to_pylist()}
    ordered = _leading(kinds)
    events = ordered[:EVENTS]
    for event in events:
        tree = redactor.frames(flame(case, lens, event))
        figures = tree.summary
        if not figures["total"]:
            continue
        name = printable(redactor.text(event))
        drawing = draw_flame(
            tree.table,
            unit=figures["unit"],
            event=name,
            label=f"Flame graph of {name}",
            most=NODES,
            narrowest=NARROWEST,
        )
        said = [heading(figures), merged_note(drawing, tree.table), tree.note or "", _HERE]
        _add(shown, "flame", f"Flame graph of {name}", drawing, tree, "; ".join(filter(None, said)))
        top = redactor.frames(functions(case, lens, event, limit=ROWS))
        heads = draw_functions(top, name)
        _add(
            shown,
            "functions",
            f"Functions by {name}",
            heads,
            top,
            f"the {len(heads.body['rows'])} with most self weight",
        )
        shown.findings.extend(_found(top, name))
    if others := [printable(redactor.text(event)) for event in ordered[EVENTS:]]:
        statement = f"More was sampled: {len(others)} of {len(ordered)} events"
        shown.findings.append(Finding(statement, f"Not drawn here: {', '.join(others)}."))
    if shown.specs:
        leading = next((event for event, kind in kinds.items() if kind == "on-cpu"), events[0])
        more = [*views(case, lens, leading, redactor, brushed=brushed), *waits(case, lens, redactor)]
        for one in more:
            beside: dict[str, Any] = {"note": one.note, "controls": one.controls, "total": one.total}
            shown.specs.append(panel(one.view, one.title, one.drawing, sql=one.answer.sql, **beside))
            shown.drawings[one.title] = one.drawing
    return shown


def _leading(kinds: dict[str, str]) -> list[str]:
    """The events of ``kinds`` (most samples first): the first of each kind, kinds as in KINDS, then the second, ..."""
    of_kind = {kind: [event for event, own in kinds.items() if own == kind] for kind in kinds.values()}
    rank = {kind: number for number, kind in enumerate(KINDS)}
    return sorted(kinds, key=lambda event: (of_kind[kinds[event]].index(event), rank.get(kinds[event], len(rank))))


def _add(shown: Stacks, view: str, title: str, drawing: Drawing, answer: Answer, note: str) -> None:
    controls = (COLOR,) if view == "flame" else ()
    total = samples_in(answer.summary)
    shown.specs.append(panel(view, title, drawing, sql=answer.sql, note=note, controls=controls, total=total))
    shown.drawings[title] = drawing


def draw_functions(answer: Answer, event: str) -> Drawing:
    """The table of functions by self weight."""
    unit, rows = answer.summary["unit"], answer.table.to_pylist()
    kind = {"ns": "duration", "bytes": "bytes"}.get(unit, "count")
    columns = (
        Column("name", "function", "text"),
        Column("self", "self", kind, additive=True, title=f"{unit} of samples taken in the function itself"),
        Column("total", "total", kind, title=f"{unit} of samples taken in it or below it"),
        Column("samples", "samples", "count", title="Samples with it in the stack"),
    )
    shown = [
        Row(
            (),
            row["function"],
            {name: row[name] for name in ("self", "total", "samples")},
            _file(row["module"]),
            inert=True,
        )
        for row in rows
    ]
    whole = answer.summary["total"] or 1
    finding = "no samples."
    if rows:
        most = f"{amount(unit, rows[0]['self'])}, {share(rows[0]['self'], whole)}"
        finding = f"{printable(rows[0]['function'])[:80]} has most: {most}."
    drawing = table(columns, shown, sort="self", label=f"Functions by {event}", finding=finding)
    drawing.body["whole"] = {"self": whole, "total": whole, "samples": answer.summary["samples"]}
    return drawing


def _file(module: str | None) -> str:
    return (module or "").rsplit("/", 1)[-1]


_ONE_PLACE = 0.95


def _found(answer: Answer, event: str) -> list[Finding]:
    rows, unit, whole = answer.table.to_pylist(), answer.summary["unit"], answer.summary["total"]
    if not rows or not whole:
        return []
    first = rows[0]
    samples = f"{number(answer.summary['samples'])} samples"
    if first["kind"] == "kernel" and first["self"] > _ONE_PLACE * whole:
        # By nature taken in one place of the kernel (where it switches, where it wakes): who came there tells more.
        own = [row for row in rows if row["kind"] in ("user", "jit", "inlined") and row["total"] < _ONE_PLACE * whole]
        if not own:
            return []
        widest = max(own, key=lambda row: row["total"])
        statement = f"{event}: {share(widest['total'], whole)} came by way of {printable(widest['function'])[:80]}"
        return [Finding(statement, f"{amount(unit, widest['total'])} of {amount(unit, whole)}, {samples}.")]
    widest = max(rows, key=lambda row: (row["total"] < whole, row["total"]))
    what = "is spent in" if unit == "ns" else "comes from"
    statement = f"{event}: {share(first['self'], whole)} {what} {printable(first['function'])[:80]} itself"
    detail = f"{amount(unit, first['self'])} of {amount(unit, whole)}, {samples}."
    if widest["function"] != first["function"]:
        detail += f" {share(widest['total'], whole)} in or below {printable(widest['function'])[:80]}."
    return [Finding(statement, detail)]
