"""Stacks of calls as samples: which file an address lay in at its time, equal stacks once, unknown ones told."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from clew.capture.preload import ALLOCATIONS, parse_stacks
from clew.errors import ClewError
from clew.ingest.call_stacks import TRUNCATED, _profile
from clew.ingest.profile import Profile

FIRST, SECOND = "/lib/first.so", "/lib/second.so"


def maps(*rows: tuple[int, int, int, int, int, str]) -> pa.Table:
    """MAP records: (pid, ts_ns, start, end, file_offset, path)."""
    names = ("pid", "ts_ns", "start", "end", "file_offset", "path")
    kinds = (pa.int32(), pa.int64(), pa.uint64(), pa.uint64(), pa.uint64(), pa.string())
    columns = zip(*rows, strict=True) if rows else ((),) * len(names)
    table = pa.table({n: pa.array(column, kind) for n, kind, column in zip(names, kinds, columns, strict=True)})
    return table.append_column("build_id", pa.nulls(len(rows), pa.string()))


def profile(
    rows: list[tuple[int, int, list[int]]], told: pa.Table, begun: dict[int, list[int]], end: int = 0
) -> Profile:
    """Of stacks (pid, ts_ns, addresses from the innermost) of close."""
    chunk = pa.table(
        {
            "thread_id": pa.array([1] * len(rows), pa.uint64()),
            "pid": pa.array([pid for pid, _, _ in rows], pa.int32()),
            "ts_ns": pa.array([ts for _, ts, _ in rows], pa.int64()),
            "op": pa.array([33] * len(rows), pa.uint32()),
            "call_seq": pa.array(range(len(rows)), pa.uint32()),
            "weight": pa.array([1] * len(rows), pa.uint64()),
            "stack_end": pa.array([end] * len(rows), pa.uint32()),
            "addresses": pa.array([addresses for _, _, addresses in rows], pa.list_(pa.uint64())),
        }
    )
    return _profile(chunk, told, {pid: np.array(times) for pid, times in begun.items()}, None)


def chains(found: Profile) -> list[list[tuple[str | None, int | None]]]:
    """(module, address) of each sample's frames from the outermost; None for no stack."""
    frames, stacks = found.frames.to_pylist(), found.stacks.to_pylist()
    result = []
    for row in found.samples["stack"].to_pylist():
        chain = []
        while row is not None:
            frame = frames[stacks[row]["frame"]]
            chain.append((frame["module"] or frame["function"], frame["address"]))
            row = stacks[row]["parent"]
        result.append(chain[::-1])
    return result


def modules(found: Profile) -> list[list[str | None]]:
    return [[module for module, _ in chain] for chain in chains(found)]


def test_equal_stacks_are_one_in_all_processes() -> None:
    told = maps((1, 0, 0x1000, 0x3000, 0, FIRST), (2, 0, 0x71000, 0x73000, 0, FIRST))
    found = profile(
        [(1, 5, [0x1100, 0x1200]), (2, 6, [0x71100, 0x71200]), (1, 7, [0x1300, 0x1200])], told, {1: [0], 2: [0]}
    )
    assert found.samples["stack"].to_pylist()[0] == found.samples["stack"].to_pylist()[1]
    assert found.stacks.num_rows == 3  # one root, two leaves
    assert modules(found) == [[FIRST, FIRST]] * 3


def test_a_library_in_the_place_of_another_one() -> None:
    told = maps((1, 10, 0x1000, 0x2000, 0, FIRST), (1, 50, 0x1000, 0x2000, 0, SECOND))
    found = profile([(1, ts, [0x1100]) for ts in (5, 20, 49, 50, 90)], told, {1: [0]})
    assert modules(found) == [[FIRST], [FIRST], [FIRST], [SECOND], [SECOND]]


def test_what_an_earlier_program_of_the_pid_mapped_is_not_the_later_ones() -> None:
    told = maps((1, 10, 0x1000, 0x2000, 0, FIRST))
    found = profile([(1, 20, [0x1100]), (1, 120, [0x1100])], told, {1: [0, 100]})
    first, second = modules(found)
    assert first == [FIRST]
    assert second != [FIRST]


def test_code_of_no_file_is_its_process_own() -> None:
    found = profile([(1, 5, [0x1100]), (2, 5, [0x1100])], maps(), {})
    assert found.samples["stack"].to_pylist()[0] != found.samples["stack"].to_pylist()[1]
    assert set(found.frames["kind"].to_pylist()) <= {"jit", "unknown"}


def test_what_is_cut_or_missing_is_told() -> None:
    told = maps((1, 0, 0x1000, 0x3000, 0, FIRST))
    cut = profile([(1, 5, [0x1100])], told, {1: [0]}, end=1)
    assert modules(cut) == [[TRUNCATED, FIRST]]
    none = profile([(1, 5, [])], told, {1: [0]})
    assert none.samples["stack"].to_pylist() == [None]


def test_addresses_at_the_ends_of_memory_do_no_harm() -> None:
    told = maps((1, 0, 0, 2**64 - 1, 2**64 - 1, FIRST), (1, 0, 2**63, 2**63, 0, SECOND), (1, 0, 9, 3, 0, "\x00;é\n"))
    found = profile([(1, 5, [0, 2**64 - 1, 2**63, 2**48]), (2**31 - 1, -(2**62), [2**64 - 2])], told, {})
    assert found.samples.num_rows == 2


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        (["close"], {"close": 1}),
        (["close,open/10"], {"close": 10, "open": 10}),
        (["close", "open/10"], {"close": 1, "open": 10}),
        (["read/2,alloc/1000,free"], {"read": 2, **dict.fromkeys(ALLOCATIONS, 1000), "free": 1}),
        ([" close , open /7"], None),
        (["close/7,close"], {"close": 1}),
        ([], {}),
    ],
)
def test_lists_of_operations(texts: list[str], wanted: dict[str, int] | None) -> None:
    if wanted is None:
        with pytest.raises(ClewError):
            parse_stacks(texts)
    else:
        assert parse_stacks(texts) == wanted
