"""Records the three-tier shop into datasets/three-tier: Parquet, without the paths and the name of this machine."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
from pyarrow import parquet

import clew

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "datasets" / "three-tier"
HOST = "shop-host"

# What the machine is called and where things lie on it, longest first -> what the data set says instead.
NEUTRAL = {
    str(Path(sys.prefix)): "/opt/venv",
    str(Path(sys.base_prefix)): "/opt/python",
    str(ROOT): "/opt/clew",
    str(Path.home()): "/home/user",
    f'"host": "{socket.gethostname()}"': f'"host": "{HOST}"',
}


def record(work: Path) -> Path:
    """A fresh case of the shop under load; the database is made before the recording begins."""
    shop = [sys.executable, "-m", "clew.demo", "--folder", str(work / "shop"), "--requests", "4000"]
    subprocess.run([*shop, "--prepare"], check=True)
    command = [sys.executable, "-m", "clew", "record", "--quiet", "-o", str(work / "case"), "--", *shop]
    subprocess.run(command, check=True, cwd=work)
    return work / "case"


def rewrite(database: duckdb.DuckDBPyConnection, source: Path, target: Path) -> None:
    """Copy one Parquet file, every text made neutral; of payloads keep what went over sockets, not what files held."""
    columns = database.sql("SELECT * FROM read_parquet($file) LIMIT 0", params={"file": str(source)})
    texts = [name for name, kind in zip(columns.columns, columns.types, strict=True) if str(kind) == "VARCHAR"]
    replaced = []
    for name in texts:
        expression = f'"{name}"' if name != "host" else f"'{HOST}'"
        for number in range(len(NEUTRAL)):
            expression = f"replace({expression}, $old{number}, $new{number})"
        replaced.append(f'{expression} AS "{name}"')
    select = f"SELECT * {'REPLACE (' + ', '.join(replaced) + ')' if replaced else ''} FROM read_parquet($file)"
    if source.stem == "payload":
        select += """
            SEMI JOIN (SELECT thread_id, seq FROM read_parquet($event) JOIN read_parquet($connection) USING (conn_id)
                       WHERE kind IN ('tcp', 'unix')) USING (thread_id, seq)
            ORDER BY thread_id, seq"""
    words = {f"old{number}": old for number, old in enumerate(NEUTRAL)}
    words |= {f"new{number}": new for number, new in enumerate(NEUTRAL.values())}
    words |= {name: str(source.with_name(f"{name}.parquet")) for name in ("event", "connection")} | {
        "file": str(source)
    }
    used = {name: value for name, value in words.items() if f"${name}" in select}
    database.sql(select, params=used).write_parquet(str(target), compression="zstd")


def leaks(database: duckdb.DuckDBPyConnection, file: Path) -> list[str]:
    """Columns of a Parquet file that still hold one of the words."""
    columns = database.sql("SELECT * FROM read_parquet($file) LIMIT 0", params={"file": str(file)})
    found = []
    for name, kind in zip(columns.columns, columns.types, strict=True):
        if str(kind) in ("VARCHAR", "BLOB"):
            for word in NEUTRAL:
                query = f'SELECT count(*) FROM read_parquet($file) WHERE contains("{name}"::VARCHAR, $word)'
                row = database.execute(query, {"file": str(file), "word": word}).fetchone()
                if row and row[0]:
                    found.append(f"{file.name}: {name} holds {word}")
    return found


def main() -> None:
    """Record, write, check."""
    with tempfile.TemporaryDirectory(prefix="clew-demo-") as folder:
        work = Path(folder)
        NEUTRAL[folder] = "/demo"
        case = clew.open(record(work))
        raw = case.to_parquet(work / "parquet")
        case.close()
        TARGET.mkdir(exist_ok=True)
        for old in TARGET.glob("*.parquet"):
            old.unlink()
        with duckdb.connect() as database:
            for source in sorted(raw.glob("*.parquet")):
                rewrite(database, source, TARGET / source.name)
            found = [leak for file in TARGET.glob("*.parquet") for leak in leaks(database, file)]
            if found:
                sys.exit("\n".join(found))
            manifest = json.loads((raw / "manifest.json").read_text())
            for name in manifest["tables"]:
                manifest["tables"][name] = parquet.read_metadata(TARGET / f"{name}.parquet").num_rows
        (TARGET / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    print(f"{sum(file.stat().st_size for file in TARGET.iterdir()) / 1e6:.1f} MB in {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
