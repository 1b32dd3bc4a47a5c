"""gcc, git, bash, perl, node and java do the same work under `clew record` and leave the same files."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

WORKLOADS = Path(__file__).parent.parent / "workloads"
NATIVE = Path(__file__).parent.parent.parent / "native"

GIT = r"""
set -e
export GIT_AUTHOR_DATE='2024-01-01T00:00:00Z' GIT_COMMITTER_DATE='2024-01-01T00:00:00Z' GIT_CONFIG_NOSYSTEM=1 HOME=$PWD
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.org
git init -q -b main made && cd made
for i in $(seq 1 30); do
	mkdir -p "d$i" && seq 1 $((i * 100)) >"d$i/numbers" && cp ../source/*.c "d$i/"
	git add . && git commit -qm "commit $i"
done
git checkout -qb branch HEAD~5 && echo more >d1/numbers && git commit -qam branch && git checkout -q main
git merge -q -m merge branch && git tag v1
git -c gc.auto=0 -c pack.threads=1 gc -q && git fsck --full 2>&1
git clone -q "file://$PWD" ../cloned && cd ../cloned
git log --stat --format='%H %s' | md5sum && git rev-parse HEAD v1
git grep -c include -- d7 | sort && git rev-list --objects --all | wc -l && git status --short && git diff HEAD~3 --stat
git archive --format=tar HEAD | md5sum
"""

GCC = r"""
set -e
gcc -std=gnu11 -D_GNU_SOURCE -O2 -pipe -c "$1"/bad_memory.c -o piped.o
for name in calls children threads_io tree; do
	gcc -std=gnu11 -O2 -save-temps -pthread "$1/$name.c" -o "$name" 2>warnings-$name
done
g++ -O2 -flto -pthread "$1/exceptions.cc" -o exceptions
ar rcs library.a piped.o && nm library.a | wc -l && strip -o stripped calls && ./calls && ./exceptions
printf 'all: a b c d\na b c d:\n\tgcc -O2 -c -x c %s -o $@.o\n' "$1/allocate.c" >Makefile && make -s -j2 && md5sum ./*.o
gcc -c nothing.c; echo "unreachable"
"""


def names_hidden(text: str) -> str:
    """gcc's and git's random names."""
    return re.sub(
        r"/tmp/cc\w{6}|tmp_\w+_\w{6}", "NAME", re.sub(r"\b\d+ (Killed|Segmentation fault) +", r"PID \1 ", text)
    )


def sources(folder: Path) -> None:
    (folder / "source").mkdir()
    for source in sorted((NATIVE / "preload").glob("*.c")):
        shutil.copy(source, folder / "source")


def test_git(same: Callable[..., object]) -> None:
    same(["/bin/sh", "-c", GIT], prepare=sources, normalise=names_hidden, files=without_git_times)


def without_git_times(files: dict[str, str]) -> dict[str, str]:
    """An index holds the inode and time of each file."""
    return {name: digest for name, digest in files.items() if not name.endswith((".git/index", ".git/logs/HEAD"))}


def test_gcc_make_binutils(same: Callable[..., object]) -> None:
    same(["/bin/sh", "-c", GCC, "sh", WORKLOADS], normalise=names_hidden)


def test_bash(same: Callable[..., object]) -> None:
    same(["bash", WORKLOADS / "jobs.sh"], normalise=names_hidden)


def test_perl(same: Callable[..., object]) -> None:
    same(["perl", WORKLOADS / "work.pl"])


def test_node(same: Callable[..., object]) -> None:
    same(["node", WORKLOADS / "work.js"])


def test_java(same: Callable[..., object]) -> None:
    same(["/bin/sh", "-c", f"javac -d . {WORKLOADS}/Work.java && java -Xmx256m -cp . Work"], files=without_class_files)


def without_class_files(files: dict[str, str]) -> dict[str, str]:
    return {name: digest for name, digest in files.items() if "hsperf" not in name}


PIPELINES = {
    "tar": "tar cf - /usr/include/linux | gzip -9n | tee copy.gz | gunzip | md5sum",
    "openssl": "seq 1 300000 | openssl enc -aes-256-ctr -pass pass:x -pbkdf2 -S 0011223344556677 | sha256sum",
    "find": "find /usr/include -name '*.h' -print0 | sort -z | xargs -0 -n 100 -P 1 grep -c define | sort | sha256sum",
    "dd": "dd if=/dev/zero bs=1000 count=5000 2>/dev/null | split -b 1000000 - part. && sha256sum part.*",
}


@pytest.mark.parametrize("name", PIPELINES)
def test_pipelines(name: str, same: Callable[..., object]) -> None:
    same(["/bin/sh", "-c", PIPELINES[name]])


SITUATIONS = {
    "another user": "setpriv --reuid 65534 --clear-groups /bin/sh -c 'id -u; echo x | cat'",
    "a user namespace": "unshare -Ur sh -c 'id -u; echo x | cat'",
    "a jail without our library": """
        mkdir -p j/bin j/lib64 j/lib/x86_64-linux-gnu && cp /bin/cat /bin/sh j/bin
        cp -L /lib64/ld-linux-x86-64.so.2 j/lib64
        cp -L /lib/x86_64-linux-gnu/libc.so.6 j/lib/x86_64-linux-gnu && echo hi >j/f
        chroot j /bin/sh -c 'cat /f; exec cat /f' && chroot j /bin/cat /f""",
    "under strace": "strace -f -o /dev/null sh -c 'echo a | cat; exit 3'; echo $?",
    "on a terminal": "script -qec 'tty; stty size; echo hi' /dev/null",
    "a static shell in between": "busybox sh -c 'ls / | wc -l; perl -e \"print 1\"'",
    "the loader as a program": "/lib64/ld-linux-x86-64.so.2 /bin/echo loaded",
    "a script without #!": "printf 'echo $0\\n' >s; chmod +x s; ./s; env ./s",
    "few descriptors": "ulimit -n 8; python3 -c 'print(2)'",
    "a small stack": "ulimit -s 256; python3 -c 'import subprocess; print(subprocess.run([\"true\"]))'",
    "little address space": "ulimit -v 1000000; python3 -c 'print(len(bytearray(300 << 20)))'",
    "no standard streams": "exec 2>&-; exec <&-; cat /proc/self/comm; echo $?",
    "one processor, lowest priority": "nice -n 19 taskset 1 sh -c 'echo a | cat'; setsid -w echo b",
    "clew in clew": f"{sys.executable} -m clew record -q -o inner -- /bin/echo inner; rm -r inner",
    "arguments up to the limit": f"{sys.executable} {WORKLOADS}/longest_arguments.py",
    "a pool of processes": (
        f"{sys.executable} -c 'import multiprocessing as m; print(sum(m.Pool(3).map(abs, range(9999))))'"
    ),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_situation(situation: str, same: Callable[..., object]) -> None:
    same(["/bin/sh", "-c", SITUATIONS[situation]])
