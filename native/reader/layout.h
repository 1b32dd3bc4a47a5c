/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief An arena mapped by a reader, its numbers checked, and where its parts are.
 */
#ifndef CLEW_LAYOUT_H
#define CLEW_LAYOUT_H

#include <stdint.h>

#include "clew_arena.h"

/*
 * Programs can write to the arena, so the reader keeps its own copy of every number that it
 * computes an address from.
 */
struct mapped {
	int fd;
	struct clew_arena *arena;
	uint64_t size, slots_at;
	uint32_t slot_count, slot_size, ring_size;
	_Atomic uint32_t *states;
};

/* -errno; -EINVAL: no arena, or of another version. */
int arena_map(const char *path, struct mapped *mapped);
void arena_unmap(struct mapped *mapped);

static inline struct clew_slot *slot_at(const struct mapped *mapped, uint32_t index)
{
	return (struct clew_slot *)((char *)mapped->arena + mapped->slots_at + (uint64_t)index * mapped->slot_size);
}

static inline const uint8_t *ring_of(const struct clew_slot *slot)
{
	return (const uint8_t *)slot + CLEW_SLOT_HEADER;
}

#endif
