"""`clew record` from outside: exit codes, terminal, signals, what is left behind."""

from __future__ import annotations

import json
import os
import pty
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clew import native, questions
from clew import open as open_case
from clew.lens import Lens

CLEW = [sys.executable, "-m", "clew"]
Clew = Callable[..., subprocess.CompletedProcess[str]]
Begin = Callable[..., subprocess.Popen[str]]
Count = Callable[[Path], int]


def meta(case: Path, capture: str = "001") -> dict[str, object]:
    """The meta.json of a capture."""
    values: dict[str, object] = json.loads((case / "raw" / capture / "meta.json").read_text())
    return values


def ask(program: subprocess.Popen[str], line: str) -> None:
    """One line to the program, and its answer."""
    assert program.stdin
    assert program.stdout
    program.stdin.write(f"{line}\n")
    program.stdin.flush()
    assert program.stdout.readline() == "done\n"


def test_a_case_is_private_and_says_what_was_recorded(
    clew: Clew, tmp_path: Path, asked: Path, null_writes: Count
) -> None:
    done = clew("record", "-o", "case", "--", asked, stdin="100\n20 3\n")
    case = tmp_path / "case"
    assert (done.returncode, done.stdout) == (0, "done\ndone\n")
    assert done.stderr.startswith("clew: ")
    assert done.stderr.count("\n") == 1
    assert "0 lost" in done.stderr
    assert null_writes(case) == 160
    for path in (case, *case.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
    told = meta(case)
    assert (told["exit_code"], told["arena"], told["error"]) == (0, None, None)
    assert told["command"] == [str(asked)]
    assert told["started_ns"] < told["ended_ns"]


def test_a_child_that_frees_what_its_parent_allocated(clew: Clew, tmp_path: Path) -> None:
    program = "import os; held = [bytes(5000) for _ in range(20000)]; os.fork() or held.clear()"
    assert clew("record", "-q", "-o", "case", "--count-only", "--", sys.executable, "-c", program).returncode == 0
    found = questions.allocations(open_case(tmp_path / "case"), Lens())
    parent, child = found.table["live"].to_pylist()
    assert child < -10_000 < parent
    assert "live is below zero in 1 of 2 processes" in (found.note or "")
    later = questions.allocations(open_case(tmp_path / "case"), Lens(commands=("no such",)))
    assert later.note == "no allocation was counted"


def test_the_host_has_the_name_that_it_is_given(clew: Clew, tmp_path: Path, asked: Path) -> None:
    done = clew("record", "--engine", "preload,gdb", "-o", "case", "--host", "node-1", "--", asked, stdin="5\n")
    assert done.returncode == 0, done.stderr
    assert [meta(tmp_path / "case", number)["host"] for number in ("001", "002")] == ["node-1"] * 2
    for wrong in ("", "a\nb", "x" * 256):
        done = clew("record", "-o", "none", "--host", wrong, "--", asked)
        assert (done.returncode, done.stderr.count("\n"), "--host" in done.stderr) == (2, 1, True)
        assert not (tmp_path / "none").exists()


def test_wakeups_can_be_left_out(clew: Clew) -> None:
    code = "import threading; t = threading.Thread(target=print); t.start(); t.join()"
    for options, wanted in (((), True), (("--no-wakeups",), False)):
        case = f"case{len(options)}"
        assert clew("record", "-o", case, *options, "--", sys.executable, "-c", code).returncode == 0
        counts = clew("counts", case, "--by", "op", "--csv").stdout
        assert ("sem_post" in counts) == wanted
        assert "pthread_create" in counts


def test_a_second_capture_goes_to_the_same_case(clew: Clew, tmp_path: Path, asked: Path, null_writes: Count) -> None:
    for stdin in ("5\n", "6\n"):
        assert clew("record", "-q", "-o", "case", "--", asked, stdin=stdin).returncode == 0
    assert sorted(path.name for path in (tmp_path / "case" / "raw").iterdir()) == ["001", "002"]
    assert null_writes(tmp_path / "case") == 11


def test_the_default_case_is_named_after_the_command(clew: Clew, tmp_path: Path) -> None:
    assert clew("record", "-q", "--", "true").returncode == 0
    (case,) = tmp_path.iterdir()
    assert case.name.startswith("clew-true-2")


@pytest.mark.parametrize("code", [0, 1, 3, 255])
def test_the_exit_code_is_the_programs(clew: Clew, code: int) -> None:
    done = clew("record", "-q", "-o", "case", "--", "sh", "-c", f"exit {code}")
    assert (done.returncode, done.stderr) == (code, "")


def test_a_program_killed_by_a_signal_gives_128_and_more(clew: Clew, tmp_path: Path) -> None:
    assert clew("record", "-q", "-o", "case", "--", "sh", "-c", "kill -SEGV $$").returncode == 128 + signal.SIGSEGV
    assert meta(tmp_path / "case")["exit_code"] == 139


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        (["no-such-command-here"], 127, "command not found"),
        (["./missing"], 127, "command not found"),
        (["./plain"], 126, "not executable"),
        (["./folder"], 126, "not executable"),
        (["./lost-interpreter"], 127, "interpreter was not found"),
        ([], 2, "what is to be recorded"),
    ],
)
def test_what_cannot_be_started_leaves_no_case(
    clew: Clew, tmp_path: Path, command: list[str], code: int, message: str
) -> None:
    (tmp_path / "plain").write_text("echo hello")
    (tmp_path / "folder").mkdir()
    (tmp_path / "lost-interpreter").write_text("#!/no/such/thing\n")
    (tmp_path / "lost-interpreter").chmod(0o755)
    done = clew("record", "-o", "case", "--", *command)
    assert done.returncode == code
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "case").exists()


