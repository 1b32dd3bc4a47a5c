"""The Lens: what narrows, what widens, what survives JSON, and that nothing in it ever becomes SQL."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew import ClewError, questions
from clew.lens import Lens
from clew.questions.answer import literal, runnable

text = st.text(max_size=8).filter(lambda value: value.isprintable())
number = st.integers(0, 10**12)
tuples: dict[str, Any] = {
    **{name: st.lists(text, max_size=3).map(tuple) for name in ("hosts", "commands", "ops", "files", "peers")},
    **{name: st.lists(number, max_size=3).map(tuple) for name in ("pids", "tids", "errnos")},
}
lenses = st.builds(
    Lens,
    start_ns=st.none() | number,
    end_ns=st.none() | number,
    latency=st.none() | st.tuples(st.none() | number, st.none() | number),
    **tuples,
)


@given(lenses)
def test_json_and_back(lens: Lens) -> None:
    assert Lens.from_json(lens.to_json()) == lens


@given(lenses)
def test_taking_every_chip_away_leaves_everything(lens: Lens) -> None:
    for chip in lens.chips():
        assert chip in lens.chips()
        lens = lens.without(chip.field, chip.value)
    assert lens == Lens()
    assert lens.compile() == ("TRUE", {})


@given(lenses, number, number)
def test_time_only_gets_narrower(lens: Lens, start: int, end: int) -> None:
    narrow = lens.narrow(start_ns=start, end_ns=end)
    assert narrow.start_ns == max(start, lens.start_ns or 0)
    assert narrow.end_ns == (end if lens.end_ns is None else min(end, lens.end_ns))
    assert narrow.without("time") == lens.without("time")


@given(lenses, st.lists(text, min_size=1, max_size=3))
def test_a_choice_is_kept_or_replaced(lens: Lens, wanted: list[str]) -> None:
    narrow = lens.narrow(commands=tuple(wanted))
    both = [value for value in dict.fromkeys(wanted) if value in lens.commands]
    assert narrow.commands == tuple(both or dict.fromkeys(wanted))


@given(lenses)
def test_no_value_is_in_the_sql(lens: Lens) -> None:
    predicate, params = lens.compile()
    for name in params:
        predicate = predicate.replace(f"${name}", "")
    assert not any(char in predicate for char in "'\"$;\\")
    assert not any(part.isdecimal() for part in predicate.split())


def test_latency_is_intersected() -> None:
    lens = Lens(latency=(10, 100)).narrow(latency=(50, None))
    assert lens.latency == (50, 100)
    assert Lens(latency=(None, None)) == Lens()


def test_forms_of_values() -> None:
    assert Lens(pids=np.int64(3)).pids == (3,)  # type: ignore[arg-type]
    assert Lens(commands="a").commands == ("a",)  # type: ignore[arg-type]
    assert Lens(pids=[3, 3, 4]).pids == (3, 4)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [{"pids": ("1",)}, {"commands": (1,)}, {"start_ns": 1.5}, {"latency": ("a", None)}, {"errnos": ("ENOENT",)}],
)
def test_wrong_types_are_one_line(wrong: dict[str, Any]) -> None:
    with pytest.raises(ClewError, match="lens: "):
        Lens(**wrong)


@pytest.mark.parametrize("wrong", ["", "[]", "{", '{"nothing": 1}', '{"latency": 3}', '{"pids": {"a": 1}}'])
def test_json_of_others_is_one_line(wrong: str) -> None:
    with pytest.raises(ClewError):
        Lens.from_json(wrong)


def test_unknown_fields_are_one_line() -> None:
    with pytest.raises(ClewError, match="no 'command'"):
        Lens().narrow(command="x")
    with pytest.raises(ClewError, match="no 'x'"):
        Lens().without("x")


def test_totals_say_what_they_do_not_hold() -> None:
    Lens(commands=("a",), ops=("read",), start_ns=1).compile("counter")
    with pytest.raises(ClewError, match="--count-only"):
        Lens(files=("/x",)).compile("counter")


def test_chips_for_people() -> None:
    lens = Lens(start_ns=1_500_000_000, commands=("a", "b"), latency=(None, 1000))
    assert [chip.label for chip in lens.chips(10**9)] == ["time ≥ 500 ms", "command a", "command b", "latency < 1 µs"]


HOSTILE = ["d'; DROP x; --", "'; DROP TABLE event; --", "$lens_pids", "\\", "'", '"', "%", "a'b$c", "NULL"]
HOSTILE += ["'' OR 1=1", "\u2028", "{x}"]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", ["hosts", "commands", "ops", "files", "peers"])
def test_hostile_text_is_only_text(truth: Any, name: str, value: str) -> None:
    answer = questions.counts(truth.case, Lens(**{name: (value,)}))
    expected = [row for row in truth.rows if row["command"] == value] if name == "commands" else []
    assert sum(answer.table["calls"].to_pylist()) == len(expected)
    assert truth.case.sql(answer.sql).equals(answer.table)  # also as text with literals
    assert truth.case.sql("SELECT count(*) AS n FROM event")["n"][0].as_py() == len(truth.rows)


@given(st.text())
def test_literals_are_what_they_stand_for(value: str) -> None:
    import duckdb

    value = value.replace("\0", "").encode("utf-8", "replace").decode()
    assert duckdb.sql(f"SELECT {literal([value])}").fetchall() == [([value],)]


def test_replaced_text_is_not_looked_at_again() -> None:
    assert runnable("SELECT $a, $b", {"a": "$b", "b": None}) == "SELECT '$b', NULL"
    with pytest.raises(TypeError):
        literal(b"x")


def test_shown_as_python_that_makes_it_again() -> None:
    lens = Lens(start_ns=5, commands=("a'b", 'c"\n'), errnos=(0,), latency=(None, 7))
    assert eval(repr(lens)) == lens
    assert repr(Lens()) == "Lens()"
    assert repr(Lens(ops=("read",))) == "Lens(ops=('read',))"
