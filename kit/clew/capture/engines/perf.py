"""perf: stacks of what runs, waits, faults or calls, of programs and of the whole machine; figures over time."""

from __future__ import annotations

import argparse
import re
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clew.capture.engines import Engine, Target
from clew.capture.meta import UNFINISHED
from clew.errors import ClewError

if TYPE_CHECKING:
    from clew.capture.engines._perf_events import Wanted
    from clew.capture.engines._perf_run import Perf

DATA, STAT = "perf.data", "perf-stat.tsv"
_LARGE = 1 << 30  # bytes of perf.data that people are warned of
_RATES = range(1, 100_001)


def add_options(group: argparse._ArgumentGroup) -> None:
    """Options of the engine."""
    add = group.add_argument
    add("-F", "--rate", dest="perf_rate", type=int, default=499, metavar="HZ", help="samples a second (default: 499)")
    add(
        "--on-cpu",
        dest="perf_on_cpu",
        choices=("auto", "cycles", "cpu-clock", "task-clock", "no"),
        default="auto",
        help="what on-CPU samples are taken by; no: none (default: cycles if the machine counts them, else cpu-clock)",
    )
    add(
        "--call-graph",
        dest="perf_call_graph",
        default="fp",
        metavar="fp|dwarf[,SIZE]|none",
        help="how stacks are found: frame pointers (default), or SIZE bytes of stack for each sample (8192)",
    )
    add("--off-cpu", dest="perf_off_cpu", action="store_true", help="where threads wait, and who wakes them (root)")
    add("--page-faults", dest="perf_page_faults", action="store_true", help="each page fault with its address")
    add(
        "--syscalls",
        dest="perf_syscalls",
        nargs="?",
        const="all",
        metavar="NAMES",
        help="system calls with stacks: --syscalls=read,openat; without names all (root)",
    )
    add(
        "--event",
        dest="perf_event",
        action="append",
        default=[],
        metavar="EVENT",
        help="any event of `perf list`: sched:sched_process_exec, cache-misses/freq=99/; may be repeated",
    )
    add("--stat", dest="perf_stat", metavar="EVENTS", help="count these over time: task-clock,context-switches")
    add(
        "--interval",
        dest="perf_interval",
        type=int,
        default=1000,
        metavar="MS",
        help="of --stat, from 10 ms on (default: 1000)",
    )


def make(args: argparse.Namespace) -> PerfEngine:
    """The engine; raises ClewError for options that make no sense."""
    from clew.capture.engines._perf_events import Wanted

    graph = args.perf_call_graph
    if not re.fullmatch(r"fp|none|dwarf(,\d+)?", graph):
        raise ClewError(f"--call-graph {graph:.40}: write fp, dwarf, dwarf,16384 or none")
    if "," in graph and not (8 <= int(graph.split(",")[1]) <= 65528 and int(graph.split(",")[1]) % 8 == 0):
        raise ClewError(f"--call-graph {graph:.40}: perf copies 8 to 65528 bytes of stack, in steps of 8")
    if args.perf_rate not in _RATES:
        raise ClewError(f"--rate {args.perf_rate}: from {_RATES[0]} to {_RATES[-1]} samples a second")
    if args.perf_interval < 10:
        raise ClewError(f"--interval {args.perf_interval}: perf counts in steps of 10 ms and more")
    if any(not event.strip() or event.startswith("-") for event in (*args.perf_event, args.perf_stat or "x")):
        raise ClewError("--event and --stat want names of `perf list`")
    wanted = Wanted(
        args.perf_on_cpu,
        args.perf_rate,
        graph,
        args.perf_off_cpu,
        args.perf_page_faults,
        args.perf_syscalls,
        tuple(args.perf_event),
    )
    if not wanted.samples and not args.perf_stat:
        raise ClewError("--on-cpu no: then name what else perf is to record: --off-cpu, --event, --stat ...")
    return PerfEngine(wanted, args.perf_stat, args.perf_interval)


