"""A case whose requests are known, and its spans as rows of plain Python."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from clew.case import Case

from ..spans import write_case


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    """400 requests of the shop that tests/kit/spans.py describes."""
    case = write_case(tmp_path_factory.mktemp("shop") / "case", 400)
    yield case
    case.close()


@pytest.fixture(scope="session")
def asked(shop: Case) -> list[dict[str, Any]]:
    """Its requests."""
    return shop.sql("SELECT * FROM request ORDER BY request_id").to_pylist()


@pytest.fixture(scope="session")
def done(shop: Case) -> list[dict[str, Any]]:
    """Its spans."""
    return shop.sql("SELECT * FROM span ORDER BY span_id").to_pylist()
