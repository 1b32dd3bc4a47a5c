"""Requests by name with how many, how long and how many failed; how long they took; single ones, to be opened."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from clew.lens import Lens
from clew.questions.answer import Answer
from clew.questions.requests import request_latency, requests, requests_by
from clew.units import duration, number, printable, shape_name
from clew_widgets.drawing import Drawing
from clew_widgets.drawing.histogram import histogram
from clew_widgets.drawing.table import Column, Row, table
from clew_widgets.views.base import Control
from clew_widgets.views.latency import SCALE
from clew_widgets.views.picking import picked
from clew_widgets.views.request_view import NO_MATCH, Group, RequestView

FIELDS = {"name": "requests", "shape": "shapes", "command": "commands", "host": "hosts", "status": ""}
"""What requests are counted by, and the field of the Lens that a row narrows (status: none)."""
LIMIT = 200
COLUMNS = (
    Column("count", "requests", "count", additive=True),
    Column("errors", "failed", "count", additive=True, bad=True, title="Requests whose reply tells a failure"),
    Column("total_ns", "total time", "duration", additive=True, title="From the first request to the last reply"),
    Column("mean_ns", "mean", "duration"),
    Column("p50_ns", "p50", "duration", title="Half of the requests were shorter"),
    Column("p90_ns", "p90", "duration", title="9 of 10 requests were shorter"),
    Column("p99_ns", "p99", "duration", title="99 of 100 requests were shorter"),
    Column("max_ns", "max", "duration", title="The longest request"),
)
ORDERS = {
    "slowest": "dur_ns",
    "failed": "error",
    "first": "start_ns",
    "most spans": "spans",
    "least sure": "confidence",
}
_SINGLE = (
    Column("name", "request", "text"),
    Column("start_ns", "begins", "duration", title="When it began, since the start of the case"),
    Column("dur_ns", "lasts", "duration", title="Unknown where its end was not seen"),
    Column("spans", "spans", "count"),
    Column("status", "status", "text"),
    Column("confidence", "confidence", "share", title="Of its least certain link"),
)


def draw_requests(
    rows: Sequence[Mapping[str, Any]], by: str, chosen: Collection[Any] = (), inert: bool = False
) -> Drawing:
    """The table of ``questions.requests_by``; rows with a value in ``chosen`` are marked."""
    field = FIELDS[by]
    made = []
    for row in rows:
        value = row["shape_id"] if by == "shape" else row["name"]
        key = str(value) if by == "shape" else value  # numbers of 64 bits do not survive a page
        label = "not known" if row["name"] is None else str(row["name"])
        sub = [shape_name(row["shape_id"])] if by == "shape" else []
        sub += [f"{number(row['unresolved'])} unresolved"] if row["unresolved"] and by != "status" else []
        cells = {column.id: row[column.id] for column in COLUMNS}
        made.append(
            Row(((field or "status", key),), label, cells, ", ".join(sub), value in chosen, inert=inert or not field)
        )
    finding = "no requests."
    if rows:
        longest = max(rows, key=lambda row: row["total_ns"] or 0)
        total, failed = sum(row["count"] for row in rows), sum(row["errors"] for row in rows)
        finding = f"{number(total)} requests, {number(failed)} failed; most time goes into "
        finding += printable(f"{longest['name'] or 'not known'}")[:80]
        if longest["p99_ns"] is not None:
            finding += f": half within {duration(longest['p50_ns'])}, 99 of 100 within {duration(longest['p99_ns'])}"
        finding += "."
    head = Column("name", {"name": "request", "command": "first program"}.get(by, by), "text")
    return table((head, *COLUMNS), made, sort="total_ns", label=f"Requests by {by}", finding=finding)


def draw_took(answer: Answer, band: tuple[int | None, int | None] | None) -> Drawing:
    """The histogram of ``questions.request_latency``; buckets outside ``band`` (ns) are pale."""
    filled = dict(zip(answer.table["bucket"].to_pylist(), answer.table["requests"].to_pylist(), strict=True))
    buckets = range(min(filled, default=0), max(filled, default=-1) + 1)
    low = [0 if bucket == 0 else 1 << (bucket - 1) for bucket in buckets]
    high = [1 << bucket for bucket in buckets]
    counts = [filled.get(bucket, 0) for bucket in buckets]
    label = "Duration of requests, power-of-two buckets"
    return histogram(low, high, counts, answer.summary, band=band, label=label, noun="request")


def draw_single(rows: Sequence[Mapping[str, Any]], origin_ns: int, opened: int | None, inert: bool = False) -> Drawing:
    """The list of ``questions.requests``; times are shown since ``origin_ns``."""
    made = []
    for row in rows:
        cells = {name: row[name] for name in ("dur_ns", "spans", "confidence")}
        cells |= {"start_ns": row["start_ns"] - origin_ns, "status": row["status"] or ""}
        sub = "failed" if row["error"] else "" if row["resolved"] else "unresolved"
        key = (("request_ids", str(row["request_id"])),)
        made.append(Row(key, row["name"], cells, sub, row["request_id"] == opened, inert=inert))
    finding = "no requests."
    if known := [row for row in rows if row["dur_ns"] is not None]:
        worst = max(known, key=lambda row: row["dur_ns"])
        finding = f"the longest shown is {printable(worst['name'])[:80]}: {duration(worst['dur_ns'])}."
    return table(_SINGLE, made, sort="dur_ns", label="Single requests", finding=finding, with_bars=False)


class RequestNames(RequestView):
    """Requests by name; click a row to narrow to it, with Ctrl or Shift to several, again to let go."""

    name = "requests"
    title = "Requests by name"
    by = "name"

    def ask(self) -> Answer:
        """Counts of all that could be picked: the Lens without this view's own field, the rest stays in sight."""
        lens = replace(self.model.lens, request_ids=())
        lens = lens.without(FIELDS[self.by]) if FIELDS[self.by] else lens
        return self.answers.ask(requests_by, lens, by=self.by, limit=LIMIT + 1)

    def words(self) -> tuple[list[str], Lens]:
        """What prints the requests by name."""
        return ["requests", f"--by={self.by}"], self.model.lens

    def draw(self, answer: Answer) -> tuple[Drawing, dict[str, Any]]:
        """The first LIMIT rows, those the Lens looks at marked."""
        chosen = getattr(self.model.lens, FIELDS[self.by]) if FIELDS[self.by] else ()
        rows = answer.table.slice(0, LIMIT).to_pylist()
        drawing = draw_requests(rows, self.by, chosen)
        shown = drawing.body["rows"]
        total = sum(row["cells"]["count"] for row in shown if row["selected"] or not chosen)
        note = f"the {LIMIT} that took most time" if answer.table.num_rows > LIMIT else ""
        control = Control("by", "by", self.by, tuple((name, name) for name in FIELDS))
        return drawing, {"note": note, "controls": (control,), "total": total, "empty": NO_MATCH}

    def show(self, answer: Answer) -> None:
        """Draw the answer under a title that says by what."""
        self.title = f"Requests by {self.by}"
        super().show(answer)

    def choose(self, name: str, value: str) -> None:
        """Count by something else; the Lens stays."""
        if name == "by" and value in FIELDS:
            self.by = value
            self.refresh()

    def act(self, message: dict[str, Any]) -> Lens:
        """The Lens with the rows picked; a single request that was open is let go."""
        lens = replace(self.model.lens, request_ids=())
        field = FIELDS[self.by]
        return picked(lens, (field,), as_numbers(message)) if field else lens


