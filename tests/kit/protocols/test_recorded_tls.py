"""Databases over TLS: their messages are told from the clear text."""

from __future__ import annotations

from pathlib import Path

import pytest

from .recorded import Recorded


@pytest.mark.parametrize(
    ("driver", "protocol", "wanted"),
    [
        (
            "postgres_tls",
            "postgres",
            {("connect", "OK"): 3, ("SELECT ?", "SELECT"): 3, ("SELECT repeat(?, ?)", "SELECT"): 3},
        ),
        ("mysql_tls", "mysql", {("SHOW STATUS LIKE ?", "OK"): 3, ("SELECT ?", "OK"): 3, ("SELECT nope", "1054"): 3}),
    ],
)
def test_clear_text(tmp_path: Path, driver: str, protocol: str, wanted: dict[tuple[str, str], int]) -> None:
    recorded = Recorded(tmp_path, driver)
    recorded.check_both_ends(protocol)
    assert recorded.count("NOT sent AND protocol = ? AND kind = 'SSLRequest'", protocol) == 0
    for sent in (True, False):
        rows = recorded.rows(
            "SELECT q.name, r.status, count(*) FROM message q JOIN message r USING (conn_id, exchange)"
            " WHERE q.protocol = ? AND q.role = 'request' AND r.role = 'reply' AND q.sent = ? GROUP BY ALL",
            *(protocol, sent),
        )
        told = {(name, status): count for name, status, count in rows}
        assert {pair: told.get(pair) for pair in wanted} == wanted
