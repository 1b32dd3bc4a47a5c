"""Send a case to a collector, or the rest of it.

What the collector has is not sent again, so this may be given as often as one likes, also while the case is being
recorded. Captures that came from other machines are not passed on.

examples:
  clew send CASE --to collector.example:4747 --token-file token --tls-ca collector.pem
  clew send CASE --to 127.0.0.1:4747 --wait 10m        the collector may be away that long
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from clew.commands import _collect, _options
from clew.errors import ClewError

_PATIENCE_S = 2.0
_ENDS = {signal.SIGINT, signal.SIGTERM}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew send``."""
    parser.add_argument("case", metavar="CASE", help="folder of a case")
    _collect.add_target(parser.add_argument_group("where to"), required=True)
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but what went wrong")
    parser.add_argument("--while-open", action="store_true", help=argparse.SUPPRESS)  # of a recorder: standard input


def run(args: argparse.Namespace) -> int:
    """Send; 0 when all is there, 1 when not."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)  # before imports start threads: only _stopping()'s is to get them
    from clew.capture.meta import RAW
    from clew.collect.send import Sender
    from clew.collect.ship import Parent, RefusedError, rest, ship
    from clew.commands._recording import ProgressLine, warn

    case, target = Path(args.case), _collect.target_of(args)
    patience = _options.parse_time(args.wait) or 0
    if not args.while_open and not (case / RAW).is_dir():
        raise ClewError(f"there is no case at {case} with something recorded in it")
    parent = Parent() if args.while_open else None
    line = ProgressLine() if not args.quiet and sys.stderr.isatty() else None
    sender = Sender(case, target, warn)
    stopped = _stopping(lambda: warn(rest(case, target, sender.unsent, _collect.words_of(args))))
    try:
        done = ship(
            sender,
            parent.recording if parent else lambda: False,
            patience / 1e9,
            line.show if line else None,
            stopped.is_set,
            parent.pid if parent else -1,
        )
    except RefusedError as refusal:
        warn(str(refusal))
        while parent is not None and parent.recording() and not stopped.is_set():
            time.sleep(0.2)
        done = False
    finally:
        if line:
            line.clear()
        unsent = sender.unsent
        sender.close()
    if not done:
        warn(rest(case, target, unsent, _collect.words_of(args)))
    elif not args.quiet:
        warn(f"all of {case} is at {target}")
    return 0 if done else 1


def _stopping(last_word: Callable[[], None]) -> threading.Event:
    """Set by SIGINT and SIGTERM. What hangs in a call then (a collector that says nothing) is left after a moment."""
    stopped = threading.Event()

    def wait() -> None:
        signal.sigwait(_ENDS)
        stopped.set()
        time.sleep(_PATIENCE_S)
        last_word()
        os._exit(1)

    threading.Thread(target=wait, name="clew-stop", daemon=True).start()
    return stopped
