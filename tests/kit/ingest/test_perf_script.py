"""Text of perf script: hand-written of perf 4 to 6, and a real recording whose thread names mislead."""

from __future__ import annotations

import gzip
import subprocess
from pathlib import Path
from typing import Any

import pytest

from clew.errors import ClewError
from clew.ingest.profile import Profile
from clew.ingest.profiles import _perf_lines, perf_script, reader_of
from clew.ingest.profiles._perf_event import event_of

NAMES = [b"#hash", b"  lead", b"", b" ", b"evil;semi", b"x 12 34.5:", b"sp 7/8", b"new\nline", b"\xff\xfe", b"tab\tx"]
NAMES += [b"trail  ", b"a: 1 cycles:", b"0", b"\xc3\xa9t\xc3\xa9"]
SOURCE = """
#define _GNU_SOURCE
#include <pthread.h>
#include <time.h>
static const char *names[] = {%s};
volatile double sum;
__attribute__((noinline)) void burn(double x) { for (int i = 0; i < 10000; i++) sum += x * i; }
static void *work(void *name) {
    struct timespec t;
    pthread_setname_np(pthread_self(), name);
    do { burn(1); clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); } while (t.tv_nsec < 40000000 && !t.tv_sec);
    return 0;
}
int main(void) {
    for (unsigned k = 0; k < sizeof names / sizeof *names; k++) {
        pthread_t t;
        pthread_create(&t, 0, work, (void *)names[k]);
        pthread_join(t, 0);
    }
}
"""


def profile(text: str | bytes, folder: Path) -> Profile:
    path = folder / "out.perf"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert reader_of(path) is perf_script
    return perf_script.read(path)


def samples(found: Profile) -> list[dict[str, Any]]:
    """Samples with their threads and stacks (outermost first) as plain values."""
    frames, stacks = found.frames.to_pylist(), found.stacks.to_pylist()
    threads = found.threads.to_pylist()
    rows = found.samples.to_pylist()
    for row in rows:
        at, stack = row["stack"], []
        while at is not None:
            stack.append(frames[stacks[at]["frame"]])
            at = stacks[at]["parent"]
        row["frames"] = stack[::-1]
        row["stack"] = [frame["function"] for frame in row["frames"]]
        row["event"] = found.events[row["event"]].name
        row |= {name: threads[row["thread"]][name] for name in ("pid", "tid", "name", "command")}
    return rows


def test_a_sample_of_perf_6(tmp_path: Path) -> None:
    found = profile(
        "worker 3  4001/4002  [003] 1000.000001:     250000 cpu-clock:ppp: \n"
        "\tffffffff81001000 entry_SYSCALL_64+0x10 ([kernel.kallsyms])\n"
        "\t            1136 std::vector<int (*)(int)>::f(int, char const*)+0x16 (/a b/(x) [y].so)\n"
        "\t            1190 [unknown] (/usr/bin/prog (deleted))\n"
        "\t               0 [unknown] ([unknown])\n\n",
        tmp_path,
    )
    (one,) = samples(found)
    wanted = {"pid": 4001, "tid": 4002, "name": "worker 3", "cpu": 3, "ts_ns": 1000_000_001_000, "weight": 250_000.0}
    assert {name: one[name] for name in wanted} == wanted
    assert one["stack"] == [
        "[unknown]",
        "[unknown]",
        "std::vector<int (*)(int)>::f(int, char const*)",
        "entry_SYSCALL_64",
    ]
    modules = [None, "/usr/bin/prog (deleted)", "/a b/(x) [y].so", "[kernel.kallsyms]"]
    assert [frame["module"] for frame in one["frames"]] == modules
    assert [frame["kind"] for frame in one["frames"]] == ["unknown", "user", "user", "kernel"]
    assert [frame["byte_offset"] for frame in one["frames"]] == [None, None, 0x16, 0x10]
    assert [frame["address"] for frame in one["frames"]] == [None, None, None, 0xFFFFFFFF81001000]
    assert [(event.kind, event.unit) for event in found.events] == [("on-cpu", "ns")]
    assert not found.notes