def as_numbers(message: dict[str, Any]) -> dict[str, Any]:
    """A ``pick`` message with ids as numbers again: the page has them as text."""
    keys = [
        [(field, int(value) if field in ("shapes", "request_ids") else value) for field, value in key]
        for key in message.get("keys", [])
    ]
    return message | {"keys": keys}


class RequestLatency(RequestView):
    """How long requests took; drag over the chart to narrow to those that took that long."""

    name = "request_latency"
    title = "How long they took"

    def ask(self) -> Answer:
        """Durations of all that could be brushed: the Lens without its own band."""
        return self.answers.ask(request_latency, replace(self.model.lens, took=None, request_ids=()))

    def words(self) -> tuple[list[str], Lens]:
        """What prints the histogram."""
        return ["requests", "--latency"], self.model.lens

    def draw(self, answer: Answer) -> tuple[Drawing, dict[str, Any]]:
        """The histogram, with mean and longest beside the title."""
        drawing = draw_took(answer, self.model.lens.took)
        note = ""
        if drawing.rows:
            note = f"mean {duration(answer.summary['mean_ns'])}, longest {duration(answer.summary['max_ns'])}"
        body = drawing.body
        total = sum(count for count, inside in zip(body["calls"], body["inside"], strict=True) if inside)
        return drawing, {"note": note, "controls": (SCALE,), "total": total, "empty": NO_MATCH}

    def show(self, answer: Answer) -> None:
        """Draw the answer; what is said of unresolved requests stands in the table above already."""
        super().show(replace(answer, note=None))

    def act(self, message: dict[str, Any]) -> Lens:
        """The Lens narrowed to durations of the buckets brushed (ns)."""
        band = (round(message["start"]), round(message["end"]))
        return replace(self.model.lens, took=band, request_ids=())


class SingleRequests(RequestView):
    """Single requests, the slowest first; click one to open it, again to let go."""

    name = "single_requests"
    title = "Single requests"
    order = "slowest"

    def ask(self) -> Answer:
        """The first LIMIT under the Lens, the one that is open aside."""
        lens = replace(self.model.lens, request_ids=())
        return self.answers.ask(requests, lens, order=ORDERS[self.order], limit=LIMIT)

    def draw(self, answer: Answer) -> tuple[Drawing, dict[str, Any]]:
        """The list, the open request marked."""
        opened = self.model.lens.request_ids[0] if self.model.lens.request_ids else None
        drawing = draw_single(answer.table.to_pylist(), self.answers.bounds()[0], opened)
        drawing.body["sort"] = {"id": ORDERS[self.order], "down": self.order in ("slowest", "most spans")}
        if self.order == "failed":
            drawing.body["sort"] = {"id": "status", "down": True}
        control = Control("order", "first the", self.order, tuple((name, name) for name in ORDERS), form="list")
        note = "click to open one" if drawing.rows else ""
        return drawing, {"note": note, "controls": (control,), "total": answer.table.num_rows, "empty": NO_MATCH}

    def show(self, answer: Answer) -> None:
        """Draw the answer; what is said of unresolved requests stands in the table above already."""
        super().show(replace(answer, note=None))

    def choose(self, name: str, value: str) -> None:
        """Another order."""
        if name == "order" and value in ORDERS:
            self.order = value
            self.refresh()

    def handle(self, message: dict[str, Any]) -> None:
        """Open the request clicked; the one that is open is let go."""
        if message.get("type") == "pick" and message.get("keys"):
            request_id = int(message["keys"][0][0][1])
            if self.model.lens.request_ids == (request_id,):
                self.model.set(replace(self.model.lens, request_ids=()))
            else:
                self.look_at(request_id)
        else:
            super().handle(message)


class RequestTables(Group):
    """The first tab: which requests there are."""

    name = "requests"
    title = "Requests"
    hint = "Requests by name, how long they took, and the slowest ones"
    kinds = (RequestNames, RequestLatency, SingleRequests)


REQUESTS = (10, RequestTables)
