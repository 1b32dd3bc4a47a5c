"""Requests through event loops of CPython, whose connections are fewer than their customers: each call is followed."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.live.causal import servers
from tests.live.causal.judge import judge

from clew.case import Case

from .conftest import CLEW, WORKLOADS

CUSTOMERS, PAGES = 12, 8
PYTHONS = {"library": sys.executable, "program": "/usr/bin/python3"}
"""One whose interpreter is a shared library, and Debian's, where the program defines its functions itself."""


async def customer(port: int, number: int, context: ssl.SSLContext | None) -> None:
    """Ask for PAGES pages, one after the other, each with an id of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    for page in range(PAGES):
        tag = f"q-{number * PAGES + page:06}"
        writer.write(f"GET /page?tag={tag} HTTP/1.1\r\nHost: front\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(head.split(b"Content-Length: ")[1].split()[0]))
        assert body.count(tag.encode()) == 3
    writer.close()


async def customers(port: int, context: ssl.SSLContext | None) -> None:
    await asyncio.gather(*(customer(port, number, context) for number in range(CUSTOMERS)))


def followed(python: str, folder: Path, style: str, *certificate: str, options: tuple[str, ...] = ()) -> Case:
    """The case of a front that CUSTOMERS asked."""
    context = None
    if certificate:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    command = [*CLEW, "record", "-q", *options, "-o", str(folder / "case"), "--"]
    program = [python, str(WORKLOADS / "tasks.py"), style, *certificate]
    with (
        subprocess.Popen([*command, *program], stdout=subprocess.PIPE, text=True) as recorded,
        ThreadPoolExecutor(1) as apart,  # this thread may have a loop of its own: a browser's
    ):
        assert recorded.stdout
        port = int(recorded.stdout.readline())
        children = Path(f"/proc/{recorded.pid}/task/{recorded.pid}/children").read_text().split()
        try:
            apart.submit(asyncio.run, customers(port, context)).result(timeout=60)
        finally:
            os.kill(int(children[0]), signal.SIGTERM)
        recorded.communicate(timeout=60)
    case = Case.open(folder / "case")
    case.trace()
    return case


def rules(case: Case) -> Counter[str]:
    """How calls of front were linked."""
    rows = case.sql("SELECT link_rule FROM span WHERE kind = 'client' AND protocol = 'http1'").to_pylist()
    return Counter(row["link_rule"] for row in rows)


@pytest.mark.parametrize("style", ["streams", "protocol", "callbacks", "threads"])
@pytest.mark.parametrize("python", PYTHONS.values(), ids=PYTHONS)
def test_every_request_is_right(python: str, style: str, tmp_path: Path) -> None:
    case = followed(python, tmp_path, style)
    asked = {f"q-{number:06}": {"http1": 3} for number in range(CUSTOMERS * PAGES)}
    report = judge(case, asked)
    assert report.share("correct") == 100, str(report)
    assert rules(case) == {"task": 3 * CUSTOMERS * PAGES}


@pytest.mark.parametrize("python", PYTHONS.values(), ids=PYTHONS)
def test_clear_text_below_https(python: str, tmp_path: Path) -> None:
    certificate, key = servers.certificate(tmp_path)
    case = followed(python, tmp_path, "streams", str(certificate), str(key))
    report = judge(case, {f"q-{number:06}": {"http1": 3} for number in range(CUSTOMERS * PAGES)})
    assert report.share("correct") == 100, str(report)
    assert rules(case)["task"] == 3 * CUSTOMERS * PAGES


def test_without_wakeups_nothing_is_told_and_nothing_is_wrong(tmp_path: Path) -> None:
    """Where it is switched off, order is all there is: whoever waited for a connection is left open."""
    case = followed(sys.executable, tmp_path, "streams", options=("--no-wakeups",))
    assert case.sql("SELECT count(*) AS n FROM landing.task").to_pylist() == [{"n": 0}]
    assert rules(case)["task"] == 0 and sum(rules(case).values()) == 3 * CUSTOMERS * PAGES


ENDS = """
import asyncio, os, threading
async def main():
    await asyncio.gather(*(asyncio.to_thread(int) for _ in range(4)))
asyncio.run(main())
def move(inside, outside):
    while True:
        os.write(outside, b"x")
        os.read(inside, 1)
for _ in range(8):
    threading.Thread(target=move, args=os.pipe(), daemon=True).start()
"""


@pytest.mark.parametrize("python", PYTHONS.values(), ids=PYTHONS)
def test_threads_that_outlive_their_interpreter(python: str, tmp_path: Path) -> None:
    """It frees their states while they return from calls."""
    for number in range(5):
        command = [*CLEW, "record", "-q", "-o", str(tmp_path / str(number)), "--", python, "-c", ENDS]
        done = subprocess.run(command, stderr=subprocess.DEVNULL, timeout=60, check=False)  # it may say what was lost
        assert done.returncode == 0
