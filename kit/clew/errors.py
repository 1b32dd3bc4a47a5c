"""The one exception that users are meant to see: one line that says what is wrong and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_READABLE = 20  # choices; of more the nearest says more than all


class ClewError(Exception):
    """A mistake of the user or a limit of the machine, told in one line.

    The command line prints it as ``clew: message`` and ends with ``exit_code``; there is never a
    traceback. Exit codes: 2 a user's mistake, 1 anything else that stopped the work.
    """

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(" ".join(message.split()))
        self.exit_code = exit_code


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The one of ``choices`` that was probably meant by ``word``, upper and lower case alike; None: none is near."""
    known = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(word.lower(), known, 1)
    return known[near[0]] if near else None


def one_of(word: str, choices: Iterable[str]) -> str:
    """What an error says after a ``word`` that is none of ``choices``: the nearest, and all where that is readable."""
    known = list(choices)
    near = nearest(word, known)
    if near and len(known) > _READABLE:
        return f"is it {near}?"
    return (f"is it {near}? " if near else "") + f"choose one of {', '.join(known)}"
