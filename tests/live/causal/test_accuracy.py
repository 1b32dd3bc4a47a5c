"""Requests through real servers are followed right: every system at 1, 8 and 64 clients with kept connections.

One client's requests must all be right. With more, each system must reach what it steadily reaches with a few hundred
requests on a busy machine (`reached`); `python -m tests.live.causal` holds the bars themselves against its table.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.live.causal.__main__ import MODULES, run, systems
from tests.live.causal.stand import System

REQUESTS = 400
SYSTEMS = dict(systems(MODULES))


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where each system has its folder: what a server needs is made once. Servers that refuse root must get there."""
    base = tmp_path_factory.mktemp("accuracy")
    for folder in (base, *base.parents[:2]):
        folder.chmod(0o755)
    return base


def followed(system: System, folder: Path, concurrency: int, requests: int = REQUESTS, **how: bool) -> None:
    """Run and judge: what the system has reached so far is reached again."""
    report, _ = run(system, folder, concurrency, requests, **{"tls": False, "load_recorded": False, **how})
    assert len(report.verdict) == requests
    least, most = (100.0, 0.0) if concurrency == 1 else system.reached
    assert report.share("wrong") <= most, str(report)
    assert report.share("correct") >= least, str(report)


@pytest.mark.parametrize("concurrency", [1, 8, 64])
@pytest.mark.parametrize("name", [name for name in SYSTEMS if not hasattr(SYSTEMS[name], "hosts")])
def test_requests_are_followed(name: str, concurrency: int, folders: Path) -> None:
    few = name.startswith("apache")  # a program for each request: 20 ms each
    followed(SYSTEMS[name], folders / name, concurrency, 100 if few else REQUESTS)


def test_requests_of_256_clients_are_followed(folders: Path) -> None:
    followed(SYSTEMS["nginx_fastcgi-0"], folders / "nginx_fastcgi-0", 256, 600)


@pytest.mark.parametrize(
    "name", ["nginx_fastcgi-0", "apache_cgi-0", "nginx_asyncio-0", "java_pool-0", "node_mariadb-0"]
)
def test_https_is_followed(name: str, folders: Path) -> None:
    followed(SYSTEMS[name], folders / name, 8, 100, tls=True)


@pytest.mark.parametrize("name", ["nginx_fastcgi-0", "python_pool-0"])
def test_customers_may_be_recorded_too(name: str, folders: Path) -> None:
    followed(SYSTEMS[name], folders / name, 8, 200, load_recorded=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces are made by root")
@pytest.mark.parametrize("concurrency", [1, 8, 64])
def test_requests_are_followed_from_host_to_host(concurrency: int, folders: Path) -> None:
    name = next(name for name in SYSTEMS if hasattr(SYSTEMS[name], "hosts"))
    followed(SYSTEMS[name], folders / name, concurrency)
