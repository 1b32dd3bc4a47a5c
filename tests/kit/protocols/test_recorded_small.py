"""memcached, DNS and X11 as real programs speak them, against what the servers and clients say themselves."""

from __future__ import annotations

import re
from pathlib import Path

from .recorded import Recorded


def test_memcached(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path, "memcached")
    recorded.check_both_ends("memcached")
    said = dict(re.findall(r"STAT (\S+) (\S+)", recorded.said))
    gets, sets = ("get", "Get", "GetQ", "mg"), ("set", "Set", "ms")
    for kinds, name in ((gets, "cmd_get"), (sets, "cmd_set")):
        assert recorded.count("kind IN ? AND NOT sent AND summary IS NOT NULL", kinds) == int(said[name]) > 50
    told = dict(
        recorded.rows(
            "SELECT q.name || ' ' || r.status, count(*) FROM message q JOIN message r USING (conn_id, exchange)"
            " WHERE q.role = 'request' AND r.role = 'reply' AND q.protocol = 'memcached' AND q.sent GROUP BY ALL"
        )
    )
    assert told["get user:? VALUE"] == told["set user:? STORED"] == 40
    assert told["Set bin:? OK"] == told["Get bin:? OK"] == 20
    assert told["get nobody END"] == told["nonsense ERROR"] == told["mn MN"] == told["Noop OK"] == 1


def test_dns(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path, "dns")
    wanted = sorted(
        f"{kind} {name}"
        for kind, name in re.findall(r"query\[(\w+)\] (\S+) from", (recorded.folder / "queries").read_text())
    )
    asked = "SELECT name FROM message WHERE protocol = 'dns' AND role = 'request'"
    assert sorted(name for (name,) in recorded.rows(f"{asked} AND NOT sent")) == wanted and len(wanted) == 15
    pairs = (
        "SELECT q.name, r.status, q.stream = r.stream, count(*) FROM message q JOIN message r USING (conn_id, exchange)"
        " WHERE q.protocol = 'dns' AND q.role = 'request' AND r.role = 'reply' AND q.sent = ? GROUP BY ALL ORDER BY 1"
    )
    assert recorded.rows(pairs, False) == [
        *(("A a.test", "NOERROR", True, 6), ("A b.test", "NOERROR", True, 4)),
        *(("A nobody.test", "NXDOMAIN", True, 4), ("AAAA b.test", "NOERROR", True, 1)),
    ]
    ours = recorded.rows(f"{pairs.replace('ORDER', 'HAVING count(*) > 2 ORDER')}", True)
    assert [(name, status) for name, status, _, _ in ours] == [
        *(("A a.test", "NOERROR"), ("A b.test", "NOERROR"), ("A nobody.test", "NXDOMAIN")),
    ]


def test_x11(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path, "x11")
    recorded.check_both_ends("x11", all_answered=False)  # xwininfo leaves with questions open
    assert recorded.count("kind = 'Setup' AND sent AND protocol = 'x11'") == recorded.count(
        "status = 'Success' AND role = 'reply' AND sent AND protocol = 'x11'"
    )
    fonts = recorded.rows(
        "SELECT r.status, r.bytes > 32 FROM message q JOIN message r USING (conn_id, exchange)"
        " WHERE q.kind = 'ListFonts' AND q.sent AND r.role = 'reply'"
    )
    assert fonts == [("OK", True)]
    failed = "SELECT DISTINCT q.name, r.status FROM message q JOIN message r USING (conn_id, exchange)"
    errors = recorded.rows(f"{failed} WHERE q.role = 'request' AND r.role = 'reply' AND r.error AND r.sent")
    assert ("GetGeometry", "BadDrawable") in errors
    extensions = set(re.findall(r"^ {4}(\S.*)$", recorded.said.split("number of extensions")[1], re.MULTILINE))
    assert "BIG-REQUESTS" in extensions
    learnt = {name for (name,) in recorded.rows("SELECT DISTINCT summary FROM message WHERE kind = 'QueryExtension'")}
    assert learnt and learnt <= extensions
