"""The Case: one investigation, one folder; what people and questions hold in their hands."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from clew import __version__
from clew.errors import ClewError, nearest
from clew.store import DATABASE, MANIFEST, FileStore, ParquetStore, table_names, view_names
from clew.units import duration, number

RAW = "raw"
_BATCH = 1 << 20  # rows
_ORDERS = {
    **dict.fromkeys(("event", "payload"), "thread_id, seq"),
    "span": "request_id, start_ns, span_id",  # one request is read without the others
    "working": "request_id, start_ns, tid, host",
    **dict.fromkeys(("span_time", "span_wait", "hop"), "request_id, start_ns, span_id"),
}


def _cases_in(folder: Path) -> list[str]:
    """Names of the cases among what ``folder`` holds."""
    try:
        return [
            one.name for one in folder.iterdir() if any((one / name).exists() for name in (RAW, DATABASE, MANIFEST))
        ]
    except OSError:
        return []


class Case:
    """A recorded case, or a folder of Parquet tables (read-only).

    Several programs may hold the same case: a reader lets go of the file when it is idle, so a terminal can
    ask, and ingest what is new, while a notebook has the case open.
    """

    def __init__(self, path: Path, store: FileStore | ParquetStore) -> None:
        self.path = path
        self._store = store

    @staticmethod
    def open(path: str | os.PathLike[str]) -> Case:
        """The case at ``path``, with what is new in its raw files ingested; raises ClewError if there is none."""
        case = Case.as_it_is(path)
        case.refresh()
        return case

    @staticmethod
    def as_it_is(path: str | os.PathLike[str]) -> Case:
        """The case at ``path``, without what was recorded since the last look; raises ClewError if there is none."""
        folder = Path(path)
        try:
            folder.is_dir() and (folder / MANIFEST).exists()
        except PermissionError:
            raise ClewError(
                f"cannot read {folder}: permission denied; a case is for its owner (or root) only"
            ) from None
        if not folder.exists():
            near = nearest(folder.name, _cases_in(folder.parent))
            meant = f"is it {folder.with_name(near)}? " if near else ""
            raise ClewError(f"there is no case at {folder}; {meant}`clew record -o {folder} -- COMMAND` makes one")
        if folder.is_file():
            raise ClewError(f"{folder} is a file, no case; `clew import CASE {folder}` brings recorded files into one")
        if (folder / MANIFEST).is_file():
            return Case(folder.resolve(), ParquetStore(folder.resolve()))
        if not (folder / RAW).is_dir() and not (folder / DATABASE).is_file():
            raise ClewError(f"{folder} is not a case: it has neither {RAW}/ nor {DATABASE} nor {MANIFEST}")
        return Case(folder.resolve(), FileStore.at(folder / DATABASE))

    def refresh(self) -> int:
        """Ingest what was recorded since the last look.

        Returns the number of new events. Quick if there is nothing new.
        """
        if isinstance(self._store, ParquetStore):
            return 0
        from clew.ingest.run import update

        return update(self._store, self.path)

    def trace(
        self,
        progress: Callable[[str, float], None] | None = None,
        *,
        again: bool = False,
        services: str | os.PathLike[str] | None = None,
    ) -> bool:
        """Find the requests in what was recorded since the last look: messages, spans, and whose work each was.

        ``progress`` hears the stage's name and the share of it that is done. ``again``: even if nothing is new.
        ``services``: a file in the format of /etc/services that says which port speaks what, remembered for this case.
        Returns whether anything was done. Quick if there is nothing new.
        """
        if isinstance(self._store, ParquetStore):
            from clew.causal.spent import complete

            with self._store.reading() as connection:
                complete(connection)
            return False
        from clew.causal.run import trace

        return trace(self._store, self.path, progress, again=again, services=services)

    def sql(self, query: str, params: Mapping[str, Any] | None = None) -> pa.Table:
        """The rows of ``query``.

        ``params`` are bound to its ``$name`` parameters. Raises ClewError if it does not run.
        """
        with self._store.reading() as connection:
            try:
                relation = connection.sql(query, params=dict(params or {}))
                return relation.to_arrow_table() if relation is not None else pa.table({})
            except duckdb.Error as error:
                raise ClewError(f"SQL: {' '.join(str(error).split())}") from None

    def batches(self, query: str, params: Mapping[str, Any] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows of ``query`` in parts, for sums over many: not all of them are in memory at a time.

        Nobody else reads the case until the last part was taken. Raises ClewError if it does not run.
        """
        with self._store.reading() as connection:
            try:
                yield from connection.sql(query, params=dict(params or {})).to_arrow_reader(_BATCH)
            except duckdb.Error as error:
                raise ClewError(f"SQL: {' '.join(str(error).split())}") from None

    @property
    def tables(self) -> list[str]:
        """Names of the tables and views; `clew sql CASE --schema` explains every column."""
        return table_names()

    def captures(self) -> pa.Table:
        """One row for each capture in the case; see table ``capture``."""
        return self.sql("SELECT * FROM capture ORDER BY capture_id")

    def bounds(self) -> tuple[int, int]:
        """(first, last) ns of the case's clock that anything was recorded at; raises ClewError if nothing was."""
        row = self.sql(
            """
            SELECT min(first_ns) AS first_ns, max(last_ns) AS last_ns
            FROM (SELECT min(ts_ns) AS first_ns, max(ts_ns + dur_ns) AS last_ns FROM event
                  UNION ALL SELECT min(ts_ns), max(ts_ns) FROM counter
                  UNION ALL SELECT min(ts_ns), max(ts_ns) + 1 FROM sample
                  UNION ALL SELECT min(ts_ns), max(ts_ns) FROM series
                  UNION ALL SELECT min(ts_ns), max(ts_ns) FROM map_value
                  UNION ALL SELECT min(ts_ns), max(ts_ns) FROM printed
                  UNION ALL SELECT min(start_ns), max(end_ns) FROM span)
            """
        ).to_pylist()[0]
        if row["first_ns"] is None and self.sql("SELECT 1 FROM sample LIMIT 1").num_rows:
            raise ClewError(f"what is in {self.path} has no times (folded stacks have none)")
        if row["first_ns"] is None:
            raise ClewError(f"nothing was recorded in {self.path}; `clew info {self.path}` says why")
        return row["first_ns"], row["last_ns"]

    def explore(self) -> Any:
        """The Explorer of this case, for a notebook; raises ClewError if the widgets are not installed."""
        try:
            from clew_widgets import Explorer
        except ImportError as error:
            raise ClewError(f"the widgets are not installed ({error.name}): pip install 'clew[widgets]'") from None
        return Explorer(self)

    def to_parquet(self, folder: str | os.PathLike[str]) -> Path:
        """Write every table as Parquet, with a manifest, into a new or empty ``folder`` that clew.open() reads."""
        target = Path(folder)
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(target.iterdir()):
            raise ClewError(f"{target} is not empty")
        if isinstance(self._store, ParquetStore):
            self.trace()  # adds the tables that the clew which wrote these did not have
        rows = {}
        with self._store.reading() as connection:
            for name in table_names():
                if name in view_names():
                    continue
                file = str(target / f"{name}.parquet").replace("'", "''")
                order = _ORDERS.get(name, "ALL")
                connection.execute(
                    f"COPY (SELECT * FROM \"{name}\" ORDER BY {order}) TO '{file}' (FORMAT parquet, COMPRESSION zstd)"
                )
                Path(target / f"{name}.parquet").chmod(0o600)
                rows[name] = connection.execute(f'SELECT count(*) FROM "{name}"').fetchall()[0][0]
        (target / MANIFEST).write_text(json.dumps({"clew": __version__, "tables": rows}, indent=1) + "\n", "utf-8")
        return target

    def close(self) -> None:
        """Let go of the files; a closed Case opens them again when asked."""
        self._store.close()

    # -- shown in a notebook or a shell --

    def _summary(self) -> list[tuple[str, str]]:
        row = self.sql(
            """
            SELECT (SELECT count(*) FROM capture) AS captures, (SELECT count(*) FROM process) AS processes,
                   (SELECT count(*) FROM thread) AS threads, (SELECT count(*) FROM event) AS events,
                   (SELECT count(*) FROM sample) AS samples,
                   (SELECT sum(lost_events) FROM capture)::BIGINT AS lost,
                   (SELECT max(ts_ns) - min(ts_ns) FROM event) AS length_ns,
                   (SELECT string_agg(command, '; ' ORDER BY capture_id) FROM capture) AS command
            """
        ).to_pylist()[0]
        shown = [
            (name, number(row[name] or 0)) for name in ("captures", "processes", "threads", "events", "samples", "lost")
        ]
        if row["length_ns"] is not None:
            shown.append(("length", duration(row["length_ns"])))
        return [*shown, ("command", (row["command"] or "")[:200])]

    def __repr__(self) -> str:
        return f"Case({str(self.path)!r})"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """One line of text and a small table: what a notebook shows for a case; survives nbconvert and distrust."""
        parts = self._summary()
        text = f"{self!r}: " + ", ".join(f"{value} {name}" for name, value in parts[:6])
        cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in parts)
        return {
            "text/plain": text,
            "text/html": f"<table><caption>case {escape(self.path.name)}</caption>{cells}</table>",
        }
