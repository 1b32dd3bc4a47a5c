"""Who called whom, where the time of requests went, and what is not linked: beside plain Python."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

import clew
from clew import questions
from clew.case import Case
from clew.causal import span_times, spent
from clew.commands import main
from clew.lens import Lens
from clew.units import duration

from ..spans import write_case

Rows = list[dict[str, Any]]


def forget(folder: Path) -> None:
    """Leave what an older clew wrote: without the tables that sum up."""
    manifest = folder / "manifest.json"
    known = json.loads(manifest.read_text())
    for name in ("span_time", "span_wait", "hop"):
        (folder / f"{name}.parquet").unlink()
        del known["tables"][name]
    manifest.write_text(json.dumps(known))


def test_services(shop: Case, done: Rows) -> None:
    rows = questions.services(shop, Lens()).table.to_pylist()
    found = {(row["from_command"], row["to_command"]): row for row in rows}
    assert set(found) == {(None, "web"), ("web", "app"), ("app", "postgres")}
    for (caller, _), row in found.items():
        calls = [
            s for s in done if s["command"] == (caller or "web") and s["kind"] == ("client" if caller else "server")
        ]
        assert row["calls"] == len(calls)
        assert row["errors"] == sum(s["error"] for s in calls)
        assert row["bytes"] == sum(120 + (1500 if s["end_ns"] is not None else 0) for s in calls)
        assert row["recorded"] is (caller is not None)
        times = sorted(s["end_ns"] - s["start_ns"] for s in calls if s["end_ns"] is not None)
        for share in (50, 99):
            exact = times[max(-(-share * len(times) // 100), 1) - 1]
            assert exact <= row[f"p{share}_ns"] <= 1.046 * exact
    one = questions.services(shop, Lens(requests=("GET /",))).table.to_pylist()
    assert {(row["from_command"], row["to_command"]) for row in one} == {(None, "web"), ("web", "app")}
    assert questions.services(shop, Lens(requests=("none",))).note == "no request matches the lens"


def test_attribution_adds_up(shop: Case, done: Rows) -> None:
    answer = questions.attribution(shop, Lens())
    rows = answer.table.to_pylist()
    assert [row["kind"] for row in rows if row["command"] == "web"] == ["running", "waiting for app"]
    for command in ("web", "app", "postgres"):
        spans = [s for s in done if s["command"] == command and s["kind"] == "server" and s["end_ns"] is not None]
        mine = [row for row in rows if row["command"] == command and row["total_ns"] is not None]
        assert sum(row["total_ns"] for row in mine) == sum(s["end_ns"] - s["start_ns"] for s in spans)
        assert sum(row["share"] for row in mine) == pytest.approx(1)
    (faults,) = (row for row in rows if row["kind"] == "page faults")
    assert (faults["command"], faults["total_ns"], faults["share"]) == ("postgres", None, None)
    slow = shop.sql("SELECT count(*) AS n FROM working WHERE host = 'b' AND end_ns - start_ns > 2000000")["n"][
        0
    ].as_py()
    assert faults["count"] == 5 * slow > 0
    assert "3 spans are left out" in (answer.note or "")


def test_waiting_is_for_what_was_called(shop: Case, done: Rows) -> None:
    """Children at the same time count once: the time that any of them covers."""
    search = [s for s in done if s["name"] == "GET /search" and s["command"] == "app"]
    covered = 0
    for span in search:
        below = [s for s in done if s["parent_span_id"] == span["span_id"]]
        covered += max(s["end_ns"] for s in below) - min(s["start_ns"] for s in below)
    rows = questions.attribution(shop, Lens(requests=("GET /search",))).table.to_pylist()
    (waits,) = (row for row in rows if row["kind"] == "waiting for postgres")
    assert (waits["command"], waits["total_ns"], waits["count"]) == ("app", covered, 2 * len(search))


def test_samples_say_what_ran(shop: Case) -> None:
    """postgres has room for more than 20 samples of 1 ms, and some of them: the rest of its time is unaccounted."""
    rows = questions.attribution(shop, Lens()).table.to_pylist()
    sampled = """SELECT count(*) AS n FROM sample s JOIN working w
                 ON w.host = s.host AND w.tid = s.tid AND s.ts_ns >= w.start_ns AND s.ts_ns < w.end_ns
                 JOIN sample_event v USING (event_id) WHERE s.host = 'b' AND v.kind = 'on-cpu'"""
    ran = {row["kind"]: row["total_ns"] for row in rows if row["command"] == "postgres"}
    assert ran["running"] == 1_000_000 * shop.sql(sampled)["n"][0].as_py()
    assert ran["unaccounted"] > 0
    # Few requests have no room for samples: all own time in which a thread worked counts as running.
    few = questions.attribution(shop, Lens(request_ids=(9, 17, 25, 33))).table.to_pylist()
    assert not [row for row in few if row["kind"] == "unaccounted"]


def test_time_in_calls_that_wait_is_not_running(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Half of each interval of app is spent in epoll_wait: of GET /, which asks nobody, that is all there is to it."""
    write_case(tmp_path / "case", 100).close()
    made = duckdb.connect()
    for table in ("event", "working", "op", "span", "request"):
        made.execute(f"CREATE TABLE {table} AS SELECT * FROM '{tmp_path}/case/{table}.parquet'")
    made.execute(
        """WITH numbered AS (
               SELECT thread_id, seq, host, tid, row_number() OVER (PARTITION BY host, tid ORDER BY seq) AS k
               FROM event),
           interval AS (
               SELECT w.*, row_number() OVER (PARTITION BY w.host, w.tid ORDER BY w.start_ns) AS k
               FROM working w JOIN span s USING (span_id) WHERE s.command = 'app')
           UPDATE event SET op_id = (SELECT op_id FROM op WHERE op = 'epoll_wait'), ts_ns = i.start_ns + 10,
                            dur_ns = (i.end_ns - i.start_ns) // 2
           FROM numbered n JOIN interval i USING (host, tid, k)
           WHERE n.thread_id = event.thread_id AND n.seq = event.seq"""
    )
    made.execute(f"COPY event TO '{tmp_path}/case/event.parquet'")
    forget(tmp_path / "case")
    waited = """SELECT sum((w.end_ns - w.start_ns) // 2)::BIGINT AS n FROM working w JOIN span s USING (span_id)
                JOIN request r ON r.request_id = s.request_id WHERE s.command = 'app' AND r.name = 'GET /'"""
    expected = made.execute(waited).fetchone()
    case = clew.open(tmp_path / "case")
    before = questions.attribution(case, Lens(requests=("GET /",))).table.to_pylist()
    one = questions.requests(case, Lens(requests=("GET /",)), limit=1).table["request_id"][0].as_py()
    (span,) = (
        row for row in questions.request_tree(case, one).table.to_pylist()
        if (row["command"], row["kind"]) == ("app", "server")
    )  # fmt: skip
    assert main(["path", str(tmp_path / "case"), str(one)]) == 0
    case.close()
    assert f"at work {duration(span['worked_ns'])}" in capsys.readouterr().out
    assert span["worked_ns"] == span["self_ns"] - span["dur_ns"] // 2
    app = {row["kind"]: row["total_ns"] for row in before if row["command"] == "app"}
    assert expected and app["waiting in calls"] == expected[0] > 0
    assert set(app) == {"running", "waiting in calls"} and sum(app.values()) <= 2 * expected[0] + 100 * 100


