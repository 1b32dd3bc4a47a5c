"""How many requests are followed right, through real servers: prints the table that the README quotes.

usage: python -m tests.live.causal [SYSTEM ...]     e.g. nginx_fastcgi java_pool; default: all

Each system is started, recorded, put under load at every concurrency and judged by an id that the linker does not read.
Exit code 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from pathlib import Path

from benchmarks.table import Table, show
from tests.live.causal.explain import explain
from tests.live.causal.judge import Report, judge
from tests.live.causal.measure import measure, wanted
from tests.live.causal.stand import System

import clew
from clew.demo.database import as_ordinary_user
from clew.store import DATABASE

MODULES = ("nginx_fastcgi", "apache_cgi", "nginx_asyncio", "node_mariadb", "java_pool", "python_pool")
MOST_WRONG = 0.1  # percent, of any system
COLUMNS = (
    "system",
    "clients",
    "requests",
    "right %",
    "unlinked %",
    "wrong %",
    "thread rule right %",
    "wrong %",
    "bar %",
)


def systems(modules: list[str] | tuple[str, ...]) -> Iterator[tuple[str, System]]:
    """(short name, system) of all systems of these modules."""
    for module in modules:
        for number, system in enumerate(import_module(f"tests.live.causal.systems.{module}").SYSTEMS):
            yield f"{module}-{number}", system


def run(
    system: System,
    folder: Path,
    concurrency: int,
    requests: int,
    *,
    tls: bool,
    load_recorded: bool,
    alone: int = 0,
    again: bool = False,
) -> tuple[Report, Path]:
    """Measure and judge once. A case of the same name is made anew, or (`again`) only traced anew.

    `alone` requests go before the others, one at a time, and are not judged.
    """
    case_path = folder / f"case-{concurrency}{'-tls' * tls}{'-load' * load_recorded}{'-alone' * (alone > 0)}"
    if not again:
        for path in (case_path, case_path.with_name(f"{case_path.name}-b")):
            shutil.rmtree(path, ignore_errors=True)
        measure(system, folder, case_path, concurrency, requests, tls=tls, load_recorded=load_recorded, alone=alone)
    elif case_path.exists():
        (case_path / DATABASE).unlink(missing_ok=True)
    case = clew.open(case_path)
    case.trace()
    report = judge(case, wanted(system, requests, tls=tls, first=alone), load_recorded=load_recorded)
    case.close()
    return report, case_path


def main() -> int:
    """Print the table; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.live.causal", description=__doc__)
    parser.add_argument("systems", nargs="*", default=MODULES, metavar="SYSTEM", help=f"any of {', '.join(MODULES)}")
    parser.add_argument("--concurrency", default="1,8,64,256", metavar="N,N", help="connections of the load")
    parser.add_argument("--requests", type=int, default=1000, help="in each run (default: %(default)s)")
    parser.add_argument("--https", action="store_true", help="the front speaks HTTPS")
    parser.add_argument("--load-recorded", action="store_true", help="record the customers, too")
    parser.add_argument("--folder", type=Path, help="keep the cases there (default: a temporary folder)")
    parser.add_argument("--alone", type=int, default=0, metavar="N", help="before the load, N requests one at a time")
    parser.add_argument("--again", action="store_true", help="judge what was recorded in --folder once more")
    parser.add_argument("--explain", type=int, default=0, metavar="N", help="show N requests that are not right")
    options = parser.parse_args()
    as_ordinary_user()  # fails early where a server could not be started
    table, missed = Table("Requests followed right, by an id that was not read", COLUMNS), 0
    with tempfile.TemporaryDirectory(prefix="clew-accuracy-") as temporary:
        base = options.folder or Path(temporary)
        base.mkdir(parents=True, exist_ok=True)
        base.chmod(0o755)  # servers that refuse root run as somebody else
        for short, system in systems(options.systems):
            for concurrency in map(int, options.concurrency.split(",")):
                report, case_path = run(
                    system,
                    base / short,
                    concurrency,
                    options.requests,
                    tls=options.https,
                    load_recorded=options.load_recorded,
                    alone=options.alone,
                    again=options.again,
                )
                row = (
                    f"{report.share('correct'):.2f}",
                    f"{report.share('orphan') + report.share('loose'):.2f}",
                    f"{report.share('wrong'):.2f}",
                    f"{report.thread_share('correct'):.1f}",
                    f"{report.thread_share('wrong'):.1f}",
                    f"{system.bar:.0f}",
                )
                table.rows.append((system.name, str(concurrency), str(options.requests), *row))
                met = report.share("correct") >= system.bar and report.share("wrong") <= MOST_WRONG
                missed += not met
                print(f"{short} {concurrency}: {'' if met else 'MISSED '}{report}", file=sys.stderr, flush=True)
                print(f"    {dict(report.rules)}", file=sys.stderr, flush=True)
                if options.explain:
                    case = clew.open(case_path)
                    for tag in islice(report.reason, options.explain):
                        print(f"\n== {tag} of {case_path}: {report.verdict[tag]}, {report.reason[tag]}")
                        print("\n".join(explain(case, tag)))
                    case.close()
    show(table)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
