/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief The descriptor table of this process, for those that make and close descriptors.
 *
 * An entry is a conn_id and, above it, what must be known before the descriptor is used next. The
 * table is private memory: a child of fork gets its copy just as it gets its descriptors. A child of
 * vfork shares its parent's memory but not its descriptors: it neither reads nor changes the table.
 */
#ifndef CLEW_CONNECTIONS_H
#define CLEW_CONNECTIONS_H

#include <sys/stat.h>

#include "core.h"

#define CONN_ID ((UINT64_C(1) << 56) - 1)
#define CONN_UNASKED (UINT64_C(1) << 60)    /* a file that was opened: its CONN record is written when it is used */
#define CONN_NO_PAYLOAD (UINT64_C(1) << 61) /* a device that may not look at the bytes it says it took */
#define CONN_PENDING (UINT64_C(1) << 62)    /* a socket whose addresses were not known when it was described */
#define CONN_UNVERIFIED (UINT64_C(1) << 63) /* said to be inherited by the program that exec'd this one */

/* How a descriptor came to be, where its maker knows more than conn_new() can be told. */
struct conn_origin {
	enum clew_kind kind;   /* UNKNOWN: ask the kernel */
	uint16_t record_flags; /* CLEW_F_INHERITED or 0 */
	uint32_t flags;        /* CLEW_CONN_* */
	uint32_t access;       /* O_ACCMODE bits + 1; 0: not known */
	uint64_t conn_id;      /* from conn_allocate(); 0: a new one */
	uint64_t peer_id;
	const char *path;          /* NULL: ask the kernel, if the kind has one */
	const struct stat *status; /* what fstat says; NULL: ask it */
	bool unnamed;              /* a new socket: it has no addresses to ask for */
};

/* ---- connections.c: fd -> connection ---- */

#define CONN_TABLE_SIZE (1u << 20) /* descriptors; the kernel's own limit unless fs.nr_open was raised */
typedef _Atomic uint64_t conn_entry_t;
extern CLEW_LOCAL _Atomic(conn_entry_t *) conn_table; /* NULL: not recording, or no memory */

uint64_t conn_entry_slow(const struct call *call, int fd);

/* What the table says of fd; 0: nothing, or something else must be asked first. */
static inline uint64_t conn_entry_ready(const struct call *call, int fd)
{
	conn_entry_t *entries = atomic_load_explicit(&conn_table, memory_order_relaxed);
	if (unlikely((unsigned)fd >= CONN_TABLE_SIZE || !entries || call->slot->vfork_child))
		return 0;
	const uint64_t entry = atomic_load_explicit(&entries[fd], memory_order_relaxed);
	return likely(!(entry & (CONN_UNVERIFIED | CONN_UNASKED))) ? entry : 0;
}

/* conn_of() with the flags still on. */
static inline uint64_t conn_entry(const struct call *call, int fd)
{
	const uint64_t entry = conn_entry_ready(call, fd);
	return likely(entry && !(entry & CONN_PENDING)) ? entry : conn_entry_slow(call, fd);
}
/* The entry after a call on fd where it was `before` and CONN_PENDING: the addresses may be known by now. */
uint64_t conn_entry_after(const struct call *call, int fd, uint64_t before);
/* Puts a new connection for fd in the table and writes its CONN record; 0 if the call is not traced. */
uint64_t conn_made(const struct call *call, int fd, struct conn_origin origin);
/*
 * The same for a file whose path another record tells. What it is, is asked of the kernel when the descriptor is used
 * or closed, or learned from the program's own fstat(): most programs call that at once. 0: use conn_made().
 */
uint64_t conn_opened(const struct call *call, int fd, uint32_t access);
/* The entry of fd if it was opened so and has not been described yet, else 0. */
static inline uint64_t conn_unasked(int fd)
{
	const conn_entry_t *entries = atomic_load_explicit(&conn_table, memory_order_relaxed);
	if (unlikely((unsigned)fd >= CONN_TABLE_SIZE || !entries))
		return 0;
	const uint64_t entry = atomic_load_explicit(&entries[fd], memory_order_relaxed);
	return entry & CONN_UNASKED ? entry : 0;
}
/* fd is about to be something else: what it is must be asked now. */
static inline void conn_replaced(const struct call *call, int fd)
{
	if (unlikely(conn_unasked(fd)))
		conn_entry(call, fd);
}
/* Describes fd by the program's own fstat, before which its entry was `entry`. */
void conn_stated(int fd, uint64_t entry, const struct stat *status);
/* Two ends made by one call (pipe, socketpair), which name each other; *pair gets fds and ids. */
void conn_made_pair(const struct call *call, const int fds[2], struct conn_origin origin, struct clew_pair *pair);
/* The id in fd's entry, without asking the kernel; 0: none. */
uint64_t conn_peek(int fd);
/* A descriptor made while nothing is traced, or by a call whose details nobody saw: looked up when it is used. */
void conn_unknown(int fd);
/* The socket's addresses are not known yet: connect in progress, UDP before its first send. */
void conn_pending(int fd);
/* Every entry from `first` to the last one used; false where there is none. */
bool conn_next(unsigned *fd, uint64_t *entry);
void conn_put_unverified(int fd, uint64_t conn_id);

