"""A real JupyterLab on a copy of the notebooks, and a page of a real Chromium to drive it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[2]
ARTEFACTS = Path(__file__).parent / "artefacts"

SETTINGS = {  # what a person would answer to JupyterLab's first questions
    "notebook-extension/tracker": {"autoStartDefaultKernel": True},
    "apputils-extension/notification": {"fetchNews": "false", "doNotDisturbMode": True},
}


@pytest.fixture(scope="session")
def artefacts() -> Path:
    """Where screenshots go; not in git."""
    ARTEFACTS.mkdir(exist_ok=True)
    return ARTEFACTS


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a JupyterLab with the notebooks and data sets, its settings and state in a folder of its own."""
    home = tmp_path_factory.mktemp("lab")
    shutil.copytree(
        ROOT / "notebooks", home / "root" / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints")
    )
    (home / "root" / "datasets").symlink_to(ROOT / "datasets")
    for name, values in SETTINGS.items():
        path = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(values))
    own = {f"JUPYTER_{name}_DIR": str(home / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    own |= {"JUPYTERLAB_SETTINGS_DIR": str(home / "settings"), "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces")}
    own |= {"IPYTHONDIR": str(home / "ipython")}
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser"),
            *("--ip=127.0.0.1", "--port=0", "--IdentityProvider.token=clew", f"--ServerApp.root_dir={home / 'root'}"),
        ],
        env={**os.environ, **own},
        stdout=(home / "lab.log").open("wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield address(server, home / "runtime", home / "lab.log")
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=60)


def address(server: subprocess.Popen[bytes], runtime: Path, log: Path) -> str:
    """What the server wrote about itself once it listens; fails with its log if it ends or takes two minutes."""
    end = time.monotonic() + 120
    while time.monotonic() < end and server.poll() is None:
        for path in runtime.glob("jpserver-*.json"):
            said = json.loads(path.read_text() or "{}")
            if said.get("port"):
                return f"http://127.0.0.1:{said['port']}"
        time.sleep(0.1)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")


@pytest.fixture
def page(browser: Browser, artefacts: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page that may talk to 127.0.0.1 only; what else it asked for, and errors of scripts, fail the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 1500})
    outside: list[str] = []
    errors: list[str] = []

    def gate(route) -> None:  # type: ignore[no-untyped-def]
        if route.request.url.startswith(("http://127.0.0.1:", "data:", "blob:", "file:")):
            route.continue_()
        else:
            outside.append(route.request.url)
            route.abort()

    context.route("**/*", gate)
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.screenshot(path=artefacts / f"{request.node.name}-last.png")
    context.close()
    assert not outside, "the page asked the net"
    assert not [error for error in errors if "Canceled future" not in error]  # JupyterLab's own, as the page closes
