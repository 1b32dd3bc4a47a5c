/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Rows by (module, address), so that the CFI of each address is decoded once however often it is on a stack.
 */
#include <stdlib.h>

#include "unwind.h"

static uint64_t mix(uint64_t value, uint64_t with)
{
	const unsigned __int128 product = (unsigned __int128)(value ^ 0x9e3779b97f4a7c15u) * (with ^ 0xd1b54a32d192ed03u);
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static bool room_for(void *array, uint64_t count, uint64_t more, uint64_t *room, size_t each)
{
	void **list = array;
	if (count + more <= *room)
		return true;
	const uint64_t wider = 2 * (count + more) + 256;
	void *moved = realloc(*list, wider * each);
	if (!moved)
		return false;
	*list = moved;
	*room = wider;
	return true;
}

static bool widen(struct cache *cache)
{
	const uint64_t size = cache->slots ? 2 * (cache->mask + 1) : 4096;
	struct slot_of_row *wider = calloc(size, sizeof *wider);
	if (!wider)
		return false;
	for (uint64_t i = 0; cache->slots && i <= cache->mask; i++) {
		const struct slot_of_row *old = &cache->slots[i];
		uint64_t at = mix(old->virtual_address, old->key) & (size - 1);
		while (old->key && wider[at].key)
			at = (at + 1) & (size - 1);
		if (old->key)
			wider[at] = *old;
	}
	free(cache->slots);
	cache->slots = wider;
	cache->mask = size - 1;
	return true;
}

static bool add_rules(struct cache *cache, const struct row *row, struct cached *cached)
{
	if (!room_for(&cache->rules, cache->rule_count, COLUMNS, &cache->rule_room, sizeof *cache->rules))
		return false;
	cached->cfa = row->cfa;
	cached->first = (uint32_t)cache->rule_count;
	for (unsigned column = 0; column < COLUMNS; column++)
		if (row->rules[column].kind != SAME)
			cache->rules[cache->rule_count++] = row->rules[column];
	cached->count = (uint32_t)cache->rule_count - cached->first;
	return true;
}

/* Decode a row and append it. */
static bool add(struct clew_unwind *unwind, struct image *image, uint64_t virtual_address, unsigned columns)
{
	struct cache *cache = &unwind->cache;
	struct description description;
	struct row row;
	struct cached cached = {.answer = BROKEN_ROW};
	const enum found found = describe(image, virtual_address, &description);
	if (found == NOT_FOUND) {
		cached.answer = NO_ROW;
	} else if (found == FOUND && description.return_column < columns &&
			   row_of(image, &description, virtual_address, columns, &row)) {
		cached.answer = ROW;
		cached.signal = description.signal;
		cached.return_column = (uint8_t)description.return_column;
		if (!add_rules(cache, &row, &cached))
			return false;
	}
	if (!room_for(&cache->rows, cache->row_count, 1, &cache->row_room, sizeof *cache->rows))
		return false;
	cache->rows[cache->row_count++] = cached;
	return true;
}

const struct cached *cached_row(struct clew_unwind *unwind, uint32_t module, uint64_t virtual_address, unsigned columns)
{
	struct cache *cache = &unwind->cache;
	const uint32_t key = module + 1;
	if ((!cache->slots || cache->used * 2 > cache->mask) && !widen(cache))
		return NULL;
	uint64_t at = mix(virtual_address, key) & cache->mask;
	for (; cache->slots[at].key; at = (at + 1) & cache->mask)
		if (cache->slots[at].key == key && cache->slots[at].virtual_address == virtual_address)
			return &cache->rows[cache->slots[at].row];
	if (cache->row_count == UINT32_MAX || cache->rule_count > UINT32_MAX - COLUMNS ||
		!add(unwind, &unwind->images[module], virtual_address, columns))
		return NULL;
	cache->slots[at] = (struct slot_of_row){virtual_address, key, (uint32_t)cache->row_count - 1};
	cache->used++;
	return &cache->rows[cache->row_count - 1];
}

void cache_free(struct cache *cache)
{
	free(cache->slots);
	free(cache->rows);
	free(cache->rules);
}
