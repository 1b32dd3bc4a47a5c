"""Find the requests in what was recorded: messages, whose work each was, and how each link was made.

It is done when first needed, and again when more was recorded; this command does it now and says what came out:
messages by protocol, spans, requests, links by the rule they were made by, and what could not be linked.

examples:
  clew trace CASE
  clew trace CASE --again       even if nothing new was recorded
  clew trace CASE --services ports    format of /etc/services: which port speaks what, where bytes do not tell
  clew trace CASE --of links --csv    only that table: messages, links, unresolved, requests
  clew trace CASE --json
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from clew.commands import _options

if TYPE_CHECKING:
    from clew.questions.answer import Answer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew trace``."""
    _options.add_case(parser)
    parser.add_argument("--again", action="store_true", help="even if nothing new was recorded")
    parser.add_argument(
        "--services",
        metavar="FILE",
        help="which port speaks what, as in /etc/services; it is remembered",
    )
    _options.add_output(parser, ("messages", "links", "unresolved", "requests"))


def run(args: argparse.Namespace) -> int:
    """Link, and print what came out."""
    import clew
    from clew import questions
    from clew.commands._output import note_line, rows_of, show, write_table
    from clew.lens import Lens
    from clew.questions.ask import need_requests
    from clew.questions.messages import messages

    case = clew.open(args.case)
    progress = _Progress()
    try:
        case.trace(progress, again=args.again, services=args.services)
    finally:
        progress.end()
    said = messages(case)
    if not (args.json or args.csv or args.of) and said.table.num_rows:
        _table(said)
    need_requests(case, "trace")
    parts: dict[str, Answer] = {
        "messages": said,
        "links": questions.linked_by(case, Lens()),
        "unresolved": questions.unresolved(case, Lens()),
        "requests": questions.requests_by(
            case, Lens(), limit=None if args.json or args.csv or args.of else 10, order="count"
        ),
    }
    if args.of or args.csv:
        return show(parts[args.of or "messages"], args)
    if args.json:
        whole = {"summary": parts["unresolved"].summary} | {name: rows_of(a.table) for name, a in parts.items()}
        print(json.dumps(whole))
        return 0
    for name in ("links", "unresolved"):
        print()
        _table(parts[name])
    print("\n" + parts["requests"].title)
    write_table(parts["requests"].table)
    note_line(parts["requests"])
    figures = parts["unresolved"].summary
    print(
        f"{figures['spans']:,} spans: {figures['linked']:,} linked to what they were for"
        f" ({figures['likely']:,} of these only likely), {figures['roots']:,} roots,"
        f" {figures['unresolved']:,} unresolved, {figures['unfinished']:,} without an end"
    )
    return 0


def _table(answer: Answer) -> None:
    from clew.commands._output import note_line, write_table

    print(answer.title)
    write_table(answer.table)
    note_line(answer)


class _Progress:
    """One line on a terminal's standard error that says which stage is being done; silent elsewhere."""

    def __init__(self) -> None:
        self._on = sys.stderr.isatty()

    def __call__(self, stage: str, share: float) -> None:
        """Hear of ``share`` (0 to 1) of ``stage``."""
        if self._on:
            done = f" {share:.0%}" if share > 0 else ""
            sys.stderr.write(f"\r\x1b[K{stage}{done} ...")
            sys.stderr.flush()

    def end(self) -> None:
        """Take the line away."""
        if self._on:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
