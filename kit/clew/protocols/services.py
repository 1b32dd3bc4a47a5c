"""Which protocol is spoken at a port: files in the format of /etc/services (see services(5))."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from clew.errors import ClewError

VARIABLE = "CLEW_SERVICES"
_LINE = re.compile(r"(?P<name>\S+)\s+(?P<port>\d+)/(?P<transport>\w+)(?P<aliases>(\s+\S+)*)\s*")
_LARGEST = 16 << 20  # bytes of a file that anybody means


class Services:
    """What a services file says, in terms of the processors there are."""

    def __init__(self, text: str, protocols: Mapping[str, Sequence[str]]) -> None:
        """``protocols``: names of processors, and the other names of their services.

        Lines without a processor are passed over; of two lines for one port the first counts, as in getservbyport(3).
        """
        self._words = {word.lower(): name for name, aliases in protocols.items() for word in (*aliases, name)}
        self._ports: dict[tuple[int, str], str] = {}
        for line in text.splitlines():
            if match := _LINE.fullmatch(line.partition("#")[0].strip()):
                names = [match["name"], *match["aliases"].split()]
                known = [self._words[name.lower()] for name in names if name.lower() in self._words]
                if known:
                    self._ports.setdefault((int(match["port"]), match["transport"].lower()), known[0])

    @staticmethod
    def read(protocols: Mapping[str, Sequence[str]], path: str | os.PathLike[str] | None = None) -> Services:
        """From ``path``, else the file that $CLEW_SERVICES names, else clew's own; raises ClewError if unreadable."""
        named = path or os.environ.get(VARIABLE)
        if not named:
            return Services((resources.files("clew.protocols") / "services").read_text("utf-8"), protocols)
        try:
            if Path(named).stat().st_size > _LARGEST:
                raise ClewError(f"{named} is no services file: it is too large")
            return Services(Path(named).read_text("utf-8", "replace"), protocols)
        except OSError as error:
            raise ClewError(f"cannot read services file {named}: {error.strerror}") from None

    def of_port(self, address: str | None, transport: str) -> str | None:
        """The protocol at ``address`` (127.0.0.1:80, [::1]:80) over tcp or udp; None: the file does not tell."""
        port = (address or "").rpartition(":")[2]
        return self._ports.get((int(port), transport)) if port.isascii() and port.isdigit() and len(port) < 6 else None

    def of_path(self, path: str | None) -> str | None:
        """The protocol of a unix socket by the words (or port) in its path: /run/mysqld/mysqld.sock, .s.PGSQL.5432."""
        words = re.findall(r"[a-z0-9]+(?:-[a-z]+)*", (path or "").lower())
        for word in reversed(words):
            if name := self._words.get(word) or self.of_port(f":{word}", "tcp"):
                return name
        return None
