"""Requests as pages to read: a list, one page for each path, one for each request with every call made for it.

Each page needs nothing but itself: no script, no network; light and dark. All text is escaped.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from clew.case import Case
from clew.errors import ClewError
from clew.lens import Lens
from clew.questions.request_events import request_events
from clew.questions.request_tree import request_tree
from clew.questions.requests import requests, requests_by
from clew.questions.shapes import shapes
from clew.units import duration, number, printable, shape_name, size

Mask = Callable[[str], str]
MOST_EVENTS, MOST_SPANS = 5_000, 2_000
"""Calls and spans that a page shows at most; that there are more is said."""

_STYLE = """
:root{color-scheme:light dark;--ink:#1b1b1b;--soft:#666;--line:#ddd;--paper:#fff;--bar:#c2410c;--idle:#cbd5e1;
--bad:#b91c1c;--link:#1d4ed8}
@media(prefers-color-scheme:dark){:root{--ink:#e6e6e6;--soft:#9aa0aa;--line:#33373f;--paper:#16181d;--bar:#fb923c;
--idle:#475569;--bad:#f87171;--link:#93c5fd}}
body{font:15px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:1.5rem auto;max-width:90rem;
padding:0 1rem}
h1{font-size:1.3rem}h2{font-size:1.05rem;margin-top:2rem}a{color:var(--link)}p.note{color:var(--soft)}
table{border-collapse:collapse;font-size:.86rem;display:block;overflow-x:auto}
th,td{text-align:left;padding:.15rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--soft);font-weight:600}td.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
pre{font:.86rem/1.4 ui-monospace,Menlo,Consolas,monospace;overflow-x:auto}code,td.m{font-family:ui-monospace,Menlo,
Consolas,monospace;font-size:.82rem}td.m{overflow-wrap:anywhere}tr.bad td{color:var(--bad)}
.axis{position:relative;width:14rem;height:.9rem}.axis i{position:absolute;top:.15rem;height:.6rem;min-width:1px;
background:var(--idle)}.axis i.on{background:var(--bar)}
"""


def write_pages(case: Case, lens: Lens, folder: Path, mask: Mask, *, limit: int = 10, literals: bool = False) -> int:
    """Write pages of what ``lens`` shows of ``case`` into the new or empty ``folder`` (files 0600); returns how many.

    ``limit``: paths, and requests (the slowest, and the slowest of each path), that get a page of their own. ``mask``
    is given every text of the capture; without ``literals`` messages are shown by name, values left out. Raises
    ClewError where there is nothing to write or the folder cannot be used.
    """
    listed = {row["request_id"]: row for row in requests(case, lens, "dur_ns", limit).table.to_pylist()}
    if not listed:
        raise ClewError("no request matches the lens: there is nothing to write")
    paths = shapes(case, lens, limit).table.to_pylist()
    of_path = {}
    for shape in paths:
        slowest = requests(case, lens.narrow(shapes=(shape["shape_id"],)), "dur_ns", limit).table.to_pylist()
        of_path[shape["shape_id"]] = slowest
        listed |= {row["request_id"]: row for row in slowest[:1]}
    listed = dict(sorted(listed.items(), key=lambda item: -(item[1]["dur_ns"] or 0)))
    pages = _Pages(case, mask, literals, {shape["shape_id"] for shape in paths}, set(listed))
    _make(folder)
    for shape in paths:
        _write(folder / f"path-{shape['shape_id']}.html", pages.path(shape, of_path[shape["shape_id"]]))
    for row in listed.values():
        _write(folder / f"request-{row['request_id']}.html", pages.request(row))
    _write(folder / "index.html", pages.index(lens, list(listed.values()), paths))
    return len(paths) + len(listed) + 1


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ClewError(f"{folder} is not empty")
    except OSError as error:
        raise ClewError(f"cannot write pages into {folder}: {error.strerror}") from None


def _write(path: Path, text: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError as error:
        raise ClewError(f"cannot write {path}: {error.strerror}", exit_code=1) from None


@dataclass(frozen=True)
class _Pages:
    """What pages share: where text comes from, how it is masked, and which other pages there are to link to."""

    case: Case
    mask: Mask
    literals: bool
    shapes: set[int]
    requests: set[int]

    def text(self, text: object) -> str:
        """Text of a capture as HTML: masked, nothing in it moves or ends anything."""
        return "" if text is None else escape(printable(self.mask(str(text))))

    def index(self, lens: Lens, listed: list[dict[str, Any]], paths: list[dict[str, Any]]) -> str:
        """The page of all: requests by name, single ones, paths."""
        by_name = requests_by(self.case, lens, limit=200)
        names = [
            [self.text(row["name"]), _n(row["count"]), _n(row["errors"]), *(_ns(row[key]) for key in _TIMES)]
            for row in by_name.table.to_pylist()
        ]
        body = _table(("name", "requests", "errors", "mean", "p50", "p99", "longest"), names)
        body += f"<h2>Slowest requests, and the slowest of each path</h2>{self._list(listed)}<h2>Paths</h2>"
        ways = [
            [
                *(self._shape(shape["shape_id"]), self.text(shape["name"]), _n(shape["requests"]), _n(shape["errors"])),
                *(_ns(shape["p50_ns"]), _ns(shape["p99_ns"]), _n(shape["spans"]), _n(shape["processes"])),
            ]
            for shape in paths
        ]
        body += _table(("path", "name", "requests", "errors", "p50", "p99", "spans", "processes"), ways)
        return self._page(f"Requests of {self.case.path.name}", body, by_name.note, home=False)

    def path(self, shape: dict[str, Any], slowest: list[dict[str, Any]]) -> str:
        """The page of one shape."""
        steps = "\n".join(self.text(line) for line in shape["path"].split("\n"))
        said = f"{number(shape['requests'])} requests, {number(shape['errors'])} errors"
        body = f"<p>{said}</p><pre>{steps}</pre><h2>Slowest of them</h2>{self._list(slowest)}"
        return self._page(f"Path {shape_name(shape['shape_id'])}: {shape['name']}", body)

    def request(self, row: dict[str, Any]) -> str:
        """The page of one request: its tree, and every call in order of time."""
        tree = request_tree(self.case, row["request_id"])
        spans = tree.table.to_pylist()
        calls = request_events(self.case, row["request_id"], MOST_EVENTS + 1)
        took = "its end was not seen" if row["dur_ns"] is None else f"took {duration(row['dur_ns'])}"
        body = f"<p>{escape(took)}, {number(row['spans'])} spans in {number(row['processes'])} processes, path "
        body += f"{self._shape(row['shape_id'])}</p>" + self._tree(spans)
        body += "<h2>Every call made for it, in order of time</h2>"
        body += self._calls(calls.table.to_pylist(), min(span["start_ns"] for span in spans))
        note = "; ".join(filter(None, (tree.note, calls.note))) or None
        return self._page(f"Request {row['request_id']}: {row['name']}", body, note)

    def _list(self, rows: list[dict[str, Any]]) -> str:
        cells = [
            [
                *(self._link(row["request_id"]), self.text(row["name"]), self.text(row["status"]), _ns(row["dur_ns"])),
                *(_n(row["spans"]), _n(row["processes"]), f"<td class=n>{row['confidence']:.2f}"),
                self._shape(row["shape_id"]),
            ]
            for row in rows
        ]
        bad = [bool(row["error"]) for row in rows]
        head = ("request", "name", "status", "took", "spans", "processes", "confidence", "path")
        return _table(head, cells, bad)

    def _tree(self, spans: list[dict[str, Any]]) -> str:
        first = min(span["start_ns"] for span in spans)
        last = max(span["start_ns"] if span["end_ns"] is None else span["end_ns"] for span in spans)
        cells = []
        for span in spans[:MOST_SPANS]:
            until = last if span["end_ns"] is None else span["end_ns"]
            whole = max(last - first, 1)
            left, width = 100 * (span["start_ns"] - first) / whole, 100 * (until - span["start_ns"]) / whole
            on = " class=on" if span["on_critical_path"] else ""
            what = self.text(span["summary"] if self.literals and span["summary"] else span["name"])
            arrow = "→ " if span["kind"] == "client" else ""
            cells.append(
                [
                    f"<td><div class=axis><i{on} style='left:{left:.3f}%;width:{width:.3f}%'></i></div>",
                    f"<td style='padding-left:{0.6 + 1.2 * span['depth']:.1f}rem'>"
                    f"{self.text(span['command'])}[{span['pid']}] {arrow}{what}",
                    self.text(span["status"]),
                    *(_ns(span[name]) for name in ("dur_ns", "self_ns", "wait_ns", "delay_ns")),
                    f"{escape(span['link_rule'])} {span['confidence']:.2f}",
                    self.text(span["reason"]),
                ]
            )
        bad = [bool(span["error"]) for span in spans]
        head = ("when", "work", "status", "took", "self", "waits", "on the way", "link", "")
        left = f" The first {MOST_SPANS:,} of {len(spans):,} are shown." if len(spans) > MOST_SPANS else ""
        return f"<p class=note>Bars in colour are on the critical path.{left}</p>" + _table(head, cells, bad)

    def _calls(self, rows: list[dict[str, Any]], first: int) -> str:
        cells, before = [], None
        for row in rows[:MOST_EVENTS]:
            who = (row["host"], row["pid"])
            name = f"{self.text(row['command'])}[{row['pid']}]"
            name = name if who == before else f"<b>{name}</b>"
            before = who
            said = self.text(row["message"] if self.literals else row["short"])
            cells.append(
                [
                    f"<td class=n>{(row['ts_ns'] - first) / 1e6:,.3f} ms",
                    f"<td>{name}",
                    self.text(row["host"]),
                    escape(f"{row['op']}({'' if row['fd'] is None else row['fd']})"),
                    self.text(row["object"]),
                    "<td class=n>" + ("" if row["bytes"] is None else size(row["bytes"])),
                    _ns(row["dur_ns"]),
                    self.text(row["errno_name"]),
                    f"<td class=m>{said}",
                ]
            )
        head = ("since its begin", "process", "host", "call", "file or peer", "bytes", "took", "error", "message")
        left = "<p class=note>Later calls are left out.</p>" if len(rows) > MOST_EVENTS else ""
        return _table(head, cells) + left

    def _link(self, request_id: int) -> str:
        return (
            f"<a href='request-{request_id}.html'>{request_id}</a>" if request_id in self.requests else str(request_id)
        )

    def _shape(self, shape_id: int) -> str:
        name = shape_name(shape_id)
        return f"<a href='path-{shape_id}.html'>{name}</a>" if shape_id in self.shapes else name

    def _page(self, title: str, body: str, note: str | None = None, *, home: bool = True) -> str:
        private = "as recorded" if self.literals else "what may be private is masked or left out"
        back = "<p><a href='index.html'>all requests</a></p>" if home else ""
        said = f"<p class=note>{self.text(note)}</p>" if note else ""
        return (
            "<!doctype html><html lang=en><head><meta charset=utf-8>"
            "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'\">"
            "<meta name=viewport content='width=device-width'><meta name=referrer content=no-referrer>"
            f"<title>{self.text(title)}</title><style>{_STYLE}</style></head><body>{back}<h1>{self.text(title)}</h1>"
            f"{said}{body}<p class=note>Made by clew; {private}.</p></body></html>\n"
        )


_TIMES = ("mean_ns", "p50_ns", "p99_ns", "max_ns")


def _n(value: int) -> str:
    return f"<td class=n>{number(value)}"


def _ns(value: float | None) -> str:
    return "<td class=n>" + ("-" if value is None else duration(value))


def _table(head: Iterable[str], rows: list[list[str]], bad: list[bool] | None = None) -> str:
    """Cells are HTML: with their own <td>, or without."""
    parts = ["<table><thead><tr>", *(f"<th>{escape(name)}" for name in head), "</thead><tbody>"]
    for place, row in enumerate(rows):
        parts.append("<tr class=bad>" if bad and bad[place] else "<tr>")
        parts += [cell if cell.startswith("<td") else f"<td>{cell}" for cell in row]
    return "".join(parts) + "</tbody></table>"
