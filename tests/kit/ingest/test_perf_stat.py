"""Figures of perf stat over time: every separator, figures that are not there, files that are cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from clew.errors import ClewError
from clew.ingest.profiles import perf_stat, reader_of

OURS = """# clew: perf stat, fields separated by tabs pid=17
# origin monotonic_ns=1000000000000
# started on Sat Nov 21 12:57:27 2026

     0.100148076\t92.18\tmsec\ttask-clock\t92178911\t100.00\t0.922\tCPUs utilized
     0.100148076\t87\t\tcontext-switches\t92178911\t50.00\t943.817\t/sec
     0.100148076\t<not supported>\t\tinstructions\t0\t100.00\t\t
     0.200409848\t<not counted>\tmsec\ttask-clock\t0\t100.00\t\t
     0.2004"""


def rows(path: Path, text: str) -> list[tuple[object, ...]]:
    """(ts_ns, cpu, name, unit, value) of each figure."""
    path.write_text(text)
    reader = reader_of(path)
    assert reader is not None
    assert reader.FORMAT == perf_stat.FORMAT
    table = reader.read(path).tables["series"].to_pylist()
    return [tuple(row[name] for name in ("ts_ns", "cpu", "name", "unit", "value")) for row in table]


def test_what_clew_records(tmp_path: Path) -> None:
    path = tmp_path / "perf-stat.tsv"
    assert rows(path, OURS) == [
        (1000100148076, None, "task-clock", "msec", 92.18),
        (1000100148076, None, "context-switches", None, 87.0),
        (1000100148076, None, "instructions", None, None),
        (1000200409848, None, "task-clock", "msec", None),
    ]
    profile = perf_stat.read(path)
    assert set(profile.tables["series"]["pid"].to_pylist()) == {17}
    assert profile.notes == [
        "perf stat: this machine cannot count instructions",
        "perf stat: estimated from a part of the time: context-switches",
    ]
    assert (profile.samples.num_rows, list(profile.events)) == (0, [])


@pytest.mark.parametrize("separator", [",", ";", "|"])
def test_what_others_recorded(tmp_path: Path, separator: str) -> None:
    text = "# started on Sat Nov 21 12:57:27 2026\n\n"
    for cpu in (0, 1):
        fields = ["     1.000000001", f"CPU{cpu}", str(5 + cpu), "", "page-faults", "1000", "100.00", "", ""]
        text += separator.join(fields) + "\n"
    found = rows(tmp_path / "stat.csv", text)
    assert found == [(1_000_000_001, cpu, "page-faults", None, 5.0 + cpu) for cpu in (0, 1)]


def test_lines_that_are_broken_are_said(tmp_path: Path) -> None:
    path, line = tmp_path / "stat.csv", "     1.000000001,{},,page-faults,1000,{},,\n"
    path.write_text("# x\n" + line.format(5, "100.00") + line.format("1.2.3", "100.00") + line.format(5, "1.0.0"))
    assert reader_of(path) is perf_stat
    profile = perf_stat.read(path)
    assert profile.tables["series"]["value"].to_pylist() == [5.0]
    assert profile.notes == ["2 lines are none of perf stat's and were left out"]


def test_nothing_counted(tmp_path: Path) -> None:
    path = tmp_path / "perf-stat.tsv"
    path.write_text("\n".join(OURS.splitlines()[:3]))
    assert reader_of(path) is perf_stat
    with pytest.raises(ClewError, match="nothing was counted"):
        perf_stat.read(path)


@pytest.mark.parametrize("text", ["a;b;c 17\n", "# 0.1\n", "0.100148076,1,2\n", "# x\n0.1,a,b,c\n"])
def test_what_is_something_else(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    assert not perf_stat.matches(text.encode(), path)
