"""How soon a case of a million samples gives its heat map and its flame graph."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa

import clew
from benchmarks.table import Table
from clew import questions
from clew.case import Case
from clew.ingest.profile import FRAMES, Event, Profile, conform, insert_profile, note_profile
from clew.lens import Lens
from clew.store import DATABASE, FileStore

SAMPLES = 1_000_000
LONG_S = 300
FUNCTIONS = 3_000
TURNS = 5


def synthetic() -> Profile:
    """A million samples in five minutes on some 490,000 stacks of 13 frames on average: nearly every one its own."""
    random = np.random.default_rng(1)
    rows = 600_000
    parent = (random.random(rows) * np.arange(rows)).astype(np.int32)  # a random recursive tree: depth about ln(rows)
    above = pa.array(parent, mask=np.arange(rows) < 8)
    stacks = pa.table({"parent": above, "frame": pa.array(random.zipf(1.3, rows) % FUNCTIONS, pa.uint32())})
    frames = conform(
        pa.table({"function": [f"function_{n}" for n in range(FUNCTIONS)], "kind": ["user"] * FUNCTIONS}), FRAMES
    )
    threads = pa.table({"pid": pa.array([100] * 8, pa.int32()), "tid": pa.array(range(100, 108), pa.int32())})
    samples = pa.table(
        {
            "event": pa.array(np.zeros(SAMPLES, np.uint16)),
            "weight": np.full(SAMPLES, 1e6),
            "stack": pa.array(random.integers(0, rows, SAMPLES).astype(np.int32)),
            "thread": pa.array(random.integers(0, 8, SAMPLES).astype(np.int32)),
            "ts_ns": np.sort(random.integers(0, LONG_S * 10**9, SAMPLES)),
        }
    )
    return Profile([Event("cpu-clock", "on-cpu", "ns")], frames, stacks, samples, threads)


def make_case(folder: Path, profile: Profile) -> Case:
    """A case that holds only ``profile``."""
    (folder / "raw").mkdir(parents=True)
    clew.open(folder).close()
    with FileStore.at(folder / DATABASE).writing() as connection:
        insert_profile(connection, 1, "bench", profile)
        note_profile(connection, 1, 0, ())
    return clew.open(folder)


def _halves(case: Case) -> tuple[Lens, Case, Lens]:
    middle = LONG_S * 10**9 // 2
    return Lens(start_ns=middle), case, Lens(end_ns=middle)


def measure() -> Table:
    """Seconds to each answer, the median of some turns; the first flame graph also reads the stacks."""
    table = Table("Questions about 1,000,000 samples", ("question", "first, s", "then, s"))
    asked: dict[str, Callable[[Case], object]] = {
        "sub-second heat map": lambda case: questions.heatmap(case, Lens()),
        "flame graph": lambda case: questions.flame(case, Lens()),
        "flame graph of ten seconds": lambda case: questions.flame(case, Lens(start_ns=0, end_ns=10**10)),
        "callers (inverted), as views ask": lambda case: questions.flame(
            case, Lens(), direction="up", narrowest=20_000
        ),
        "callers, every frame": lambda case: questions.flame(case, Lens(), direction="up"),
        "difference of two halves": lambda case: questions.flame_diff(case, *_halves(case)),
        "its callers, as views ask": lambda case: questions.flame_diff(
            case, *_halves(case), direction="up", narrowest=20_000
        ),
        "functions": lambda case: questions.functions(case, Lens()),
        "flame graph of one function": lambda case: questions.flame(case, Lens(functions=("function_7",))),
    }
    with TemporaryDirectory(prefix="clew-bench-") as name:
        case = make_case(Path(name) / "case", synthetic())
        for what, ask in asked.items():
            took = []
            for _ in range(TURNS):
                began = time.perf_counter()
                ask(case)
                took.append(time.perf_counter() - began)
            table.rows.append((what, f"{took[0]:.3f}", f"{statistics.median(took[1:]):.3f}"))
        case.close()
    return table
