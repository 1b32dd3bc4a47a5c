"""An Answer in a notebook: units, a limit of rows, and hostile text as text."""

from __future__ import annotations

import pyarrow as pa

from clew.questions.answer import SHOWN, Answer
from clew.units import number


def shown(table: pa.Table, note: str | None = None) -> dict[str, str]:
    return Answer(table, "SELECT 1 < 2", "calls by file", note)._repr_mimebundle_()


def test_units_and_rows() -> None:
    table = pa.table(
        {
            "name": [f"f{i}" for i in range(SHOWN + 5)],
            "total_ns": [1_500_000] * (SHOWN + 5),
            "bytes": [None] * (SHOWN + 5),
        }
    )
    bundle = shown(table, "some are left out")
    assert "<td>f0</td><td>1.5\u00a0ms</td><td>-</td>" in bundle["text/html"]
    assert bundle["text/html"].count("<tr>") == SHOWN + 1
    assert "some are left out; 5 more rows" in bundle["text/html"]
    assert "SELECT 1 &lt; 2" in bundle["text/html"]
    assert bundle["text/plain"] == "calls by file: 45 rows; name f0, total 1.5 ms, bytes -"


def test_fractions_of_large_numbers_stay_readable() -> None:
    texts = [number(value) for value in (0.00001234, 1.23456, 999.4, 12_040.5, 65_542.236_782, -1234.0)]
    assert texts == ["1.234e-05", "1.235", "999.4", "12,040.5", "65,542.237", "-1,234"]


def test_times_are_shown_since_the_begin_of_the_case() -> None:
    table = pa.table({"op": ["read", "open"], "first_ns": [5_000_000_123, 7_500_000_000], "last_ns": [None, None]})
    html = Answer(table, "SELECT 1", "errors", origin_ns=5_000_000_000)._repr_mimebundle_()["text/html"]
    assert "<th>first_s</th>" in html
    assert "<td>read</td><td>0.000000</td><td>-</td>" in html and "<td>open</td><td>2.500000</td>" in html


def test_what_samples_weigh_has_its_unit() -> None:
    table = pa.table({"function": ["f"], "self": [204_408_816.0], "total": [3e9], "samples": [158]})
    timed = Answer(table, "SELECT 1", "functions", summary={"unit": "ns"})._repr_mimebundle_()["text/plain"]
    assert timed == "functions: 1 rows; function f, self 204.4 ms, total 3 s, samples 158"
    counted = Answer(table, "SELECT 1", "functions", summary={"unit": "calls"})._repr_mimebundle_()["text/plain"]
    assert "self 204,408,816" in counted


def test_hostile_text_stays_text() -> None:
    html = shown(pa.table({"name": ["<img src=x onerror=alert(1)>\x1b[2J"]}))["text/html"]
    assert "<img" not in html
    assert "\x1b" not in html


def test_nothing_says_so() -> None:
    bundle = shown(pa.table({"name": pa.array([], pa.string())}))
    assert "no rows" in bundle["text/html"]
    assert bundle["text/plain"].endswith("none")
