"""Names of kernel functions: /proc/kallsyms, kept ones, none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.errors import ClewError
from clew.symbols.keep import keep_kernel
from clew.symbols.kernel import KALLSYMS, parse, read_kallsyms
from clew.symbols.resolve import resolve

TEXT = b"""\
ffffffff81000000 T _text
ffffffff81000000 T first_name
ffffffff81000000 T last_name
ffffffff81000100 t inner
ffffffff81000180 r no_code
ffffffff81000200 W weak
ffffffff81000240 d $mapping
ffffffffc0001000 t in_module\t[ext4]
ffffffffc0001080 t more\t[ext4]
ffffffffc0010000 t other\t[xfs]
"""


def places(*addresses: int) -> pa.Table:
    return pa.table({"kind": ["kernel"] * len(addresses), "address": pa.array(addresses, pa.uint64())})


def named(keep: Path, *addresses: int, start: tuple[str, int] | None = None) -> list[tuple[str, str, int | None]]:
    frames = resolve(places(*addresses), keep, kernel_start=start).frames.to_pylist()
    return [(row["function"], row["module"], row["byte_offset"]) for row in frames]


@pytest.fixture
def keep(tmp_path: Path) -> Path:
    (tmp_path / KALLSYMS).write_bytes(TEXT)
    return tmp_path


def test_functions_reach_to_the_next_and_modules_to_the_end_of_a_page(keep: Path) -> None:
    base, module = 0xFFFFFFFF81000000, 0xFFFFFFFFC0001000
    assert named(keep, base, base + 0x1FF, base + 0x11FF, base + 0x3000) == [
        ("last_name", "[kernel.kallsyms]", 0),
        ("inner", "[kernel.kallsyms]", 0xFF),
        ("weak", "[kernel.kallsyms]", 0xFFF),
        ("[unknown]", "[kernel.kallsyms]", None),
    ]
    assert named(keep, module + 4, module + 0x80, module + 0xF000, 16) == [
        ("in_module", "[ext4]", 4),
        ("more", "[ext4]", 0),
        ("other", "[xfs]", 0),
        ("[unknown]", "[kernel.kallsyms]", None),
    ]


def test_a_kernel_that_was_elsewhere_when_it_was_recorded(keep: Path) -> None:
    moved = 0x2000000
    assert named(keep, 0xFFFFFFFF81000104 + moved, start=("_text", 0xFFFFFFFF81000000 + moved))[0][::2] == ("inner", 4)


def test_addresses_that_are_hidden_are_not_taken_for_zero(tmp_path: Path) -> None:
    (tmp_path / KALLSYMS).write_bytes(b"0000000000000000 T _text\n0000000000000000 T schedule\n")
    with pytest.raises(ClewError, match="kptr_restrict"):
        read_kallsyms(tmp_path)
    found = resolve(places(0xFFFFFFFF81000000), tmp_path)
    assert found.frames["function"].to_pylist() == ["[unknown]"]
    assert "kptr_restrict" in found.notes[0]


def test_the_running_kernel_is_kept(tmp_path: Path) -> None:
    assert keep_kernel(tmp_path / "symbols") is None
    lines = (tmp_path / "symbols" / KALLSYMS).read_text().splitlines()
    address = next(int(line.split()[0], 16) for line in lines if line.endswith(" T schedule"))
    assert named(tmp_path / "symbols", address + 3) == [("schedule", "[kernel.kallsyms]", 3)]
    assert len(read_kallsyms(tmp_path / "symbols").start) > 10_000


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400) | st.lists(st.sampled_from(TEXT.splitlines())).map(b"\n".join))
def test_any_bytes_are_read(content: bytes) -> None:
    kernel = parse(content)
    assert (np.diff(kernel.start.astype(object)) > 0).all()
    for row in range(len(kernel.start)):
        kernel.name(row)
