"""Go on recording a case after `clew pause`.

examples:
  clew resume CASE
"""

from __future__ import annotations

import argparse

from clew.commands import _options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``clew resume``."""
    _options.add_case(parser)


def run(args: argparse.Namespace) -> int:
    """Switch counting and tracing on again, as the capture was started."""
    from pathlib import Path

    from clew.capture.switch import switch

    switch(Path(args.case), on=True)
    return 0