def test_perf_4_prints_neither_periods_nor_offsets(tmp_path: Path) -> None:
    found = profile("java 25607 4794564.109216: cycles: \n\t7f01 JavaMain (/usr/lib/libjli.so)\n\n", tmp_path)
    (one,) = samples(found)
    assert (one["pid"], one["tid"], one["cpu"], one["weight"], one["stack"]) == (None, 25607, None, 1.0, ["JavaMain"])
    assert found.events[0].unit == "samples"


def test_inlined_frames_and_source_lines(tmp_path: Path) -> None:
    found = profile(
        "a.out 35 252436.005167:     667783 cycles: \n"
        "\t408ebb inner+0x8b (inlined)\n  dist.h:300\n"
        "\t408ebb step+0x8b\n  dist.h:310 (inlined)\n"
        "\t408ebb work+0x8b (/tmp/a.out)\n  file.cpp:7\n"
        "\t7f6d2148eb25 start+0xd5 (/lib64/libc-2.33.so)\n  libc-2.33.so[27b25]\n\n",
        tmp_path,
    )
    (one,) = samples(found)
    places = [
        (frame["function"], frame["kind"], frame["module"], frame["file"], frame["line"]) for frame in one["frames"]
    ]
    assert places == [
        ("start", "user", "/lib64/libc-2.33.so", None, None),
        ("work", "user", "/tmp/a.out", "file.cpp", 7),
        ("step", "inlined", "/tmp/a.out", "dist.h", 310),
        ("inner", "inlined", "/tmp/a.out", "dist.h", 300),
    ]
    assert not found.notes


def test_code_compiled_at_run_time(tmp_path: Path) -> None:
    text = "java 1 1.000000: cycles: \n\t7f01 LThread;::run->LObject;::wait (/tmp/perf-1.map)\n"
    text += "\t7f02 x::operator-> (/usr/bin/x)\n\t7f03 f (/var/jitted-1-2.so)\n\n"
    (one,) = samples(profile(text, tmp_path))
    assert one["stack"] == ["f", "x::operator->", "LThread;::run", "LObject;::wait"]
    assert [frame["kind"] for frame in one["frames"]] == ["jit", "user", "jit", "inlined"]


def test_heads_alone_headers_and_other_records(tmp_path: Path) -> None:
    found = profile(
        "# ========\n# captured on    : Mon Nov  9 10:00:00 2026\n#\n"
        "            bash 18415 15841.186754:    2004008 page-faults:      7f826c5201d0 copy+0x250 (/usr/libc.so.6)\n"
        "            bash 18415 15841.186755: PERF_RECORD_MMAP2 18415/18415: [0x55(0x2) @ 0 08:01 1 1]: r-xp /bash\n"
        "            bash 18415 15841.186756: PERF_RECORD_LOST lost 17\n"
        "              ls 18504 [000] 15844.498805: raw_syscalls:sys_enter: NR 12 (0, 7ffe1581e27c, 0)\n"
        "              ls 18504 [000] 15844.498806: sched:sched_switch: prev_comm=a b ==> next_comm=x 1 [0] 1.0: y\n"
        "a.out 1 [000] 15844.498807:          1 page-faults:       7f0000001000 \n"
        "\t1 f+0x1 (/a.out)\n",
        tmp_path,
    )
    first, syscall, switch, fault = samples(found)
    assert (first["name"], first["stack"], first["weight"]) == ("bash", ["copy"], 2004008.0)
    assert (syscall["event"], syscall["detail"], syscall["stack"]) == (
        "raw_syscalls:sys_enter",
        "NR 12 (0, 7ffe1581e27c, 0)",
        [],
    )
    assert (switch["name"], switch["tid"], switch["event"]) == ("ls", 18504, "sched:sched_switch")
    assert (fault["address"], fault["stack"]) == (0x7F0000001000, ["f"])
    assert found.lost == 17
    kinds = {event.name: (event.kind, event.unit) for event in found.events}
    assert kinds == {
        "page-faults": ("fault", "events"),
        "raw_syscalls:sys_enter": ("syscall", "calls"),
        "sched:sched_switch": ("tracepoint", "events"),
    }


def test_a_header_longer_than_what_decides(tmp_path: Path) -> None:
    header = "# ========\n# captured on    : Mon Nov  9 10:00:00 2026\n" + "# CPU cache info: L1 Data 32K [0]\n" * 4000
    sample = "a.out 1 15844.498807:          3 cycles: \n\t1 f+0x1 (/a.out)\n\n"
    assert samples(profile(header + "# ========\n#\n" + sample, tmp_path))[0]["weight"] == 3.0


