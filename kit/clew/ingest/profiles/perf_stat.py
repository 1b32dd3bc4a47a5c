"""Figures of perf stat over time: ``perf stat -I MS -x SEPARATOR``, one line for each event and interval.

Fields (perf-stat(1), CSV FORMAT): seconds since counting began, the processor with -A, value, unit, event, ns that the
counter ran, and the share of the time that is of the interval. What clew records has two lines more: the process,
and CLOCK_MONOTONIC when counting began.
"""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from clew.errors import ClewError
from clew.ingest.profile import Profile, figures

FORMAT = "perf stat -I -x"
RANK = 50
_LINE = (  # S: the separator
    r"^\s*(?P<seconds>\d{1,9}\.\d{1,9})S(?:CPU(?P<cpu>\d{1,5})S)?(?P<value>\d{1,20}(?:\.\d{1,9})?|<[^S]*>)"
    r"S(?P<unit>[^S]*)S(?P<name>[^S]+)S(?P<run>\d+)S(?P<share>\d{1,3}(?:\.\d{1,9})?)(?:S|$)"
)
_FIRST = re.compile(r"^\s*\d+\.\d{9}([\t,;|])(?:CPU\d+\1)?(?:[\d.]+|<not \w+>)\1", re.MULTILINE)
_ORIGIN = re.compile(r"^# origin monotonic_ns=(\d+)$", re.MULTILINE)
_PID = re.compile(r"\A# clew: perf stat.* pid=(\d+)$", re.MULTILINE)
_MARK = "# clew: perf stat"


def matches(head: bytes, path: Path) -> bool:  # noqa: ARG001 -- content alone decides
    """Whether a line is one of perf stat's."""
    text = head.decode("utf-8", "replace")
    return b"\0" not in head and (text.startswith(_MARK) or (text.startswith("#") and _FIRST.search(text) is not None))


def read(path: Path) -> Profile:
    """Rows of ``series``: times are ns of the case's clock in what clew recorded, else since counting began.

    Raises ClewError if nothing was counted.
    """
    text = path.read_text("utf-8", "replace")
    found = _FIRST.search(text)
    if found is None:
        raise ClewError(f"{path}: nothing was counted: it ended before the first interval")
    lines = pa.array(text[: text.rfind("\n") + 1].splitlines(), pa.string())  # the last may not be whole yet
    fields = pc.extract_regex(lines, pattern=_LINE.replace("S", "\\" + found[1]))
    said = pc.invert(pc.or_(pc.starts_with(lines, "#"), pc.equal(pc.utf8_trim_whitespace(lines), "")))
    fields = fields.drop_null()
    strange = pc.sum(said).as_py() - len(fields)
    column = {name: pc.struct_field(fields, name) for name in ("seconds", "cpu", "value", "unit", "name", "share")}
    counted = pc.invert(pc.starts_with(column["value"], "<"))
    origin, pid = _ORIGIN.search(text), _PID.search(text)
    since = pc.round(pc.multiply(column["seconds"].cast(pa.float64()), 1e9)).cast(pa.int64())
    table = pa.table(
        {
            "pid": pa.array([int(pid[1]) if pid else None] * len(fields), pa.int32()),
            "cpu": _or_null(column["cpu"]).cast(pa.int32()),
            "ts_ns": pc.add(since, int(origin[1]) if origin else 0),
            "name": column["name"],
            "unit": _or_null(column["unit"]),
            "value": pc.if_else(counted, column["value"], None).cast(pa.float64()),
        }
    )
    notes = [f"{strange} lines are none of perf stat's and were left out"] if strange else []
    return figures({"series": table}, _notes(column, counted) + notes)


def _or_null(texts: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(texts, ""), None, texts)


def _notes(column: dict[str, pa.Array], counted: pa.Array) -> list[str]:
    """Events that the machine does not count, and those that had to take turns with others."""
    missing = pc.unique(pc.filter(column["name"], pc.equal(column["value"], "<not supported>"))).to_pylist()
    shared = pc.less(column["share"].cast(pa.float64()), 99.0)
    scaled = pc.unique(pc.filter(column["name"], pc.and_(shared, counted))).to_pylist()
    notes = [f"perf stat: this machine cannot count {', '.join(missing)}"] if missing else []
    return notes + ([f"perf stat: estimated from a part of the time: {', '.join(scaled)}"] if scaled else [])
