/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Which connection is descriptor N of this process?
 *
 * One atomic word for each descriptor: no lock, so a signal handler may ask at any time. A word is
 * cleared before the descriptor is closed, because another thread may be given the same number at once.
 */
#include "connections.h"

#include <fcntl.h>
#include <sys/mman.h>

_Atomic(conn_entry_t *) conn_table;
static _Atomic unsigned table_end; /* entries from here on were never used */

static bool in_vfork_child(void)
{
	const struct clew_slot *slot = self;
	return slot && slot->vfork_child;
}

static conn_entry_t *table_make(void)
{
	static _Atomic bool refused; /* no memory: asked for once */
	if (!arena || process->sandboxed || refused)
		return NULL;
	const size_t size = CONN_TABLE_SIZE * sizeof(conn_entry_t);
	const long at = raw_syscall(SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE,
								MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at < 0 && at > -4096) {
		refused = true;
		return NULL;
	}
	RAW_3(SYS_madvise, at, size, MADV_NOHUGEPAGE); /* a few entries must not cost 2 MiB */
	conn_entry_t *expected = NULL;
	if (!atomic_compare_exchange_strong(&conn_table, &expected, (conn_entry_t *)at)) {
		RAW_2(SYS_munmap, at, size);
		return expected;
	}
	return (conn_entry_t *)at;
}

/* NULL: fd has no entry, or may not be looked at. */
static conn_entry_t *entry_of(int fd)
{
	conn_entry_t *entries = atomic_load_explicit(&conn_table, memory_order_relaxed);
	if (unlikely((unsigned)fd >= CONN_TABLE_SIZE || !entries || in_vfork_child()))
		return NULL;
	return &entries[fd];
}

static conn_entry_t *entry_to_fill(int fd)
{
	if (!atomic_load_explicit(&conn_table, memory_order_relaxed) && !in_vfork_child())
		table_make();
	conn_entry_t *entry = entry_of(fd);
	if (!entry)
		return NULL;
	unsigned end = atomic_load_explicit(&table_end, memory_order_relaxed);
	while ((unsigned)fd >= end && !atomic_compare_exchange_weak(&table_end, &end, (unsigned)fd + 1))
		;
	return entry;
}

static uint64_t clear(conn_entry_t *entry)
{
	/* Reading first: a program that closes a million numbers must not touch a page for each 512 of them. */
	if (!entry || !atomic_load_explicit(entry, memory_order_relaxed))
		return 0;
	return atomic_exchange_explicit(entry, 0, memory_order_relaxed);
}

/* Writes the CONN record of a file that was opened; `status` as in conn_origin. Gives its entry from then on. */
static uint64_t ask(const struct call *call, int fd, uint64_t entry, const struct stat *status)
{
	const struct conn_origin origin = {.conn_id = entry & CONN_ID, .path = "", .status = status};
	return conn_write(call, fd, &origin);
}

/* The same where fd's entry may change meanwhile: who changes it writes the record. */
static uint64_t settle(const struct call *call, int fd, conn_entry_t *at, uint64_t entry, const struct stat *status)
{
	struct stat own;
	if (!status && !process->sandboxed && RAW_2(SYS_fstat, fd, &own) >= 0)
		status = &own;
	const uint64_t settled = (entry & ~CONN_UNASKED) | (status && conn_is_opaque(status) ? CONN_NO_PAYLOAD : 0);
	if (!atomic_compare_exchange_strong(at, &entry, settled))
		return entry & ~CONN_UNASKED; /* another thread was here first */
	ask(call, fd, entry, status);
	return settled;
}