def test_fewer_fields(tmp_path: Path) -> None:
    """perf script -F comm,tid,ip,sym,dso, and without dso."""
    (one,) = samples(profile("my prog 7079 \n\t12c8 deep (/tmp/x)\n\t12c9 main (/tmp/x)\n\n", tmp_path))
    assert (one["name"], one["tid"], one["ts_ns"], one["stack"]) == ("my prog", 7079, None, ["main", "deep"])
    (one,) = samples(profile("my prog 7079 12.000001: cycles: \n\t12c8 deep\n\t12c9 main\n\n", tmp_path))
    assert (one["stack"], one["frames"][0]["module"]) == (["main", "deep"], None)


@pytest.mark.parametrize(
    ("head", "thread", "time", "event"),
    [
        ("prog 7 1.000002: ", (None, 7), 1_000_002_000, "samples"),  # -F comm,tid,time,ip,sym,dso
        ("prog 7 ", (None, 7), None, "samples"),  # -F comm,tid,ip,sym
        ("prog     5/7     [001] U     1.000002:         20 cycles:u: ", (5, 7), 1_000_002_000, "cycles:u"),  # +misc
        ("prog     7 K     1.000002: raw 0x1a2: ", (None, 7), 1_000_002_000, "raw 0x1a2"),
    ],
)
@pytest.mark.parametrize("frame", ["\t  55e0c1 f (/x)\n", "\t  55e0c1 f\n"])
def test_other_fields(
    head: str, thread: tuple[int | None, int], time: int | None, event: str, frame: str, tmp_path: Path
) -> None:
    (one,) = samples(profile(f"{head}\n{frame}\n", tmp_path))
    assert (one["name"], one["pid"], one["tid"], one["ts_ns"]) == ("prog", *thread, time)
    assert (one["event"], one["stack"]) == (event, ["f"])


def test_frames_in_the_line_of_heads_without_an_event(tmp_path: Path) -> None:
    found = profile("            prog     7     1.000002:      55e0c1 f+0x2 (/x)\n", tmp_path)
    (one,) = samples(found)
    assert (one["name"], one["tid"], one["event"], one["stack"]) == ("prog", 7, "samples", ["f"])


def test_a_text_that_begins_with_other_records_is_known(tmp_path: Path) -> None:
    record = "prog     7/7     1.000000: PERF_RECORD_MMAP2 7/7: [0x7f00(0x1000) @ 0 08:02 5 0]: r-xp /x\n"
    found = profile(record * 1000 + "prog     7/7     1.000002: cycles: \n\t55e0c1 f (/x)\n\n", tmp_path)
    assert [one["stack"] for one in samples(found)] == [["f"]]
    assert not found.notes


