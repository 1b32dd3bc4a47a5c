/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Connections in the arena: one slot each, with the bytes that both directions have carried.
 *
 * There are fewer slots than ids: when ids wrap around, one that somebody closed is taken first. A
 * connection that lost its slot goes on under its id, without offsets.
 */
#include "connections.h"

#define TRIES 16 /* ids passed over to spare connections that nobody has closed */

uint64_t conn_allocate(void)
{
	for (int tries = 1;; tries++) {
		const uint64_t id = atomic_fetch_add_explicit(&arena->next_conn, 1, memory_order_relaxed) & CONN_ID;
		struct clew_conn *slot = conn_slot_at(id);
		if (tries < TRIES && atomic_load_explicit(&slot->conn_id, memory_order_relaxed) &&
			!atomic_load_explicit(&slot->closed, memory_order_relaxed))
			continue;
		atomic_store_explicit(&slot->conn_id, 0, memory_order_release);
		atomic_store_explicit(&slot->in, 0, memory_order_relaxed);
		atomic_store_explicit(&slot->out, 0, memory_order_relaxed);
		atomic_store_explicit(&slot->closed, 0, memory_order_relaxed);
		slot->device = slot->inode = 0;
		slot->kind = CLEW_KIND_UNKNOWN;
		slot->access = 0;
		atomic_store_explicit(&slot->conn_id, id, memory_order_release);
		return id;
	}
}

enum clew_kind conn_kind(uint64_t conn_id)
{
	const struct clew_conn *slot = conn_slot(conn_id);
	return slot ? (enum clew_kind)slot->kind : CLEW_KIND_UNKNOWN;
}

void conn_closed(uint64_t conn_id)
{
	struct clew_conn *slot = conn_slot(conn_id);
	if (slot)
		atomic_store_explicit(&slot->closed, 1, memory_order_relaxed);
}

uint64_t conn_advance(uint64_t conn_id, bool out, uint64_t bytes)
{
	return conn_carry(conn_id, out, bytes);
}
