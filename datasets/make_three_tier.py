"""Records the three-tier shop into datasets/three-tier: Parquet, without the paths and the name of this machine."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
from neutral import leaks, rewrite, words
from pyarrow import parquet

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
