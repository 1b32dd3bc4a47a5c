"""Figures that other programs keep: the last of a file (Zeek's logs, /proc, JSON lines), or of a Prometheus page."""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.request
from pathlib import Path

from clew.errors import ClewError

_END = 64 << 10  # bytes from the end of a file in which the last figure is looked for
_PAGE = 8 << 20  # bytes of a page at most
_SCALES = {"": 1.0, "K": 1024.0, "M": 1024.0**2, "G": 1024.0**3, "kB": 1024.0}
_NUMBER = r"(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(kB|[KMG])?"


def of_file(path: Path, field: str) -> float | None:
    """The last value of ``field`` in the file; None while there is none. Raises ClewError if it cannot be read.

    Zeek's tab-separated logs (``#fields``), JSON lines, Zeek's prof.log (``Memory.total``: the line ``Memory:``, there
    ``total=``), and lines such as those of /proc: ``field value``, ``field: value kB``, ``field=value``.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4096).decode("utf-8", "replace")
            size = os.fstat(file.fileno()).st_size
            if size > _END:
                file.seek(size - _END)
                text = file.read().decode("utf-8", "replace").partition("\n")[2]
            else:
                text = head + file.read().decode("utf-8", "replace")
    except OSError as error:
        raise ClewError(f"cannot read {path}: {error.strerror}") from None
    lines = [line for line in text.splitlines() if line.strip()]
    if fields := next((line.split("\t")[1:] for line in head.splitlines() if line.startswith("#fields\t")), None):
        return _of_columns(lines, fields, field, path)
    if lines and lines[-1].lstrip().startswith("{"):
        return _of_json(lines, field)
    return _of_text(lines, field)


def _of_columns(lines: list[str], fields: list[str], field: str, path: Path) -> float | None:
    if field not in fields:
        raise ClewError(f"{path} has no field {field!r:.60}, it has {', '.join(fields)[:200]}")
    for line in reversed(lines):
        cells = line.split("\t")
        if not line.startswith("#") and len(cells) == len(fields):
            return _number(cells[fields.index(field)])
    return None


def _of_json(lines: list[str], field: str) -> float | None:
    for line in reversed(lines):
        try:
            found = json.loads(line)
        except ValueError:
            continue  # the last line may be half written
        if isinstance(found, dict) and isinstance(found.get(field), int | float):
            return float(found[field])
    return None


def _of_text(lines: list[str], field: str) -> float | None:
    group, _, name = field.rpartition(".")
    # a name with points in it may be the whole name (prometheus, sysctl), or a group and a name (prof.log)
    whole = re.compile(rf"(?:^|[\s,;]){re.escape(field)}\s*[:= \t]\s*{_NUMBER}(?![\w.])")
    part = re.compile(rf"(?:^|\s){re.escape(group)}:.*?(?:^|\s){re.escape(name)}[=:]\s*{_NUMBER}") if group else None
    for line in reversed(lines):
        found = whole.search(line) or (part.search(line) if part else None)
        if found:
            return float(found[1]) * _SCALES[found[2] or ("kB" if line.rstrip().endswith(" kB") else "")]
    return None


def of_page(url: str, metric: str) -> float | None:
    """The value of ``metric`` on a Prometheus page; the sum of its series unless its labels are given, too.

    None while it is not there. Raises ClewError if the page cannot be read.
    """
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 -- http and https only, see triggers
            text = answer.read(_PAGE).decode("utf-8", "replace")
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise ClewError(f"cannot read {url}: {getattr(error, 'reason', error)}") from None
    found = []
    for line in text.splitlines():
        name, _, rest = line.rpartition("} ") if "{" in line else line.partition(" ")
        series = f"{name}}}" if "{" in line else name
        if series == metric or series.partition("{")[0] == metric:
            value = _number(rest.split(" ")[0])
            found += [value] if value is not None else []
    return sum(found) if found else None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
