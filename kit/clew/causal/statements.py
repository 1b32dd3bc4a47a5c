"""SQL that is kept in files of its own."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources


def statements(name: str) -> Iterator[str]:
    """The statements of an SQL file of this room."""
    text = (resources.files("clew.causal") / name).read_text("utf-8")
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    return (statement for statement in lines.split(";\n") if statement.strip())
