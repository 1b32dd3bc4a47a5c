"""Records the shop with stacks into datasets/shop-paths, as root: calls, samples, and the requests found in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
from neutral import leaks, rewrite, words
from pyarrow import parquet

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
        TARGET.mkdir(exist_ok=True)
        for old in TARGET.glob("*.parquet"):
            old.unlink()
        with duckdb.connect() as database:
            for source in sorted(raw.glob("*.parquet")):
                rewrite(database, source, TARGET / source.name, neutral, HOST)
            found = [leak for file in TARGET.glob("*.parquet") for leak in leaks(database, file, neutral)]
            if found:
                sys.exit("\n".join(found))
        manifest = json.loads((raw / "manifest.json").read_text())
        for name in manifest["tables"]:
            manifest["tables"][name] = parquet.read_metadata(TARGET / f"{name}.parquet").num_rows
        (TARGET / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    print(f"{sum(file.stat().st_size for file in TARGET.iterdir()) / 1e6:.1f} MB in {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