/* fd is used for the first time, or its entry has a flag that must be dealt with. */
static uint64_t look_up(const struct call *call, int fd, uint64_t before)
{
	conn_entry_t *entry = fd >= 0 ? entry_to_fill(fd) : NULL;
	if (entry && before & CONN_UNASKED)
		return settle(call, fd, entry, before, NULL);
	if (!entry || process->sandboxed)
		return before & CONN_UNVERIFIED ? 0 : before;
	uint64_t found = before;
	if (before & CONN_PENDING) {
		if (!conn_has_addresses(fd))
			return before;
		found &= ~CONN_PENDING;
		if (atomic_compare_exchange_strong(entry, &before, found))
			conn_describe(call, fd, CLEW_CONN_CONNECTED, 0);
		return found;
	}
	struct clew_conn identity = {0};
	uint64_t flags = 0;
	if (!conn_identify(fd, &identity, &flags))
		return 0;
	const uint64_t claimed = before & CONN_UNVERIFIED ? before & CONN_ID : 0;
	const uint64_t inherited = conn_inherited(claimed, &identity);
	if (inherited) {
		found = inherited | flags;
		return atomic_compare_exchange_strong(entry, &before, found) ? found : before;
	}
	const struct conn_origin origin = {.record_flags = CLEW_F_INHERITED, .conn_id = conn_allocate(call->slot)};
	found = origin.conn_id | flags;
	if (!atomic_compare_exchange_strong(entry, &before, found))
		return before; /* another thread was here first */
	conn_write(call, fd, &origin);
	return found;
}

/*
 * A child of vfork: the table is its parent's, the descriptors may be others by now. Each is asked for
 * again, and only recognised.
 */
static uint64_t recognise(int fd)
{
	struct clew_conn identity = {0};
	uint64_t flags = 0, claimed = 0;
	conn_entry_t *entries = atomic_load_explicit(&conn_table, memory_order_relaxed);
	if (fd < 0 || process->sandboxed || !conn_identify(fd, &identity, &flags))
		return 0;
	if (entries && (unsigned)fd < CONN_TABLE_SIZE)
		claimed = atomic_load_explicit(&entries[fd], memory_order_relaxed) & CONN_ID;
	const uint64_t found = conn_inherited(claimed, &identity);
	return found ? found | flags : 0;
}

uint64_t conn_entry_slow(const struct call *call, int fd)
{
	if (!(call->mode & CLEW_TRACE))
		return 0;
	if (in_vfork_child())
		return recognise(fd);
	conn_entry_t *at = entry_of(fd);
	const uint64_t entry = at ? atomic_load_explicit(at, memory_order_relaxed) : 0;
	return look_up(call, fd, entry);
}

/* Only where it is still what it was: another thread may have put something else there. */
uint64_t conn_entry_after(const struct call *call, int fd, uint64_t before)
{
	const conn_entry_t *at = entry_of(fd);
	const bool same = at && atomic_load_explicit(at, memory_order_relaxed) == before;
	return same ? look_up(call, fd, before) : before & ~CONN_PENDING;
}

uint64_t conn_of(const struct call *call, int fd)
{
	return conn_entry(call, fd) & CONN_ID;
}

uint64_t conn_peek(int fd)
{
	const conn_entry_t *entry = entry_of(fd);
	return entry ? atomic_load_explicit(entry, memory_order_relaxed) & CONN_ID : 0;
}

void conn_adopt_standard(struct clew_slot *slot)
{
	const struct call call = {slot, ticks_now(), slot->mode & process->local_mode};
	for (int fd = 0; fd <= 2 && call.mode & CLEW_TRACE; fd++)
		conn_of(&call, fd);
}

uint64_t conn_made(const struct call *call, int fd, struct conn_origin origin)
{
	if (!call->slot || !(call->mode & CLEW_TRACE)) {
		conn_unknown(fd);
		return 0;
	}
	if (!origin.conn_id)
		origin.conn_id = conn_allocate(call->slot);
	const uint64_t made = conn_write(call, fd, &origin);
	conn_entry_t *entry = entry_to_fill(fd);
	if (entry)
		atomic_store_explicit(entry, made, memory_order_relaxed);
	return made & CONN_ID;
}

uint64_t conn_opened(const struct call *call, int fd, uint32_t access)
{
	const bool traced = call->slot && (call->mode & CLEW_TRACE);
	conn_entry_t *entry = traced && !process->sandboxed ? entry_to_fill(fd) : NULL;
	if (!entry)
		return 0;
	const uint64_t conn_id = conn_allocate(call->slot);
	struct clew_conn *slot = conn_slot(conn_id);
	if (slot)
		atomic_store_explicit(&slot->access, (uint8_t)access, memory_order_relaxed);
	atomic_store_explicit(entry, conn_id | CONN_UNASKED, memory_order_relaxed);
	return conn_id;
}

