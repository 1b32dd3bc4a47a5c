"""As much of perf.data's layout as the recorder needs: whether there is a sample in it.

Layout: tools/perf/Documentation/perf.data-file-format.txt of Linux. clew.native.perf reads it all.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

_HEADER = struct.Struct(
    "<8sQQQQQQ"
)  # magic, size, size of an attribute, attributes (offset, size), data (offset, size)
_RECORD = struct.Struct("<IHH")  # type, misc, size
_SAMPLE = 9
_MODE, _KERNEL = 7, 1  # bits of misc that say where it was taken
_COMPRESSED = (81, 83)


def first_sample(path: Path, *, kernel: bool = False) -> int | None:
    """Offset of the first sample (or of a compressed record, which hides some) in bytes; None if there is none.

    ``kernel``: of the first that was taken in the kernel. Also for a file that perf did not complete.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            magic, (at, size) = data[:8], map(int, _HEADER.unpack_from(data)[5:])
            if magic != b"PERFILE2":
                return None
            end = min(at + size, len(data)) if size else len(data)
            while at + _RECORD.size <= end:
                kind, misc, length = map(int, _RECORD.unpack_from(data, at))
                if (kind == _SAMPLE and (not kernel or misc & _MODE == _KERNEL)) or kind in _COMPRESSED:
                    return at
                at += max(length, _RECORD.size)
    except (OSError, ValueError, struct.error):  # not there, empty, cut in its head
        return None
    return None
