"""What ``clew watch`` looks at: figures of files and pages as they are really written, and the forms of --when."""

from __future__ import annotations

import http.server
import os
import threading
import time
from pathlib import Path

import pytest

from clew.errors import ClewError
from clew.watch import keep_if
from clew.watch.figures import of_file, of_page
from clew.watch.triggers import parse

ZEEK = (
    "#separator \\x09\n#fields\tts\tpeer\tpkts_dropped\tmem\n#types\ttime\tstring\tcount\tcount\n"
    "1.5\tworker\t3\t100\n2.5\tworker\t7\t-\n"
)
PROF = """\
0.000000 ------------------------
0.000000 Memory: total=30160K total_adj=0K malloced: 23126K
0.000000 Conns: total=0 current=0/0 ext=0 mem=0K avg=-nan table=1K
15.000000 Memory: total=31000K total_adj=840K malloced: 23900K
15.000000 Conns: total=12 current=3/5 ext=0 mem=4K avg=1.5 table=1K
"""
STATUS = "Name:\tcat\nVmRSS:\t    1024 kB\nThreads:\t3\n"


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        (ZEEK, "pkts_dropped", 7),
        (ZEEK, "mem", None),
        ('{"ts": 1, "drops": 2}\n{"ts": 2, "drops": 9}\n', "drops", 9),
        ('{"ts": 1, "drops": 2}\n{"ts": 2, "dro', "drops", 2),
        (PROF, "Memory.total", 31000 * 1024),
        (PROF, "Memory.malloced", 23900 * 1024),
        (PROF, "Conns.total", 12),
        (PROF, "Conns.nothing", None),
        (STATUS, "VmRSS", 1024 * 1024),
        (STATUS, "Threads", 3),
        ("pgfault 123\npgmajfault 4\n", "pgfault", 123),
        ("a=5, b=-2.5\n", "b", -2.5),
        ("", "x", None),
    ],
)
def test_the_last_figure_of_a_file(tmp_path: Path, text: str, field: str, value: float | None) -> None:
    path = tmp_path / "log"
    path.write_text(text)
    assert of_file(path, field) == value


def test_only_the_end_of_a_long_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "stats.log"
    path.write_text(ZEEK + "".join(f"{n}\tworker\t{n}\t0\n" for n in range(20_000)))
    assert of_file(path, "pkts_dropped") == 19_999


def test_proc_is_read() -> None:
    assert (of_file(Path(f"/proc/{os.getpid()}/status"), "VmRSS") or 0) > 1 << 20
    assert (of_file(Path("/proc/vmstat"), "pgfault") or 0) > 0


@pytest.fixture
def page() -> tuple[str, list[str]]:
    text = ['# HELP drops x\ndrops{if="a"} 3\ndrops{if="b"} 4 1700000000\nup 1\n']

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text[0].encode())

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/metrics", text


def test_a_prometheus_page(page: tuple[str, list[str]]) -> None:
    url, text = page
    assert of_page(url, "drops") == 7
    assert of_page(url, 'drops{if="b"}') == 4
    assert of_page(url, "absent") is None
    trigger = parse(f"rate url {url} drops > 10")
    assert trigger.check() is None
    text[0] = "drops 1000000\n"
    time.sleep(0.05)
    assert "it is" in (trigger.check() or "")


def test_a_figure_that_is_not_there_is_told_until_it_comes(tmp_path: Path, page: tuple[str, list[str]]) -> None:
    log = tmp_path / "stats.jsonl"
    log.write_text('{"ts": 1, "drops": 2}\n')
    missing = [parse(f"file {log} drop > 1"), parse(f"url {page[0]} drop > 1")]
    for trigger in missing:
        assert trigger.check() is None and not trigger.had
        assert "has no 'drop' yet" in trigger.absent
    log.write_text('{"ts": 1, "drop": 2}\n')
    page[1][0] = "drop 2\n"
    for trigger in missing:
        assert trigger.check() is not None and trigger.had


def test_cpu_of_a_process() -> None:
    trigger = parse(f"cpu {os.getpid()} > 20")
    assert trigger.check() is None  # one look says nothing
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass
    assert trigger.check() is not None
    time.sleep(0.5)
    assert trigger.check() is None


def test_shell(tmp_path: Path) -> None:
    trigger = parse(f"shell test -e {tmp_path / 'now'}")
    assert trigger.check() is None
    (tmp_path / "now").touch()
    assert trigger.check() is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "cpu x > 1",
        "cpu 1",
        "file /proc/vmstat > 1",
        "url ftp://x y > 1",
        "rate shell true",
        "shell  ",
        "file /absent x > 1",
        "case /absent p99 > 1ms",
        "cpu 1 > 1 parsec",
        "file 'x > 1",
    ],
)
def test_mistakes_are_one_line(text: str) -> None:
    with pytest.raises(ClewError) as error:
        parse(text)
    assert "\n" not in str(error.value)


def test_keep_if_looks_into_stacks(tmp_path: Path) -> None:
    path = tmp_path / "x.folded"
    path.write_text("main;Reassembler::push;copy 5\nmain;idle 95\n")
    assert keep_if.parse('frame ~ "Reassembler"')([path]) is not None
    assert "5.0%" in (keep_if.parse("frame ~ Reassembler > 4%")([path]) or "")
    assert keep_if.parse("frame ~ Reassembler > 5%")([path]) is None
    assert keep_if.parse("frame ~ ^absent$")([path]) is None
    for text in ("frame Reassembler", "frame ~ (", "stack ~ x"):
        with pytest.raises(ClewError):
            keep_if.parse(text)
