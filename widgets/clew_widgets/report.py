"""A case as one HTML file that needs nothing else: the views of the notebook, drawn by the same code, and what was recorded.

What is left out of it so that it can be handed on is said in ``clew_widgets.redact``.
"""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
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
from clew.questions.errors import errors
from clew.questions.latency import latency
from clew.units import duration, number, printable, size

from clew_widgets import assets, cube
from clew_widgets.drawing import Drawing, palette
from clew_widgets.drawing.static import safe, twin
from clew_widgets.drawing.table import Column, Row, table
from clew_widgets.findings import Finding, coverage_findings, findings
from clew_widgets.lens_bar import TOTALS
from clew_widgets.redact import Redactor
from clew_widgets.views.activity import MEASURE, draw_activity, window
from clew_widgets.views.base import EMPTY, Control, panel
from clew_widgets.views.counts import draw_counts
from clew_widgets.views.errors import draw_errors
from clew_widgets.views.latency import SCALE, draw_latency

_BYS = ("command", "process", "thread", "op", "file", "peer")
_DETAILED = 6  # commands whose own tables go into the report
_ROWS = 100
_PRIVATE = (
    "Redacted: values of arguments that look like secrets, user names in paths, and addresses outside private networks are masked. "
    "The bytes that programs read and wrote are never part of a report."
)
_OPEN = "Not redacted: command lines, paths and addresses stand as they were recorded. The bytes that programs read and wrote are never part of a report."


def write_report(case: Case, out: str | os.PathLike[str], lens: Lens | None = None, title: str | None = None, redact: bool = True) -> Path:
    """Write what ``lens`` shows of ``case`` to the file ``out`` (mode 0600, replaced in one step); returns its path.

    ``redact`` masks what may be private (see ``clew_widgets.redact``). Raises ClewError if single calls were not recorded,
    nothing was recorded at all, or the file cannot be written.
    """
    text = render(case, lens or Lens(), title, Redactor(redact))
    path = Path(out)
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = Path(file.name)  # mkstemp gives it mode 0600
            file.write(text)
        temporary.replace(path)
    except OSError as error:
        raise ClewError(f"cannot write {path}: {error.strerror}") from None
    return path


