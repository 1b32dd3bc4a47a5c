"""Run a program and record what it and its children do, or what runs already.

Programs behave as without clew: same terminal, same exit code. The case (a folder) holds the raw records and can be
looked at while it grows. Ctrl-C goes to the program; recording ends when it has ended, and a second Ctrl-C stops the
recording alone. Children that outlive the program by more than a second are left running, unrecorded, unless --follow.
Without a program, Ctrl-C ends the recording. Several engines record into one case, on one clock.

examples:
  clew record -- ./server --port 8080
  clew record -o case -- make -j4           more captures may go to one case
  clew record --payload none -- tar cf x.tar /usr
  clew record --count-only -- ./benchmark   totals per thread and operation only
  clew record --follow -- nginx             a program that goes to the background
  clew record --user postgres -- ./start    as root: go on where a program becomes that user and execs
  clew record --stacks close,open -- ./server              who makes these calls
  clew record --stacks read/10,alloc/1000 -- ./server      one of so many: cheaper
  clew record --engine perf,preload -- ./server            calls, and stacks of what it computes
  clew record --page-faults -- ./server                    an option says which engine: calls, and faults by perf
  clew record --engine perf --for 10 --all -o case         the whole machine, ten seconds
  clew record --engine perf --off-cpu --pid 1234           where a process waits, until Ctrl-C
  clew record --engine perf --on-cpu no --syscalls=close -- ./server
  clew record --engine perf --stat task-clock,page-faults --interval 100 -- make
  clew record --engine gdb --pid 1234 --every 5 --count 12
  clew record --to collector.example:4747 --token-file token --tls-ca collector.pem -- ./server
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from clew.commands import _collect, _options
from clew.errors import ClewError

if TYPE_CHECKING:
    from clew.capture import preload
    from clew.capture.engines import Engine, Target
    from clew.collect.ship import Shipper

_UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_SMALLEST_RING, _LARGEST_RING = 1 << 16, 1 << 30
_TAIL = 64


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew record``: those of all engines, then a group for each."""
    from clew.capture.engines import engine_names, engines
    from clew.recipes import names as recipe_names

    names = engine_names()
    parser.add_argument("-o", "--output", metavar="CASE", help="folder of the case (default: clew-COMMAND-DATE-TIME)")
    parser.add_argument(
        "--engine",
        choices=_options.Offered(names),  # joined by commas
        metavar="NAME[,NAME]",
        help=f"how to record: any of {', '.join(names)} (default: preload for a command, and those whose options are "
        "given); `clew doctor` says what works here",
    )
    parser.add_argument("--follow", action="store_true", help="until every recorded process has ended")
    parser.add_argument("--for", dest="seconds", metavar="TIME", help="end after 10s, 2m, ...; the program goes on")
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but what went wrong")
    parser.add_argument("--host", metavar="NAME", help="the host's name in the case (default: this machine's)")
    whom = parser.add_argument_group("what is recorded instead of a command, by engines that can (not preload)")
    whom.add_argument("-p", "--pid", action="append", default=[], metavar="PID", help="processes that run already")
    whom.add_argument("-a", "--all", action="store_true", help="the whole machine; also while a command runs")
    whom.add_argument("-C", "--cpu", metavar="LIST", help="what runs on these processors: 0,2-3")
    _collect.add_target(parser.add_argument_group("sent to another machine while it is recorded"), required=False)
    _add_preload(parser.add_argument_group("--engine preload (calls of the C library, with what they move)"))
    for name, module in engines().items():
        text = (module.__doc__ or "").strip().splitlines()[0].removeprefix(f"{name}: ").rstrip(".")
        module.add_options(parser.add_argument_group(f"--engine {name} ({text})"))
    for action in parser._actions:
        if "--recipe" in action.option_strings:
            action.choices = _options.Offered(recipe_names())
    command = parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND ...", help="what to run")
    _options.completed(command, "file")