@pytest.mark.parametrize(
    "options",
    [
        ["--payload", "some"],
        ["--payload", "-1"],
        ["--payload", "9999999999"],
        ["--ring-size", "1000"],
        ["--ring-size", "3M"],
        ["--ring-size", "M"],
        ["--threads", "0"],
        ["--on-full", "explode"],
        ["-o", "file"],
        ["-o", "other"],
        ["-o", "no/such/place"],
    ],
)
def test_mistakes_are_told_in_a_line_with_exit_code_2(clew: Clew, tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    done = clew("record", *(["-o", "case"] if "-o" not in options else []), *options, "--", "true")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "clew" in done.stderr.splitlines()[-1]
    assert sorted(tmp_path.rglob("*")) == before


def test_a_script_without_an_interpreter_line_is_run_as_by_a_shell(clew: Clew, tmp_path: Path) -> None:
    (tmp_path / "script").write_text("echo $0 $1; exit 5\n")
    (tmp_path / "script").chmod(0o755)
    done = clew("record", "-q", "-o", "case", "--", "./script", "word")
    assert (done.returncode, done.stdout) == (5, "./script word\n")


def test_a_static_program_says_that_it_is_not_seen(clew: Clew, tmp_path: Path) -> None:
    (tmp_path / "hello.c").write_text('#include <stdio.h>\nint main(void) { puts("hello"); return 4; }\n')
    subprocess.run(["gcc", "-static", "hello.c", "-o", "hello"], cwd=tmp_path, check=True)
    done = clew("record", "-o", "case", "--", "./hello")
    assert (done.returncode, done.stdout) == (4, "hello\n")
    assert "linked statically" in done.stderr
    (segment,) = (tmp_path / "case" / "raw" / "001").glob("seg-*")
    assert native.unseen(native.decode(segment)).to_pylist()[0]["reason"] == "static"


def test_descriptors_and_the_process_group_are_handed_on(tmp_path: Path) -> None:
    code = (
        "import os; up = os.getppid(); "
        "print(os.getpgrp() == os.getpgid(up), os.getsid(0) == os.getsid(up), "
        "sorted(os.listdir('/proc/self/fd'), key=int))"
    )
    (tmp_path / "f").write_text("")
    shown = []
    for before in ("", f"{shlex.join(CLEW)} record -q -o case -- "):
        command = ["sh", "-c", f"exec 7<f; {before}python3 -c {shlex.quote(code)}"]
        how = {"cwd": tmp_path, "stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
        shown.append(subprocess.run(command, check=True, **how).stdout)  # type: ignore[call-overload]
    assert shown[0] == shown[1] == "True True ['0', '1', '2', '3', '7']\n"  # 3: the list's own


def test_children_that_outlive_the_command_are_named(clew: Clew, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    done = clew("record", "-o", "case", "--", "sh", "-c", "(exec >/dev/null 2>&1; exec cat <fifo) & exit 6")
    with (tmp_path / "fifo").open("w"):  # cat ends
        pass
    assert done.returncode == 6
    assert "1 processes still run" in done.stderr
    assert "--follow" in done.stderr


def test_follow_waits_for_the_last_child(begin: Begin, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    shell = "(exec >/dev/null 2>&1; cat <fifo; echo last >out) & exit 6"
    recorder = begin("record", "--follow", "-o", "case", "--", "sh", "-c", shell)
    with (tmp_path / "fifo").open("w"), pytest.raises(subprocess.TimeoutExpired):
        recorder.wait(2.5)  # longer than the grace
    assert recorder.wait() == 6
    assert (tmp_path / "out").read_text() == "last\n"
    assert "still run" not in recorder.communicate()[1]


def test_sigterm_goes_to_the_program(begin: Begin, tmp_path: Path) -> None:
    shell = "trap 'echo term; exit 9' TERM; echo ready; while :; do sleep 0.05; done"
    recorder = begin("record", "-q", "-o", "case", "--", "sh", "-c", shell)
    assert recorder.stdout
    assert recorder.stdout.readline() == "ready\n"
    recorder.send_signal(signal.SIGTERM)
    assert recorder.stdout.readline() == "term\n"
    assert recorder.wait() == 9
    assert meta(tmp_path / "case")["exit_code"] == 9


class Terminal:
    """A command on a terminal of its own, as a shell starts it."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvp(command[0], command)
        self.seen = b""
        self.ended = False

    def until(self, text: bytes, press: bytes = b"") -> None:
        """Reads until `text` was printed; types `press`, and again where nothing comes of it."""
        for _ in range(60):
            os.write(self.terminal, press)
            again = time.monotonic() + 1
            while text not in self.seen and time.monotonic() < again:
                if select.select([self.terminal], [], [], 0.1)[0]:
                    self.seen += os.read(self.terminal, 4096)
            if text in self.seen:
                return
        raise AssertionError(f"{text!r} is not in {self.seen!r}")

    def type(self, keys: bytes) -> None:
        self.seen = b""
        os.write(self.terminal, keys)

    def end(self) -> int:
        """Reads what is left; the exit code."""
        try:
            while data := os.read(self.terminal, 4096):
                self.seen += data
        except OSError:
            pass  # the last one has closed it
        os.close(self.terminal)
        return self.exit_code()

    def exit_code(self) -> int:
        """Waits for the command."""
        status = os.waitpid(self.pid, 0)[1]
        self.ended = True
        return os.waitstatus_to_exitcode(status)


Opened = Callable[..., Terminal]


@pytest.fixture
def on_terminal(tmp_path: Path) -> Iterator[Opened]:
    """Starts commands on terminals; what a failed test has left of them is ended."""
    opened: list[Terminal] = []

    def start(*command: str) -> Terminal:
        opened.append(Terminal([*command], tmp_path))
        return opened[-1]

    yield start
    for terminal in opened:
        if not terminal.ended:
            os.killpg(terminal.pid, signal.SIGKILL)
            terminal.exit_code()


CAUGHT = """
import os, signal, sys
def caught(*_):
    print("caught", flush=True)
    os.write(os.open("out", os.O_WRONLY | os.O_CREAT), b"after the interrupt")
    sys.exit(7)
signal.signal(signal.SIGINT, caught)
print("ready", flush=True)
while True:
    signal.pause()
"""


def test_ctrl_c_reaches_the_program_and_recording_goes_on(on_terminal: Opened, clew: Clew, tmp_path: Path) -> None:
    terminal = on_terminal(*CLEW, "record", "-o", "case", "--", "python3", "-c", CAUGHT)
    terminal.until(b"ready")
    terminal.type(b"\x03")
    terminal.until(b"caught")
    assert terminal.end() == 7
    assert meta(tmp_path / "case")["exit_code"] == 7
    assert b"0 lost" in terminal.seen
    (segment,) = (tmp_path / "case" / "raw" / "001").glob("seg-*")
    assert '"after the interrupt"' in clew("expand", "--payload", "--op", "write", segment).stdout


def test_a_second_ctrl_c_ends_the_recording_and_not_the_program(on_terminal: Opened, tmp_path: Path) -> None:
    shell = "trap 'echo caught' INT; echo ready; while :; do read line && exit 5; done"
    terminal = on_terminal(*CLEW, "record", "-o", "case", "--", "sh", "-c", shell)
    terminal.until(b"ready")
    terminal.type(b"\x03")
    terminal.until(b"caught")
    terminal.until(b"recording ended", press=b"\x03")  # two signals that come at once are one
    (segment,) = (tmp_path / "case" / "raw" / "001").glob("seg-*")
    batch = native.decode(segment)
    assert batch.complete
    assert meta(tmp_path / "case")["exit_code"] is None
    terminal.type(b"x\n")
    assert terminal.end() == 5


def test_a_command_that_stops_stops_its_job_and_goes_on_with_it(on_terminal: Opened, tmp_path: Path) -> None:
    job = "sh -c 'echo ready; kill -STOP $$; echo on; exit 3'"
    seen = []
    for before in ("", f"{shlex.join(CLEW)} record -q -o case -- "):
        script = f"set -m; {before}{job}; echo stopped $?; fg >/dev/null; echo ended $?"
        terminal = on_terminal("bash", "-c", script)
        assert terminal.end() == 0
        seen.append([line for line in terminal.seen.split(b"\r\n") if b"Stopped" not in line and line])
    assert seen[0] == [b"ready", b"stopped 147", b"on", b"ended 3"]
    assert seen[1] == seen[0]
    assert meta(tmp_path / "case")["exit_code"] == 3


def test_a_terminal_that_is_closed_leaves_a_whole_case(
    on_terminal: Opened, tmp_path: Path, null_writes: Count, asked: Path
) -> None:
    shell = f"trap '' HUP; echo ready; cat fifo >/dev/null; {asked} <line >out; exit 3"
    (tmp_path / "line").write_text("40\n")
    os.mkfifo(tmp_path / "fifo")
    terminal = on_terminal(*CLEW, "record", "-o", "case", "--", "sh", "-c", shell)
    terminal.until(b"ready")
    os.close(terminal.terminal)
    with (tmp_path / "fifo").open("w"):
        pass
    assert terminal.exit_code() == 3
    assert meta(tmp_path / "case")["exit_code"] == 3
    assert null_writes(tmp_path / "case") == 40


def test_progress_is_shown_on_a_terminal_in_one_line(on_terminal: Opened, asked: Path) -> None:
    terminal = on_terminal(*CLEW, "record", "-o", "case", "--", str(asked))
    terminal.until(b"\r\x1b[Kclew: ")
    terminal.type(b"10\n")
    terminal.until(b"done")
    terminal.type(b"exit 0\n")
    assert terminal.end() == 0
    assert b"-> case" in terminal.seen


def test_pause_and_resume_from_outside(clew: Clew, begin: Begin, tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom clew import native\n"
        "out = os.open('out', os.O_WRONLY | os.O_CREAT)\n"
        "for line in sys.stdin:\n"
        " wanted = line.split()[0] == 'on'\n"
        " while native.is_recording() != wanted: pass\n"
        " [os.write(out, line.split()[1].encode()) for _ in range(10)]\n"
        " print('done', flush=True)\n"
    )
    recorder = begin("record", "-q", "-o", "case", "--", sys.executable, "-c", code)
    ask(recorder, "on first")
    assert clew("pause", "case").returncode == 0
    ask(recorder, "off second")
    assert clew("resume", "case").returncode == 0
    ask(recorder, "on third")
    assert recorder.stdin
    recorder.stdin.close()
    assert recorder.wait() == 0
    (segment,) = (tmp_path / "case" / "raw" / "001").glob("seg-*")
    expanded = clew("expand", "--payload", "--op", "write", segment).stdout
    assert [expanded.count(f'"{word}"') for word in ("first", "second", "third")] == [10, 0, 10]
    late = clew("pause", "case")
    assert (late.returncode, late.stderr) == (2, "clew: nothing is being recorded into case\n")


def test_stacks_of_calls_that_were_not_made(clew: Clew) -> None:
    assert clew("record", "-q", "-o", "case", "--stacks", "splice", "--", "true").returncode == 0
    said = clew("stacks", "case")
    assert said.returncode == 2
    assert "capture 1: no call was made whose stack was asked for (splice)" in said.stderr


def test_why_a_recording_cannot_be_paused(clew: Clew, begin: Begin, tmp_path: Path) -> None:
    assert "there is no case at none" in clew("pause", "none").stderr
    recorder = begin("record", "-q", "-o", "case", "--engine", "perf", "--", "sleep", "60")
    ready = tmp_path / "case/raw/001/.part-perf.data"
    while not ready.exists():
        assert recorder.poll() is None
        time.sleep(0.05)
    done = clew("pause", "case")
    assert done.returncode == 2
    assert "is by perf: only what the preload library records can be switched" in done.stderr
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom clew.capture.switch import switch\n"
        "if os.getuid() == 0: os.setgid(65534); os.setuid(65534)\nswitch(Path(sys.argv[1]), on=False)"
    )
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    (tmp_path / "case/raw").chmod(0)
    (tmp_path / "case").chmod(0o755)
    try:
        denied = subprocess.run([sys.executable, "-c", code, "case"], capture_output=True, text=True, cwd=tmp_path)
    finally:
        (tmp_path / "case/raw").chmod(0o700)
    assert "permission denied" in denied.stderr.splitlines()[-1]


def test_the_program_can_pause_itself(clew: Clew, tmp_path: Path) -> None:
    code = (
        "import os; from clew import native; out = os.open('out', os.O_WRONLY | os.O_CREAT)\n"
        "for word, switch in (('one', native.pause), ('two', native.resume), ('three', native.pause)):\n"
        " os.write(out, word.encode()); switch()\n"
    )
    assert clew("record", "-q", "-o", "case", "--", sys.executable, "-c", code).returncode == 0
    (segment,) = (tmp_path / "case" / "raw" / "001").glob("seg-*")
    expanded = clew("expand", "--payload", "--op", "write", segment).stdout
    assert [word in expanded for word in ("one", "two", "three")] == [True, False, True]


def test_payloads_are_kept_as_asked(clew: Clew, tmp_path: Path) -> None:
    text = "".join(chr(ord("a") + i % 26) for i in range(1000))
    (tmp_path / "text").write_text(text)
    kept = {"none": "", "10": text[:10] + text[-64:], "full": text, "256": text[:256] + text[-64:]}
    for how, expected in kept.items():
        assert clew("record", "-q", "--payload", how, "-o", how, "--", "cat", "text").returncode == 0
        (segment,) = (tmp_path / how / "raw" / "001").glob("seg-*")
        lines = clew("expand", "--json", "--payload", segment).stdout.splitlines()
        rows = [json.loads(line) for line in lines]
        moved = [row["head"] + row["tail"] for row in rows if row["op"] == "read" and row["result"] == 1000]
        assert moved.count(expected) == len(moved) > 0, how


def test_expand_tells_of_damage_and_refuses_other_files(clew: Clew, tmp_path: Path) -> None:
    assert clew("record", "-q", "-o", "case", "--", "true").returncode == 0
    (segment,) = (tmp_path / "case" / "raw" / "001").glob("seg-*")
    whole = clew("expand", segment)
    assert (whole.returncode, whole.stderr) == (0, "")
    assert "process_start" in whole.stdout
    segment.write_bytes(segment.read_bytes()[:-10])
    assert "skipped" in clew("expand", segment).stderr
    assert len(clew("expand", "--limit", "1", segment).stdout.splitlines()) == 1
    for arguments in (["expand", "/etc/passwd"], ["expand", "missing"], ["expand", "--op", "x", str(segment)]):
        done = clew(*arguments)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
