"""A case as one HTML file that needs nothing else: the views of the notebook, drawn by the same code.

What is left out of it so that it can be handed on is said in ``clew_widgets.redact``.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import clew
from clew.case import Case
from clew.errors import ClewError
from clew.lens import Lens
from clew.questions.activity import activity
from clew.questions.answer import Answer
from clew.questions.counts import counts
from clew.questions.coverage import coverage, losses
from clew.questions.errors import LATER, errors
from clew.questions.latency import latency
from clew.questions.leaks import leaks
from clew.questions.outside import outside, sampled
from clew.questions.samples import sample_events
from clew.units import duration, printable
from clew_widgets import answers, assets, cube, report_figures, report_requests, report_stacks
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.static import safe, twin
from clew_widgets.findings import Finding, coverage_findings, findings, leak_findings, outside_findings
from clew_widgets.lens_bar import TOTALS, totals
from clew_widgets.recorded import draw_coverage, draw_losses, facts, heading
from clew_widgets.redact import Redactor
from clew_widgets.views.activity import MEASURE, draw_activity, lost, stacking, window
from clew_widgets.views.base import EMPTY, Control, panel
from clew_widgets.views.counts import colors, draw_counts
from clew_widgets.views.errors import draw_errors
from clew_widgets.views.latency import SCALE, draw_latency
from clew_widgets.views.left_open import NONE, draw_left_open

_BYS = ("command", "process", "thread", "op", "file", "peer")
_DETAILED = 6  # commands whose own tables go into the report
_ROWS = 100
_PRIVATE = (
    "Redacted: values of arguments that look like secrets, user names in paths, and addresses outside private networks "
    "are masked. The bytes that programs read and wrote are never part of a report."
)
_OPEN = (
    "Not redacted: command lines, paths and addresses stand as they were recorded. "
    "The bytes that programs read and wrote are never part of a report."
)


def write_report(
    case: Case, out: str | os.PathLike[str], lens: Lens | None = None, title: str | None = None, redact: bool = True
) -> Path:
    """Write what ``lens`` shows of ``case`` to the file ``out`` (mode 0600, replaced in one step); returns its path.

    ``redact`` masks what may be private (see ``clew_widgets.redact``). Raises ClewError if single calls were not
    recorded, nothing was recorded at all, or the file cannot be written.
    """
    text = render(case, lens or Lens(), title, Redactor(redact))
    path = Path(out)
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            temporary = Path(file.name)  # mkstemp gives it mode 0600
            file.write(text)
        temporary.replace(path)
    except OSError as error:
        raise ClewError(f"cannot write {path}: {error.strerror}") from None
    return path


def render(case: Case, lens: Lens, title: str | None, redactor: Redactor) -> str:
    """The report as HTML text."""
    bounds = answers.bounds(case)
    sampled = sample_events(case, Lens()).table.num_rows > 0
    beside = report_figures.of_figures(case, lens, redactor)
    # a case without calls but with samples or figures has nothing to say of calls; a case of none of these is an error
    called = not (sampled or beside.specs) or counts(case, Lens(), by="command", limit=1).table.num_rows > 0
    calls = _calls(case, lens, redactor, bounds) if called else _Calls({}, {}, [], 0, 0)
    stacks = report_stacks.stacks(case, lens, redactor, brushed=called)
    asked = report_requests.of_requests(case, lens, redactor, calls.data.get("colors", {}).get("command"))
    data = calls.data | {"requests": asked.specs, "narrowing": asked.narrowing or None, "stacks": stacks.specs}
    data["figures"] = beside.specs
    drawings = calls.drawings | asked.drawings | stacks.drawings | beside.drawings
    found = calls.findings[:1] + asked.findings + stacks.findings + calls.findings[1:] + beside.findings
    narrowed = "; ".join(redactor.text(chip.label) for chip in lens.chips(bounds[0]))
    return Template(assets.read("report.html")).substitute(
        nonce=secrets.token_urlsafe(16),
        version=safe(clew.__version__),
        title=safe(title or f"Who did what: {case.path.name}"),
        subtitle=safe(heading(case, redactor) + (f" · narrowed to {narrowed}" if narrowed else "")),
        style=assets.styles() + assets.read("report.css"),
        findings="\n".join(_finding(finding) for finding in found),
        twins="\n".join(twin(name, drawing, follows=True) for name, drawing in drawings.items()),
        facts=facts(case, redactor, calls.bins, calls.dropped),
        privacy=safe(_PRIVATE if redactor.on else _OPEN),
        data=embedded(data),
        bokeh=assets.bokeh_script().replace("</script", "<\\/script"),
        script=assets.scripts("report_requests.js", "report.js"),
    )


@dataclass(frozen=True)
class _Calls:
    """What a report shows of calls: data for the page, drawings by title, findings, and how exact its cube is."""

    data: dict[str, Any]
    drawings: dict[str, Drawing]
    findings: list[Finding]
    bins: int
    dropped: int


def _calls(case: Case, lens: Lens, redactor: Redactor, bounds: tuple[int, int]) -> _Calls:
    origin_ns = bounds[0]
    cells, bins = cube.fitting(case, lens)
    tables = {by: redactor.answer(counts(case, lens, by=by, limit=_ROWS)) for by in _BYS}
    asked = {
        "activity": redactor.answer(activity(case, lens, bins=bins, by="command")),
        "latency": redactor.answer(latency(case, lens)),
        "errors": redactor.answer(errors(case, lens)),
        "leaks": redactor.answer(leaks(case, lens)),
        "coverage": redactor.answer(coverage(case)),
        "losses": redactor.answer(losses(case)),
    }
    shades = {by: colors(tables[by]) for by in ("command", "op")}
    drawings = {
        "counts": draw_counts(tables["command"].table, "command", colors=shades["command"]),
        "activity": draw_activity(
            asked["activity"].table,
            "command",
            colors=shades["command"],
            window=window(bounds, lens),
            origin_ns=origin_ns,
        ),
        "latency": draw_latency(asked["latency"], None),
        "errors": draw_errors(asked["errors"].table, lens=Lens(), origin_ns=origin_ns),
        "leaks": draw_left_open(asked["leaks"].table, "process", lens=Lens(), origin_ns=origin_ns, inert=True),
        "coverage": draw_coverage(asked["coverage"]),
        "losses": draw_losses(asked["losses"]),
    }
    titles = {
        "counts": "Counts",
        "activity": "Activity",
        "latency": "Latency",
        "errors": "Errors",
        "leaks": "Left open",
        "coverage": "Coverage",
        "losses": "Losses",
    }
    sql = {name: answer.sql for name, answer in asked.items()} | {"counts": tables["command"].sql}
    specs = {
        name: panel(name, titles[name], drawings[name], sql=sql[name], **_said(name, drawings[name], asked))
        for name in titles
    }
    first, last = window(bounds, lens)
    found = findings(
        tables["command"],
        tables["op"],
        asked["activity"],
        asked["errors"],
        cells=cells.table,
        bins=bins,
        window=(first, last),
        origin_ns=origin_ns,
    )
    found += outside_findings(redactor.answer(outside(case, lens)), sampled(case))
    found += leak_findings(asked["leaks"])
    found += coverage_findings(asked["coverage"], asked["losses"])
    sums = totals(tables["command"])
    cells = redactor.answer(cells)
    columns = cube.columns(cells.table) | {"sql": cells.sql.strip()}
    data = {
        "origin": str(origin_ns),
        "from": first - origin_ns,
        "to": last - origin_ns,
        "bins": bins,
        "cube": columns,
        "colors": shades,
        "labels": {
            name: printable(name) for name in (*columns["commands"], *columns["ops"]) if printable(name) != name
        },
        "errnos": {
            row["errno"]: {"name": row["name"], "meaning": row["meaning"]} for row in asked["errors"].table.to_pylist()
        },
        "specs": specs,
        "later": LATER,
        "details": _details(case, lens, tables, redactor),
        "totals": sums,
        "bar": [
            {"name": n, "label": label, "kind": kind, "value": sums[n], "of": sums[n], "bad": n == "errors"}
            for n, label, kind in TOTALS
        ],
        "empty": EMPTY,
    }
    shown = {titles[name]: drawing for name, drawing in drawings.items()}
    return _Calls(data, shown, found, bins, columns["dropped"])


def embedded(data: Any) -> str:
    """``data`` as JSON that can stand inside a script element: no character in it can end the element."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=True, allow_nan=False, default=_base64)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _base64(data: object) -> str:
    if not isinstance(data, bytes):
        raise TypeError(f"no JSON for {type(data).__name__}")
    return base64.b64encode(data).decode()


