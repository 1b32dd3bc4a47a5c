/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief The layout of what clew records: records in a ring, blocks in a segment file.
 *
 * Little-endian, natural alignment, no padding that is not named. A reader must treat every
 * field as hostile: a segment may be truncated, damaged or written by somebody else.
 *
 *   segment file := clew_segment_header, block*
 *   block        := clew_block_header, payload (size bytes), zero padding to 8
 *
 * A block's checksum covers its header (with crc = 0) and payload, so a reader keeps every
 * complete block, skips a damaged one to the next magic, and says how many bytes it skipped.
 * Each segment has a random nonce that its blocks repeat: what looks like a block inside a
 * payload (a program that itself handled segments) is never taken for one.
 */
#ifndef CLEW_RECORD_H
#define CLEW_RECORD_H

#include <stdint.h>

#define CLEW_ABI 4u                                     /* of this file, clew_arena.h and the ctypes API */
#define CLEW_SEGMENT_MAGIC UINT64_C(0x3130474553574c43) /* "CLWSEG01" */
#define CLEW_BLOCK_MAGIC UINT32_C(0x4b424c43)           /* "CLBK" */
#define CLEW_ALIGN 8u                                   /* records and blocks start on multiples of this */

/*
 * Operations. X(number, NAME, "name", class). Numbers are part of the format: never reuse one.
 * Classes: read, write (move bytes over fd), open (make a descriptor), close, net, wait, process,
 * thread, wakeup (one thread waits until another wakes it), stdio, sync, alloc, tls (clear text of an encrypted
 * connection), note (made by clew itself; not a call of the program).
 */
