"""What lies in datasets/ opens, is what its manifest says, and shows what its README promises."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

import clew
from clew import questions
from clew.lens import Lens
from clew.questions.shape_diff import slow_and_usual

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


@pytest.fixture(scope="module")
def lab() -> clew.Case:
    return clew.open(DATASETS / "lab")


def test_lab_says_who_closes_and_from_where(lab: clew.Case) -> None:
    closes = questions.counts(lab, Lens(ops=("close",)), by="thread").table.to_pylist()
    assert closes[0]["name"] == "agent"
    assert closes[0]["calls"] > 0.9 * sum(row["calls"] for row in closes)
    stacks = questions.functions(lab, Lens(events=("close",))).table.to_pylist()
    assert {row["function"]: row["total"] for row in stacks}["ServiceMonitor::all_services"] == closes[0]["calls"]


def test_lab_has_the_stack_of_the_slowest_write(lab: clew.Case) -> None:
    agent = Lens(commands=("agent",), ops=("write",), events=("write",))
    longest = questions.latency(lab, agent).summary["max_ns"]
    slow = questions.functions(lab, agent.narrow(latency=(longest, None))).table.to_pylist()
    assert "Log::rotate" in {row["function"] for row in slow}
    assert "Log::rotate" in questions.printed(lab, Lens()).table["text"].to_pylist()[-1]


def test_lab_drops_packets_while_one_function_has_the_processor(lab: clew.Case) -> None:
    errors = questions.errors(lab, Lens(commands=("feed",))).table.to_pylist()
    assert [(row["op"], row["name"]) for row in errors] == [("send", "EAGAIN")]
    first, last = errors[0]["first_ns"], errors[0]["last_ns"]
    assert last - first < 500e6
    sensor = Lens(commands=("sensor",), events=("cpu-clock",), start_ns=first, end_ns=last)
    heaviest = questions.functions(lab, sensor, limit=1).table.to_pylist()[0]
    assert heaviest["function"] == "Reassembler::check_overlap"
    assert heaviest["self"] > 0.8 * (last - first)
    quiet = sensor.without("time").narrow(start_ns=first - 3_000_000_000, end_ns=last - 3_000_000_000)
    grown = questions.flame_diff(lab, sensor, lab, quiet, normalise=False).table.to_pylist()
    before = {row["name"]: row["before"] for row in grown}
    assert before["Reassembler::check_overlap"] == 0 < before["Sensor::packet"]


@pytest.fixture(scope="module")
def paths() -> clew.Case:
    return clew.open(DATASETS / "shop-paths")


def test_paths_are_whole(paths: clew.Case) -> None:
    found = questions.unresolved(paths, Lens()).summary
    assert found["unresolved"] <= 0.01 * found["spans"]
    assert found["linked"] + found["roots"] + found["unresolved"] == found["spans"]
    shapes = {row["name"]: row for row in questions.shapes(paths, Lens()).table.to_pylist()}
    assert shapes["GET /cart"]["spans"] == 64 and shapes["GET /cart"]["processes"] == 4
    assert shapes["GET /cart"]["path"].count("postgres SELECT") >= 1
    unfinished = questions.requests_by(paths, Lens()).table.to_pylist()
    assert {row["name"] for row in unfinished if row["unfinished"]} == {"GET /report"}


def test_paths_show_where_a_search_waits_and_computes(paths: clew.Case) -> None:
    search = Lens(requests=("GET /search",))
    gaps = []
    for request_id in questions.requests(paths, search).table["request_id"].to_pylist():
        tree = questions.request_tree(paths, request_id).table.to_pylist()
        gaps += [row["self_ns"] for row in tree if (row["command"], row["kind"]) == ("nginx", "client")]
    assert sorted(gaps)[len(gaps) // 2] > 38e6
    own = questions.functions(paths, search.narrow(events=("cpu-clock",))).table.to_pylist()
    text = sum(row["self"] for row in own if "MatchText" in row["function"])
    assert text > 0.4 * sum(row["self"] for row in own)


def test_paths_show_what_slow_product_pages_wait_for(paths: clew.Case) -> None:
    slow, usual = slow_and_usual(paths, Lens(requests=("GET /product",)), 0.05)
    asleep = []
    for lens in (slow, usual):
        locks = lens.narrow(commands=("shop",), events=("off-cpu",), functions=("__futex_wait",))
        weight = sum(row["weight"] for row in questions.sample_events(paths, locks).table.to_pylist())
        asleep.append(weight / questions.requests(paths, lens, limit=None).table.num_rows)
    assert asleep[0] > 10 * asleep[1]


def test_paths_lead_from_a_call_to_its_requests(paths: clew.Case) -> None:
    synced = questions.requests_by(paths, Lens(ops=("fdatasync",))).table.to_pylist()
    assert [row["name"] for row in synced] == ["POST /order"]
    failed = questions.requests(paths, Lens(requests=("GET /discount",)), limit=1).table["request_id"][0].as_py()
    rows = questions.request_tree(paths, failed).table.to_pylist()
    assert {row["status"] for row in rows if row["command"] == "postgres"} == {"42703"}
    assert all(row["error"] for row in rows)
