"""What a file of stacks cannot be made of."""

from __future__ import annotations

from clew.errors import ClewError
from clew.questions.answer import Answer


def check_stacks(weight: float, event: str) -> None:
    """Raises ClewError unless stacks of samples of ``event`` weigh something."""
    if not weight:
        raise ClewError(f"no sample of {event:.80} has a stack: there is nothing to write")


def stacked(answer: Answer) -> Answer:
    """``answer`` of flame(), if there is a stack in it; raises ClewError if not."""
    check_stacks(answer.summary["total"], answer.summary["event"])
    return answer
