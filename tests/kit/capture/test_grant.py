"""Programs that drop root and exec: unseen unless their user was granted the arena, and nobody else gains."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import clew as kit

Clew = Callable[..., subprocess.CompletedProcess[str]]

DROP = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]


def images(case: Path) -> dict[str, tuple[str | None, int]]:
    """exe's last part -> (why it is not seen, number of its events)."""
    opened = kit.open(case)
    rows = opened.sql(
        """SELECT parse_filename(exe) AS image, any_value(unseen) AS unseen, count(seq) AS events
        FROM process LEFT JOIN thread USING (process_id) LEFT JOIN event USING (thread_id) GROUP BY image"""
    ).to_pylist()
    opened.close()
    return {row["image"]: (row["unseen"], row["events"]) for row in rows}


def first_read(case: Path) -> int | None:
    """Bytes that the kernel says the first process read by itself."""
    opened = kit.open(case)
    rows = opened.sql("SELECT kernel_read_bytes AS bytes FROM process WHERE pid IS NOT NULL ORDER BY start_ns LIMIT 1")
    opened.close()
    known: int | None = rows["bytes"][0].as_py()
    return known


def test_an_exec_after_a_change_of_user_is_not_seen_and_says_so(clew: Clew, tmp_path: Path) -> None:
    done = clew("record", "-q", "-o", "case", "--", *DROP, "cat", "/etc/hostname")
    assert (done.returncode, done.stderr) == (0, "")
    seen = images(tmp_path / "case")
    assert seen["setpriv"][0] is None
    assert seen["cat"] == ("no_arena", 0)


def test_what_was_not_recorded_is_said_at_the_end(clew: Clew, tmp_path: Path) -> None:
    script = " ".join(DROP) + " cat /etc/hostname; true; cat /etc/hostname"
    done = clew("record", "-o", "case", "--", "sh", "-c", script)
    missing, last = done.stderr.splitlines()
    assert missing == (
        "clew: not recorded: 1 of the programs that were started, 1 after a change of user (--user NAME lets them in); "
        "`clew info case` says why"
    )
    assert last.endswith("-> case")
    assert "not recorded" not in clew("record", "-o", "all", "--user", "nobody", "--", "sh", "-c", script).stderr
    # What the kernel adds of a child that was not recorded is not said to be its parent's.
    assert first_read(tmp_path / "case") is None
    assert (first_read(tmp_path / "all") or 0) > 0


def test_the_user_that_was_named_is_recorded(clew: Clew, tmp_path: Path) -> None:
    done = clew("record", "-q", "--user", "nobody", "-o", "case", "--", *DROP, "cat", "/etc/hostname")
    assert (done.returncode, done.stderr) == (0, "")
    unseen, events = images(tmp_path / "case")["cat"]
    assert unseen is None
    assert events > 0


def test_another_user_is_not(clew: Clew, tmp_path: Path) -> None:
    done = clew("record", "-q", "--user", "daemon", "-o", "case", "--", *DROP, "cat", "/etc/hostname")
    assert (done.returncode, done.stderr) == (0, "")
    assert images(tmp_path / "case")["cat"] == ("no_arena", 0)


def test_a_user_that_is_not_there(clew: Clew, tmp_path: Path) -> None:
    done = clew("record", "--user", "no-such-user", "-o", "case", "--", "true")
    assert (done.returncode, done.stderr) == (2, "clew: --user no-such-user: there is no such user\n")
    assert list(tmp_path.iterdir()) == []
