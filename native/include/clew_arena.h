/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief The memory that recorder and recorded programs share while a capture runs.
 *
 * One sparse file (0600, in a private 0700 directory, tmpfs where there is room), mapped
 * MAP_SHARED by each program when it starts; the descriptor is closed at once. A child made by
 * fork has the mapping already, so chroot, setuid, seccomp and closed descriptors do not matter.
 *
 *   arena := clew_arena (one page) | slot_state[slot_count] | clew_conn[conn_count] | slot[slot_count]
 *   slot  := clew_slot (CLEW_SLOT_HEADER bytes) | ring (ring_size bytes, a power of two)
 *
 * Header, states and connections are allocated on disk when the arena is made. A slot's pages
 * are not: whoever touches them first asks for them with MADV_POPULATE_WRITE (which fails
 * where a touch would raise SIGBUS), `populated` bytes of the ring at a time; the recorder also extends
 * them with fallocate. Nobody touches a page that was not asked for.
 */
#ifndef CLEW_ARENA_H
#define CLEW_ARENA_H

#include <stdatomic.h>
#include <stdint.h>

#include "clew_record.h"

#define CLEW_ARENA_MAGIC UINT64_C(0x31304e4552415743) /* "CWAREN01" */
#define CLEW_SLOT_HEADER 8192u
#define CLEW_POPULATE_FIRST 16384u /* enough for most of the programs that a shell script starts */
#define CLEW_POPULATE_STEP 65536u

/*
 * Bits of mode. Three say that the arena asks for stacks: of calls, of allocations, of what computes. The last one that
 * allocations are counted and nothing more, which follows from the others: malloc() looks at it alone.
 */
enum {
	CLEW_COUNT = 1u,
	CLEW_TRACE = 2u,
	CLEW_STACKS = 4u,
	CLEW_ALLOC_STACKS = 8u,
	CLEW_SAMPLE = 16u,
	CLEW_ALLOC_COUNT = 32u
};
#define CLEW_MODES 63u
enum { CLEW_ON_FULL_DROP = 0, CLEW_ON_FULL_WAIT = 1 };
enum { CLEW_CLOCK_TSC = 0, CLEW_CLOCK_MONOTONIC = 1 };

/*
 * A thread takes the first FREE slot (compare and swap to TAKEN), clears all of it but `populated`, positions and
 * counters included, fills in who it is, and only then stores LIVE. The recorder looks at LIVE and ENDED slots alone,
 * and stores FREE when nothing is left in one and no instruction of its thread will run any more: the thread goes
 * on writing after ENDED where destructors and handlers make calls.
 */
enum clew_slot_state {
	CLEW_SLOT_FREE = 0,
	CLEW_SLOT_TAKEN = 1, /* being set up by its thread */
	CLEW_SLOT_LIVE = 2,
	CLEW_SLOT_ENDED = 3 /* its thread said that it ends or execs: free it once it is drained and the kernel agrees */
};

struct clew_arena {
	uint64_t magic;
	uint32_t abi;
	uint32_t clock; /* CLEW_CLOCK_* */
	uint64_t arena_size;
	uint64_t states_at, conns_at, slots_at; /* byte offsets from the start */
	uint32_t slot_count, conn_count;
	uint32_t slot_size; /* CLEW_SLOT_HEADER + ring_size */
	uint32_t ring_size;
	uint32_t payload_head, payload_tail; /* bytes; head UINT32_MAX = full */
	uint32_t on_full;
	uint32_t recorder_pid;
	uint32_t wakeups; /* record condition variables, semaphores and futexes, too */
	uint32_t zero;
	uint64_t pid_namespace; /* inode of the recorder's /proc/self/ns/pid */
	uint64_t ticks_per_s;
	uint64_t sample_ns;                  /* CPU time of a thread between two samples; 0 = none are taken */
	uint32_t stack_every[CLEW_OP_LIMIT]; /* a stack with one of so many calls of the operation; 0 = never */
	_Alignas(64) _Atomic uint32_t mode;  /* what new slots start with; the recorder also writes each slot's */
	_Alignas(64) _Atomic uint64_t next_serial;
	_Atomic uint64_t next_conn;                 /* the next conn_id; from 1 */
	_Alignas(64) _Atomic uint64_t lost_no_slot; /* records of threads without a slot */
	_Atomic uint64_t lost_threads;
	_Atomic uint32_t unseen;     /* programs that were started and are not recorded */
	_Atomic uint32_t other_user; /* of these, those that cannot reach the arena, as after a change of user */
	_Alignas(64) _Atomic uint64_t heartbeat_ns; /* CLOCK_MONOTONIC, by the recorder, many times a second */
};

