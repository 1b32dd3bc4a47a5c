"""Names that a case has: what the tab key offers, what an error means by the nearest, and which shape is meant."""

from __future__ import annotations

from clew.case import Case
from clew.errors import ClewError, nearest, one_of
from clew.units import shape_name

NAMES = {
    "host": "SELECT host AS name FROM thread UNION ALL SELECT host FROM imported_span",
    "command": "SELECT command AS name FROM process UNION ALL SELECT service FROM imported_span",
    "pid": "SELECT pid::VARCHAR AS name FROM process UNION ALL SELECT pid::VARCHAR FROM imported_span",
    "tid": "SELECT tid::VARCHAR AS name FROM thread",
    "op": "SELECT op AS name FROM op",
    "file": "SELECT path AS name FROM connection",
    "peer": "SELECT peer AS name FROM connection",
    "event": "SELECT name FROM sample_event",
    "function": "SELECT function AS name FROM frame",
    "module": "SELECT module AS name FROM frame",
    "request": "SELECT name FROM request",
    "shape": "SELECT CASE WHEN shape_id > 65535 THEN printf('%06x', (shape_id & 16777215)::BIGINT) "
    "ELSE printf('%x', shape_id::BIGINT) END AS name FROM shape",
    "map": "SELECT name FROM map_value UNION ALL SELECT name FROM histogram",
}
"""What has names, as the options of a Lens are called (and maps), and where they stand."""
_MOST = 20_000  # names that a wrong one is compared with


def names(case: Case, what: str, begin: str = "", limit: int | None = None) -> list[str]:
    """Names of ``what`` (a key of NAMES) in the tables as they are, those that start with ``begin``, from A."""
    sql = f"""SELECT DISTINCT name FROM ({NAMES[what]})
WHERE name IS NOT NULL AND starts_with(name, $begin) ORDER BY name LIMIT $most"""
    found: list[str] = case.sql(sql, {"begin": begin, "most": limit or _MOST})["name"].to_pylist()
    return found


def missing(case: Case, what: str, asked: str) -> str | None:
    """What to say where the case has no ``what`` of the name ``asked``: which was meant; None: it has it."""
    if case.sql(f"SELECT 1 FROM ({NAMES[what]}) WHERE name = $asked LIMIT 1", {"asked": asked}).num_rows:
        return None
    near = nearest(asked, names(case, what))
    return f"the case has no {what} {asked!r:.80}" + (f"; is it {near}?" if near else "")


def operation(case: Case, asked: str) -> str:
    """``asked`` if an operation is called so; raises ClewError, naming the nearest, if none is."""
    known = names(case, "op")
    if asked not in known:
        raise ClewError(f"there is no operation {asked!r:.60}; {one_of(asked, known)}")
    return asked


def shape_called(case: Case, text: str) -> int:
    """The number of the shape that is called ``text``: #1f3a9c as it is shown, 1f3a9c, or the whole number.

    Raises ClewError where there is none, or more than one that ends in these digits.
    """
    numbers: list[int] = case.sql("SELECT shape_id FROM shape ORDER BY shape_id")["shape_id"].to_pylist()
    if text.isdecimal() and int(text) in numbers:
        return int(text)
    called = "#" + text.removeprefix("#").lower()
    found = [number for number in numbers if shape_name(number) == called]
    if len(found) == 1:
        return found[0]
    if found:
        raise ClewError(
            f"{len(found)} shapes are called {called}: write the whole number, {one_of('', map(str, found))}"
        )
    near = nearest(called, map(shape_name, numbers))
    meant = f"; is it {near}?" if near else ";"
    raise ClewError(f"there is no shape {text!r:.40}{meant} `clew paths {case.path}` shows those there are")
