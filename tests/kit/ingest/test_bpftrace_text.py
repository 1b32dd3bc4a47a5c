"""Maps that bpftrace prints as text: hand-written, and of a real one-liner."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from clew.errors import ClewError
from clew.ingest.profile import Profile
from clew.ingest.profiles import bpftrace_text, reader_of

TEXT = """\
Attaching 2 probes...


@[
    vfs_read+570
    ksys_read+102
    do_syscall_64+113
    entry_SYSCALL_64_after_hwframe+118
, a, b]: 3
@[, sh]: 1
@both[
    smp_call+261
    asm_exc_page_fault+34
,
    f(int, char const*)+46
    0x7f4d4253d150
, 17, cc1]: 2
@us[
    main+4
, cc1]: 5
@p[
\tffffffff81000001 do_x+1 ([kernel.kallsyms])
\t7fe5101c70cf work+7 (/usr/bin/x (y))
]: 4
@count[cc1]: 185
@total: 397
@stats: count 397, average 3, total 1191
@h[
    main+4
, cc1]:
[0]                    2 |@@@@@@                                              |
[1]                   17 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|

""".replace(",\n    f", ", \n    f")


def read(text: str, folder: Path) -> Profile:
    path = folder / "out.txt"
    path.write_text(text)
    assert reader_of(path) is bpftrace_text
    return bpftrace_text.read(path)


def samples(found: Profile) -> list[dict[str, Any]]:
    frames, stacks, threads = found.frames.to_pylist(), found.stacks.to_pylist(), found.threads.to_pylist()
    rows = found.samples.to_pylist()
    for row in rows:
        at, row["frames"] = row["stack"], []
        while at is not None:
            row["frames"].insert(0, frames[stacks[at]["frame"]])
            at = stacks[at]["parent"]
        row["stack"] = [(frame["function"], frame["kind"]) for frame in row["frames"]]
        row["command"] = None if row["thread"] is None else threads[row["thread"]]["command"]
        row["event"] = found.events[row["event"]].name
    return rows


def test_maps_with_stacks(tmp_path: Path) -> None:
    found = read(TEXT, tmp_path)
    read_call, both, user, perf = samples(found)
    assert (read_call["event"], read_call["weight"], read_call["detail"]) == ("@", 3.0, "a")
    assert [name for name, _ in read_call["stack"]] == [
        "entry_SYSCALL_64_after_hwframe",
        "do_syscall_64",
        "ksys_read",
        "vfs_read",
    ]
    assert {kind for _, kind in read_call["stack"]} == {"kernel"}
    assert (both["event"], both["command"], both["detail"], both["weight"]) == ("@both", "cc1", "17", 2.0)
    assert both["stack"] == [
        ("[unknown]", "unknown"),
        ("f(int, char const*)", "user"),
        ("asm_exc_page_fault", "kernel"),
        ("smp_call", "kernel"),
    ]
    assert (user["command"], user["stack"]) == ("cc1", [("main", "unknown")])
    assert [frame["module"] for frame in perf["frames"]] == ["/usr/bin/x (y)", "[kernel.kallsyms]"]
    assert (perf["thread"], perf["weight"]) == (None, 4.0)
    assert [(event.kind, event.unit) for event in found.events] == [("other", "events")] * 4
    assert found.notes == ["3 values without a stack, histograms and statistics were left out"]


def test_a_map_that_is_printed_again_is_said(tmp_path: Path) -> None:
    one = "@[\n    f+1\n, sh]: 1\n"
    found = read(one + one, tmp_path)
    assert (found.samples.num_rows, found.stacks.num_rows) == (2, 1)
    assert found.notes == ["1 keys were printed more than once and are added up"]


def test_numbers_too_large_for_an_address_are_names(tmp_path: Path) -> None:
    found = read(f"@[\n    0x{'f' * 17}\n    main+{'9' * 20}\n    f+12\n]: 1\n", tmp_path)
    (row,) = samples(found)
    assert [name for name, _ in row["stack"]] == ["f", f"main+{'9' * 20}", f"0x{'f' * 17}"]


def test_no_stack_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("@count[cc1]: 185\n@h[\n    main+4\n]: \n[0]    2 |@@@|\n")
    with pytest.raises(ClewError, match="no map with a stack in its key"):
        bpftrace_text.read(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="bpftrace needs root")
def test_a_real_one_liner(tmp_path: Path) -> None:
    script = (
        "tracepoint:syscalls:sys_enter_openat /pid == cpid/ { @[kstack(4), ustack(2), comm] = count(); @n = count(); }"
    )
    path = tmp_path / "out.txt"
    command = ["bpftrace", "-o", str(path), "-c", "/bin/ls /", "-e", script]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    found = read(path.read_text(), tmp_path)
    rows = samples(found)
    total = next(line for line in path.read_text().splitlines() if line.startswith("@n: "))
    assert sum(row["weight"] for row in rows) == int(total.removeprefix("@n: ")) > 0
    assert {row["command"] for row in rows} == {"ls"}
    assert any("kernel" in (kind for _, kind in row["stack"]) for row in rows)
