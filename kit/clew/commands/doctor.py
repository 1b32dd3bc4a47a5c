"""Say which ways of recording this machine allows, and what to do about the others.

Each is tried, not guessed. The exit code is 0 if programs can be recorded with the preload library, else 1.

examples:
  clew doctor
  clew doctor --json
"""

from __future__ import annotations

import argparse

from clew.commands import _options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew doctor``."""
    _options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Print one row for each source."""
    from clew.capture.doctor import can_record, probe
    from clew.commands._output import show
    from clew.questions.answer import Answer

    table = probe()
    show(Answer(table, "", "sources"), args)
    return 0 if can_record(table) else 1
