"""Tells what a file or folder is by its content, never by its name."""

from __future__ import annotations

import enum
import struct
from pathlib import Path

from clew.capture.meta import RAW
from clew.errors import ClewError
from clew.ingest.profiles import is_folder_of_perf, reader_of, readers
from clew.store import MANIFEST

_SEGMENT_MAGIC = struct.pack("<Q", 0x3130474553574C43)


class Format(enum.Enum):
    """What clew can import."""

    SEGMENT = "a segment file of clew"
    CAPTURE = "the raw files of one capture"
    CASE = "a case"
    TABLES = "Parquet tables of a case"
    PROFILE = "a profile"


def sniff(path: Path) -> Format:
    """What ``path`` is; raises ClewError if it is nothing that clew reads, or cannot be read."""
    try:
        if path.is_dir():
            if (path / MANIFEST).is_file():
                return Format.TABLES
            if (path / RAW).is_dir():
                return Format.CASE
            if any(is_segment(file) for file in path.iterdir()):
                return Format.CAPTURE
            if is_folder_of_perf(path):
                return Format.PROFILE
        elif is_segment(path):
            return Format.SEGMENT
        elif path.is_file() and not path.stat().st_size:
            raise ClewError(f"{path} is empty: `perf script` prints nothing where perf took no sample")
        elif reader_of(path):
            return Format.PROFILE
    except OSError as error:
        raise ClewError(f"cannot read {path}: {error.strerror}") from None
    kinds = ", ".join([*(kind.value for kind in Format), *(reader.FORMAT for reader in readers())])
    raise ClewError(f"{path} is none of what clew reads: {kinds}")


def is_segment(path: Path) -> bool:
    """Whether ``path`` is a file that begins as a segment does; raises OSError if it cannot be read."""
    if not path.is_file():
        if not path.exists():
            raise FileNotFoundError(2, "No such file or directory")
        return False
    with path.open("rb") as file:
        return file.read(len(_SEGMENT_MAGIC)) == _SEGMENT_MAGIC
