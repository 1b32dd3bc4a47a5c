"""What lies in datasets/ opens, is what its manifest says, and shows what its README promises."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

import clew
from clew import questions
from clew.lens import Lens

DATASETS = Path(__file__).parents[1] / "datasets"
FOLDERS = sorted(path.parent for path in DATASETS.glob("*/manifest.json"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_folder_is_small_complete_and_explained(folder: Path) -> None:
    assert sum(file.stat().st_size for file in folder.iterdir()) < 20e6  # Binder: small enough to clone and to hold
    case = clew.open(folder)
    for name, rows in json.loads((folder / "manifest.json").read_text())["tables"].items():
        assert case.sql(f'SELECT count(*) AS n FROM "{name}"').to_pylist() == [{"n": rows}]
    text = (folder / "README.md").read_text()
    script = f"make_{folder.name.replace('-', '_')}.py"
    assert script in text
    assert (DATASETS / script).is_file()
    assert "What is to be seen" in text


@pytest.fixture(scope="module")
def shop() -> clew.Case:
    return clew.open(DATASETS / "three-tier")


def test_shop_has_its_tiers(shop: clew.Case) -> None:
    commands = questions.counts(shop, Lens()).table["name"].to_pylist()
    assert {"customers", "nginx", "shop", "postgres"} <= set(commands)
    assert questions.losses(shop).note == "nothing was lost"


def test_shop_has_the_faults_that_its_readme_names(shop: clew.Case) -> None:
    refused = questions.counts(shop, Lens(errnos=(errno.ECONNREFUSED,)), by="peer").table
    assert refused["name"].to_pylist() == ["127.0.0.1:9"]
    missing = questions.counts(shop, Lens(commands=("nginx",), errnos=(errno.ENOENT,)), by="file").table
    assert any(str(name).endswith("favicon.ico") for name in missing["name"].to_pylist())
    synced = questions.counts(shop, Lens(commands=("postgres",), ops=("fdatasync",)), by="op").table
    assert synced["calls"].to_pylist()[0] > 100


def test_shop_has_three_hills(shop: clew.Case) -> None:
    """Customers wait in poll: below 2 ms, around 50 ms (the search), around 300 ms (the report)."""

    def waits(low_ms: float, high_ms: float) -> int:
        lens = Lens(commands=("customers",), ops=("poll",), latency=(int(low_ms * 1e6), int(high_ms * 1e6)))
        return sum(questions.counts(shop, lens, by="op").table["calls"].to_pylist())

    assert waits(0.2, 2) > waits(33, 100) > 2 * waits(17, 33)
    assert waits(270, 540) > 10
    assert waits(270, 540) > 3 * waits(140, 270)
