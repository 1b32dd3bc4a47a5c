"""`clew sql` on tables that are empty because nobody asked for them yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from clew.commands import main


def test_tables_of_requests_that_were_not_looked_for_say_so(
    capture: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    made = capture(trace=False)
    made.clock(0)
    made.counters(1, 5, 5, 100, read=(10, 1, 1000, 50))
    made.clock(1000)
    made.write()
    path = str(made.folder.parents[1])
    assert main(["sql", path, "SELECT count(*) FROM span"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "count_star()",
        "           0",
        f"(requests were not looked for yet, or none was found: `clew trace {path}` fills these tables)",
    ]
    assert main(["sql", path, "SELECT count(*) AS n FROM event"]) == 0
    assert "trace" not in capsys.readouterr().out
    assert main(["sql", path, "SELECT count(*) AS n FROM request", "--csv"]) == 0
    assert capsys.readouterr().out == "n\n0\n"
