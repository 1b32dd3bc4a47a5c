"""Formats of tracepoints as text, of which a file may hold any."""

from __future__ import annotations

import numpy as np
import pytest

from clew.ingest.profiles._tracepoints import details, format_of

FORMAT = """name: made_up
ID: 77
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:u32 fd;\toffset:8;\tsize:4;\tsigned:0;
\tfield:{};\toffset:{};\tsize:{};\tsigned:0;
"""


@pytest.mark.parametrize(
    ("declared", "offset", "size"), [("char name[16]", 12, 1 << 63), ("u64 x", 1 << 63, 8), ("char name[]", 1 << 16, 1)]
)
def test_fields_outside_of_any_record_are_left_out(declared: str, offset: int, size: int) -> None:
    layout = format_of("mine", FORMAT.format(declared, offset, size))
    assert layout is not None
    data = np.frombuffer(b"\0" * 8 + b"\x05\0\0\0", np.uint8)
    shown = details(data, np.array([0, 0], np.uint64), np.array([12, 4], np.uint64), layout)
    assert shown.to_pylist() == ["fd=5", None]