/* clang-format off */
#define CLEW_OPS(X) \
	X(1, READ, "read", READ) \
	X(2, READV, "readv", READ) \
	X(3, PREAD, "pread", READ) \
	X(4, PREADV, "preadv", READ) \
	X(5, RECV, "recv", READ) \
	X(6, RECVFROM, "recvfrom", READ) \
	X(7, RECVMSG, "recvmsg", READ) \
	X(8, RECVMMSG, "recvmmsg", READ) \
	X(10, WRITE, "write", WRITE) \
	X(11, WRITEV, "writev", WRITE) \
	X(12, PWRITE, "pwrite", WRITE) \
	X(13, PWRITEV, "pwritev", WRITE) \
	X(14, SEND, "send", WRITE) \
	X(15, SENDTO, "sendto", WRITE) \
	X(16, SENDMSG, "sendmsg", WRITE) \
	X(17, SENDMMSG, "sendmmsg", WRITE) \
	X(18, SENDFILE, "sendfile", WRITE) \
	X(19, SPLICE, "splice", WRITE) \
	X(20, COPY_FILE_RANGE, "copy_file_range", WRITE) \
	X(21, TLS_READ, "tls_read", TLS) \
	X(22, TLS_WRITE, "tls_write", TLS) \
	X(30, OPEN, "open", OPEN) \
	X(31, OPENAT, "openat", OPEN) \
	X(32, CREAT, "creat", OPEN) \
	X(33, CLOSE, "close", CLOSE) \
	X(34, DUP, "dup", OPEN) \
	X(35, DUP2, "dup2", OPEN) \
	X(36, DUP3, "dup3", OPEN) \
	X(37, FCNTL_DUP, "fcntl", OPEN) \
	X(38, PIPE, "pipe", OPEN) \
	X(39, EVENTFD, "eventfd", OPEN) \
	X(40, CLOSE_RANGE, "close_range", CLOSE) \
	X(41, EPOLL_CREATE, "epoll_create", OPEN) \
	X(50, SOCKET, "socket", NET) \
	X(51, SOCKETPAIR, "socketpair", NET) \
	X(52, BIND, "bind", NET) \
	X(53, LISTEN, "listen", NET) \
	X(54, ACCEPT, "accept", NET) \
	X(55, CONNECT, "connect", NET) \
	X(56, SHUTDOWN, "shutdown", NET) \
	X(60, POLL, "poll", WAIT) \
	X(61, PPOLL, "ppoll", WAIT) \
	X(62, SELECT, "select", WAIT) \
	X(63, PSELECT, "pselect", WAIT) \
	X(64, EPOLL_WAIT, "epoll_wait", WAIT) \
	X(65, EPOLL_PWAIT, "epoll_pwait", WAIT) \
	X(70, FORK, "fork", PROCESS) \
	X(71, VFORK, "vfork", PROCESS) \
	X(72, CLONE, "clone", PROCESS) \
	X(73, EXECVE, "execve", PROCESS) \
	X(74, POSIX_SPAWN, "posix_spawn", PROCESS) \
	X(75, EXIT, "exit", PROCESS) \
	X(76, UNDERSCORE_EXIT, "_exit", PROCESS) \
	X(77, ABORT, "abort", PROCESS) \
	X(78, SYSTEM, "system", PROCESS) \
	X(79, POPEN, "popen", PROCESS) \
	X(80, PTHREAD_CREATE, "pthread_create", THREAD) \
	X(81, PTHREAD_JOIN, "pthread_join", THREAD) \
	X(82, COND_WAIT, "cond_wait", WAKEUP) \
	X(83, COND_SIGNAL, "cond_signal", WAKEUP) \
	X(84, COND_BROADCAST, "cond_broadcast", WAKEUP) \
	X(85, SEM_WAIT, "sem_wait", WAKEUP) \
	X(86, SEM_POST, "sem_post", WAKEUP) \
	X(87, FUTEX_WAIT, "futex_wait", WAKEUP) \
	X(88, FUTEX_WAKE, "futex_wake", WAKEUP) \
	X(90, FOPEN, "fopen", STDIO) \
	X(91, FCLOSE, "fclose", STDIO) \
	X(92, FREAD, "fread", STDIO) \
	X(93, FWRITE, "fwrite", STDIO) \
	X(94, FFLUSH, "fflush", STDIO) \
	X(95, FSYNC, "fsync", SYNC) \
	X(96, FDATASYNC, "fdatasync", SYNC) \
	X(100, MALLOC, "malloc", ALLOC) \
	X(101, CALLOC, "calloc", ALLOC) \
	X(102, REALLOC, "realloc", ALLOC) \
	X(103, MEMALIGN, "memalign", ALLOC) \
	X(104, FREE, "free", ALLOC) \
	X(115, TASK_RUN, "task_run", NOTE) \
	X(116, TASK_NEW, "task_new", NOTE) \
	X(117, CGI, "cgi", NOTE) \
	X(118, MAP, "map", NOTE) \
	X(119, STACK, "stack", NOTE) \
	X(120, PROCESS_START, "process_start", NOTE) \
	X(121, PROCESS_END, "process_end", NOTE) \
	X(122, THREAD_START, "thread_start", NOTE) \
	X(123, THREAD_END, "thread_end", NOTE) \
	X(124, CONN, "conn", NOTE) \
	X(125, VFORK_CHILD, "vfork_child", NOTE) \
	X(126, UNSEEN, "unseen", NOTE) \
	X(127, PAD, "pad", NOTE)
/* clang-format on */

#define CLEW_OP_LIMIT 128 /* every op number is below this */

enum clew_op {
#define X(number, NAME, name, class) CLEW_OP_##NAME = number,
	CLEW_OPS(X)
#undef X
};

/* clew_record.flags */
enum clew_flag {
	CLEW_F_TEXT = 1u << 0,      /* head holds a path or other text, not payload */
	CLEW_F_STRUCT = 1u << 1,    /* head holds the op's struct, see below */
	CLEW_F_PEEK = 1u << 2,      /* MSG_PEEK or MSG_ERRQUEUE: the stream's offset did not move */
	CLEW_F_CUT = 1u << 3,       /* bytes between head and tail were not kept */
	CLEW_F_INHERITED = 1u << 4, /* the descriptor was open before clew saw the process */
	CLEW_F_CANCELLED = 1u << 5, /* the call did not return: the thread was cancelled in it */
	CLEW_F_NESTED = 1u << 6,    /* made in a signal handler that interrupted clew itself */
	CLEW_F_NONBLOCK = 1u << 7,  /* MSG_DONTWAIT; sem_trywait */
	CLEW_F_NAMES = 1u << 8, /* of class open: the text is the whole path of conn_id, whose CONN record comes later */
};

