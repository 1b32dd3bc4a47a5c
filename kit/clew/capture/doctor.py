"""Which ways of recording this machine allows: each is tried, never guessed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, fields

import pyarrow as pa

from clew.capture.checks import machine, perf, tracers
from clew.capture.checks.finding import Finding

__all__ = ["CHECKS", "Finding", "can_record", "probe"]

CHECKS: tuple[Callable[[], Finding], ...] = (*machine.CHECKS, *perf.CHECKS, *tracers.CHECKS)
"""What is tried, in the order of the table."""

_AT_ONCE = 4


def probe() -> pa.Table:
    """Try every source: a table of source, state, reason, remedy. Takes some seconds, changes nothing."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = list(pool.map(lambda check: check(), CHECKS))
    names = [field.name for field in fields(Finding)]
    rows = [dict(zip(names, astuple(finding), strict=True)) for finding in found]
    return pa.Table.from_pylist(rows, schema=pa.schema([(name, pa.string()) for name in names]))


def can_record(findings: pa.Table) -> bool:
    """Whether the preload library works here: what `clew record` needs."""
    return any(row["source"] == "preload" and row["state"] == "yes" for row in findings.to_pylist())
