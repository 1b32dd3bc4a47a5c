"""clew collapse: every expected output below was compared with what stackcollapse-perf.pl prints of the same text."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from clew.commands import main
from clew.export._perf_names import Style, names, tidy
from clew.export.collapse import fold
from clew.export.collapse_perf import Collapse, Options
from clew.ingest.profile import SAMPLES, THREADS, Event, Profile, Tree

CLEW = [sys.executable, "-m", "clew", "collapse"]

PLAIN = """\
# ========
# captured on    : Mon Nov  9 10:00:00 2026
# cmdline : /usr/bin/perf record -g ./program
# ========
#
program  4001 1000.000001:     250000 cpu-clock:ppp: 
\t          401136 inner(int, char const*)+0x16 (/usr/bin/program)
\t          401190 outer+0x20 (/usr/bin/program)

program  4001 1000.000002:     250000 cpu-clock:ppp: 
\t          401136 inner(int, char const*)+0x19 (/usr/bin/program)
\t          401190 outer+0x20 (/usr/bin/program)

V8 WorkerThread  4002 1000.000003:     125000 cpu-clock:ppp: 
\tffffffff81001000 entry+0x10 ([kernel.kallsyms])
\t    7f0000001000 [unknown] (/usr/lib/libodd.so.6)
\t               0 [unknown] ([unknown])

swapper     0 [000] 1000.000004:     125000 cpu-clock:ppp: 