/*
 * One record: 64 bytes, then `head` bytes, then `tail` bytes, then zero padding to CLEW_ALIGN.
 * `size` is all of that. A PAD is skipped; it may be as short as 8 bytes. Times are ticks of the arena's clock; CLOCK
 * blocks tie ticks to ns.
 */
struct clew_record {
	uint32_t size;
	uint16_t op;
	uint16_t flags;
	uint64_t begin;   /* ticks when the call was entered */
	uint64_t ticks;   /* how long it took */
	int64_t result;   /* as returned (pid, fd, bytes, -1; a pointer never) */
	uint64_t conn_id; /* open file, socket or pipe end the call was on; 0 = none or not known */
	uint64_t offset;  /* bytes this direction had carried before; pread and pwrite: the file offset; ~0 not known.
					   * Class wakeup: the address of the object waited on; TASK_RUN, TASK_NEW: see below */
	int32_t fd;       /* -1 = none */
	uint32_t
		seq; /* of this thread, from 1, dropped records included: a gap is a loss. Signal handlers swap neighbours */
	uint16_t error; /* errno if the call failed, else 0 */
	uint16_t tail;  /* payload bytes from the end */
	uint32_t head;  /* payload bytes from the start, or bytes of text or struct */
};
#define CLEW_NO_OFFSET UINT64_MAX

enum clew_kind {
	CLEW_KIND_UNKNOWN = 0,
	CLEW_KIND_FILE = 1,
	CLEW_KIND_DIR = 2,
	CLEW_KIND_DEVICE = 3, /* tty, /dev/null, block devices */
	CLEW_KIND_PIPE = 4,   /* pipe or fifo */
	CLEW_KIND_TCP = 5,
	CLEW_KIND_UDP = 6,
	CLEW_KIND_UNIX = 7,
	CLEW_KIND_SOCKET = 8, /* any other family */
	CLEW_KIND_ANON = 9,   /* eventfd, epoll, timerfd, signalfd, memfd */
	CLEW_KIND_LISTEN = 10 /* reserved for readers: a socket that listens */
};

/*
 * head of CLEW_OP_CONN: what a descriptor is; then `local_len` and `remote_len` bytes of struct sockaddr (a unix path
 * longer than 110 bytes is cut), and `text` bytes of path (files, fifos, anon inodes)
 */
#define CLEW_ADDRESS_MOST 112u
struct clew_conn_info {
	uint32_t kind;      /* enum clew_kind */
	uint32_t text;      /* bytes of path */
	uint64_t device;    /* st_dev */
	uint64_t inode;     /* st_ino: the same at both ends of one descriptor, in every process */
	uint64_t peer_id;   /* conn_id of the other end where one call made both (pipe, socketpair), else 0 */
	uint16_t local_len; /* bytes of address, 0 to CLEW_ADDRESS_MOST */
	uint16_t remote_len;
	uint32_t flags;    /* 1 = accepted, 2 = connected, 4 = read end of a pipe, 8 = write end */
	uint32_t peer_pid; /* unix sockets: SO_PEERCRED, who was at the other end when it was connected; 0 = not known */
	uint32_t zero;
};
enum { CLEW_CONN_ACCEPTED = 1, CLEW_CONN_CONNECTED = 2, CLEW_CONN_READ_END = 4, CLEW_CONN_WRITE_END = 8 };

/*
 * EXECVE is written before it happens, with result 0; if it fails, again with the same `begin` and the error.
 * What a child of vfork does stands in its parent's ring, between VFORK_CHILD (result: the child's pid; 0 = not known,
 * in a sandbox) and VFORK, or CLONE, with that result.
 */

/* head of BIND and CONNECT: the struct sockaddr as given (the CONN record says what came of it) */

/* head of CLEW_OP_PIPE and CLEW_OP_SOCKETPAIR */
struct clew_pair {
	int32_t fd[2];
	uint64_t conn_id[2];
};

/* head of SENDFILE, SPLICE and COPY_FILE_RANGE: [0] is the source, [1] the destination (also the record's own fd) */
struct clew_transfer {
	struct clew_pair ends;
	uint64_t offset[2]; /* as clew_record.offset */
};

