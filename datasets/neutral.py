"""Copies the Parquet form of a case into a data set, without the paths and the name of the machine that recorded it."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import duckdb
from pyarrow import parquet

ROOT = Path(__file__).parents[1]


def words(host: str) -> dict[str, str]:
    """What the machine is called and where things lie on it, longest first -> what a data set says instead."""
    return {
        str(Path(sys.prefix)): "/opt/venv",
        str(Path(sys.base_prefix)): "/opt/python",
        str(ROOT): "/opt/clew",
        str(Path.home()): "/home/user",
        f'"host": "{socket.gethostname()}"': f'"host": "{host}"',
    }


def rewrite(
    database: duckdb.DuckDBPyConnection, source: Path, target: Path, neutral: Mapping[str, str], host: str
) -> None:
    """Copy one Parquet file, every text made neutral; of payloads keep what went over sockets, not what files held."""
    columns = database.sql("SELECT * FROM read_parquet($file) LIMIT 0", params={"file": str(source)})
    texts = [name for name, kind in zip(columns.columns, columns.types, strict=True) if str(kind) == "VARCHAR"]
    replaced = []
    for name in texts:
        expression = f'"{name}"' if name != "host" else f"'{host}'"
        for number in range(len(neutral)):
            expression = f"replace({expression}, $old{number}, $new{number})"
        replaced.append(f'{expression} AS "{name}"')
    select = f"SELECT * {'REPLACE (' + ', '.join(replaced) + ')' if replaced else ''} FROM read_parquet($file)"
    if source.stem == "payload":
        select += """
            SEMI JOIN (SELECT thread_id, seq FROM read_parquet($event) JOIN read_parquet($connection) USING (conn_id)
                       WHERE kind IN ('tcp', 'unix')) USING (thread_id, seq)
            ORDER BY thread_id, seq"""
    named = {f"old{number}": old for number, old in enumerate(neutral)}
    named |= {f"new{number}": new for number, new in enumerate(neutral.values())}
    named |= {name: str(source.with_name(f"{name}.parquet")) for name in ("event", "connection")} | {
        "file": str(source)
    }
    used = {name: value for name, value in named.items() if f"${name}" in select}
    database.sql(select, params=used).write_parquet(str(target), compression="zstd")


def leaks(database: duckdb.DuckDBPyConnection, file: Path, neutral: Mapping[str, str]) -> list[str]:
    """Columns of a Parquet file that still hold one of the words."""
    columns = database.sql("SELECT * FROM read_parquet($file) LIMIT 0", params={"file": str(file)})
    found = []
    for name, kind in zip(columns.columns, columns.types, strict=True):
        if str(kind) in ("VARCHAR", "BLOB", "VARCHAR[]"):
            for word in neutral:
                query = f'SELECT count(*) FROM read_parquet($file) WHERE contains("{name}"::VARCHAR, $word)'
                row = database.execute(query, {"file": str(file), "word": word}).fetchone()
                if row and row[0]:
                    found.append(f"{file.name}: {name} holds {word}")
    return found


def publish(raw: Path, target: Path, neutral: Mapping[str, str], host: str) -> None:
    """Make ``target`` the data set of the tables in ``raw``; ends the program if a word is left in one."""
    target.mkdir(exist_ok=True)
    for old in target.glob("*.parquet"):
        old.unlink()
    with duckdb.connect() as database:
        for source in sorted(raw.glob("*.parquet")):
            rewrite(database, source, target / source.name, neutral, host)
        found = [leak for file in target.glob("*.parquet") for leak in leaks(database, file, neutral)]
    if found:
        sys.exit("\n".join(found))
    manifest = json.loads((raw / "manifest.json").read_text())
    for name in manifest["tables"]:
        manifest["tables"][name] = parquet.read_metadata(target / f"{name}.parquet").num_rows
    (target / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    print(f"{sum(file.stat().st_size for file in target.glob('*.*')) / 1e6:.1f} MB in {target}")