"""  # noqa: W291 -- perf writes a blank there
NAMES = """\
java  77/78  5.000001: cycles: 
\t7f01 Lorg/a/Context;.call(Lorg/a/Action;)Ljava/lang/Object; (/tmp/perf-77.map)
\t7f02 Ljava/lang/Thread;::run->Ljava/lang/Object;::wait (/tmp/perf-77.map)
\t7f03 a->b_[i]->c (/tmp/perf-77.map)
\t7f04 std::function<int (int, int)>::operator()(int) const (/usr/bin/x)
\t7f05 net/http.(*conn).serve (/usr/bin/go)
\t7f06 ns::(anonymous namespace)::step(int) (/usr/bin/x)
\t7f07 RegExp:[&<>"'] (/tmp/perf-77.map)
\t7f08 it;is (/usr/bin/x)
\t7f09 (skipped) (/usr/bin/x)
\t7f0a Foo::operator-> (/usr/bin/x)
\t7f0b [unknown] ([vdso])
\t7f0c conntrack+0x7f8f80b8 ([nf_conntrack_ipv4])
\t7f0d tcp_sendmsg (/lib/modules/4.3.0/build/vmlinux)
\t7f0e gone+0x10 (/opt/x (deleted))
\t7f0f x ([JIT app cache])

node  79/79  5.000002: cycles: 
\t7f01 Ljava/lang/Thread;::run (/tmp/perf-79.map)

"""  # noqa: W291
NAMES_FOLDED = (
    "x;gone+0x10 ;tcp_sendmsg;conntrack;[[vdso]];Foo::operator;it:is;RegExp:[&<>];ns::(anonymous namespace)::step;"
    "net/http.(*conn).serve;std::function<int ;a;b_[i];c_[i];java/lang/Thread:::run;java/lang/Object:::wait_[i];"
    "org/a/Context:.call"
)
EVENTS = """\
a.out  1 [000] 1.000001:     10 instructions:u: 
\t1 f+0x1 (/a.out)

a.out  1 [000] 1.000002:     20 cycles:u: 
\t1 f+0x1 (/a.out)

a.out  1 [001] 1.000003:      5 page-faults: 
\t1 g+0x1 (/a.out)

a.out  1 [001] 1.000004: sched:sched_switch: prev_comm=a b prev_pid=1 ==> next_comm=c d
\t1 schedule+0x1 ([kernel.kallsyms])

"""  # noqa: W291
SOURCES = """\
a.out 35 252436.005167:     667783 cycles: 
\t408ebb work+0x8b (/tmp/a.out)
  dist.h:300
\t4069f5 main+0x935 (/tmp/a.out)
  file.cpp:137
\t7f6d2148eb25 __libc_start_main+0xd5 (/lib64/libc-2.33.so)
  libc-2.33.so[27b25]

"""  # noqa: W291

CASES = {
    "periods are added up": (
        PLAIN,
        [],
        "V8_WorkerThread;[unknown];[libodd.so.6];entry 125000\nprogram;outer;inner 500000\nswapper 125000\n",
    ),
    "process, not printed": (
        PLAIN,
        ["--pid"],
        "V8_WorkerThread-?;[unknown];[libodd.so.6];entry 125000\nprogram-?;outer;inner 500000\nswapper-? 125000\n",
    ),
    "thread": (
        PLAIN,
        ["--tid"],
        "V8_WorkerThread-?/4002;[unknown];[libodd.so.6];entry 125000\nprogram-?/4001;outer;inner 500000\n"
        "swapper-?/0 125000\n",
    ),
    "kernel": (
        PLAIN,
        ["--kernel"],
        "V8_WorkerThread;[unknown];[libodd.so.6];entry_[k] 125000\nprogram;outer;inner 500000\nswapper 125000\n",
    ),
    "addresses": (
        PLAIN,
        ["--addrs"],
        "V8_WorkerThread;[unknown <0>];[libodd.so.6 <7f0000001000>];entry 125000\nprogram;outer;inner 500000\n"
        "swapper 125000\n",
    ),
    "names": (NAMES, [], f"java;{NAMES_FOLDED} 1\nnode;Ljava/lang/Thread:::run 1\n"),
    "names of another program": (
        NAMES,
        ["--tid", "--all"],
        "java-77/78;x_[k];gone+0x10 ;tcp_sendmsg_[k];conntrack_[k];[[vdso]]_[k];Foo::operator;it:is;RegExp:[&<>]_[j];"
        "ns::(anonymous namespace)::step;net/http.(*conn).serve;std::function<int ;a_[j];b_[i];c_[i];"
        "java/lang/Thread:::run_[j];java/lang/Object:::wait_[i];org/a/Context:.call_[j] 1\n"
        "node-79/79;Ljava/lang/Thread:::run_[j] 1\n",
    ),
    "programs whose names begin with java": (
        "javac 7 5.0: cycles: \n\t7f1 Lorg/a/B;.call (/tmp/perf-7.map)\n\n"
        "javaw x 8 5.1: cycles: \n\t7f1 Lorg/a/B;.call (/tmp/perf-8.map)\n\n"
        "my java 9 5.2: cycles: \n\t7f1 Lorg/a/B;.call (/tmp/perf-9.map)\n\n",
        ["--pid"],
        "javac-?;org/a/B:.call 1\njavaw_x-?;org/a/B:.call 1\nmy_java-?;Lorg/a/B:.call 1\n",
    ),
    "the first event, and tracepoints": (EVENTS, [], "a.out;f 10\na.out;schedule 1\n"),
    "an event": (EVENTS, ["--event-filter", "page-faults"], "a.out;g 5\na.out;schedule 1\n"),
    "source lines": (
        SOURCES,
        ["--srcline"],
        "a.out;__libc_start_main:libc-2.33.so;main:file.cpp:137;work:dist.h:300 667783\n",
    ),
    "no source lines where nothing is known": (
        "a.out 35 5.0: cycles: \n\t7f5 [unknown]->b ([unknown])\n\t7f6 f->g (/tmp/perf-7.map)\n  a.c:1\n  b.c:2\n\n",
        ["--srcline"],
        "a.out;f:a.c:1;g_[i]:b.c:2;[unknown];b_[i] 1\n",
    ),
    "without period, process and thread": (
        "sp 7/8 [000] 1.5: cycles: \n 1 f (x)\n\nrs:main Q:Reg 24636/25607 [3] 4.109216: cycles:\n 1 f (x)\n\n",
        ["--tid"],
        "rs:main_Q:Reg-24636/25607;f 1\nsp-7/8;f 1\n",
    ),
    "without events and times": ("prog 5 \n\t1 f+0x2 (/x)\n\nprog 6 \n\t1 f+0x3 (/x)\n\n", [], "prog;f 2\n"),
    "comments and lines of nobody": (
        "prog 5 1.000000: cycles: \n# a comment\n\t1 f (/x)\n  garbage\n\n\n\nWas the 'perf record' command well?\n",
        [],
        "prog;f 1\n",
    ),
}


def folded(text: bytes, **options: object) -> tuple[str, Collapse]:
    """What is printed of ``text``, and who did it."""
    one = Collapse(Options(**options), lambda _: None)  # type: ignore[arg-type]
    one.add(io.BytesIO(text))
    return "".join(line.decode() + "\n" for line in one.folded()), one


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("more", [[], ["--flamegraph-compat"]])
def test_output_is_that_of_the_script(
    name: str, more: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    text, options, expected = CASES[name]
    path = tmp_path / "out.perf"
    path.write_text(text)
    assert main(["collapse", str(path), *options, *more]) == 0
    assert capfd.readouterr().out == expected


def test_an_event_that_is_left_out_is_named() -> None:
    done = subprocess.run([*CLEW, "-"], input=EVENTS, capture_output=True, text=True, check=True)
    assert done.stderr == "Filtering for events of type: cycles:u\n"


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_text_may_come_from_a_pipe_with_a_name(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(pack(PLAIN.encode()))
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cp", tmp_path / "text", tmp_path / "pipe"]) as writer:
        done = subprocess.run([*CLEW, tmp_path / "pipe"], capture_output=True, check=False)
        writer.kill()  # it waits for a reader, if there was none
    assert done.stdout.decode() == CASES["periods are added up"][2]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_text_may_come_from_a_pipe_and_packed(pack: Callable[[bytes], bytes]) -> None:
    done = subprocess.run(CLEW, input=pack(PLAIN.encode()), capture_output=True, check=True)
    assert done.stdout.decode() == CASES["periods are added up"][2]


FIRST = "ab 1 1.000000: 1 cycles: \n\n"
LOST = {
    "the last sample": (FIRST + "ab 22 1.000001: 7 cycles: \n\t1 g (/x)\n", "ab;g 7\n"),
    "a name like a comment": (FIRST + "#hash 22 1.000001: 7 cycles: \n\t1 g (/x)\n\n", "#hash;g 7\n"),
    "a name that begins with blanks": (FIRST + "  x 22 1.000001: 7 cycles: \n\t1 g (/x)\n\n", "__x;g 7\n"),
    "an empty name": (FIRST + "    22 1.000001: 7 cycles: \n\t1 g (/x)\n\n", ";g 7\n"),
    "a name of one letter": (FIRST + "f 12345 1.000001: cycles: \n\t1 g (/x)\n\n", "f;g 1\n"),
    "stacks of one frame in the head's line": (
        "           false 39654 115.489713:          1 cycles:u:  ffffffff9b201293 [unknown] ([unknown])\n"
        "           false 39654 115.489719:          3 cycles:u:      7fa6 start+0x4 (/usr/lib/ld.so)\n",
        "false;[unknown] 1\nfalse;start 3\n",
    ),
    "no stacks": (
        "              ls 18504 [000] 44.498805: sys:enter: NR 12 (0, 7f)\n"
        "              ls 18504 [000] 44.498909: sys:enter: NR 9 (0)\n",
        "ls 2\n",
    ),
    "fields that end as a head does": (
        "             cat   504 [001] 44.498805: printk:console: [ 1.2] eth0: link is up:\n"
        "             cat   504 [001] 44.498909: printk:console: done:\n",
        "cat 2\n",
    ),
    "ends of lines": ("prog 5 1.000000: 4 cycles: \r\n\t1 f (/x)\r\n\r\n" * 2, "prog;f 8\n"),
}


@pytest.mark.parametrize("name", LOST)
def test_what_the_script_loses_is_kept(name: str) -> None:
    text, expected = LOST[name]
    with_all, one = folded(text.encode())
    as_script, _ = folded(text.encode(), compatible=True)
    assert set(expected.splitlines()) <= set(with_all.splitlines())
    assert not set(expected.splitlines()) & set(as_script.splitlines())
    assert set(as_script.splitlines()) <= set(with_all.splitlines())
    assert one.kept > 0 or name == "ends of lines"


def test_samples_without_stack_do_not_mix_with_another_event() -> None:
    text = (
        "ab 1 1.000000: 9 cpu-clock: \n\t1 f (/x)\n\n"
        + "              ab     1 1.000001: sched:sched_switch: prev_comm=x\n"
    )
    assert folded(text.encode())[0] == "ab;f 9\n"


def test_a_text_that_ends_inside_a_stack_does_not_make_one_up() -> None:
    text = b"ab 1 1.000000: 9 cpu-clock: \n\t1 f (/x)\n\nab 1 1.000001: 9 cpu-clock: \n\t1 f (/x)\n\t2 ma"
    assert folded(text)[0] == "ab;f 9\n"


def test_long_sums_are_exact_up_to_64_bits() -> None:
    head = "ab 1 1.000000: {} cycles: \n\n"
    assert folded((head.format(2**63) + head.format(2**63 - 1)).encode())[0] == f"ab {2**64 - 1}\n"
    assert folded((head.format(2**63) * 2).encode())[0] == "ab 1.84467440737096e+19\n"


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (PLAIN + NAMES * 3 + LOST["stacks of one frame in the head's line"][0]).encode()
    whole = [folded(text, compatible=compatible)[0] for compatible in (False, True)]
    for size in (1, 7, 64, 1000):
        monkeypatch.setattr("clew.ingest.profiles._text.BLOCK", size)
        assert [folded(text, compatible=compatible)[0] for compatible in (False, True)] == whole


def test_inlined_functions_are_asked_for(tmp_path: Path) -> None:
    source = tmp_path / "prog.c"
    source.write_text(
        "static inline __attribute__((always_inline)) int inner(int x) { return x * 3 + 1; }\n"
        "__attribute__((noinline)) int outer(int x) {\n return inner(x); }\n"
        "int main(int n, char **a) { (void)a; return outer(n); }\n"
    )
    program = tmp_path / "prog"
    subprocess.run(["gcc", "-g", "-O1", "-o", str(program), str(source)], check=True)
    listing = subprocess.run(["nm", str(program)], check=True, capture_output=True, text=True).stdout
    address = next(line.split()[0] for line in listing.splitlines() if line.endswith(" T outer")).lstrip("0")
    text = f"prog 5 1.000000: 4 cycles: \n\t{address} outer+0x0 ({program})\n\n"
    path = tmp_path / "out.perf"
    path.write_text(text)
    done = subprocess.run([*CLEW, str(path), "--inline"], capture_output=True, text=True, check=True)
    assert done.stdout == "prog;outer;inner 4\n"
    done = subprocess.run([*CLEW, str(path), "--inline", "--context"], capture_output=True, text=True, check=True)
    assert done.stdout == "prog;outer:prog.c:3;inner:prog.c:1 4\n"
    # what addr2line tells takes no source line: that which follows is none of the stack's
    path.write_text(text.replace("\n\n", "\n  x.c:1\n\n"))
    done = subprocess.run([*CLEW, str(path), "--inline", "--srcline"], capture_output=True, text=True, check=True)
    assert done.stdout == "prog;outer;inner 4\n"
    # perf before 6 prints addresses of the process: found by the symbol and the distance from it
    path.write_text(text.replace(address, "7f0000000000"))
    done = subprocess.run([*CLEW, str(path), "--inline"], capture_output=True, text=True, check=True)
    assert done.stdout == "prog;outer;inner 4\n"


def test_names_of_strange_lines() -> None:
    assert names(b"\t7f12 f", Style(), False) is None
    assert names(b"\t7f12 +0x12 (/x)", Style(), False) == []
    assert names(b"\t7f12 -> (/x)", Style(), False) == []
    assert names(b"\t7f12 ->x (/x)", Style(), False) == [b"", b"x_[i]"]
    assert tidy(b"f(a)(anonymous namespace)") == b"f"


def test_other_profiles_are_folded(tmp_path: Path) -> None:
    path = tmp_path / "out.folded"
    path.write_text("a b;c(int) 3\na b;d_[k] 2.5\nmain;x_[i] 1\n")
    done = subprocess.run([*CLEW, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == path.read_text()
    gdb = 'Thread 1 (Thread 0x7f (LWP 12) "w"):\n#0  0x00007f in f (x=3) at a.c:2\n#1  0x00008 in main () at a.c:9\n'
    done = subprocess.run([*CLEW, "--tid"], input=gdb, capture_output=True, text=True, check=True)
    assert done.stdout == "w-?/12;main;f 1\n"


def test_names_from_perf_data_are_as_from_its_text() -> None:
    tree = Tree()
    places = [
        tree.frame("Lorg/a/B;.call(I)V", "/tmp/perf-7.map", "jit"),
        tree.frame("clock_gettime", "[vdso]", "user"),
        tree.frame("do_syscall_64", "[kernel.kallsyms]", "kernel"),
    ]
    row = tree.stack(places)
    frames, stacks = tree.tables()
    threads = [{"pid": 7, "tid": tid, "name": name} for tid, name in ((7, "java"), (8, "node"))]
    samples = [{"event": 0, "weight": 2.0, "stack": row, "thread": thread} for thread in (0, 1)]
    profile = Profile(
        [Event("cycles")],
        frames,
        stacks,
        pa.Table.from_pylist(samples, SAMPLES),
        pa.Table.from_pylist(threads, THREADS),
    )
    options = Options(tid=True, style=Style(kernel=True, jit=True))
    assert list(fold(profile, options, print, perf=True)) == [
        b"java-7/7;org/a/B:.call_[j];clock_gettime_[k];do_syscall_64_[k] 2",
        b"node-7/8;Lorg/a/B:.call_[j];clock_gettime_[k];do_syscall_64_[k] 2",
    ]
    assert next(fold(profile, options, print)) == (b"java-7/7;Lorg/a/B:.call(I)V_[j];clock_gettime;do_syscall_64_[k] 2")


@pytest.mark.parametrize("text", [b"", b"nothing here\n", b"\x00\x01\x02\x03" * 50])
def test_what_is_no_profile_is_one_line(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "odd"
    path.write_bytes(text)
    for arguments, given in (([str(path)], None), (["-"], text)):
        done = subprocess.run([*CLEW, *arguments], input=given, capture_output=True, check=False)
        assert done.returncode == 2
        assert not done.stdout
        assert done.stderr.count(b"\n") == 1
        assert (b"where perf took none" in done.stderr) == (not text)


def test_an_event_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "out.perf"
    path.write_text(PLAIN)
    done = subprocess.run([*CLEW, str(path), "--event-filter", "nope"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, f"clew: {path}: no sample of 'nope' in it\n")