/*
 * head of RECVMMSG, SENDMMSG, FREAD and FWRITE, whose result counts messages or items: how many bytes
 * these were; then `kept` bytes of the first message's payload.
 */
struct clew_moved {
	uint64_t bytes;
	uint32_t kept;
	uint32_t zero;
};

/*
 * Waits (poll .. epoll_pwait): result = ready descriptors; head (CLEW_F_STRUCT) holds up to 16
 * struct clew_ready of those that are ready.
 */
struct clew_ready {
	int32_t fd;      /* -1: not known (epoll, where the program's data does not tell) */
	uint32_t events; /* POLL* or EPOLL* bits; select: POLLIN, POLLOUT, POLLPRI */
};

/* head of PROCESS_START, then exe_len bytes of exe, then cmdline_len bytes (arguments end in NUL), then comm[16] is
 * inside */
struct clew_process_info {
	uint32_t pid;
	uint32_t ppid;
	uint32_t uid;
	uint32_t how;     /* 0 first, 1 fork, 2 exec, 3 raw clone seen late */
	uint32_t exe_len; /* 0 after a fork: as the parent's */
	uint32_t cmdline_len;
	uint32_t allocator;  /* 0 counted, 1 the program's own malloc comes first: allocations not seen */
	uint32_t parent_tid; /* thread that forked; 0 not known */
	char comm[16];
};

/*
 * head of CGI (text): lines NAME=VALUE of the environment of a program that was started as a CGI program (RFC 3875), or
 * of one that such a program started.
 */

/* head of PROCESS_END: what the kernel counted for the process, /proc/self/io; ~0 where it was not readable */
struct clew_process_io {
	uint64_t rchar, wchar; /* bytes through read- and write-like system calls */
	uint64_t syscr, syscw; /* how many of them */
};

/* head of THREAD_START */
struct clew_thread_info {
	uint32_t tid;
	uint32_t creator_tid; /* 0 = the main thread or not known */
	char name[16];
};

/*
 * head of STACK, a user stack: then `frames` addresses of 8 bytes, innermost first. An address is that of the
 * instruction that was interrupted, or lies in the call that has not returned yet (one less than where it returns to).
 * Frames of libclew.so itself are left out, except where a tick interrupted one. `begin` is that of the call, or when
 * the tick came. It stands after its call's record, and its result is `frames`; without frames none was taken: the
 * tick's thread had the signal blocked for most of the time that `weight` tells.
 */
struct clew_stack_info {
	uint32_t op;       /* what it is a stack of: enum clew_op, or CLEW_STACK_TICK */
	uint32_t call_seq; /* `seq` of the call's record in this thread; 0 = none (only counted, or lost) */
	uint64_t weight;   /* what it stands for: calls, bytes that such allocations asked for, ns of CPU time (ticks) */
	uint32_t end;      /* enum clew_stack_end */
	uint32_t frames;
};
#define CLEW_STACK_TICK 0u
#define CLEW_STACK_FRAMES 256u /* at most */
enum clew_stack_end {
	CLEW_STACK_WHOLE = 0,  /* the last frame is where the thread began */
	CLEW_STACK_CUT = 1,    /* more than CLEW_STACK_FRAMES, or than there was room for */
	CLEW_STACK_BROKEN = 2, /* neither call frame information nor a frame pointer told who called the last frame */
};

/*
 * head of MAP: code that addresses of STACK records of this process lie in, told once before the first such record of
 * each process; then build_id_size bytes, then path_size bytes of path ("[vdso]" is the kernel's).
 */
struct clew_map_info {
	uint64_t start, end; /* addresses [start, end) */
	uint64_t offset;     /* of `start` in the file */
	uint32_t build_id_size;
	uint32_t path_size; /* 0 = not known */
};

/*
 * offset of TASK_RUN: the task that the thread works for from `begin` on, 0 = none; of TASK_NEW: a task that was made
 * by the one that the thread is in. Both are addresses, which are used again: a task is known by its address and when
 * it was made. They are told for CPython's contexts.
 */

