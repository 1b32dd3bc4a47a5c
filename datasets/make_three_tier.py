"""Records the three-tier shop into datasets/three-tier: Parquet, without the paths and the name of this machine."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from neutral import publish, words

import clew

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "datasets" / "three-tier"
HOST = "shop-host"


def record(work: Path) -> Path:
    """A fresh case of the shop under load; the database is made before the recording begins."""
    shop = [sys.executable, "-m", "clew.demo", "--folder", str(work / "shop"), "--requests", "4000"]
    subprocess.run([*shop, "--prepare"], check=True)
    command = [sys.executable, "-m", "clew", "record", "--quiet", "-o", str(work / "case"), "--", *shop]
    subprocess.run(command, check=True, cwd=work)
    return work / "case"


def main() -> None:
    """Record, write, check."""
    with tempfile.TemporaryDirectory(prefix="clew-demo-") as folder:
        work = Path(folder)
        neutral = words(HOST) | {folder: "/demo"}
        case = clew.open(record(work))
        raw = case.to_parquet(work / "parquet")
        case.close()
        publish(raw, TARGET, neutral, HOST)


if __name__ == "__main__":
    main()
