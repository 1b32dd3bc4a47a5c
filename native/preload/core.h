/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What every wrapper of the preload library uses: where am I, begin, end, connections.
 *
 * Nothing here calls libc, takes a lock, allocates or touches errno: raw system calls only, and none
 * on the hot path. All of it may run in a signal handler, in a child of vfork, before any
 * constructor and after every destructor.
 *
 * A wrapper reads:
 *
 *     CLEW_EXPORT ssize_t read(int fd, void *buffer, size_t size)
 *     {
 *         struct call call;
 *         call_begin(&call);
 *         ssize_t result = REAL(read)(fd, buffer, size);
 *         if (call.slot)
 *             io_end(&call, CLEW_OP_READ, fd, result, buffer, size);
 *         return result;
 *     }
 */
#ifndef CLEW_CORE_H
#define CLEW_CORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "clew_arena.h"
#include "raw.h"
#include "ticks.h"

#define CLEW_EXPORT __attribute__((visibility("default")))
#define CLEW_LOCAL __attribute__((visibility("hidden"))) /* reached without a look into a table of addresses */
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/*
 * State of this process. Lives in a page of its own that the kernel wipes in a child of fork
 * (MADV_WIPEONFORK), whoever made the child: local_mode = 0 sends its first call to call_enter(), and local_alloc = 0
 * its first allocation to counter_slowly().
 */
#define TOLD_MODULES 256u
struct process {
	uint32_t live;        /* 1 = set up by this process, not by its parent; 2 = a thread is at it */
	uint32_t local_mode;  /* mask over the slot's mode: what pause() clears */
	uint32_t local_alloc; /* its bit CLEW_ALLOC_COUNT, apart: a test of memory is all that malloc() does */
	uint32_t pid;
	uint32_t sandboxed; /* seccomp was switched on: make no system call of our own */
	uint32_t no_tsc;    /* clock by system call: the arena says so, or PR_TSC_SIGSEGV */
	uint32_t announced; /* PROCESS_START is written */
	uint32_t ended;     /* PROCESS_END is written */
	uint32_t how;       /* PROCESS_START's `how` and `parent_tid` */
	uint32_t parent_tid;
	uint32_t sampling;           /* SIGPROF is the sampler's; 2 = the program has it back for good */
	uint64_t told[TOLD_MODULES]; /* modules that MAP records told of */
};
#if defined(__aarch64__)
#define CLEW_PAGE 65536u /* the largest page a kernel may use */
#else
#define CLEW_PAGE 4096u
#endif
union process_page {
	struct process state;
	char page[CLEW_PAGE];
};
extern CLEW_LOCAL union process_page process_page;
#define process (&process_page.state)

static inline void local_mode_set(uint32_t mode)
{
	__atomic_store_n(&process->local_mode, mode, __ATOMIC_RELAXED);
	__atomic_store_n(&process->local_alloc, mode & CLEW_ALLOC_COUNT, __ATOMIC_RELAXED);
}

extern CLEW_LOCAL struct clew_arena *arena; /* NULL: not recording; every wrapper passes through */
extern __thread struct clew_slot *self;     /* NULL until the thread's first call; initial-exec TLS */

/* A call in progress. slot == NULL: nothing to be counted or recorded. */
struct call {
	struct clew_slot *slot;
	uint64_t begin; /* ticks */
	uint32_t mode;  /* CLEW_COUNT | CLEW_TRACE as they were at the begin */
};

static inline uint64_t ticks_now(void)
{
	if (unlikely(process->no_tsc))
		return ticks_by_system_call();
	return ticks_counter();
}

/* Slow path of slot_self(): first call of a thread or of a forked child, or NULL where there is nothing to do. */
struct clew_slot *thread_enter(void);
/* Slow path of call_begin(): enters the thread, and counts the record as lost where that fails. */
struct clew_slot *call_enter(uint32_t *mode);

static inline struct clew_slot *slot_self(void)
{
	struct clew_slot *slot = self;
	if (unlikely(!slot || !process->live))
		return thread_enter();
	return slot;
}

/* Fills *call; slot is NULL if both modes are off. */
static inline void call_begin(struct call *call)
{
	struct clew_slot *slot = self;
	uint32_t mode = 0;
	if (likely(slot != NULL))
		mode = __atomic_load_n(&slot->mode, __ATOMIC_RELAXED) & process->local_mode;
	if (unlikely(!mode)) {
		uint32_t found = 0;
		slot = slot && process->live == 1 ? NULL : call_enter(&found); /* NULL: switched off */
		mode = found;
	}
	call->slot = slot;
	call->mode = mode;
	if (likely(slot != NULL))
		call->begin = ticks_now();
}

/*
 * Count the call and, if traced, write its record. `error` is errno if it failed (read it from errno, do not
 * clear it). `bytes` goes to the counter only. data/data_size: what head (and tail) are made of; see `flags`:
 * CLEW_F_TEXT and CLEW_F_STRUCT data are kept whole (up to 4096 bytes), payload is cut to head and tail.
 */
struct end {
	enum clew_op op;
	uint16_t flags;
	int fd;
	int64_t result;
	int error;
	uint64_t ticks; /* it took; 0: until now */
	uint64_t bytes;
	uint64_t conn_id;
	uint64_t offset;
	const struct iovec *data; /* in order; NULL = none */
	int data_count;
	size_t data_size; /* bytes of data to keep at most (result of the call, never more than the buffers hold) */
};
void call_end(const struct call *call, const struct end *end);

/* ---- descriptors: which connection is fd? (connections.c) ---- */

/* conn_id of fd; a descriptor not seen being made is looked up once (fstat, getsockname) and gets a CONN record. 0 =
 * none. */
uint64_t conn_of(const struct call *call, int fd);
/* A new connection for fd: writes the CONN record when info is not NULL. Returns its id. */
uint64_t conn_new(const struct call *call, int fd, enum clew_kind kind);
/* Look at fd again (after bind, connect, accept) and write a CONN record with both addresses. */
void conn_describe(const struct call *call, int fd, uint32_t flags, uint64_t peer_id);
void conn_share(const struct call *call, int from, int to); /* dup */
uint64_t conn_forget(const struct call *call, int fd);      /* close; returns what it was */
void conn_forget_range(const struct call *call, unsigned first, unsigned last);
/* The first recorded process looks at 0, 1 and 2 at once, so that its children share them under one id. */
void conn_adopt_standard(struct clew_slot *slot);
/* Describe all that was opened by name and not used yet: before descriptors are handed on, or nothing may be asked any
 * more. */
void conn_settle(struct clew_slot *slot);
/* The program image ends: what stdio wrote to 0, 1 and 2 went by uncounted. */
void conn_leave_standard(void);
/* Advance a direction by bytes and give the offset before; CLEW_NO_OFFSET where it is not known. */
uint64_t conn_advance(uint64_t conn_id, bool out, uint64_t bytes);
/* "fd:id,fd:id" of what a program started by exec inherits, for CLEW_FDS; and its reading at the start. */
size_t conn_handover_write(char *text, size_t room);
void conn_handover_read(const char *text);

/* ---- the next definition of a symbol in the program's search order (real.c; REAL() is in real.h) ---- */
void *real_find(const char *name); /* dlsym(RTLD_NEXT, name); NULL where there is none */

#endif
