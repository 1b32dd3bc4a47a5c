"""One request as text: a line for each span, bars on a common axis of time."""

from __future__ import annotations

from typing import Any

from clew.units import duration, printable

BAR = 24  # characters
_SURE = 0.899999  # 0.9 may have been a float of 32 bits
_TELLING = 0.01  # share of the request below which it is not said that nobody worked in a span's own time
_BOLD, _DIM, _RED, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[0m"


def lines(rows: list[dict[str, Any]], width: int, color: bool) -> list[str]:
    """The tree of ``rows`` (of questions.request_tree) in lines of at most ``width`` characters.

    Each line: a bar (where in the request's time; █ on the critical path, ▒ off it, ▓ where it has none, ░ without an
    end), duration, self time, time waited for others, program, what was asked; how it was linked where that is not for
    sure; how much of its own time a thread worked where that is not nearly all.
    """
    first = min(row["start_ns"] for row in rows)
    last = max(row["start_ns"] if row["end_ns"] is None else row["end_ns"] for row in rows)
    head = f"{'time':<{BAR}}  {'took':>9}  {'self':>9}  {'waits':>9}  program and what it was asked or asked for"
    made = [_paint(head[:width], _DIM, color)]
    for row in rows:
        bar = _bar(row, first, max(last - first, 1))
        figures = "  ".join(f"{_time(row[name]):>9}" for name in ("dur_ns", "self_ns", "wait_ns"))
        text = f"{bar}  {figures}  {'  ' * row['depth']}{_what(row, last - first)}"
        text = text if len(text) <= width else text[: width - 1] + "…"
        style = _RED if row["error"] else _BOLD if row["on_critical_path"] else ""
        made.append(_paint(text, style, color))
    return made


def _paint(text: str, style: str, color: bool) -> str:
    return f"{style}{text}{_PLAIN}" if color and style else text


def _time(ns: int | None) -> str:
    return "-" if ns is None else duration(ns)


def _bar(row: dict[str, Any], first: int, whole: int) -> str:
    """Where the span lies in the request's time: at least one character."""
    begin = min(int((row["start_ns"] - first) * BAR / whole), BAR - 1)
    if row["end_ns"] is None:
        return " " * begin + "░" * (BAR - begin)
    length = max(1, min(round((row["end_ns"] - row["start_ns"]) * BAR / whole), BAR - begin))
    mark = "▓" if row["on_critical_path"] is None else "█" if row["on_critical_path"] else "▒"
    return f"{' ' * begin + mark * length:<{BAR}}"


def _what(row: dict[str, Any], whole: int) -> str:
    arrow = "→ " if row["kind"] == "client" else ""
    said = [f"{printable(row['command'])}[{row['pid']}] {arrow}{printable(row['name'])}"]
    if row["status"]:
        said.append(printable(row["status"]))
    if row["delay_ns"]:
        said.append(f"after {duration(row['delay_ns'])} on the way")
    if row["outlives"]:
        said.append("outlives what began it")
    if row["end_ns"] is None:
        said.append("no end seen")
    if row["link_rule"] == "unresolved":
        said.append("unresolved: for whom is not known")
    elif row["confidence"] < _SURE:
        said.append(f"likely ({row['link_rule']} {row['confidence']:.0%})")
    if row["worked_ns"] is not None and row["self_ns"] - row["worked_ns"] > _TELLING * whole:
        said.append(f"at work {duration(row['worked_ns'])}")
    return ", ".join(said)