def _said(name: str, drawing: Drawing, asked: Mapping[str, Answer]) -> dict[str, Any]:
    """What panel() says beside each drawing."""
    if name == "counts":
        return {"controls": (Control("by", "by", "command", tuple((by, by) for by in _BYS)),)}
    if name == "activity":
        warning = lost(asked["losses"])
        return {"controls": (MEASURE, stacking("command")), "note": "drag to narrow", "warning": warning}
    if name == "latency":
        summary = asked[name].summary
        note = f"mean {duration(summary['mean_ns'])}, longest {duration(summary['max_ns'])}" if drawing.rows else ""
        return {"controls": (SCALE,), "note": note}
    if name == "errors":
        return {"empty": "No call failed."}
    if name == "leaks":
        return {"note": asked[name].note or "", "empty": NONE}
    return {"note": drawing.finding, "empty": "Nothing is known about programs."}


def _details(case: Case, lens: Lens, tables: Mapping[str, Answer], redactor: Redactor) -> dict[str, Any]:
    """Rows of counts made beforehand: of everything (""), and of each of the leading commands."""
    details: dict[str, Any] = {by: {"": _rows(answer, by)} for by, answer in tables.items()}
    details["sql"] = {by: answer.sql.strip() for by, answer in tables.items()}
    for command in counts(case, lens, by="command", limit=_DETAILED).table["name"].to_pylist():
        for by in ("process", "thread", "op", "file", "peer"):
            answer = redactor.answer(counts(case, lens.narrow(commands=(command,)), by=by, limit=_ROWS))
            details[by][redactor.text(command)] = _rows(answer, by)
    return details


def _rows(answer: Answer, by: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = draw_counts(answer.table, by).body["rows"]
    if by == "process":  # a click on a process narrows to its command: that is what the cube knows
        for row, name in zip(rows, answer.table["name"].to_pylist(), strict=True):
            row["key"] = [["commands", name], *row["key"]]
    return rows


def _finding(finding: Finding) -> str:
    return f'<li data-tone="{finding.tone}"><b>{safe(finding.statement)}</b><span>{safe(finding.detail)}</span></li>'
