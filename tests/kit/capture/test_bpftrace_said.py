"""What bpftrace says on standard error becomes one line: where in the script, and what can be done about it."""

from __future__ import annotations

import pytest

from clew.capture.engines._bpftrace_said import lost_or_odd, why

MEMLOCK = "ERROR: Unknown error -1: couldn't set RLIMIT_MEMLOCK for bpftrace. If your program is not loading, ...\n"
SCRIPT = "BEGIN {\n\tfoo();\n}\n"


@pytest.mark.parametrize(
    ("said", "code", "line"),
    [
        (
            "x.bt:2:2-5: ERROR: Unknown function: foo\n\tfoo();\n\t~~~\n",
            1,
            "line 2, column 2: Unknown function: foo: foo();",
        ),
        ("x.bt:1:1-2: WARNING: odd\nx.bt:2:3: ERROR: syntax error\n", 1, "line 2, column 3: syntax error: foo();"),
        ("x.bt:2-3: ERROR: too long\n", 1, "line 2: too long: foo();"),
        ("x.bt:99:1-2: ERROR: beyond\n", 1, "line 99, column 1: beyond"),
        (
            "ERROR: bpftrace currently only supports running as the root user.\n",
            1,
            "bpftrace currently only supports running as the root user. (run as root)",
        ),
        (
            MEMLOCK + "ERROR: Failed to create map\n",
            1,
            "Failed to create map (raise the limit: ulimit -l unlimited, or ",
        ),
        (
            "ERROR: Kernel lockdown is enabled and set to 'confidentiality'.\n",
            1,
            "Kernel lockdown is enabled and set to",
        ),
        (MEMLOCK, -9, "it ended with signal 9"),
        ("", 3, "it ended with exit code 3"),
        ("terminate called without an active exception\n", -6, "without an active exception"),
    ],
)
def test_why(said: str, code: int, line: str) -> None:
    found = why(said, SCRIPT, code)
    assert found.removeprefix("bpftrace: ").strip().startswith(line) and "\n" not in found and "MEMLOCK" not in found


def test_what_was_lost_is_counted() -> None:
    assert lost_or_odd(MEMLOCK) == []
    (line,) = lost_or_odd("Lost 10 events\nWARNING: Lost 1290 events\n")
    assert "lost 1,300 events" in line
    (line,) = lost_or_odd("ERROR: failed to look up stack id -17 (pid -1): -2\n" * 3)
    assert "no stack for some entries" in line