/* result of UNSEEN: why a program (its path is the text, its pid stands in `fd`) is not recorded, or not wholly */
enum clew_unseen {
	CLEW_UNSEEN_STATIC = 1,   /* no dynamic loader */
	CLEW_UNSEEN_SETUID = 2,   /* setuid, setgid or file capabilities: the loader ignores LD_PRELOAD */
	CLEW_UNSEEN_ABI = 3,      /* another word size or machine */
	CLEW_UNSEEN_LOADER = 4,   /* another libc's loader */
	CLEW_UNSEEN_IO_URING = 5, /* the process uses io_uring: I/O through it is not seen */
	CLEW_UNSEEN_NO_ARENA = 6, /* the arena could not be opened (user changed, chroot) */
	CLEW_UNSEEN_UNREADABLE = 7,
	CLEW_UNSEEN_PROFILER = 8, /* the program uses SIGPROF or forbids itself system calls: the sampler stood back */
	CLEW_UNSEEN_DEEPBIND = 9  /* it asked for a library (the text) with RTLD_DEEPBIND: what that calls is not seen */
};

/* ---- segment files ---- */

struct clew_segment_header { /* 64 bytes */
	uint64_t magic;
	uint32_t abi;
	uint32_t number;      /* of this capture, from 1 */
	uint64_t ticks_per_s; /* as measured at the start; 0 = see CLOCK blocks */
	uint64_t created_ns;  /* CLOCK_REALTIME */
	uint64_t nonce;       /* random, in every block of this file */
	uint8_t zero[20];
	uint32_t crc; /* CRC-32 (zlib) of the bytes before it */
};

enum clew_block_type {
	CLEW_BLOCK_RECORDS = 1,  /* records of one thread, in its order */
	CLEW_BLOCK_COUNTERS = 2, /* struct clew_counter_row[], totals of one thread so far */
	CLEW_BLOCK_CLOCK = 3,    /* struct clew_clock */
	CLEW_BLOCK_THREAD = 4,   /* struct clew_thread_row, then cmdline: what /proc said of a thread */
	CLEW_BLOCK_LOSS = 5,     /* struct clew_loss: totals so far of one thread, or (serial 0) of the capture */
	CLEW_BLOCK_UNSEEN = 6,   /* uint32 reason (enum clew_unseen), uint32 pid, then text: found by the recorder */
	CLEW_BLOCK_END = 7       /* the recorder closed the capture in good order */
};

struct clew_block_header { /* 64 bytes */
	uint32_t magic;
	uint16_t type;
	uint16_t zero;
	uint32_t size;   /* payload bytes after this header */
	uint32_t crc;    /* CRC-32 (zlib) of header with crc = 0, then payload */
	uint64_t serial; /* which thread of which program image (clew_slot.serial); 0 = the capture */
	uint32_t pid;
	uint32_t tid;
	uint64_t position; /* RECORDS: ring position of the first byte, so that a block drained twice is known */
	uint64_t ticks;    /* when the block was written */
	uint64_t nonce;    /* of the segment */
	uint64_t zero2;
};

struct clew_counter_row {
	uint32_t op;
	uint32_t zero;
	uint64_t calls, errors, bytes, ticks;
};

struct clew_clock {
	uint64_t ticks;
	uint64_t monotonic_ns; /* read between two reads of ticks; `ticks` is their middle */
	uint64_t realtime_ns;
	uint64_t uncertainty_ticks;
};

struct clew_thread_row {
	uint32_t pid, tid, ppid, state;      /* state: 0 alive, 1 ended */
	uint64_t rchar, wchar, syscr, syscw; /* /proc/PID/io of the process; ~0 not readable */
	char comm[16];                       /* /proc/PID/task/TID/comm */
	uint32_t exe_len, cmdline_len;       /* bytes after this struct */
};

struct clew_loss {
	uint64_t records; /* dropped, ring full */
	uint64_t bytes;   /* their size */
	uint64_t no_slot; /* (serial 0) records of threads that found no free slot */
	uint64_t threads; /* (serial 0) threads without a slot */
	uint64_t waits;   /* --on-full wait: times a call waited */
	uint64_t wait_ticks;
};

_Static_assert(sizeof(struct clew_record) == 64, "record head");
_Static_assert(sizeof(struct clew_segment_header) == 64, "segment header");
_Static_assert(sizeof(struct clew_block_header) == 64, "block header");
_Static_assert(sizeof(struct clew_conn_info) == 48, "conn info");

#endif