def render(case: Case, lens: Lens, title: str | None, redactor: Redactor) -> str:
    """The report as HTML text."""
    origin_ns = case.bounds()[0]
    cells, bins = cube.fitting(case, lens)
    tables = {by: redactor.answer(counts(case, lens, by=by, limit=_ROWS)) for by in _BYS}
    answers = {
        "activity": redactor.answer(activity(case, lens, bins=bins, by="command")),
        "latency": redactor.answer(latency(case, lens)),
        "errors": redactor.answer(errors(case, lens)),
        "coverage": redactor.answer(coverage(case)),
        "losses": redactor.answer(losses(case)),
    }
    colors = {by: palette(str(name) for name in tables[by].table["name"].to_pylist()) for by in ("command", "op")}
    drawings = {
        "counts": draw_counts(tables["command"].table, "command", colors=colors["command"]),
        "activity": draw_activity(
            answers["activity"].table, "command", colors=colors["command"], window=window(case, lens), origin_ns=origin_ns
        ),
        "latency": draw_latency(answers["latency"], None),
        "errors": draw_errors(answers["errors"].table, lens=Lens(), origin_ns=origin_ns),
        "coverage": draw_coverage(answers["coverage"]),
        "losses": draw_losses(answers["losses"]),
    }
    titles = {"counts": "Counts", "activity": "Activity", "latency": "Latency", "errors": "Errors", "coverage": "Coverage", "losses": "Losses"}
    sql = {name: answer.sql for name, answer in answers.items()} | {"counts": tables["command"].sql}
    specs = {name: panel(name, titles[name], drawings[name], sql=sql[name], **_said(name, drawings[name], answers)) for name in titles}
    found = findings(tables["command"], tables["op"], answers["activity"], answers["errors"], origin_ns)
    found += coverage_findings(answers["coverage"], answers["losses"])
    first, last = window(case, lens)
    totals = {name: sum(value or 0 for value in tables["command"].table[name].to_pylist()) for name, _, _ in TOTALS}
    columns = cube.columns(redactor.answer(cells).table)
    data = {
        "origin": str(origin_ns),
        "from": first - origin_ns,
        "to": last - origin_ns,
        "bins": bins,
        "cube": columns,
        "colors": colors,
        "labels": {name: printable(name) for name in (*columns["commands"], *columns["ops"]) if printable(name) != name},
        "errnos": {row["errno"]: {"name": row["name"], "meaning": row["meaning"]} for row in answers["errors"].table.to_pylist()},
        "specs": specs,
        "details": _details(case, lens, tables, redactor),
        "totals": totals,
        "bar": [{"name": n, "label": label, "kind": kind, "value": totals[n], "of": totals[n], "bad": n == "errors"} for n, label, kind in TOTALS],
        "empty": EMPTY,
    }
    heading, facts = _facts(case, redactor, bins, columns["dropped"])
    nonce = secrets.token_urlsafe(16)
    narrowed = "; ".join(redactor.text(chip.label) for chip in lens.chips(origin_ns))
    return Template(assets.read("report.html")).substitute(
        nonce=nonce,
        version=safe(clew.__version__),
        title=safe(title or heading["title"]),
        subtitle=safe(heading["subtitle"] + (f" · narrowed to {narrowed}" if narrowed else "")),
        style=assets.styles() + assets.read("report.css"),
        findings="\n".join(_finding(finding) for finding in found),
        twins="\n".join(twin(titles[name], drawing) for name, drawing in drawings.items()),
        facts=facts,
        privacy=safe(_PRIVATE if redactor.on else _OPEN),
        data=embedded(data),
        bokeh=assets.bokeh_script().replace("</script", "<\\/script"),
        script=assets.scripts("report.js"),
    )