def _add_preload(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--count-only", action="store_true", help="count calls, bytes and time; record no single call")
    group.add_argument(
        "--payload",
        default="256",
        choices=_options.Offered(("full", "256", "none")),
        metavar="full|N|none",
        help=f"how many first bytes of what a call moves to keep, with the last {_TAIL} (default: 256)",
    )
    group.add_argument(
        "--no-wakeups",
        dest="wakeups",
        action="store_false",
        help="leave out how threads hand work to each other (condition variables, semaphores, futexes) and which task "
        "of asyncio they work for",
    )
    group.add_argument(
        "--on-full",
        choices=("drop", "wait"),
        default="drop",
        help="a call whose buffer is full loses its record, which is counted (default), or waits",
    )
    group.add_argument("--ring-size", default="1M", metavar="SIZE", help="buffer of each thread (default: 1M)")
    group.add_argument(
        "--threads",
        type=_options.positive,
        default=4096,
        metavar="N",
        help="recorded at a time at most (default: 4096)",
    )
    group.add_argument(
        "--user",
        action="append",
        default=[],
        metavar="NAME",
        help="also record programs started after a change to this user; may be repeated",
    )
    group.add_argument(
        "--stacks",
        action="append",
        default=[],
        choices=_options.Offered(("alloc", *_options.OPERATIONS)),
        metavar="OP[,OP][/N]",
        help="take the stack of one of N calls (default: of each) of these operations: close, malloc/100, alloc/1000",
    )


def run(args: argparse.Namespace) -> int:
    """Record; returns the exit code of the command, or 1 where there was none and nothing was recorded."""
    from clew.capture.session import Session
    from clew.commands._recording import ProgressLine, tell, warn

    names, target = _names(args), _target(args)
    shipper = _shipper(args, names, target)
    line = ProgressLine() if not args.quiet and sys.stderr.isatty() else None
    try:
        recorded = Session(
            _engines(args, names),
            target,
            Path(args.output) if args.output else None,
            _preload(args) if "preload" in names else None,
            follow=args.follow,
            progress=line.show if line else None,
            message=warn,
            job=True,
        ).run()
    except BaseException:
        if shipper:
            shipper.abort()
        raise
    if line:
        line.clear()
    tell(recorded, quiet=args.quiet, what="records" if "preload" in names else "records of samples and processes")
    _keep_symbols(recorded.folders)
    if shipper:
        shipper.finish()
    if not target.command:
        return 1 if recorded.empty else 0
    return recorded.exit_code or 0


def _shipper(args: argparse.Namespace, names: Sequence[str], target: Target) -> Shipper | None:
    """What sends the case while it is recorded, where --to asks for it."""
    if not args.to:
        if args.token_file or args.tls_ca:
            raise ClewError("--token-file and --tls-ca are of no use without --to HOST:PORT")
        return None
    from clew.capture.place import default_case
    from clew.collect.ship import Shipper

    _options.parse_time(args.wait)
    _collect.target_of(args)  # what is wrong with it is told before anything runs
    if not args.output:
        args.output = str(default_case(target.command[0] if target.command else names[0]))
    options = ["--to", args.to, *_collect.words_of(args), "--wait", args.wait]
    return Shipper(Path(args.output), options, quiet=args.quiet)


def _keep_symbols(folders: Sequence[Path]) -> None:
    """Keep beside each perf.data what gives its addresses their names, for when programs will have been replaced."""
    from clew.capture.engines.perf import DATA

    found = [folder / DATA for folder in folders if (folder / DATA).is_file()]
    if found:
        from clew.commands._recording import warn
        from clew.ingest.keep import keep_binaries_met
        from clew.native.library import load

        try:
            load()
        except ClewError as error:
            warn(f"what perf recorded is kept, and cannot be read yet: {error}")
            return
        with suppress(KeyboardInterrupt, OSError):  # the program has ended well: that is what we end with
            for data in found:
                keep_binaries_met(data)


def _names(args: argparse.Namespace) -> list[str]:
    """The engines that are asked for, by --engine or by options of theirs; ClewError if these contradict each other."""
    from clew.capture.engines import engines, parse_names

    options = {"preload": _add_preload, **{name: module.add_options for name, module in engines().items()}}
    used = {name: option for name, add in options.items() if (option := _first_used(args, add))}
    if args.engine is None:
        command = any(word != "--" for word in args.command)
        return list(dict.fromkeys([*(["preload"] if command or not used else []), *used]))
    names = parse_names(args.engine)
    for name, option in used.items():
        if name not in names:
            raise ClewError(f"{option} is an option of --engine {name}, write --engine {','.join([*names, name])}")
    return names


def _first_used(args: argparse.Namespace, add: Callable[[argparse._ArgumentGroup], None]) -> str | None:
    """The first of the options that ``add`` adds which is not as it is by default; None: all are."""
    parser = argparse.ArgumentParser(add_help=False)
    add(parser.add_argument_group())
    used = (action for action in parser._actions if getattr(args, action.dest) != action.default)
    return next((max(action.option_strings, key=len) for action in used), None)


def _target(args: argparse.Namespace) -> Target:
    """What is to be recorded; ClewError where the options contradict each other."""
    from clew.capture.engines import Target

    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    pids = [text for each in args.pid for text in each.split(",")]
    given = [name for name, value in (("--pid", pids), ("--all", args.all), ("--cpu", args.cpu)) if value]
    if len(given) > 1:
        raise ClewError(f"{' and '.join(given)}: give one of them")
    if pids and command:
        raise ClewError("--pid and a command: give one of them")
    if not command and not given:
        raise ClewError("what is to be recorded? clew record [OPTIONS] -- COMMAND ...")
    if wrong := [text for text in pids if not text.isdecimal() or not 0 < int(text) < 1 << 31]:
        raise ClewError(f"--pid {wrong[0]!r:.40}: write the number of a process")
    if args.cpu and not _options.is_cpu_list(args.cpu):
        raise ClewError(f"--cpu {args.cpu!r:.40}: write numbers of processors: 0,2-3")
    time = _options.parse_time(args.seconds)
    if time is not None and time <= 0:
        raise ClewError(f"--for {args.seconds:.40}: more than nothing")
    if args.host is not None and not (args.host.isprintable() and 0 < len(args.host) <= 255):
        raise ClewError(f"--host {args.host!r:.40}: write a name of 1 to 255 letters")
    return Target(tuple(command), tuple(map(int, pids)), args.cpu, args.all, time / 1e9 if time else None, args.host)


def _engines(args: argparse.Namespace, names: Sequence[str]) -> list[Engine]:
    from clew.capture.engines import engines

    return [engines()[name].make(args) for name in names if name != "preload"]


def _preload(args: argparse.Namespace) -> preload.Options:
    from clew.capture import preload
    from clew.capture.grant import user_ids
    from clew.native.arena import FULL_PAYLOAD

    head = _payload(args.payload, FULL_PAYLOAD)
    return preload.Options(
        trace=not args.count_only,
        payload_head=head,
        payload_tail=_TAIL if 0 < head < FULL_PAYLOAD else 0,
        wait=args.on_full == "wait",
        wakeups=args.wakeups,
        ring_size=_ring_size(args.ring_size),
        threads=args.threads,
        users=tuple(user_ids(args.user)),
        stacks=preload.parse_stacks(args.stacks),
    )


def _payload(text: str, full: int) -> int:
    if text in ("full", "none"):
        return full if text == "full" else 0
    if not text.isdecimal() or int(text) > 1 << 20:
        raise ClewError(f"--payload {text:.40}: write full, none, or a number of bytes up to 1048576")
    return int(text)


def _ring_size(text: str) -> int:
    number, unit = (text[:-1], text[-1].lower()) if text[-1:].isalpha() else (text, "")
    if not number.isdecimal() or (unit and unit not in _UNITS):
        raise ClewError(f"--ring-size {text:.40}: write a size such as 256K, 1M or 16M")
    size = int(number) * _UNITS.get(unit, 1)
    if not _SMALLEST_RING <= size <= _LARGEST_RING or size & (size - 1):
        raise ClewError(f"--ring-size {text:.40}: it must be a power of two from 64K to 1G")
    return size
