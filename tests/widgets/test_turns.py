"""The timeline of a request whose thread worked for others meanwhile says for whom."""

from __future__ import annotations

from pathlib import Path

import duckdb

import clew
from clew.lens import Lens
from clew.questions import in_the_way
from clew.store import DATABASE
from clew_widgets.views.request_timeline import Timeline

from ..kit.spans import write_case


def test_the_timeline_warns_of_work_for_others(tmp_path: Path) -> None:
    write_case(tmp_path / "case", 40, database=True).close()
    with duckdb.connect(str(tmp_path / "case" / DATABASE)) as connection:
        connection.execute("UPDATE working SET tid = 7 WHERE tid IN (SELECT tid FROM span WHERE command = 'app')")
        connection.execute("UPDATE span SET tid = 7 WHERE command = 'app'")
    case = clew.open(tmp_path / "case")
    number = next(
        one
        for one in case.sql("SELECT request_id FROM request")["request_id"].to_pylist()
        if in_the_way(case, one).note
    )
    warning = Timeline(case, Lens(request_ids=(number,))).spec["warning"]
    case.close()
    assert warning.startswith("thread 7 of app worked for ") and "at a stretch" in warning
