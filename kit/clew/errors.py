"""The one exception that users are meant to see: one line that says what is wrong and what to do."""


class ClewError(Exception):
    """A mistake of the user or a limit of the machine, told in one line.

    The command line prints it as ``clew: message`` and ends with ``exit_code``; there is never a
    traceback. Exit codes: 2 a user's mistake, 1 anything else that stopped the work.
    """

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(" ".join(message.split()))
        self.exit_code = exit_code
