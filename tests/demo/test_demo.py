"""The shop serves the same with and without being recorded, and the recording shows its three tiers and its faults."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest

import clew
from clew import questions
from clew.demo import load
from clew.lens import Lens

SHOP = [sys.executable, "-m", "clew.demo", "--requests", "400"]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the shop's database, made once; every run goes on with it."""
    folder = tmp_path_factory.mktemp("shop")
    subprocess.run([*SHOP, "--prepare", "--folder", str(folder)], check=True)
    return folder


def served(command: list[str]) -> dict[str, int]:
    """What the customers got: outcome -> requests."""
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    outcomes: dict[str, int] = json.loads(done.stdout.splitlines()[0])
    return outcomes


@pytest.fixture(scope="module")
def recorded(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, int], clew.Case]:
    folder = tmp_path_factory.mktemp("recorded") / "case"
    command = [sys.executable, "-m", "clew", "record", "-o", str(folder), "--", *SHOP, "--folder", str(prepared)]
    return served(command), clew.open(folder)


def test_customers_are_served_alike(prepared: Path, recorded: tuple[dict[str, int], clew.Case]) -> None:
    bare = served([*SHOP, "--folder", str(prepared)])
    assert bare == recorded[0]
    assert sum(bare.values()) == 400
    assert {"200", "201", "404", "500", "gave up"} <= set(bare)


def test_recording_shows_each_tier_and_loses_nothing(recorded: tuple[dict[str, int], clew.Case]) -> None:
    case = recorded[1]
    commands = set(questions.counts(case, Lens()).table["name"].to_pylist())
    assert {"customers", "nginx", "shop", "postgres"} <= commands
    assert questions.losses(case).note == "nothing was lost"
    sent = questions.counts(case, Lens(commands=("customers",), ops=("send",)), by="op").table.to_pylist()
    assert [row["calls"] for row in sent] == [400]


def test_recording_shows_the_service_that_is_down(recorded: tuple[dict[str, int], clew.Case]) -> None:
    case = recorded[1]
    refused = questions.counts(case, Lens(errnos=(errno.ECONNREFUSED,), commands=("shop",)), by="peer").table
    asked = [
        path
        for path, _ in load.requests(400)
        if path.startswith("/product?id=") and len(path) <= len("/product?id=2000")
    ]
    assert refused["name"].to_pylist() == ["127.0.0.1:9"]
    assert 0 < refused["calls"].to_pylist()[0] <= len(asked)


def test_front_without_nginx(prepared: Path) -> None:
    outcomes = served([*SHOP, "--folder", str(prepared), "--python-front"])
    assert sum(outcomes.values()) == 400
    assert {"200", "201", "404", "500"} <= set(outcomes)


def test_folder_that_cannot_hold_a_database(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    done = subprocess.run([*SHOP, "--folder", str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith("clew.demo: ")
    assert len(done.stderr.splitlines()) == 1
