"""The one place that talks to libclew.so: finds it, drains and decodes with it, and switches recording.

Inside a recorded program, `pause()`, `resume()` and `is_recording()` speak of that program itself.
"""

from clew.native.arena import Arena, Drain, Mode, recover
from clew.native.decode import Batch, Block, BlockType, decode, expand
from clew.native.library import DiskFullError, DrainStats, is_recording, library_path, load, pause, resume, runtime_of
from clew.native.stacks import maps, stack_records, stacks
from clew.native.tables import (
    clocks,
    conns,
    counters,
    losses,
    payload,
    payload_records,
    process_ends,
    processes,
    texts,
    thread_ends,
    thread_rows,
    threads,
    unseen,
)

__all__ = [
    "Arena",
    "Batch",
    "Block",
    "BlockType",
    "DiskFullError",
    "Drain",
    "DrainStats",
    "Mode",
    "clocks",
    "conns",
    "counters",
    "decode",
    "expand",
    "is_recording",
    "library_path",
    "load",
    "losses",
    "maps",
    "pause",
    "payload",
    "payload_records",
    "process_ends",
    "processes",
    "recover",
    "resume",
    "runtime_of",
    "stack_records",
    "stacks",
    "texts",
    "thread_ends",
    "thread_rows",
    "threads",
    "unseen",
]