/* ---- conn_slots.c: connection -> offsets, in memory shared by all recorded processes ---- */

uint64_t conn_allocate(const struct clew_slot *owner);

static inline struct clew_conn *conn_slot_at(uint64_t conn_id)
{
	const uint64_t count = arena->conn_count;
	/* A power of two as a rule: no division on the hot path. */
	const uint64_t index = count & (count - 1) ? conn_id % count : conn_id & (count - 1);
	return (struct clew_conn *)((char *)arena + arena->conns_at) + index;
}

/* NULL: none, or its slot was given to another one. */
static inline struct clew_conn *conn_slot(uint64_t conn_id)
{
	if (unlikely(!conn_id))
		return NULL;
	struct clew_conn *slot = conn_slot_at(conn_id);
	return likely(atomic_load_explicit(&slot->conn_id, memory_order_acquire) == conn_id) ? slot : NULL;
}

/* Adds against this thread's own signal handlers only: no lock prefix. Gives the value before. */
static inline uint64_t conn_add_alone(uint64_t *at, uint64_t more)
{
#if defined(__x86_64__)
	__asm__ volatile("xaddq %0, %1" : "+r"(more), "+m"(*at) : : "memory");
	return more;
#else
	return __atomic_fetch_add(at, more, __ATOMIC_RELAXED);
#endif
}

/* conn_advance() by the thread of that slot. */
static inline uint64_t conn_carry(const struct clew_slot *thread, uint64_t conn_id, bool out, uint64_t bytes)
{
	struct clew_conn *slot = conn_slot(conn_id);
	if (unlikely(!slot))
		return CLEW_NO_OFFSET;
	const uint32_t state = atomic_load_explicit(&slot->state, memory_order_relaxed);
	if (unlikely(state)) {
		if (state & CLEW_CONN_UNCOUNTED)
			return CLEW_NO_OFFSET;
		/* closed elsewhere, alive here */
		atomic_fetch_and_explicit(&slot->state, (uint16_t)~CLEW_CONN_CLOSED, memory_order_relaxed);
	}
	uint64_t *by_owner = out ? &slot->owner_out : &slot->owner_in;
	_Atomic uint64_t *by_others = out ? &slot->out : &slot->in;
	const uint32_t owner = atomic_load_explicit(&slot->owner, memory_order_relaxed);
	if (likely(owner && thread && owner == (uint32_t)thread->serial))
		return conn_add_alone(by_owner, bytes);
	if (unlikely(owner))
		atomic_store_explicit(&slot->owner, 0, memory_order_relaxed);
	return __atomic_load_n(by_owner, __ATOMIC_RELAXED) +
		   (bytes ? atomic_fetch_add_explicit(by_others, bytes, memory_order_relaxed)
				  : atomic_load_explicit(by_others, memory_order_relaxed));
}

enum clew_kind conn_kind(uint64_t conn_id);
void conn_set_state(uint64_t conn_id, uint32_t bits);
bool conn_same_file(const struct clew_conn *slot, const struct clew_conn *identity);
/* A socket or pipe that another process (or a descriptor passed in a message) made known lately; 0: none. */
uint64_t conn_find(const struct clew_conn *identity);

/* ---- conn_describe.c: what is fd? ---- */

/* Asks the kernel what origin does not tell, fills the slot, writes the CONN record. Returns the entry. */
uint64_t conn_write(const struct call *call, int fd, const struct conn_origin *origin);
/* Fills the slot's identity and *entry_flags; false: fd is not open. */
bool conn_identify(int fd, struct clew_conn *identity, uint64_t *entry_flags);
bool conn_is_opaque(const struct stat *status);
bool conn_has_addresses(int fd);
enum clew_kind conn_kind_of_socket(int domain, int type);

/* ---- conn_handover.c: descriptors kept over exec ---- */

/* The connection that fd was before exec: the id said for it, or for another descriptor of the same open file. 0: none.
 */
uint64_t conn_inherited(uint64_t claimed, const struct clew_conn *identity);

#endif
