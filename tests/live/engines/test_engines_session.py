"""Recording from Python, as a notebook does: in a thread or not, with what should be known at once."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from clew.capture import preload
from clew.capture.engines import Target
from clew.capture.engines._perf_events import Wanted
from clew.capture.engines.perf import PerfEngine
from clew.capture.session import Recorded, Session
from clew.errors import ClewError


@pytest.mark.parametrize("in_thread", [False, True])
def test_a_command_is_recorded(recorded: Any, case_path: Path, does: str, in_thread: bool) -> None:
    outcomes: list[Recorded] = []

    def work() -> None:
        target = Target(command=(does, "compute", "300", "shut", "20", "exit", "2"))
        outcomes.append(Session([PerfEngine(Wanted())], target, case_path, preload.Options()).run())

    if in_thread:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(120)
    else:
        work()
    (outcome,) = outcomes
    assert (outcome.exit_code, outcome.case, outcome.empty, outcome.said) == (2, case_path, False, [])
    assert outcome.preload is not None
    assert outcome.preload.stats.processes == 1
    assert recorded.functions()["compute"] > 30
    assert recorded.rows("SELECT count(*) AS calls FROM calls WHERE op = 'close' AND fd >= 1000") == [{"calls": 20}]


def test_a_large_recording_is_warned_of(case_path: Path, does: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clew.capture.engines.perf._LARGE", 1000)
    said: list[str] = []
    wanted = Wanted(call_graph="dwarf", rate=2000)
    Session([PerfEngine(wanted)], Target(command=(does, "compute", "1500")), case_path, message=said.append).run()
    assert said
    assert said[0].startswith("perf: perf.data has ")
    assert len(said) < 10, "each time it is four times as large"


def test_nothing_is_left_of_what_cannot_be_recorded(case_path: Path) -> None:
    for target, engines in (
        (Target(command=("true",)), [PerfEngine(Wanted(events=("nonsense",)))]),
        (Target(pids=(2**22 - 1,)), [PerfEngine(Wanted())]),
        (Target(command=("no-such-command",)), [PerfEngine(Wanted())]),
    ):
        with pytest.raises(ClewError):
            Session(engines, target, case_path).run()
        assert not case_path.exists()