void conn_stated(int fd, uint64_t entry, const struct stat *status)
{
	conn_entry_t *at = entry_of(fd);
	struct call call;
	call_begin(&call);
	if (at && call.slot && (call.mode & CLEW_TRACE))
		settle(&call, fd, at, entry, status);
}

void conn_settle(struct clew_slot *slot)
{
	if (!slot || slot->vfork_child)
		return;
	const uint32_t mode = __atomic_load_n(&slot->mode, __ATOMIC_RELAXED) & process->local_mode;
	const struct call call = {slot, ticks_now(), mode};
	if (!(mode & CLEW_TRACE))
		return;
	uint64_t entry;
	for (unsigned fd = 0; conn_next(&fd, &entry); fd++)
		if (entry & CONN_UNASKED)
			look_up(&call, (int)fd, entry);
}

void conn_made_pair(const struct call *call, const int fds[2], struct conn_origin origin, struct clew_pair *pair)
{
	const bool pipe = origin.kind == CLEW_KIND_PIPE;
	const bool traced = call->slot && (call->mode & CLEW_TRACE);
	for (int i = 0; i < 2; i++) {
		pair->fd[i] = fds[i];
		pair->conn_id[i] = traced ? conn_allocate(call->slot) : 0;
	}
	for (int i = 0; i < 2; i++) {
		origin.conn_id = pair->conn_id[i];
		origin.peer_id = pair->conn_id[!i];
		if (pipe) {
			origin.flags = i ? CLEW_CONN_WRITE_END : CLEW_CONN_READ_END;
			origin.access = (i ? O_WRONLY : O_RDONLY) + 1;
		}
		conn_made(call, fds[i], origin);
	}
}

uint64_t conn_new(const struct call *call, int fd, enum clew_kind kind)
{
	return conn_made(call, fd, (struct conn_origin){.kind = kind});
}

void conn_describe(const struct call *call, int fd, uint32_t flags, uint64_t peer_id)
{
	const uint64_t conn_id = conn_of(call, fd);
	if (conn_id)
		conn_write(call, fd, &(struct conn_origin){.conn_id = conn_id, .flags = flags, .peer_id = peer_id});
}

void conn_unknown(int fd)
{
	clear(entry_of(fd));
}

void conn_pending(int fd)
{
	conn_entry_t *entry = entry_of(fd);
	if (entry && atomic_load_explicit(entry, memory_order_relaxed))
		atomic_fetch_or_explicit(entry, CONN_PENDING, memory_order_relaxed);
}

void conn_share(const struct call *call, int from, int to)
{
	const uint64_t shared = call->slot ? conn_entry(call, from) : 0;
	if (!shared) {
		conn_unknown(to);
		return;
	}
	conn_entry_t *entry = entry_to_fill(to);
	if (entry)
		atomic_store_explicit(entry, shared, memory_order_relaxed);
}

uint64_t conn_forget(const struct call *call, int fd)
{
	const uint64_t entry = clear(entry_of(fd));
	if (!entry || entry & CONN_UNVERIFIED)
		return 0;
	if (unlikely(entry & CONN_UNASKED) && call->slot && (call->mode & CLEW_TRACE))
		ask(call, fd, entry, NULL);
	conn_set_state(entry & CONN_ID, CLEW_CONN_CLOSED);
	return entry & CONN_ID;
}

void conn_forget_range(const struct call *call, unsigned first, unsigned last)
{
	const unsigned end = atomic_load_explicit(&table_end, memory_order_relaxed);
	for (unsigned fd = first; fd < end && fd <= last; fd++)
		conn_forget(call, (int)fd);
}

bool conn_next(unsigned *fd, uint64_t *found)
{
	const conn_entry_t *entries = atomic_load_explicit(&conn_table, memory_order_relaxed);
	const unsigned end = entries ? atomic_load_explicit(&table_end, memory_order_relaxed) : 0;
	for (; *fd < end; ++*fd) {
		*found = atomic_load_explicit(&entries[*fd], memory_order_relaxed);
		if (*found)
			return true;
	}
	return false;
}

void conn_put_unverified(int fd, uint64_t conn_id)
{
	conn_entry_t *entry = entry_to_fill(fd);
	if (entry)
		atomic_store_explicit(entry, conn_id | CONN_UNVERIFIED, memory_order_relaxed);
}
