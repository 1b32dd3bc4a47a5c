"""The operations that records name by number.

The same list as CLEW_OPS in native/include/clew_record.h (a test compares).
"""

from __future__ import annotations

from typing import Final

_CLASSES: Final = {
    "read": "1 read, 2 readv, 3 pread, 4 preadv, 5 recv, 6 recvfrom, 7 recvmsg, 8 recvmmsg",
    "write": "10 write, 11 writev, 12 pwrite, 13 pwritev, 14 send, 15 sendto, 16 sendmsg, 17 sendmmsg, 18 "
    "sendfile, 19 splice, 20 copy_file_range",
    "tls": "21 tls_read, 22 tls_write",
    "open": "30 open, 31 openat, 32 creat, 34 dup, 35 dup2, 36 dup3, 37 fcntl, 38 pipe, 39 eventfd, 41 epoll_create",
    "close": "33 close, 40 close_range",
    "net": "50 socket, 51 socketpair, 52 bind, 53 listen, 54 accept, 55 connect, 56 shutdown",
    "wait": "60 poll, 61 ppoll, 62 select, 63 pselect, 64 epoll_wait, 65 epoll_pwait",
    "process": "70 fork, 71 vfork, 72 clone, 73 execve, 74 posix_spawn, 75 exit, 76 _exit, 77 abort, 78 system, "
    "79 popen",
    "thread": "80 pthread_create, 81 pthread_join",
    "wakeup": "82 cond_wait, 83 cond_signal, 84 cond_broadcast, 85 sem_wait, 86 sem_post, 87 futex_wait, 88 futex_wake",
    "stdio": "90 fopen, 91 fclose, 92 fread, 93 fwrite, 94 fflush",
    "sync": "95 fsync, 96 fdatasync",
    "alloc": "100 malloc, 101 calloc, 102 realloc, 103 memalign, 104 free",
    "note": "115 task_run, 116 task_new, 117 cgi, 118 map, 119 stack, 120 process_start, 121 process_end, 122 "
    "thread_start, 123 thread_end, 124 conn, 125 vfork_child, 126 unseen, 127 pad",
}
OPS: Final[tuple[tuple[int, str, str], ...]] = tuple(
    (int(item.split()[0]), item.split()[1], kind) for kind, items in _CLASSES.items() for item in items.split(", ")
)
"""(number, name, class) of every operation."""

OP_ID: Final[dict[str, int]] = {name: number for number, name, _ in OPS}
"""Number of an operation by its name."""

ACCOUNT: Final[dict[int, int]] = {
    **dict.fromkeys((OP_ID[name] for name in ("read", "readv", "pread", "preadv", "fread")), 1),
    **dict.fromkeys((OP_ID[name] for name in ("write", "writev", "pwrite", "pwritev", "fwrite")), 2),
    **dict.fromkeys((OP_ID[name] for name in ("sendfile", "copy_file_range")), 3),
}
"""Number of an operation -> where /proc/PID/io counts its bytes: 1 rchar, 2 wchar, 3 both (Linux, fs/read_write.c). It
counts no recv, send or splice; streams of the C library stand for the reads and writes below them."""

NOTES: Final[int] = min(number for number, _, kind in OPS if kind == "note")
"""Numbers from here on are made by clew itself; they are no calls of the program."""

ENGINES_OF_SEGMENTS: Final = ("preload", "sampler", "import")
"""Engines whose captures are segment files of libclew.so."""