enum {
	CLEW_CONN_CLOSED = 1u,    /* by somebody: take this slot rather than another when ids wrap; I/O on it clears that */
	CLEW_CONN_UNCOUNTED = 2u, /* stdio moves bytes here, which nobody counts: offsets are not known */
};

/*
 * One open file, socket or pipe end; index conn_id % conn_count. Shared by all processes that hold it.
 * The thread that made it counts by itself, without the price of an atomic addition, until another one
 * uses it: `owner` becomes 0 then for good, and all add to in and out. The bytes so far are the sums.
 */
struct clew_conn {
	_Atomic uint64_t conn_id;     /* another id here: the slot was reused, offsets are not known */
	_Atomic uint64_t in, out;     /* bytes read and written by others than the owner */
	uint64_t owner_in, owner_out; /* by the owner */
	_Atomic uint64_t inode;
	_Atomic uint32_t device; /* low half of st_dev */
	_Atomic uint32_t owner;  /* low half of the thread's serial; 0 = all */
	_Atomic uint16_t state;  /* CLEW_CONN_CLOSED, CLEW_CONN_UNCOUNTED */
	_Atomic uint8_t kind;    /* enum clew_kind */
	_Atomic uint8_t access;  /* O_ACCMODE bits of the open file, + 1; 0 = not known */
	uint32_t zero;
};

struct clew_counter {
	uint64_t calls, errors, bytes, ticks;
};

struct clew_slot {
	/* who: written by the thread before LIVE */
	uint32_t pid, tid;
	uint64_t serial;                /* unique in the capture, from 1 */
	uint64_t started;               /* ticks */
	uint32_t foreign_pid_namespace; /* pid and tid mean nothing to the recorder */
	uint32_t zero;
	/* hot, written by the thread (mode by the recorder too) */
	_Alignas(64) uint32_t mode;
	uint32_t depth;    /* records being written, one inside the other (signal handlers) */
	uint64_t reserved; /* of the writers (ring.c): where the last record begun ends, and whether it is marked yet */
	_Atomic uint64_t write;     /* ring position up to which records are whole; store-release */
	uint64_t limit;             /* records up to here need no look at `read`, `populated` and the ring's end */
	uint64_t outer_sp;          /* stack pointer of the outermost writer */
	_Atomic uint64_t populated; /* ring bytes that may be touched; only grows */
	uint32_t seq;
	uint32_t vfork_child;                  /* pid of the vfork child that runs on this thread now, else 0 */
	_Alignas(64) _Atomic uint64_t read;    /* by the recorder: store-release after copying */
	_Alignas(64) uint64_t dropped_records; /* at least: one too many where a handler jumped out of a whole record */
	uint64_t dropped_bytes, waits, wait_ticks;
	_Alignas(64) struct clew_counter counter[CLEW_OP_LIMIT];
	/* of the thread alone: its stacks (stack.c, sampler.c) */
	uint32_t stack_calls[CLEW_OP_LIMIT]; /* of operations that stacks are taken of */
	uint64_t stack_owner;                /* stack pointer of whoever fills `stack`; 0 = nobody */
	uint64_t sampled_ns;                 /* CPU time that samples stand for, and where it began */
	uint64_t stack[CLEW_STACK_FRAMES];
};

_Static_assert(sizeof(struct clew_arena) <= 4096, "one page");
_Static_assert(sizeof(struct clew_slot) <= CLEW_SLOT_HEADER, "slot header");
_Static_assert(sizeof(struct clew_conn) == 64, "conn");

#endif
