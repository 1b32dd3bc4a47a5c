/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Connections in the arena: one slot each, with the bytes that both directions have carried.
 *
 * There are fewer slots than ids: when ids wrap around, one that somebody closed is taken first. A
 * connection that lost its slot goes on under its id, without offsets.
 */
#include "connections.h"

#define LATELY 4096 /* ids looked at by conn_find(), tens of microseconds */
#define TRIES 16    /* ids passed over to spare connections that nobody has closed */

uint64_t conn_allocate(const struct clew_slot *owner)
{
	for (int tries = 1;; tries++) {
		const uint64_t id = atomic_fetch_add_explicit(&arena->next_conn, 1, memory_order_relaxed) & CONN_ID;
		struct clew_conn *slot = conn_slot_at(id);
		if (tries < TRIES && atomic_load_explicit(&slot->conn_id, memory_order_relaxed) &&
			!(atomic_load_explicit(&slot->state, memory_order_relaxed) & CLEW_CONN_CLOSED))
			continue;
		atomic_store_explicit(&slot->conn_id, 0, memory_order_release);
		atomic_store_explicit(&slot->in, 0, memory_order_relaxed);
		atomic_store_explicit(&slot->out, 0, memory_order_relaxed);
		atomic_store_explicit(&slot->state, 0, memory_order_relaxed);
		__atomic_store_n(&slot->owner_in, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&slot->owner_out, 0, __ATOMIC_RELAXED);
		atomic_store_explicit(&slot->inode, 0, memory_order_relaxed);
		atomic_store_explicit(&slot->device, 0, memory_order_relaxed);
		atomic_store_explicit(&slot->owner, (uint32_t)owner->serial, memory_order_relaxed);
		atomic_store_explicit(&slot->kind, CLEW_KIND_UNKNOWN, memory_order_relaxed);
		atomic_store_explicit(&slot->access, 0, memory_order_relaxed);
		atomic_store_explicit(&slot->conn_id, id, memory_order_release);
		return id;
	}
}

enum clew_kind conn_kind(uint64_t conn_id)
{
	const struct clew_conn *slot = conn_slot(conn_id);
	return slot ? (enum clew_kind)slot->kind : CLEW_KIND_UNKNOWN;
}

void conn_set_state(uint64_t conn_id, uint32_t bits)
{
	struct clew_conn *slot = conn_slot(conn_id);
	if (slot && (atomic_load_explicit(&slot->state, memory_order_relaxed) & bits) != bits)
		atomic_fetch_or_explicit(&slot->state, (uint16_t)bits, memory_order_relaxed);
}

bool conn_same_file(const struct clew_conn *slot, const struct clew_conn *identity)
{
	return slot->inode == identity->inode && slot->device == identity->device && slot->inode &&
		   (slot->access == identity->access || !slot->access || !identity->access);
}

/* An inode is one open socket or pipe; of a file it says nothing, since each open makes a connection. */
uint64_t conn_find(const struct clew_conn *identity)
{
	if (identity->kind < CLEW_KIND_PIPE || identity->kind > CLEW_KIND_SOCKET)
		return 0;
	const uint64_t next = atomic_load_explicit(&arena->next_conn, memory_order_relaxed);
	for (uint64_t id = next - 1; id && id + LATELY > next; id--) {
		const struct clew_conn *slot = conn_slot(id);
		if (slot && conn_same_file(slot, identity))
			return id;
	}
	return 0;
}

uint64_t conn_advance(uint64_t conn_id, bool out, uint64_t bytes)
{
	return conn_carry(self, conn_id, out, bytes);
}
