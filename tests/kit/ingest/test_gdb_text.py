"""Backtraces of gdb: of a real process full of traps, and hand-written ones."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from clew.errors import ClewError
from clew.ingest.profile import Profile
from clew.ingest.profiles import gdb_text, reader_of
from clew.ingest.profiles._gdb_frames import gdb_frame

SOURCE = r"""
#include <functional>
#include <pthread.h>
#include <signal.h>
#include <string>
#include <thread>
#include <unistd.h>
struct S { int a; std::string s; };
static inline __attribute__((always_inline)) int inner(int x) { pause(); return x; }
__attribute__((noinline)) int work(const char *, S, int x) { return inner(x) + 1; }
void handler(int) { pause(); }
int main() {
    signal(SIGUSR1, handler);
    std::function<int(int)> f = [](int x) { return work("he said \"hi\", (ok)", S{1, "a, b) (c"}, x); };
    std::thread t([&] { pthread_setname_np(pthread_self(), "wk (1) \"q\""); f(3); });
    std::thread u([&] { pthread_setname_np(pthread_self(), "LWP 7) \"x"); pause(); });
    usleep(200000);
    pthread_kill(u.native_handle(), SIGUSR1);
    pause();
}
"""
HEAD = 'Thread 1 (Thread 0x7f (LWP 12) "w"):\n'


def read(text: str, folder: Path) -> Profile:
    path = folder / "gdb.txt"
    path.write_text(text)
    assert reader_of(path) is gdb_text
    return gdb_text.read(path)


def samples(found: Profile) -> list[dict[str, Any]]:
    frames, stacks, threads = found.frames.to_pylist(), found.stacks.to_pylist(), found.threads.to_pylist()
    rows = found.samples.to_pylist()
    for row in rows:
        at, stack = row["stack"], []
        while at is not None:
            stack.append(frames[stacks[at]["frame"]])
            at = stacks[at]["parent"]
        row["frames"] = stack
        row |= {name: threads[row["thread"]][name] for name in ("pid", "tid", "name", "command")}
    return rows


def functions(row: dict[str, Any]) -> list[str]:
    """From the innermost."""
    return [frame["function"] for frame in row["frames"]]


def test_a_real_process(tmp_path: Path) -> None:
    source, program = tmp_path / "g.cc", tmp_path / "gprog"
    source.write_text(SOURCE)
    subprocess.run(["g++", "-O1", "-g", "-o", program, source, "-lpthread"], check=True)
    with subprocess.Popen([program]) as process:
        try:
            time.sleep(0.6)
            texts = []
            for what in (["thread apply all bt"], ["thread apply all bt full"], ["thread apply all bt 3"]):
                commands = [part for command in what for part in ("-ex", command)]
                gdb = ["gdb", "-nx", "-batch", "-p", str(process.pid), *commands]
                texts.append(subprocess.run(gdb, check=True, capture_output=True, text=True).stdout)
        finally:
            process.kill()
    plain, full, short = (read(text, tmp_path) for text in texts)
    assert [functions(row) for row in samples(full)] == [functions(row) for row in samples(plain)]
    assert [functions(row)[:3] for row in samples(plain)] == [functions(row)[:3] for row in samples(short)]
    rows = {row["name"]: row for row in samples(plain)}
    assert set(rows) == {"gprog", 'wk (1) "q"', 'LWP 7) "x'}
    assert {row["pid"] for row in rows.values()} == {process.pid} == {rows["gprog"]["tid"]}
    assert {row["command"] for row in rows.values()} == {"gprog"}
    worker = rows['wk (1) "q"']["frames"]
    at = functions(rows['wk (1) "q"']).index("work")
    assert [(frame["function"], frame["kind"]) for frame in worker[at - 1 : at + 1]] == [
        ("inner", "inlined"),
        ("work", "user"),
    ]
    assert worker[at]["file"] == str(source)
    assert worker[at]["line"] == SOURCE[: SOURCE.index("return inner")].count("\n") + 1
    assert "std::function<int (int)>::operator()(int) const" in functions(rows['wk (1) "q"'])
    interrupted = functions(rows['LWP 7) "x'])
    assert interrupted[interrupted.index("handler") + 1] == "<signal handler called>"
    assert worker[-1]["function"].startswith("clone") or worker[-1]["module"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("#0  0x00007f in f (x=3) at a.c:2", ("f", None, "a.c", 2)),
        ("#12 main () at /a b/(c).c:2", ("main", None, "/a b/(c).c", 2)),
        ("#3  0x1 in ?? () from /lib/x (y).so", ("[unknown]", "/lib/x (y).so", None, None)),
        ("#2  <signal handler called>", ("<signal handler called>", None, None, None)),
        ('#2  f (s=0x1 "he said \\"hi\\", (ok) at b.c:3", c=40 \'(\') at a.c:9', ("f", None, "a.c", 9)),
        ("#2  f (c=0 '\\000', d=92 '\\\\', e=...) at a.c:9", ("f", None, "a.c", 9)),
        ("#1  operator() (__closure=0x0) at g.cc:13", ("operator()", None, "g.cc", 13)),
        ("#1  operator< (a=<optimized out>) at g.cc:1", ("operator<", None, "g.cc", 1)),
        (
            "#6  std::_F<int(int), main()::<lambda(int)> >::_M(const A &, int &&) (a=..., b=<optimized out>) at f.h:2",
            ("std::_F<int(int), main()::<lambda(int)> >::_M(const A &, int &&)", None, "f.h", 2),
        ),
        ("#7  0x5 in std::function<int (int)>::operator()(int) const (this=0x0) at f.h:5", None),
        ("#1  0x1 in Foo::bar (this=0x1, x=x@entry=0x0)", ("Foo::bar", None, None, None)),
        ('#1  0x1 in broken (s=0x1 "never ends', ('broken (s=0x1 "never ends', None, None, None)),
    ],
)
def test_frames(line: str, expected: tuple[str, str | None, str | None, int | None] | None) -> None:
    frame = gdb_frame(line)
    assert frame is not None
    wanted = expected or ("std::function<int (int)>::operator()(int) const", None, "f.h", 5)
    assert (frame.function, frame.module, frame.file, frame.line) == wanted


def test_looks_of_the_recorder_have_times_and_processes(tmp_path: Path) -> None:
    look = "# clew snapshot monotonic_ns={} pid={}\n" + HEAD + "#0  0x1 in f () at a.c:1\n#1  0x2 in main () at a.c:2\n"
    found = read(look.format(1_000, 7) + look.format(2_000, 7) + look.format(2_500, 8), tmp_path)
    rows = samples(found)
    assert [(row["ts_ns"], row["pid"], row["tid"]) for row in rows] == [(1_000, 7, 12), (2_000, 7, 12), (2_500, 8, 12)]
    assert found.stacks.num_rows == 2
    assert [(event.name, event.kind, event.unit) for event in found.events] == [("gdb", "wall", "samples")]


def test_a_terminal_breaks_lines(tmp_path: Path) -> None:
    text = (
        HEAD
        + "#0  0x1 in f (x=3,\n    y=4)\n    at a.c:1\n#1  0x2 in g ()\n   from /lib/x.so\n#2  0x3 in h () at b.c:4\n"
    )
    (row,) = samples(read(text.replace("\n   from", "\n    from"), tmp_path))
    assert [(frame["function"], frame["module"], frame["line"]) for frame in row["frames"]] == [
        ("f", None, 1),
        ("g", "/lib/x.so", None),
        ("h", None, 4),
    ]


def test_stacks_that_gdb_cuts_are_counted(tmp_path: Path) -> None:
    found = read(HEAD + "#0  0x1 in f ()\n(More stack frames follow...)\n" + HEAD + "#0  0x1 in f ()\n", tmp_path)
    assert found.samples.num_rows == 2
    assert found.notes == ["gdb did not go to the outermost frame of 1 stacks"]


def test_names_with_a_line_feed_and_threads_without_names(tmp_path: Path) -> None:
    text = 'Thread 2 (Thread 0x7f (LWP 13) "new\nline"):\n#0  0x1 in f ()\n\n'
    text += "Thread 1 (process 12):\n#0  0x1 in g ()\n#1  0x2 in main ()\n"
    rows = samples(read(text, tmp_path))
    assert [(row["tid"], row["name"]) for row in rows] == [(13, "new\nline"), (12, None)]


def test_a_stack_without_threads(tmp_path: Path) -> None:
    (row,) = samples(read("(gdb) bt\n#0  0x1 in f ()\n#1  0x2 in main () at a.c:2\n", tmp_path))
    assert (row["tid"], functions(row)) == (None, ["f", "main"])


def test_more_threads_than_what_decides_has_room_for(tmp_path: Path) -> None:
    path = tmp_path / "gdb.txt"
    stack = 'Thread 1 (Thread 0x7f (LWP 12) "w"):\n#0  f () at a.c:2\n#1  main () at a.c:9\n'
    path.write_text("".join(f"[New LWP {number}]\n" for number in range(100_000, 105_000)) + stack)
    assert reader_of(path) is gdb_text
    assert gdb_text.read(path).samples.num_rows == 1


def test_no_stack_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "gdb.txt"
    path.write_text("# clew snapshot monotonic_ns=5 pid=7\n")
    with pytest.raises(ClewError, match="no stack of a thread"):
        gdb_text.read(path)