@pytest.mark.parametrize("size", [1, 30, 1 << 20])
def test_ends_of_lines_packing_and_blocks(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clew.ingest.profiles._text.BLOCK", size)
    text = "".join(
        f"ab {number:5d} {number}.000000: 3 cycles: \n\t{number % 3:x}0 f{number % 3} (/x)\n\t77 main (/x)\n\n"
        for number in range(9)
    )
    plain = samples(profile(text, tmp_path))
    assert [row["stack"] for row in plain] == [["main", f"f{number % 3}"] for number in range(9)]
    assert samples(profile(text.replace("\n", "\r\n"), tmp_path)) == plain
    assert samples(profile(gzip.compress(text.encode()), tmp_path)) == plain
    assert samples(profile(text.rstrip("\n"), tmp_path)) == plain


def test_a_text_that_is_cut_off(tmp_path: Path) -> None:
    text = "ab 1 1.000000: 9 cycles: \n\t1 f (/x)\n\t2 main (/x)\n\nab 1 1.000001: 9 cycles: \n\t1 f (/x)\n\t2 "
    found = profile(text, tmp_path)
    assert [row["stack"] for row in samples(found)] == [["main", "f"], ["f"]]
    assert found.notes == ["the text ends inside a stack: the last sample lacks outer frames"]


@pytest.mark.parametrize("head", ["prog 7 9300000000.000001: cycles: ", "prog 4294967296 1.000001: cycles: "])
def test_times_and_threads_that_cannot_be(head: str, tmp_path: Path) -> None:
    found = profile(f"prog 7 1.000002: cycles: \n\t55e0c1 f (/x)\n\n{head}\n\t55e0c2 g (/x)\n\n", tmp_path)
    assert [one["stack"] for one in samples(found)] == [["f"]]
    assert found.notes == ["2 lines are none of perf script's and were left out"]


def test_names_that_can_be_read_in_more_than_one_way_are_counted(tmp_path: Path) -> None:
    found = profile("x 1 2.345678: 12345 [000] 100.123456: 1 cycles: \n\t1 f (/x)\n\n", tmp_path)
    (one,) = samples(found)
    assert (one["name"], one["tid"], one["event"]) == ("x 1 2.345678:", 12345, "cycles")


def test_no_sample_says_why(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.write_text("WARNING: The perf.data file's data size field is 0\nWas the 'perf record' command terminated?\n")
    with pytest.raises(ClewError, match="no sample in it; it says: WARNING: The perf"):
        perf_script.read(path)
    path.write_text("")
    with pytest.raises(ClewError, match="no sample in it"):
        perf_script.read(path)


def test_events_are_told_by_their_names() -> None:
    kinds = {
        "task-clock:u": ("on-cpu", "ns"),
        "cpu/cycles/ppp": ("on-cpu", "cycles"),
        "cpu_core/cycles/": ("on-cpu", "cycles"),
        "cpu-clock/call-graph=fp/": ("on-cpu", "ns"),
        "cpu/event=0x3c,umask=0x0/": ("on-cpu", "events"),
        "major-faults": ("fault", "events"),
        "cs": ("other", "events"),
        "syscalls:sys_enter_close": ("syscall", "calls"),
        "block:block_rq_issue": ("tracepoint", "events"),
    }
    assert {name: (event_of(name).kind, event_of(name).unit) for name in kinds} == kinds


@pytest.mark.parametrize("width", ["%5d", "%5d/%-5d"])
@pytest.mark.parametrize("name", [name for name in NAMES if b"\n" not in name])
def test_heads_as_perf_prints_them(name: bytes, width: str) -> None:
    for tid in (7, 4001, 1234567):
        who = (width % (tid, tid) if "/" in width else width % tid).encode()
        for cpu in (b"", b"[012] "):
            head = _perf_lines.head(name + b" " + who + b" " + cpu + b" 15.000001:     250000 cycles:u: ")
            assert head is not None
            assert (head.comm, head.tid, head.pid) == (name, tid, tid if "/" in width else None)
            assert (head.cpu, head.time_ns, head.period, head.event) == (
                12 if cpu else None,
                15_000_001_000,
                250_000,
                b"cycles:u",
            )


def test_misleading_names_of_threads_of_a_real_recording(tmp_path: Path) -> None:
    """Tools that read this text lose a fifth of the samples, or file them under other names."""
    source, program, data = tmp_path / "names.c", tmp_path / "names", tmp_path / "perf.data"
    quoted = ", ".join('"' + "".join(f"\\{byte:03o}" for byte in name) + '"' for name in NAMES)
    source.write_text(SOURCE % quoted)
    subprocess.run(["gcc", "-O1", "-fno-omit-frame-pointer", "-o", program, source, "-lpthread"], check=True)
    record = ["perf", "record", "-q", "-o", data, "-F", "999", "-e", "cpu-clock", "-g", program]
    for _ in range(3):  # perf 6.1 itself ends with SIGABRT once in a while on a busy machine
        if subprocess.run(record, check=False, capture_output=True).returncode == 0:
            break
    script = ["perf", "script", "-i", data]
    tids = subprocess.run([*script, "-F", "tid", "-G"], check=True, capture_output=True).stdout.split()
    for fields in ([], ["-F", "+pid"], ["-F", "+pid,+srcline"], ["-G"]):
        text = subprocess.run([*script, *fields], check=True, capture_output=True).stdout
        rows = samples(profile(text, tmp_path))
        assert [row["tid"] for row in rows] == [int(tid) for tid in tids]
        names = {row["name"] for row in rows if not row["stack"] or "burn" in row["stack"]}
        # Without stacks names are printed to the right in 16 columns: blanks they begin with are lost.
        aligned = {name.lstrip(b" ") if fields == ["-G"] else name for name in NAMES}
        assert names >= {_perf_lines.text(name) for name in aligned}