def test_time_of_callers_outside_what_they_called_is_said(tmp_path: Path) -> None:
    """Without its web workers every request begins with a call of a recorded program: some of it is on the way."""
    write_case(tmp_path / "case", 100).close()
    made = duckdb.connect()
    span = f"'{tmp_path}/case/span.parquet'"
    made.execute(
        f"CREATE TABLE span AS SELECT * REPLACE (nullif(parent_span_id, request_id) AS parent_span_id) FROM {span}"
    )
    made.execute("DELETE FROM span WHERE kind = 'server' AND depth = 0")
    asked, outside = made.execute(
        """SELECT sum(c.end_ns - c.start_ns)::BIGINT, sum(c.end_ns - c.start_ns - s.end_ns + s.start_ns)::BIGINT
           FROM span c JOIN span s ON s.parent_span_id = c.span_id WHERE c.kind = 'client' AND c.name = 'GET /' """
    ).fetchone() or (0, 0)
    made.execute(f"COPY span TO {span}")
    forget(tmp_path / "case")
    case = clew.open(tmp_path / "case")
    note = questions.attribution(case, Lens(requests=("GET /",))).note or ""
    case.close()
    assert outside > 0.01 * asked > 0
    assert note.startswith(f"{duration(outside)} of the {duration(asked)} that callers waited is none of these")


