"""PostgreSQL over TLS: its messages are told from the clear text."""

from __future__ import annotations

from pathlib import Path

from .recorded import Recorded


def test_clear_text(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path, "postgres_tls")
    recorded.check_both_ends("postgres")
    assert recorded.count("kind = 'SSLRequest'") == 0
    for sent in (True, False):
        rows = recorded.rows(
            "SELECT q.name, r.status, count(*) FROM message q JOIN message r USING (conn_id, exchange)"
            " WHERE q.protocol = 'postgres' AND q.role = 'request' AND r.role = 'reply' AND q.sent = ? GROUP BY ALL",
            sent,
        )
        told = {(name, status): count for name, status, count in rows}
        assert told["connect", "OK"] == told["SELECT ?", "SELECT"] == told["SELECT repeat(?, ?)", "SELECT"] == 3
