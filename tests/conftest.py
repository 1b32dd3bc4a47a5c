"""One Chromium for all tests: Playwright's sync interface can run only once in a process."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

QUIET = [  # Chromium talks to nobody but the page
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-gpu",
    "--disable-sync",
    "--no-first-run",
    "--metrics-recording-only",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium of the system where there is one, else Playwright's own; each test makes its own context in it."""
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next((path for name in names if (path := shutil.which(name))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=QUIET)
        yield browser
        browser.close()


def pytest_unconfigure() -> None:
    """Let the summary be the last line: at exit DuckDB lists what its bindings did not free, none of it ours."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
