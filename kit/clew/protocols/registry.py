"""All processors: those in C, those of this package, and those of others (entry point clew.protocols)."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points

from clew.errors import ClewError
from clew.native.protocols import built_in
from clew.protocols.base import Protocol
from clew.protocols.http2 import Http2

GROUP = "clew.protocols"
"""The entry point's group: each names a subclass of clew.protocols.base.Protocol."""


@cache
def in_python() -> tuple[type[Protocol], ...]:
    """Processors in Python, clew's own first; raises ClewError where a package's cannot be used."""
    found: list[type[Protocol]] = [Http2]
    names = set(built_in()) | {kind.name for kind in found}
    for entry in entry_points(group=GROUP):
        try:
            kind = entry.load()
        except Exception as error:
            raise ClewError(f"protocol {entry.name} cannot be loaded: {type(error).__name__}: {error}") from None
        if not (isinstance(kind, type) and issubclass(kind, Protocol) and isinstance(getattr(kind, "name", None), str)):
            raise ClewError(f"protocol {entry.name} is no subclass of clew.protocols.base.Protocol with a name")
        if kind.name in names:
            raise ClewError(f"there are two protocols called {kind.name}")
        names.add(kind.name)
        found.append(kind)
    return tuple(found)


def all_names() -> dict[str, tuple[str, ...]]:
    """Names of all processors, and the other names of their services."""
    return built_in() | {kind.name: tuple(kind.aliases) for kind in in_python()}
