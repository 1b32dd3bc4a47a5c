"""Machines that send what they record to one collector: everything arrives, whatever happens on the way."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import clew

from .conftest import (
    CLEW,
    CollectorProcess,
    Wire,
    clew_run,
    counting,
    end,
    go_on,
    make_room,
    needs_root,
    received,
    record,
    same_files,
    start_recording,
    wait_until,
)

CUT_SECONDS = 30
WRITES = """
SELECT decode(head) AS said FROM event JOIN op USING (op_id) JOIN payload USING (thread_id, seq)
WHERE op = 'write' AND event.fd = 1 ORDER BY seq
"""


def numbers(case: Path) -> list[int]:
    with closing(clew.open(case)) as opened:
        return [int(row["said"]) for row in opened.sql(WRITES).to_pylist()]


def test_two_machines_in_one_case(collect: Callable[..., CollectorProcess], token: Path, tmp_path: Path) -> None:
    collector = collect("--token-file", str(token))
    options = ("--to", collector.address, "--token-file", str(token))
    running = [start_recording(tmp_path / host, counting(30), "--host", host, *options) for host in ("one", "two")]
    wait_until(lambda: received(collector.case) > 0 and received(collector.case, "002") > 0)
    secret = token.read_text().strip()
    lines = command_lines()
    assert sum("--while-open" in line for line in lines) >= 2
    assert not [line for line in lines if secret in line]
    with closing(clew.open(collector.case)) as growing:  # while it grows
        rows = growing.captures().to_pylist()
        assert {row["host"] for row in rows} == {"one", "two"}
        assert {row["ended_ns"] for row in rows} == {None}
    assert [end(child) for child in running] == ["", ""]
    for number in ("001", "002"):
        folder = collector.case / "raw" / number
        meta = json.loads((folder / "meta.json").read_text())
        assert same_files(tmp_path / meta["host"] / "raw" / "001", folder)
        assert (meta["exit_code"], meta["recorder_pid"], meta["received"]) == (0, None, True)
        assert secret not in (folder / "meta.json").read_text()
    assert collector.end() == 0
    assert secret not in collector.said
    assert "is complete" in collector.said
    with closing(clew.open(collector.case)) as case:
        rows = case.captures().to_pylist()
        assert {row["host"]: row["complete"] for row in rows} == {"one": True, "two": True}
        assert case.sql("SELECT count(*) AS n FROM host_clock").to_pylist() == [{"n": 0}]  # one kernel, one clock
    assert sorted(numbers(collector.case)) == sorted([*range(30), *range(30)])


def test_the_collector_is_killed_and_comes_back(
    collect: Callable[..., CollectorProcess], token: Path, tmp_path: Path
) -> None:
    collector = collect("--token-file", str(token))
    child = start_recording(tmp_path / "case", counting(40, 40), "--to", collector.address, "--token-file", str(token))
    wait_until(lambda: received(collector.case) > 2000)
    collector.kill()
    with closing(clew.open(collector.case)) as case:  # nobody has it now, and it is not over
        assert case.captures().to_pylist()[0]["ended_ns"] is None
    before = received(tmp_path / "case")
    go_on(child)
    wait_until(lambda: received(tmp_path / "case") > before + 2000)
    collector.start()
    said = end(child)
    assert said.count("\n") == 2, said  # lost, and found again
    assert "the connection was lost" in said or "nobody listens there" in said
    assert "sending goes on" in said
    assert same_files(tmp_path / "case" / "raw", collector.case / "raw")
    assert numbers(collector.case) == list(range(80))


def test_the_connection_is_cut(
    collect: Callable[..., CollectorProcess], wire: Callable[[int], Wire], tmp_path: Path
) -> None:
    collector = collect()
    cable = wire(collector.port)
    child = start_recording(tmp_path / "case", counting(40, 40), "--to", cable.address)
    wait_until(lambda: received(collector.case) > 2000)
    cable.cut()
    before = received(tmp_path / "case")
    go_on(child)
    wait_until(lambda: received(tmp_path / "case") > before + 2000)
    time.sleep(CUT_SECONDS)
    cable.mend()
    said = end(child)
    assert "sending goes on" in said
    assert same_files(tmp_path / "case" / "raw", collector.case / "raw")


def test_no_collector_loses_nothing(collect: Callable[..., CollectorProcess], tmp_path: Path) -> None:
    """The program runs as ever, what is unsent is told with the command that sends it, and that does."""
    collector = collect()
    collector.kill()
    done = clew_run(
        [*record(tmp_path / "case", ["sh", "-c", "echo said; exit 7"], "--to", collector.address, "--wait", "1s")]
    )
    assert (done.returncode, done.stdout) == (7, "said\n")
    assert "nobody listens there" in done.stderr
    assert "Traceback" not in done.stderr
    told = done.stderr[done.stderr.index("`clew send") + 1 :].partition("`")[0].split()
    collector.start()
    again = clew_run([*CLEW, *told[1:]])
    assert again.returncode == 0, again.stderr
    assert same_files(tmp_path / "case" / "raw", collector.case / "raw")
    twice = clew_run([*CLEW, *told[1:]])
    assert twice.returncode == 0
    assert [path.name for path in (collector.case / "raw").iterdir()] == ["001"]


def test_a_collector_that_says_nothing(tmp_path: Path) -> None:
    """It takes connections and never answers: Ctrl-C ends the wait, and says what is unsent."""
    case = tmp_path / "case"
    assert clew_run(record(case, ["true"])).returncode == 0
    with socket.create_server(("127.0.0.1", 0)) as silent:
        to = f"127.0.0.1:{silent.getsockname()[1]}"
        child = subprocess.Popen([*CLEW, "send", str(case), "--to", to], stderr=subprocess.PIPE, text=True)
        peer = silent.accept()[0]
        child.send_signal(signal.SIGINT)
        said = child.communicate(timeout=20)[1]
        peer.close()
    assert child.returncode == 1
    assert f"`clew send {case} --to {to}` sends the rest" in said


def test_the_recorder_is_killed(collect: Callable[..., CollectorProcess], tmp_path: Path) -> None:
    """What it had written arrives by itself; what is left in the arena does after `clew rebuild` and `clew send`."""
    collector = collect()
    case = tmp_path / "case"
    child = start_recording(case, counting(40, 40), "--to", collector.address)
    wait_until(lambda: received(collector.case) > 2000)
    child.kill()
    child.wait()
    go_on(child)  # the program is alive
    meta = collector.case / "raw" / "001" / "meta.json"
    wait_until(lambda: json.loads(meta.read_text())["received"] is True)
    assert same_files(case / "raw", collector.case / "raw")
    child.communicate(timeout=60)
    assert clew_run([*CLEW, "rebuild", str(case)]).returncode == 0
    sent = clew_run([*CLEW, "send", str(case), "--to", collector.address])
    assert sent.returncode == 0, sent.stderr
    assert same_files(case / "raw", collector.case / "raw")
    assert numbers(collector.case) == list(range(80))


def command_lines() -> list[str]:
    """Of all processes that there are."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has just ended
            found.append(path.read_text("utf-8", "replace"))
    return found


