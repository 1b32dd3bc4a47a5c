"""What was recorded and how much of it was seen: facts of the captures, coverage and losses, for a report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from clew.case import Case
from clew.questions.answer import Answer
from clew.units import duration, number, size
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.static import safe
from clew_widgets.drawing.table import Column, Row, table
from clew_widgets.redact import Redactor

_ACCOUNT = "/proc/PID/io, with the last program of the process"
_HEADED = 160  # letters of a command in the heading; the whole of it is among the facts


def _table(columns: Sequence[Column], answer: Answer, label: str, finding: str, sort: str) -> Drawing:
    names = [column.id for column in columns[1:]]
    rows = [
        Row((), row["command"] or "not known", {name: row[name] for name in names}, inert=True)
        for row in answer.table.slice(0, 200).to_pylist()
    ]
    return table(columns, rows, sort=sort, label=label, finding=finding, with_bars=False)


def draw_coverage(answer: Answer) -> Drawing:
    """What was recorded of each program beside what the kernel counted for it."""
    columns = (
        Column("name", "command", "text"),
        Column("pid", "pid", "id"),
        Column("counted_calls", "calls seen", "count", title="Calls like read and write that were recorded"),
        Column("kernel_calls", "calls by the kernel", "count", title=f"syscr + syscw of {_ACCOUNT}"),
        Column("counted_bytes", "bytes seen", "bytes"),
        Column("kernel_bytes", "bytes by the kernel", "bytes", title=f"rchar + wchar of {_ACCOUNT}"),
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


def facts(case: Case, redactor: Redactor, bins: int, dropped: int) -> str:
    """One list of facts for each capture, and one of the report, as HTML; without ``bins`` it shows no calls."""
    lists = []
    captures = case.captures().to_pylist()
    for row in captures:
        when = row["started_utc"]
        params = _options(row["params"])
        known = [
            ("command", f"<code>{safe(redactor.text(row['command'] or 'not known'))}</code>"),
            ("host", safe(redactor.text(row["host"]))),
            ("recorded", safe(f"{when:%Y-%m-%d %H:%M:%S} UTC" if when else "time not known") + safe(_length(row))),
            ("engine", safe(row["engine"])),
            ("recorded by", safe(f"clew {params['version']}" if params.get("version") else "not known")),
            ("exit code", safe("not known" if row["exit_code"] is None else row["exit_code"])),
            ("records lost", safe(number(row["lost_events"]))),
            ("raw bytes damaged", safe(size(row["skipped_bytes"]))),
        ]
        lists.append("<dl>" + "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in known) + "</dl>")
    about = f"Narrowing in this page works on {bins} time bins and power-of-two durations"
    about += f"; {number(dropped)} calls in the rarest cells are left out." if dropped else "."
    made = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    exact = f"<dt>precision</dt><dd>{safe(about)}</dd>" if bins else ""
    lists.append(f"<dl>{exact}<dt>report made</dt><dd>{made}</dd></dl>")
    return "".join(lists)


def heading(case: Case, redactor: Redactor) -> str:
    """What was recorded, where and when, in one line."""
    captures = case.captures().to_pylist()
    if not captures:
        return ""
    first = captures[0]
    more = f" and {len(captures) - 1} more" if len(captures) > 1 else ""
    when = f" · {first['started_utc']:%Y-%m-%d %H:%M} UTC" if first["started_utc"] else ""
    command = redactor.text(first["command"] or "command not known")
    command = command if len(command) <= _HEADED else command[: _HEADED - 1] + "…"
    return f"{command}{more} · {redactor.text(first['host'])}{when}"


def _options(params: str | None) -> dict[str, Any]:
    try:
        options = json.loads(params or "{}")
    except ValueError:
        return {}
    return options if isinstance(options, dict) else {}


def _length(row: Mapping[str, Any]) -> str:
    return f", {duration(row['ended_ns'] - row['started_ns'])}" if row["ended_ns"] is not None else ", end not known"
