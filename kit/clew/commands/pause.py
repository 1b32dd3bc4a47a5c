"""Stop recording a case that is being recorded, until `clew resume`; its programs go on.

examples:
  clew pause CASE
  clew resume CASE
"""

from __future__ import annotations

import argparse

from clew.commands import _options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew pause``."""
    _options.add_case(parser)


def run(args: argparse.Namespace) -> int:
    """Switch counting and tracing off in every process of the running capture."""
    from pathlib import Path

    from clew.capture.switch import switch

    switch(Path(args.case), on=False)
    return 0