@needs_root
def test_the_collectors_disk_is_full(
    collect: Callable[..., CollectorProcess],
    small_disk: Path,
    tmp_path: Path,
) -> None:
    collector = collect(case=small_disk / "gathered")
    made = clew_run(record(tmp_path / "case", counting(40_000)))
    assert made.returncode == 0
    assert received(tmp_path / "case") > 2 << 20
    child = subprocess.Popen(
        [*CLEW, "send", str(tmp_path / "case"), "--to", collector.address, "--wait", "60s"],
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: "No space left" in collector.said)
    acknowledged = (collector.case / "raw" / "001" / ".received").read_text()
    make_room(small_disk)
    said = child.communicate(timeout=60)[1]
    assert child.returncode == 0, said
    assert "the collector cannot write: No space left on device" in said
    assert said.count("No space left") == 1
    assert collector.said.count("No space left") == 1
    assert "there is room again" in collector.said
    assert same_files(tmp_path / "case" / "raw", collector.case / "raw")
    assert (collector.case / "raw" / "001" / ".received").read_text().startswith(acknowledged)


@needs_root
def test_the_collectors_disk_was_full_from_the_start(
    collect: Callable[..., CollectorProcess], small_disk: Path, tmp_path: Path
) -> None:
    collector = collect(case=small_disk / "gathered")
    assert clew_run(record(tmp_path / "case", ["true"])).returncode == 0
    with (small_disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while filler.write(bytes(4096)):
            pass
    command = [*CLEW, "send", str(tmp_path / "case"), "--to", collector.address, "--wait", "60s"]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: "No space left" in collector.said)
    make_room(small_disk)
    said = child.communicate(timeout=60)[1]
    assert child.returncode == 0, said
    names = [path.name for path in (collector.case / "raw").iterdir() if any(path.iterdir())]
    assert same_files(tmp_path / "case" / "raw" / "001", collector.case / "raw" / names[0])
    assert len(names) == 1


@needs_root
def test_the_recorders_disk_is_full(collect: Callable[..., CollectorProcess], small_disk: Path, tmp_path: Path) -> None:
    """The program goes on; what the buffers cannot hold is counted; with room, recording and sending go on."""
    collector = collect()
    told = tmp_path / "told"
    with told.open("wb") as stderr:
        child = subprocess.Popen(
            record(small_disk / "case", counting(100_000, 1000), "--to", collector.address),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
    wait_until(lambda: "No space left" in told.read_text())
    make_room(small_disk)
    wait_until(lambda: "there is room again" in told.read_text())
    go_on(child)
    child.communicate(timeout=100)
    assert child.returncode == 0
    assert told.read_text().count("No space left") == 1
    assert "Traceback" not in told.read_text()
    assert same_files(small_disk / "case" / "raw", collector.case / "raw")
    with closing(clew.open(collector.case)) as case:
        writes = "FROM event JOIN op USING (op_id) WHERE op = 'write' AND fd = 1"
        row = case.sql(f"SELECT count(*) AS seen, count(DISTINCT seq) AS apart {writes}").to_pylist()[0]
        capture = case.captures().to_pylist()[0]
        assert row["seen"] == row["apart"]  # nothing twice
        assert row["seen"] + capture["lost_events"] == 101_000
        assert capture["complete"]


@needs_root
def test_the_recorders_disk_stays_full(collect: Callable[..., CollectorProcess], small_disk: Path) -> None:
    """What fitted is sent; the rest is in memory until there is room, and `clew rebuild` and `clew send` then."""
    collector = collect()
    done = clew_run(record(small_disk / "case", counting(40_000), "--to", collector.address))
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "39999"
    assert done.stderr.count("No space left on device") == 1
    assert "`clew rebuild` takes it" in done.stderr
    assert "Traceback" not in done.stderr
    assert received(collector.case) >= received(small_disk / "case") > 1_500_000
    before = numbers(collector.case)
    assert before == list(range(len(before)))
    assert len(before) > 2000
    make_room(small_disk)
    assert clew_run([*CLEW, "rebuild", str(small_disk / "case")]).returncode == 0
    sent = clew_run([*CLEW, "send", str(small_disk / "case"), "--to", collector.address])
    assert sent.returncode == 0, sent.stderr
    after = numbers(collector.case)
    assert after == list(range(len(after)))
    assert len(after) > len(before)
