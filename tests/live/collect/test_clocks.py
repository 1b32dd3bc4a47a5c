"""Hosts with clocks of their own: what they recorded stands on one clock, as near as it says, whatever came first."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import clew
from clew.capture.meta import Meta
from clew.ingest.run import rebuild

from .conftest import CLEW, CollectorProcess, clew_run, needs_root, record
from .machines import Host, hosts, peer

pytestmark = needs_root
EVENTS = "SELECT * FROM event ORDER BY thread_id, seq, ts_ns"
SECOND = 10**9


def start(host: Host, case: Path, command: Sequence[str]) -> subprocess.Popen[str]:
    """Record ``command`` on ``host``."""
    return subprocess.Popen(
        [*host.enter, *record(case, command, "--host", host.name)], stdout=subprocess.PIPE, text=True
    )


def ready(child: subprocess.Popen[str]) -> None:
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"


def ended(*children: subprocess.Popen[str]) -> None:
    for child in children:
        child.communicate(timeout=60)
        assert child.returncode == 0


def send(case: Path, collector: CollectorProcess) -> None:
    done = clew_run([*CLEW, "send", str(case), "--to", collector.address])
    assert done.returncode == 0, done.stderr


def table(case: Path, query: str) -> list[dict[str, Any]]:
    with closing(clew.open(case)) as opened:
        rows: list[dict[str, Any]] = opened.sql(query).to_pylist()
        return rows


def check(case: Path, host: Host) -> dict[str, Any]:
    """That the only line of ``host`` is as near to the truth as it says from its first message on; the line."""
    lines = table(case, f"SELECT * FROM host_clock WHERE host = '{host.name}' AND messages > 0")
    assert len(lines) == 1, lines
    line = lines[0]
    spans = table(case, f"SELECT max(ts_ns) - min(ts_ns) AS ns FROM event WHERE host = '{host.name}'")
    for after in (0, spans[0]["ns"] / 2):
        said = line["offset_ns"] + line["drift_ppb"] * after / 1e9
        assert abs(said + host.ahead_s * SECOND) <= line["residual_ns"], line
    return line


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Host]]:
    """Cases host0, host1, host2: 0 asks 1, which asks 2; the clocks of 1 and 2 are 5000 s ahead and 700 s behind."""
    folder = tmp_path_factory.mktemp("hosts")
    with hosts([0, 5000, -700]) as machines:
        count = 400
        last = start(machines[2], folder / "host2", peer("listen", "10.205.2.2", 7002, count, 2))
        ready(last)
        middle = start(machines[1], folder / "host1", peer("relay", "10.205.1.2", 7001, "10.205.2.2", 7002, count))
        ready(middle)
        first = start(machines[0], folder / "host0", peer("ask", "10.205.1.2", 7001, count, 1))
        ended(first, middle, last)
        return folder, machines


def test_three_hosts(recorded: tuple[Path, list[Host]], collect: Callable[..., CollectorProcess]) -> None:
    """One by one, with a look at the case each time: the third is tied to the first by the second."""
    folder, machines = recorded
    collector = collect()
    case = collector.case
    send(folder / "host0", collector)
    alone = table(case, EVENTS)
    send(folder / "host2", collector)  # who is not tied to the first yet
    row = table(case, "SELECT * FROM capture WHERE host = 'host2'")[0]
    assert "no messages in both directions tie the clock of host2" in row["notes"]
    assert table(case, "SELECT * FROM host_clock") == []
    send(folder / "host1", collector)
    assert table(case, f"SELECT * FROM ({EVENTS}) WHERE host = 'host0'") == alone
    near, far = check(case, machines[1]), check(case, machines[2])
    assert near["messages"] == 800
    assert near["residual_ns"] < 5e6
    assert far["residual_ns"] > near["residual_ns"]
    assert table(case, "SELECT count(*) AS n FROM capture WHERE notes LIKE '%tie%'") == [{"n": 0}]
    order = table(
        case,
        """SELECT count(*) AS n FROM (SELECT ts_ns, lead(ts_ns) OVER (PARTITION BY thread_id ORDER BY seq) AS next
           FROM event WHERE op_id < 20 AND host <> 'host0') WHERE next < ts_ns""",
    )
    assert order == [{"n": 0}]
    # Every time of every table is on the first clock: all of it happened within some seconds.
    for name, column in (
        ("event", "ts_ns"),
        ("process", "start_ns"),
        ("thread", "start_ns"),
        ("connection", "opened_ns"),
        ("capture", "ended_ns"),
        ("counter", "ts_ns"),
    ):
        found = table(case, f"SELECT max({column}) - min({column}) AS ns FROM {name} WHERE {column} > 0")
        assert found[0]["ns"] is None or found[0]["ns"] < 60 * SECOND, (name, found)
    before = {name: table(case, f"SELECT * FROM {name} ORDER BY ALL") for name in ("event", "process", "host_clock")}
    rebuild(case)
    assert {name: table(case, f"SELECT * FROM {name} ORDER BY ALL") for name in before} == before
    said = clew_run([*CLEW, "info", str(case)])
    assert said.returncode == 0
    assert "clocks of other hosts" in said.stdout


def test_a_capture_that_grows(recorded: tuple[Path, list[Host]], tmp_path: Path) -> None:
    """Looked at when a part of it is there, and again when all is: as if all had been there from the start."""
    folder, machines = recorded
    case = tmp_path / "case"
    whole = folder / "host1" / "raw" / "001"
    shutil.copytree(folder / "host0" / "raw" / "001", case / "raw" / "001")
    shutil.copytree(whole, case / "raw" / "002")
    segment, meta = case / "raw" / "002" / "seg-000001.clew", Meta.read(whole)
    everything = segment.read_bytes()
    for share in (0.4, 0.8):
        segment.write_bytes(everything[: int(len(everything) * share)])
        replace(meta, ended_ns=None, recorder_pid=os.getpid()).write(segment.parent)
        spread = table(case, "SELECT max(ts_ns) - min(ts_ns) AS ns FROM event")
        assert spread[0]["ns"] < 60 * SECOND
    segment.write_bytes(everything)
    meta.write(segment.parent)
    check(case, machines[1])
    before = {name: table(case, f"SELECT * FROM {name} ORDER BY ALL") for name in ("event", "connection", "host_clock")}
    assert len(before["event"]) > 3000
    rebuild(case)
    assert {name: table(case, f"SELECT * FROM {name} ORDER BY ALL") for name in before} == before


def test_no_messages(collect: Callable[..., CollectorProcess], tmp_path: Path) -> None:
    """By the wall clocks then, and said so."""
    with hosts([0, 4000]) as machines:
        for host in machines:
            ended(start(host, tmp_path / host.name, ["true"]))
    collector = collect()
    for host in machines:
        send(tmp_path / host.name, collector)
    rows = table(collector.case, "SELECT host, started_ns, started_utc, notes FROM capture ORDER BY capture_id")
    assert rows[0]["notes"] is None
    assert "wall clocks" in rows[1]["notes"]
    assert table(collector.case, "SELECT * FROM host_clock") == []
    apart_s = (rows[1]["started_ns"] - rows[0]["started_ns"]) / 1e9
    assert abs(apart_s - (rows[1]["started_utc"] - rows[0]["started_utc"]).total_seconds()) < 0.2


def shift_readings(segment: Path, after: int, by_ns: int) -> None:
    """Let the clock jump: its readings from number ``after`` on (native/include/clew_record.h) show ``by_ns`` more."""
    data, at, number = bytearray(segment.read_bytes()), 64, 0
    while at + 64 <= len(data):
        kind, size = struct.unpack_from("<H2xI", data, at + 4)
        if kind == 3:
            if number >= after:
                shown = struct.unpack_from("<Q", data, at + 64 + 8)[0]
                struct.pack_into("<Q", data, at + 64 + 8, shown + by_ns)
                struct.pack_into("<I", data, at + 12, 0)
                struct.pack_into("<I", data, at + 12, zlib.crc32(data[at : at + 64 + size]))
            number += 1
        at += 64 + (size + 7) // 8 * 8
    assert number > after + 2
    segment.write_bytes(data)


def test_a_clock_that_jumped(collect: Callable[..., CollectorProcess], tmp_path: Path) -> None:
    """Before the jump and after it times are right to the residual; in between they are in order."""
    with hosts([0, 300]) as machines:
        server = start(machines[1], tmp_path / "host1", peer("listen", "10.205.1.2", 7001, 1200, 0))
        ready(server)
        client = start(machines[0], tmp_path / "host0", peer("ask", "10.205.1.2", 7001, 1200, 4))
        ended(client, server)
    collector = collect()
    send(tmp_path / "host0", collector)
    shift_readings(tmp_path / "host1" / "raw" / "001" / "seg-000001.clew", 3, 20 * SECOND)
    send(tmp_path / "host1", collector)
    lines = table(collector.case, "SELECT * FROM host_clock ORDER BY from_ns")
    told = [line for line in lines if line["messages"] > 100]
    assert [round(line["offset_ns"] / 1e9) for line in (told[0], told[-1])] == [-300, -320]
    for line, truth in ((told[0], -300), (told[-1], -320)):
        assert abs(line["offset_ns"] - truth * SECOND) <= line["residual_ns"]
    # Each request was received after it was sent, each answer too, as far as the residual can tell.
    worst = max(told[0]["residual_ns"], told[-1]["residual_ns"])
    late = table(
        collector.case,
        """WITH moved AS (
               SELECT host, class, ts_ns, ts_ns + dur_ns AS end_ns, (byte_offset // 400)::INTEGER AS nth
               FROM event JOIN op USING (op_id) JOIN connection c USING (conn_id, host)
               WHERE c.kind = 'tcp' AND bytes = 400 AND class IN ('read', 'write'))
           SELECT r.end_ns, r.end_ns - w.ts_ns AS took FROM moved w JOIN moved r USING (nth)
           WHERE w.class = 'write' AND r.class = 'read' AND w.host = 'host0' AND r.host = 'host1'""",
    )
    assert len(late) == 1200
    begin, end = (line["from_ns"] + line["offset_ns"] for line in (lines[1], lines[-1]))
    between = [row["took"] for row in late if begin <= row["end_ns"] <= end]
    outside = [row["took"] for row in late if not begin <= row["end_ns"] <= end]
    assert [took for took in outside if not -worst <= took <= 5 * SECOND] == []
    assert [took for took in between if not -5 * SECOND <= took <= 5 * SECOND] == []  # it jumped by 20
    assert outside
