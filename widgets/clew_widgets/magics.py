"""``%load_ext clew``: ``%%clew`` runs a cell, samples where it is, and shows its stacks below it."""

from __future__ import annotations

import argparse
import shlex
import socket
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, magics_class, no_var_expand
from IPython.display import display

import clew
from clew.capture.meta import Meta
from clew.capture.place import make_place
from clew.capture.python_stacks import PythonSampler
from clew.errors import ClewError
from clew.lens import Lens


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line instead of ending the kernel."""

    def error(self, message: str) -> Any:
        raise ClewError(f"%%clew: {message}")

    def exit(self, status: int = 0, message: str | None = None) -> Any:  # noqa: ARG002 -- argparse's form
        raise _HelpShownError(message or "")


class _HelpShownError(Exception):
    """--help was asked for."""


def parser() -> argparse.ArgumentParser:
    """The options of ``%%clew``."""
    made = _Parser(
        prog="%%clew",
        description="Run this cell, sample where it is by the wall clock, and show its stacks.",
        epilog="The case is left in the variable that --as names, so that more can be asked: case.explore().",
    )
    made.add_argument("-o", "--output", metavar="CASE", help="folder of the case (default: a temporary one)")
    made.add_argument("-F", "--rate", type=int, default=200, metavar="HZ", help="samples a second (default: 200)")
    made.add_argument("--as", dest="variable", default="case", metavar="NAME", help="variable for it (default: case)")
    made.add_argument("--whole", action="store_true", help="keep the frames above the cell, too")
    return made


@magics_class
class ClewMagics(Magics):
    """The magic commands of clew."""

    @no_var_expand
    @cell_magic
    def clew(self, line: str, cell: str) -> None:
        """Run the cell and show its stacks; ``%%clew --help`` lists the options."""
        shell = self.shell
        assert shell is not None  # magics are registered with one
        try:
            options = parser().parse_args(shlex.split(line))
            if not 1 <= options.rate <= 1000:
                raise ClewError("%%clew: --rate is 1 to 1000 samples a second")
            if not options.variable.isidentifier():
                raise ClewError(f"%%clew: --as {options.variable!r:.40} is no name of a variable")
            case = record_cell(shell, cell, options)
        except _HelpShownError:
            return
        except ClewError as error:
            print(f"clew: {error}")
            return
        shell.user_ns[options.variable] = case
        _show(case)


def record_cell(shell: InteractiveShell, cell: str, options: argparse.Namespace) -> clew.case.Case:
    """Run ``cell`` in ``shell`` and record its stacks; raises ClewError if there was nothing to see.

    What the cell raises is shown by the shell as ever; the samples up to then are kept.
    """
    folder = Path(options.output) if options.output else Path(tempfile.mkdtemp(prefix="clew-cell-")) / "case"
    started, utc = time.monotonic_ns(), datetime.now(UTC).isoformat()
    runs_cells = InteractiveShell.run_code.__code__
    with PythonSampler(1 / options.rate, None if options.whole else runs_cells) as sampler:
        result = shell.run_cell(cell)  # type: ignore[no-untyped-call]
    if not sampler.samples:
        took = (time.monotonic_ns() - started) / 1e6
        raise ClewError(f"the cell took {took:.1f} ms: too short for {options.rate} samples a second")
    place = make_place(folder)
    sampler.write(place.directory)
    words = [f"In[{shell.execution_count}]"]
    failed = int(result.error_in_exec is not None)
    Meta(
        "python",
        words,
        socket.gethostname(),
        clew.__version__,
        started,
        utc,
        {"rate_hz": options.rate},
        time.monotonic_ns(),
        exit_code=failed,
    ).write(place.directory)
    return clew.open(folder)


def _show(case: clew.case.Case) -> None:
    from clew_widgets.views.flame import Flame

    display(Flame(case, Lens()))  # type: ignore[no-untyped-call]


def load_ipython_extension(shell: InteractiveShell) -> None:
    """What ``%load_ext clew`` calls."""
    shell.register_magics(ClewMagics)
