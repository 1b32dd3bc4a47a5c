"""Records the shop with stacks into datasets/shop-paths, as root: calls, samples, and the requests found in them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from neutral import publish, words

import clew
from clew import questions
from clew.case import Case
from clew.lens import Lens

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "datasets" / "shop-paths"
HOST = "shop-host"


def record(work: Path) -> Path:
    """A fresh case of the shop under load; the database is made before the recording begins."""
    shop = [sys.executable, "-m", "clew.demo", "--folder", str(work / "shop"), "--requests", "1500"]
    subprocess.run([*shop, "--prepare"], check=True)
    engines = ["--engine", "perf,preload", "--off-cpu"]
    command = [sys.executable, "-m", "clew", "record", "--quiet", "-o", str(work / "case"), *engines, "--", *shop]
    subprocess.run(["nice", "-n", "-15", *command], check=True, cwd=work)  # before all else that this machine does
    return work / "case"


def check(case: Case) -> None:
    """That the run shows what the README says: on a busy machine it may not."""
    rows = {row["name"]: row for row in questions.requests_by(case, Lens()).table.to_pylist()}
    found = questions.unresolved(case, Lens()).summary
    print(f"{found['linked']:,} of {found['spans']:,} spans linked, {found['unresolved']} unresolved")
    steps = {row["name"]: row["spans"] for row in questions.shapes(case, Lens()).table.to_pylist()}
    if not (rows["GET /search"]["p50_ns"] > 40e6 and rows["GET /report"]["p50_ns"] > 300e6 and steps["GET /cart"] > 60):
        sys.exit("the run does not show what the README says: record again")
    if found["unresolved"] > 0.01 * found["spans"]:
        sys.exit("too much is unresolved")


def main() -> None:
    """Record, trace, check, write."""
    if os.geteuid():
        sys.exit("perf --off-cpu needs root")
    with tempfile.TemporaryDirectory(prefix="clew-paths-") as folder:
        work = Path(folder)
        neutral = words(HOST) | {folder: "/demo"}
        case = clew.open(record(work))
        case.trace()
        check(case)
        raw = case.to_parquet(work / "parquet")
        case.close()
        publish(raw, TARGET, neutral, HOST)


if __name__ == "__main__":
    main()
