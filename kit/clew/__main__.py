"""``python -m clew`` is the ``clew`` command."""

import sys

from clew.commands import main

if __name__ == "__main__":
    sys.exit(main())