def embedded(data: Any) -> str:
    """``data`` as JSON that can stand inside a script element: no character in it can end the element."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _said(name: str, drawing: Drawing, answers: Mapping[str, Answer]) -> dict[str, Any]:
    """What panel() says beside each drawing."""
    if name == "counts":
        return {"controls": (Control("by", "by", "command", tuple((by, by) for by in _BYS)),)}
    if name == "activity":
        return {"controls": (MEASURE, Control("group", "stack by", "command", (("command", "command"), ("op", "op"), ("all", "nothing")))),
                "note": "drag to narrow"}  # fmt: skip
    if name == "latency":
        summary = answers[name].summary
        note = f"mean {duration(summary['mean_ns'])}, longest {duration(summary['max_ns'])}" if drawing.rows else ""
        return {"controls": (SCALE,), "note": note}
    if name == "errors":
        return {"empty": "No call failed."}
    return {"note": drawing.finding, "empty": "Nothing is known about programs."}


def _details(case: Case, lens: Lens, tables: Mapping[str, Answer], redactor: Redactor) -> dict[str, Any]:
    """Rows of counts made beforehand: of everything (""), and of each of the leading commands, by what the cube has not."""
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


def _table(columns: Sequence[Column], answer: Answer, label: str, finding: str, sort: str) -> Drawing:
    names = [column.id for column in columns[1:]]
    rows = [Row((), row["command"] or "not known", {name: row[name] for name in names}) for row in answer.table.slice(0, 200).to_pylist()]
    drawing = table(columns, rows, sort=sort, label=label, finding=finding, with_bars=False)
    for row in drawing.body["rows"]:
        row["inert"] = True
    return drawing


def draw_coverage(answer: Answer) -> Drawing:
    """What was recorded of each program beside what the kernel counted for it."""
    columns = (
        Column("name", "command", "text"),
        Column("pid", "pid", "id"),
        Column("counted_calls", "calls seen", "count", title="Calls like read and write that were recorded"),
        Column("kernel_calls", "calls by the kernel", "count", title="syscr + syscw of /proc/PID/io"),
        Column("counted_bytes", "bytes seen", "bytes"),
        Column("kernel_bytes", "bytes by the kernel", "bytes", title="rchar + wchar of /proc/PID/io"),
        Column("share", "share seen", "share", title="Bytes seen of those that the kernel counted"),
        Column("unseen", "why not all", "text"),
    )
    rows = answer.table.to_pylist()
    unseen = sum(row["unseen"] is not None for row in rows)
    finding = f"{number(len(rows))} programs, {number(unseen)} of them not or only partly seen" if rows else ""
    return _table(columns, answer, "Recorded beside what the kernel counted", finding, "kernel_bytes")


def draw_losses(answer: Answer) -> Drawing:
    """What was dropped, by capture and thread."""
    columns = (
        Column("name", "command", "text"),
        Column("capture_id", "capture", "id"),
        Column("pid", "pid", "id"),
        Column("tid", "tid", "id"),
        Column("lost_events", "records lost", "count", bad=True),
        Column("skipped_bytes", "bytes damaged", "bytes", bad=True, title="Bytes of damaged blocks in the raw files"),
    )
    lost = sum(row["lost_events"] for row in answer.table.to_pylist() if row["tid"] is None)
    return _table(columns, answer, "Records that were lost", f"{number(lost)} records lost", "lost_events")


def _finding(finding: Finding) -> str:
    return f'<li data-tone="{finding.tone}"><b>{safe(finding.statement)}</b><span>{safe(finding.detail)}</span></li>'


def _facts(case: Case, redactor: Redactor, bins: int, dropped: int) -> tuple[dict[str, str], str]:
    """The heading, and one list of facts for each capture as HTML."""
    lists = []
    captures = case.captures().to_pylist()
    for row in captures:
        when = row["started_utc"]
        params = _options(row["params"])
        facts = [
            ("command", f"<code>{safe(redactor.text(row['command'] or 'not known'))}</code>"),
            ("host", safe(redactor.text(row["host"]))),
            ("recorded", safe(f"{when:%Y-%m-%d %H:%M:%S} UTC" if when else "time not known") + safe(_length(row))),
            ("engine", safe(" ".join(part for part in (row["engine"], f"clew {params['clew']}" if "clew" in params else "") if part))),
            ("exit code", safe("not known" if row["exit_code"] is None else row["exit_code"])),
            ("records lost", safe(number(row["lost_events"]))),
            ("raw bytes damaged", safe(size(row["skipped_bytes"]))),
        ]
        lists.append("<dl>" + "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts) + "</dl>")
    about = f"Narrowing in this page works on {bins} time bins and power-of-two durations" + (f"; {number(dropped)} calls in the rarest cells are left out." if dropped else ".")
    lists.append(f'<dl><dt>precision</dt><dd>{safe(about)}</dd><dt>report made</dt><dd>{datetime.now(UTC):%Y-%m-%d %H:%M} UTC</dd></dl>')
    first = captures[0] if captures else {"command": None, "host": "", "started_utc": None}
    command = redactor.text(first["command"] or case.path.name)
    short = command if len(command) <= 70 else command[:69] + "…"
    more = f" and {len(captures) - 1} more" if len(captures) > 1 else ""
    when = f" · {first['started_utc']:%Y-%m-%d %H:%M} UTC" if first["started_utc"] else ""
    return {"title": f"Who did what: {short}{more}", "subtitle": f"{redactor.text(first['host'])}{when}"}, "".join(lists)


def _options(params: str | None) -> dict[str, Any]:
    try:
        options = json.loads(params or "{}")
    except ValueError:
        return {}
    return options if isinstance(options, dict) else {}


def _length(row: Mapping[str, Any]) -> str:
    return f", {duration(row['ended_ns'] - row['started_ns'])}" if row["ended_ns"] is not None else ", end not known"