def test_what_nobody_worked_for_is_unaccounted() -> None:
    """An event loop that is busy with other requests: the span lasts, but no thread works for it all the time."""
    spans = span_times.arrays(
        pa.table(
            {
                "span_id": pa.array([1, 2, 3, 4], pa.uint64()),
                "parent_span_id": pa.array([None, 1, 1, None], pa.uint64()),
                "kind": ["server", "client", "client", "server"],
                "start_ns": [0, 10, 60, 1000],
                "end_ns": [100, 40, 70, 1010],
            }
        )
    )
    rows = [(1, -5, 12), (1, 35, 65), (2, 80, 90), (99, 0, 100), (4, 1000, 1010), (1, 99, 300)]
    names = ("span_id", "start_ns", "end_ns")
    working = pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))
    working = working.cast(pa.schema([(name, pa.int64()) for name in names]))
    worked = span_times.worked(working, spans, span_times.times(spans))
    # Of the first: 0 to 10; 40 to 60; the call's 80 to 90 is its caller's; 99 to 100.
    assert worked.tolist() == [10 + 20 + 10 + 1, 0, 0, 10]


def test_tables_without_sums_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an older clew wrote answers as what this one writes, and so does what is then written; in parts or not."""
    new = write_case(tmp_path / "new", 60)
    new.to_parquet(tmp_path / "old")
    forget(tmp_path / "old")
    monkeypatch.setattr(spent, "MOST", 50)
    clew.open(tmp_path / "old").to_parquet(tmp_path / "again")
    again = clew.open(tmp_path / "again")
    for question in (questions.attribution, questions.services):
        for lens in (Lens(), Lens(requests=("GET /search",)), Lens(end_ns=new.bounds()[1] // 2)):
            assert question(again, lens).table.equals(question(new, lens).table)
    for table in ("span_time", "span_wait", "hop"):
        assert again.sql(f"SELECT * FROM {table} ORDER BY ALL").equals(new.sql(f"SELECT * FROM {table} ORDER BY ALL"))
    new.close()
    again.close()


def test_a_range_of_time_divides_spans_as_the_whole_does(shop: Case, done: Rows) -> None:
    """Spans that began in it count whole, though what they waited for began after it."""
    (first, *_) = (s for s in done if s["name"] == "GET /search" and s["command"] == "app" and s["kind"] == "server")
    lens = Lens(request_ids=(first["request_id"],))
    whole = [row for row in questions.attribution(shop, lens).table.to_pylist() if row["command"] == "app"]
    early = questions.attribution(shop, lens.narrow(end_ns=first["start_ns"] + 1)).table.to_pylist()
    assert [row for row in early if row["command"] == "app"] == whole
    assert {row["command"] for row in early} == {"web", "app"}


def test_unresolved(shop: Case, done: Rows) -> None:
    answer = questions.unresolved(shop, Lens())
    strays = sum(span["link_rule"] == "unresolved" for span in done)
    likely = sum(span["link_rule"] == "queue" for span in done)
    rows = answer.table.to_pylist()
    counted = {(row["reason"], row["rule"], row["command"]): row["count"] for row in rows}
    assert counted["has a cause that was not found", "unresolved", "app"] == strays
    assert counted["linked, but only likely", "queue", "app"] == likely
    assert sum(row["count"] for row in rows if row["reason"] == "its end was not seen") == 5
    assert answer.summary == {
        "spans": len(done),
        "linked": sum(span["parent_span_id"] is not None for span in done),
        "unresolved": strays,
        "likely": likely,
        "unfinished": 5,
        "roots": sum(span["link_rule"] == "root" for span in done),
    }
    meanings = {row["rule"]: row["meaning"] for row in rows}
    assert meanings["unresolved"] and meanings[None] is None
    sure = questions.unresolved(shop, Lens(requests=("GET /",)))
    assert sure.table.num_rows == 0 and sure.note == "everything is linked, for sure"


def test_linked_by(shop: Case, done: Rows) -> None:
    for row in questions.linked_by(shop, Lens()).table.to_pylist():
        mine = [span["confidence"] for span in done if span["link_rule"] == row["rule"]]
        assert row["count"] == len(mine)
        assert row["meaning"]
        if row["rule"] == "unresolved":
            assert row["confidence"] is None
        else:
            assert row["confidence"] == pytest.approx(sum(mine) / len(mine)) and row["lowest"] == min(mine)


def test_time_that_nothing_accounts_for_leads_on(shop: Case, tmp_path: Path) -> None:
    assert "unaccounted" not in (questions.attribution(shop, Lens()).note or "")
    write_case(tmp_path / "case", 60).close()
    made, working = duckdb.connect(), f"'{tmp_path}/case/working.parquet'"
    made.execute(f"CREATE TABLE working AS SELECT * FROM {working} WHERE host <> 'a'")  # no thread of app's worked
    made.execute(f"COPY working TO {working}")
    forget(tmp_path / "case")
    case = clew.open(tmp_path / "case")
    note = questions.attribution(case, Lens(requests=("GET /",))).note or ""
    case.close()
    assert "most of the time of app is unaccounted" in note and "--pools" in note
