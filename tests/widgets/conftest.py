"""A synthetic three-tier case for the tests of widgets: plausible load, errors, hostile names."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from playwright.sync_api import Browser, Page

import clew
from clew.case import Case
from clew.ingest.profile import Tree
from clew.store import schema_text
from clew_widgets import assets
from clew_widgets.report import embedded

ORIGIN = 5_000_000_000_000
LENGTH = 12_000_000_000
OPS = (
    ("read", "read"), ("write", "write"), ("openat", "open"), ("close", "close"), ("accept4", "net"),
    ("connect", "net"), ("recv", "net"), ("send", "net"), ("epoll_wait", "wait"), ("fsync", "sync"),
    ("pread64", "read"),
)  # fmt: skip
ERRNOS = (
    (2, "ENOENT", "No such file or directory"),
    (11, "EAGAIN", "Try again"),
    (104, "ECONNRESET", "Connection reset by peer"),
)
# command, pid, threads, calls a second, typical duration in ns of each op
TIERS = (
    ("nginx", 1201, 1, 9000, 6_000),
    ("python3", 1310, 4, 5200, 45_000),
    ("postgres", 1402, 1, 3100, 130_000),
    ("wrk", 1500, 2, 2600, 9_000),
)
SECRET = "hunter2-Zx81kQ"
PAYLOAD = "PAYLOAD-BYTES-f7"
HOSTILE = (
    "</script><script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "a\x1b[31mred\x1b[0m",
    "left\u202egnp.exe",
    "quote'\"`${7*7}\\",
    "line\nbreak\u2028two",
)


def _events(seed: int, scale: float) -> dict[str, np.ndarray[Any, Any]]:
    """Records of all threads as columns: steady load, a burst in the middle, a stall near the end."""
    random = np.random.default_rng(seed)
    parts: list[dict[str, np.ndarray[Any, Any]]] = []
    thread = 0
    for tier, (_command, pid, threads, rate, typical) in enumerate(TIERS):
        for number in range(threads):
            thread += 1
            count = int(rate * scale * LENGTH / 1e9 / threads)
            when = np.concatenate([random.uniform(0, 1, count * 4 // 5), random.normal(0.55, 0.035, count // 5)])
            when = np.sort(np.clip(when, 0.001, 0.98))
            count = len(when)
            weights = np.array([30, 26, 3, 3, 5, 2, 14, 12, 12, 0.6, 4]) * (
                1 if tier == 2 else np.array([1] * 9 + [0, 0])
            )
            op = random.choice(len(OPS), count, p=weights / weights.sum())
            spread = np.where(op == 8, 2.2, 1.1)
            duration = random.lognormal(
                np.log(typical * np.array([1, 1.3, 2.4, 0.3, 1.8, 8, 1, 1.2, 14, 90, 1.6])[op]), spread
            )
            duration = np.minimum(duration, 4e8)
            duration = np.where((when > 0.83) & (when < 0.86) & (tier == 2), duration * 40, duration)
            duration = np.minimum(duration, (1 - when) * LENGTH)
            errno = np.zeros(count, dtype=np.uint16)
            errno[(op == 2) & (random.random(count) < 0.18)] = 2
            errno[((op == 6) | (op == 0)) & (random.random(count) < 0.03)] = 11
            errno[(op == 7) & (when > 0.83) & (when < 0.86)] = 104
            moves = np.isin(op, (0, 1, 6, 7, 10)) & (errno == 0)
            parts.append({
                "thread_id": np.full(count, thread), "pid": np.full(count, pid), "tid": np.full(count, pid + number),
                "seq": np.arange(1, count + 1), "ts_ns": ORIGIN + (when * LENGTH).astype(np.int64),
                "dur_ns": duration.astype(np.int64),
                "op_id": op + 1, "errno": errno,
                "bytes": np.where(moves, random.lognormal(6, 1.6, count), 0).astype(np.int64),
                "moves": moves, "conn_id": np.where(op == 2, 0, tier * 20 + random.integers(1, 21, count)),
            })  # fmt: skip
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _insert(db: duckdb.DuckDBPyConnection, table: str, **values: object) -> None:
    names = ", ".join(f'? AS "{name}"' for name in values)
    db.execute(f"INSERT INTO {table} BY NAME SELECT {names}", list(values.values()))


def _people(db: duckdb.DuckDBPyConnection, names: list[str], lost: int) -> None:
    """Processes, threads and connections; with hostile names the first paths of each process are hostile too."""
    common = {"capture_id": 1, "host": "loom"}
    thread = 0
    for tier, (command, pid, threads, _rate, _typical) in enumerate(TIERS):
        hostile = names[tier] != command
        _insert(
            db, "process", **common, process_id=thread + 1, pid=pid, command=names[tier], ppid=1,
            start_ns=ORIGIN, how="fork",
            comm=names[tier][:15], exe=f"/home/zoltan/bin/{names[tier]}", cmdline=f"{names[tier]} --token {SECRET}",
            counted_read_bytes=900, counted_write_bytes=100, counted_read_calls=9, counted_write_calls=1,
            kernel_read_bytes=950, kernel_write_bytes=110, kernel_read_calls=10, kernel_write_calls=1,
            unseen="static" if tier == 3 else None,
        )  # fmt: skip
        image = thread + 1
        for number in range(threads):
            thread += 1
            _insert(
                db, "thread", **common, thread_id=thread, process_id=image, pid=pid, tid=pid + number, start_ns=ORIGIN,
                lost_events=lost if thread == 1 else 0, name=f"worker-{number}" if number else names[tier],
            )  # fmt: skip
        for number in range(1, 21):
            made = {**common, "conn_id": tier * 20 + number, "pid": pid}
            if number > 10:
                peer = f"203.0.113.{tier * 20 + number}:443" if number == 20 else f"10.0.0.{number}:5432"
                _insert(db, "connection", **made, kind="tcp", peer=peer)
                continue
            path = "/home/zoltan/.config/app.toml" if number == 7 else f"/srv/data/{tier}/part-{number:02}.bin"
            _insert(
                db,
                "connection",
                **made,
                kind="file",
                path=HOSTILE[number] if hostile and number < len(HOSTILE) else path,
            )


def make_case(
    folder: Path, *, seed: int = 7, scale: float = 1.0, hostile: bool = False, lost: int = 0, allocations: int = 0
) -> Path:
    """Write the tables of a case into ``folder`` as Parquet, as Case.to_parquet would."""
    folder.mkdir(parents=True, exist_ok=True)
    db = duckdb.connect()
    db.execute(schema_text())
    _insert(
        db, "capture", capture_id=1, engine="preload", host="loom", command=f"make load --password={SECRET}",
        started_ns=ORIGIN, ended_ns=ORIGIN + LENGTH, started_utc=datetime(2026, 11, 21, 8), exit_code=0, complete=True,
        lost_events=lost, skipped_bytes=0, traced=True, params=json.dumps({"version": "0.1.0", "payload": 256}),
    )  # fmt: skip
    db.executemany("INSERT INTO op VALUES (?, ?, ?)", [(index, *op) for index, op in enumerate(OPS, 1)])
    db.executemany("INSERT INTO errno VALUES (?, ?, ?)", ERRNOS)
    _people(db, [HOSTILE[index] if hostile else tier[0] for index, tier in enumerate(TIERS)], lost)
    db.register("batch", pa.table(_events(seed, scale)))
    db.execute(
        """
        INSERT INTO event BY NAME
        SELECT 1 AS capture_id, thread_id, 'loom' AS host, pid, tid, seq, ts_ns, dur_ns, op_id, 3 AS fd,
               CASE WHEN errno > 0 THEN -1 ELSE bytes END AS result, errno, CASE WHEN moves THEN bytes END AS bytes,
               nullif(conn_id, 0) AS conn_id
        FROM batch
        """
    )
    db.execute(
        "INSERT INTO payload SELECT thread_id, seq, encode(?), NULL, false FROM event WHERE seq <= 50 AND bytes > 0",
        [PAYLOAD],
    )
    if allocations:
        _insert(db, "op", op_id=200, op="malloc", **{"class": "alloc"})
        for number, op in enumerate((1, 200), 1):
            _insert(
                db, "counter", capture_id=1, thread_id=1, host="loom", pid=TIERS[0][1], tid=TIERS[0][1], op_id=op,
                ts_ns=ORIGIN + number, calls=allocations, errors=0, bytes=allocations * 8,
                busy_ns=None if op == 200 else 900,
            )  # fmt: skip
    return _written(db, folder)


MS = 1_000_000
MODULES = {
    "serve": "/usr/bin/shop",
    "parse": "/usr/bin/shop",
    "sort": "/usr/lib/libsort.so",
    "read": "[kernel.kallsyms]",
}
STACKS = ("serve;parse;sort", "serve;parse", "serve;parse;parse;sort", "serve;write_log", "idle", "serve;parse;read")
STRANGE = (
    "</script><script>document.title='owned'</script>", "<img src=x onerror=\"document.title='owned'\">", "q'\"`\\",
    "nul\0name", "long_" + "n" * 9_995, "std::map<int, char>::operator[](int const&)", "$(touch x)",
)  # fmt: skip
Taken = tuple[int, int, str, str, float]


def taken(count: int = 3000, *, hostile: bool = False) -> list[Taken]:
    """Samples as (ns, tid, event, folded stack, weight): two threads, one a millisecond; a change in the middle."""
    random = np.random.default_rng(3)
    stacks = [*STACKS, *(f"serve;{name};sort" for name in STRANGE)] if hostile else list(STACKS)
    early, late = random.dirichlet(np.ones(len(stacks)), 2)
    found = []
    for number in range(count):
        odds = early if number < count // 2 else late
        stack = stacks[int(random.choice(len(stacks), p=odds))]
        found.append((ORIGIN + number * MS, 701 + number % 2, "cpu-clock", stack, 1.0 * MS))
        if number % 10 == 0:
            found.append((ORIGIN + number * MS + 7, 701, "off-cpu", "serve;read", 250_000.0))
    return found


def make_samples(folder: Path, samples: list[Taken], *, timed: bool = True) -> Path:
    """Write a case of ``samples`` into ``folder`` as Parquet; not ``timed``: without times and threads."""
    folder.mkdir(parents=True, exist_ok=True)
    db = duckdb.connect()
    db.execute(schema_text())
    common = {"capture_id": 1, "host": "loom"}
    _insert(
        db, "capture", **common, engine="perf", command="shop --serve", started_ns=ORIGIN,
        ended_ns=ORIGIN + 3 * 10**9, exit_code=0, started_utc=datetime(2026, 11, 21, 8),
        complete=True, lost_events=0, skipped_bytes=0, traced=False, params="{}",
    )  # fmt: skip
    for tid in (701, 702) if timed else ():
        _insert(
            db, "process", **common, process_id=tid, pid=tid, command=f"shop{tid}", ppid=1, start_ns=ORIGIN, how="fork",
            comm="shop", exe="/usr/bin/shop", cmdline="shop --serve",
        )  # fmt: skip
        _insert(
            db, "thread", **common, thread_id=tid, process_id=tid, pid=tid, tid=tid, start_ns=ORIGIN, lost_events=0,
            name=f"worker-{tid}",
        )  # fmt: skip
    events = list(dict.fromkeys(event for _, _, event, _, _ in samples))
    for number, event in enumerate(events, 1):
        _insert(
            db,
            "sample_event",
            event_id=number,
            capture_id=1,
            name=event,
            kind=event.replace("cpu-clock", "on-cpu"),
            unit="ns",
        )
    tree = Tree()
    leaf = {}
    for stack in dict.fromkeys(stack for _, _, _, stack, _ in samples):
        frames = []
        for name in stack.split(";"):
            module = MODULES.get(name)
            kind = "kernel" if module == "[kernel.kallsyms]" else "user"
            frames.append(
                tree.frame(
                    name,
                    module,
                    kind,
                    file="src/shop.c" if name == "parse" else None,
                    line=42 if name == "parse" else None,
                )
            )
        leaf[stack] = tree.stack(frames)
    frames_table, stacks = tree.tables()
    db.register("f", frames_table.append_column("frame_id", pa.array(range(1, frames_table.num_rows + 1), pa.uint64())))
    db.execute("INSERT INTO frame BY NAME SELECT *, 1 AS capture_id FROM f")
    parents = stacks["parent"].to_pylist()
    depth: list[int] = []
    for parent in parents:
        depth.append(1 if parent is None else depth[parent] + 1)
    db.register("s", pa.table({
        "stack_id": range(1, len(parents) + 1), "parent_id": [None if one is None else one + 1 for one in parents],
        "frame_id": [frame + 1 for frame in stacks["frame"].to_pylist()], "depth": depth,
    }))  # fmt: skip
    db.execute("INSERT INTO stack BY NAME SELECT *, 1 AS capture_id FROM s")
    rows: dict[str, list[Any]] = {
        "event_id": [events.index(event) + 1 for _, _, event, _, _ in samples],
        "weight": [weight for *_, weight in samples],
        "stack_id": [(leaf[stack] or 0) + 1 for _, _, _, stack, _ in samples],
    }
    if timed:
        tids = [tid for _, tid, *_ in samples]
        rows |= {"ts_ns": [ns for ns, *_ in samples], "tid": tids, "pid": tids, "thread_id": tids}
    db.register("m", pa.table(rows))
    db.execute("INSERT INTO sample BY NAME SELECT *, 1 AS capture_id, 'loom' AS host FROM m")
    return _written(db, folder)


def _written(db: duckdb.DuckDBPyConnection, folder: Path) -> Path:
    names = db.execute("SELECT table_name FROM duckdb_tables() WHERE table_name <> 'setting'").fetchall()
    tables = [name for (name,) in names]
    for table in tables:
        db.execute(f"COPY \"{table}\" TO '{folder}/{table}.parquet' (FORMAT parquet)")
    (folder / "manifest.json").write_text(json.dumps({"clew": "0.1.0", "tables": dict.fromkeys(tables, 0)}))
    return folder


@pytest.fixture(scope="session", name="taken")
def taken_fixture() -> Callable[..., list[Taken]]:
    return taken


@pytest.fixture(scope="session", name="make_samples")
def make_samples_fixture() -> Callable[..., Path]:
    return make_samples


@pytest.fixture(scope="session")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    opened = clew.open(make_samples(tmp_path_factory.mktemp("case") / "sampled", taken()))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def strange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    opened = clew.open(make_samples(tmp_path_factory.mktemp("case") / "strange", taken(hostile=True)))
    yield opened
    opened.close()


class PanelPage:
    """A page of its own that shows panels, with nothing behind it: what they send is kept."""

    def __init__(
        self,
        browser: Browser,
        folder: Path,
        specs: list[dict[str, Any]],
        hook: str = "",
        wait: str = ".clew-flame-frame",
        **options: Any,
    ) -> None:
        data = embedded(specs)
        bokeh = assets.bokeh_script().replace("</script", "<\\/script")
        path = folder / "panels.html"
        path.write_text(
            "<!doctype html><html lang=en><meta charset=utf-8>"
            f"<style>{assets.styles()}{assets.read('report.css')}</style>"
            f"<body class=clew><main></main><script type='application/json' id=data>{data}</script>"
            f"<script>{bokeh}</script>"
            f"<script>(function () {{ 'use strict'; {assets.scripts()}\n"
            "window.sent = []; window.panels = JSON.parse(document.getElementById('data').textContent).map((spec) => {"
            "  const root = make('div', {}); document.querySelector('main').append(root);"
            "  const panel = mountPanel(root, (message) => window.sent.push(message), async () => Bokeh);"
            "  panel.update(spec); return panel; }); })();</script>"
        )
        self.context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True, **options)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda said: said.type in ("error", "warning") and self.complaints.append(said.text))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        if hook:
            self.page.add_init_script(hook)
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("[data-drawn]")
        self.page.wait_for_selector(wait)

    def sent(self) -> list[dict[str, Any]]:
        """The messages since the last call."""
        messages: list[dict[str, Any]] = self.page.evaluate("window.sent.splice(0)")
        return messages

    def update(self, spec: dict[str, Any]) -> None:
        """Show something else, as a kernel would."""
        self.page.evaluate("spec => window.panels[0].update(spec)", json.loads(embedded(spec)))

    def boxes(self, number: int = 0) -> list[dict[str, Any]]:
        """The boxes that Bokeh was given: left, right, top, bottom (x since the left edge, y in rows from the top)."""
        drawn: list[dict[str, Any]] = self.page.evaluate(
            """number => { const data = Bokeh.documents[number].get_model_by_name("painted").boxes;
            const columns = ["left", "right", "top", "bottom", "color"];
            const box = (_, at) => Object.fromEntries(columns.map((name) => [name, data[name][at]]));
            return [...data.left].map(box); }""",
            number,
        )
        return drawn

    def texts(self, number: int = 0) -> list[str]:
        """The texts in the boxes."""
        drawn: list[str] = self.page.evaluate(
            "number => Bokeh.documents[number].get_model_by_name('painted').texts.text", number
        )
        return drawn


@pytest.fixture
def panel_page(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., PanelPage]]:
    """Opens PanelPages; each must end without a complaint of the browser."""
    opened: list[PanelPage] = []

    def open_page(*specs: dict[str, Any], **options: Any) -> PanelPage:
        opened.append(PanelPage(browser, tmp_path, list(specs), **options))
        return opened[-1]

    yield open_page
    for one in opened:
        assert one.complaints == []
        one.context.close()


@pytest.fixture(scope="session", name="make_case")
def make_case_fixture() -> Callable[..., Path]:
    return make_case


@pytest.fixture(scope="session")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    opened = clew.open(make_case(tmp_path_factory.mktemp("case") / "plain"))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def hostile_case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    opened = clew.open(make_case(tmp_path_factory.mktemp("case") / "hostile", scale=0.1, hostile=True, lost=41))
    yield opened
    opened.close()
