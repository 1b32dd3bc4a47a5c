"""What clicks on rows do to the Lens: one alone, several by Ctrl, a range by Shift, the only one again to let go."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from clew.lens import Lens


def picked(lens: Lens, fields: tuple[str, ...], message: dict[str, Any]) -> Lens:
    """``lens`` after a ``pick`` message.

    ``message["keys"]`` holds rows as (field, value) pairs, of which only ``fields`` count; ``message["mode"]`` is
    ``only``, ``toggle`` or ``range``. Rows that other fields exclude stay in the Lens until they are let go.
    """
    wanted: dict[str, list[Any]] = {field: [] for field in fields}
    for key in message.get("keys", []):
        for field, value in key:
            if field in wanted and value not in wanted[field]:
                wanted[field].append(value)
    changes: dict[str, Any] = {}
    for field, values in wanted.items():
        now = getattr(lens, field)
        if message.get("mode") == "toggle":
            kept, added = (
                (value for value in now if value not in values),
                (value for value in values if value not in now),
            )
            changes[field] = (*kept, *added)
        else:
            changes[field] = tuple(values)
    if message.get("mode") == "only" and all(getattr(lens, field) == values for field, values in changes.items()):
        changes = dict.fromkeys(fields, ())
    return replace(lens, **changes)
