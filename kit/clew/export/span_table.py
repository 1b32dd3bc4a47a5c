"""Spans as one flat Parquet file: a row a span, with what its request was."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from clew.case import Case
from clew.export._spans import batches
from clew.lens import Lens

_QUERY = """
SELECT trace_hex AS trace_id, span_hex AS id, parent_hex AS parent_id, one.* EXCLUDE (trace_hex, span_hex, parent_hex),
       r.name AS request, r.shape_id, r.start_ns AS request_start_ns, r.dur_ns AS request_dur_ns,
       r.error AS request_error
FROM one JOIN request r USING (request_id) ORDER BY start_ns, span_id
"""


def parquet(case: Case, lens: Lens, *, unredacted: bool = False) -> Iterator[bytes]:
    """A Parquet file; column ``summary`` is what was said, if ``unredacted``, else NULL."""
    sink = pa.BufferOutputStream()
    writer: pq.ParquetWriter | None = None
    for table in batches(case, lens, _QUERY, "Parquet", unredacted=unredacted):
        if writer is None:
            writer = pq.ParquetWriter(sink, table.schema, compression="zstd")
        writer.write_table(table)
    if writer is not None:
        writer.close()
    yield sink.getvalue().to_pybytes()
