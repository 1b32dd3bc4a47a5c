"""Columns on disk: what was added comes back, in parts, and nothing is left lying about."""

from __future__ import annotations

import resource
from pathlib import Path

import duckdb
import numpy as np
import pytest

from clew.causal.kept import Kept, folder_of
from clew.errors import ClewError

KINDS = {"ns": np.int64, "name": np.uint64, "client": np.bool_}


def test_parts_come_back_as_one(tmp_path: Path) -> None:
    kept = Kept(KINDS, tmp_path)
    whole = {
        "ns": np.arange(1000) - 500,
        "name": np.arange(1000, dtype=np.uint64) << np.uint64(50),
        "client": np.arange(1000) % 3 == 0,
        "other": np.zeros(1000),
    }
    for low, high in ((0, 1), (1, 1), (1, 700), (700, 1000)):
        kept.append({name: values[low:high] for name, values in whole.items()})
    assert len(kept) == 1000
    assert list(tmp_path.iterdir()) == []
    for name, kind in KINDS.items():
        assert kept.column(name).dtype == kind
        for first, last in ((0, None), (0, 1), (699, 702), (990, 2000), (1000, None), (5, 5)):
            assert kept.column(name, first, last).tolist() == whole[name][first:last].tolist()


def test_columns_that_are_not_in_order_in_memory(tmp_path: Path) -> None:
    kept = Kept({"ns": np.int64}, tmp_path)
    kept.append({"ns": np.arange(10, dtype=np.int32)[::-2]})
    assert kept.column("ns").tolist() == [9, 7, 5, 3, 1]


def test_nothing_is_no_column() -> None:
    assert Kept(KINDS, None).column("ns").tolist() == []


def test_where_there_is_no_room_one_line_says_so(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    kept = Kept(KINDS, tmp_path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(ClewError, match="no place to keep spans") as raised:
            kept.append({name: np.zeros(10_000, kind) for name, kind in KINDS.items()})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(tmp_path) in str(raised.value) and "\n" not in str(raised.value)
    with pytest.raises(ClewError, match="No such file or directory"):
        Kept(KINDS, tmp_path / "none")


def test_beside_the_case(tmp_path: Path) -> None:
    with duckdb.connect(tmp_path / "case.duckdb") as connection:
        assert folder_of(connection) == tmp_path
    with duckdb.connect() as connection:
        assert folder_of(connection) is None