class PerfEngine(Engine):
    """``wanted`` samples into perf.data, and ``stat`` (events with commas between them) into perf-stat.tsv."""

    name = "perf"

    def __init__(self, wanted: Wanted, stat: str | None = None, interval_ms: int = 1000) -> None:
        self.wanted, self.stat, self.interval_ms = wanted, stat, interval_ms
        self._events: list[str] = []
        self._target = Target()
        self._folder = Path()
        self._record: Perf | None = None
        self._stat: Perf | None = None
        self._began = 0.0  # s, wall clock
        self._large = _LARGE
        self._size = 0

    def check(self, target: Target) -> None:  # noqa: ARG002 -- what may be looked at is found out by perf
        """perf and every event that can be told by its name are there."""
        from clew.capture.engines._perf_events import event_names, perf_path

        perf_path()
        self._events = event_names(self.wanted) if self.wanted.samples else []

    def options(self) -> dict[str, Any]:
        """Events and options, and for each perf its command line and what it said."""
        wanted = {name: value for name, value in vars(self.wanted).items() if name != "events"}
        counted = {"stat": self.stat, "interval_ms": self.interval_ms} if self.stat else {}
        tools = [perf.described() for perf in (self._record, self._stat) if perf is not None]
        return {**wanted, "events": self._events, **counted, "tools": tools}

    def start(self, target: Target, folder: Path) -> None:
        """Return when perf says that it records."""
        from clew.capture.engines._perf_events import aim, arguments, perf_path
        from clew.capture.engines._perf_run import NO_BUILD_IDS, Perf

        perf = perf_path()
        self._target, self._folder, self._began = target, folder, time.time()
        if self.wanted.samples:
            command = [perf, "record", *NO_BUILD_IDS, "-k", "CLOCK_MONOTONIC", "--sample-cpu"]
            command += [*arguments(self.wanted, self._events, target), *aim(target)]
            self._record = Perf([*command, "-o", str(self._part)], folder / ".record.txt")
            self._record.wait(target)
        if self.stat:
            series = folder / STAT
            about = f"pid={target.pids[0]}" if len(target.pids) == 1 and not target.system and not target.cpus else ""
            series.write_text(f"# clew: perf stat, fields separated by tabs {about}\n", "utf-8")
            series.chmod(0o600)
            command = [perf, "stat", "-I", str(self.interval_ms), "-x", r"\t", "-e", self.stat, *aim(target)]
            self._stat = Perf([*command, "-o", str(series), "--append"], folder / ".stat.txt")
            self._stat.wait(target)
            with series.open("a", encoding="utf-8") as file:
                file.write(f"# origin monotonic_ns={time.monotonic_ns()}\n")

    @property
    def _part(self) -> Path:
        return self._folder / f"{UNFINISHED}{DATA}"

    def look(self) -> str | None:
        """Why perf has ended; with everything it looked at ("") or by itself. Warns of a large file."""
        self._measure()
        if self._size > self._large:
            self._large *= 4
            self.tell(
                f"{DATA} has {self.progress()} already; a lower --rate, fewer events or --call-graph fp make less"
            )
        running = [perf for perf in (self._record, self._stat) if perf is not None]
        for perf in running:
            if not perf.running() and perf.exit_code not in (0, -signal.SIGINT):
                from clew.capture.engines._perf_said import explain

                if (perf.exit_code or 0) < 0:
                    return f"it was killed by {signal.Signals(-(perf.exit_code or 0)).name}"
                return str(explain(perf.said(), self._target))
        return None if any(perf.running() for perf in running) else ""

    def progress(self) -> str:
        """Size of perf.data."""
        from clew.units import size

        self._measure()
        return size(self._size)

    def _measure(self) -> None:
        for path in (self._part, self._folder / DATA):
            if path.is_file():
                self._size = path.stat().st_size

    def stop(self) -> Sequence[str]:
        """Ctrl-C for perf, which then completes its file; why there is no sample, if so."""
        from clew.capture.engines._perf_said import warnings

        running = [perf for perf in (self._record, self._stat) if perf is not None]
        for perf in running:
            perf.interrupt()
        said: list[str] = []
        for perf in running:
            perf.stop()
            said += warnings(perf.said())
        if self._part.exists():
            self._part.replace(self._folder / DATA)
        self._measure()
        return [*said, *self._why_empty(), *self._keep()]

    def _keep(self) -> list[str]:
        """Keep what gives addresses in the kernel and in JIT code their names; why it cannot be."""
        from clew.capture.engines._perf_file import first_sample
        from clew.capture.engines._perf_keep import keep

        data = self._folder / DATA
        if first_sample(data) is None:
            return []
        return keep(self._folder, self._target, self._began, kernel=first_sample(data, kernel=True) is not None)

    def found(self) -> bool:
        """Whether there is a sample or a figure."""
        return self._has_sample() or self._has_figure()

    def _has_sample(self) -> bool:
        from clew.capture.engines._perf_file import first_sample

        return self._record is not None and first_sample(self._folder / DATA) is not None

    def _has_figure(self) -> bool:
        try:
            lines = (self._folder / STAT).read_bytes().splitlines()
        except OSError:
            return False
        return any(b"\t" in line and not line.startswith(b"#") for line in lines)

    def _why_empty(self) -> list[str]:
        found = []
        if self._record is not None and not self._has_sample():
            others = [name for name in self._events if name not in ("cycles", "cpu-clock", "task-clock")]
            why = f"{self._target} was on a processor for less than a sample's time ({self.wanted.rate} Hz)"
            if others:
                on_cpu = len(others) < len(self._events)
                why = f"{self._target} met none of {', '.join(others)}" + (", and hardly ran" if on_cpu else "")
            elif self._target.pids and not self._target.command:
                why += "; --off-cpu shows where it waits"
            found.append(f"perf took no sample: {why}")
        if self._stat is not None and not self._has_figure():
            found.append(f"perf stat counted nothing: it ended before the first {self.interval_ms} ms")
        return found
