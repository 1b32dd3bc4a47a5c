/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Growing arrays and hash tables of the perf.data reader.
 */
#include <stdlib.h>

#include "perf.h"

bool reserve(void *array, uint64_t count, uint64_t *room, size_t each)
{
	if (count < *room)
		return true;
	const uint64_t wanted = count < 64 ? 64 : count + count / 2;
	void **pointer = array;
	void *grown = wanted > SIZE_MAX / each ? NULL : realloc(*pointer, wanted * each);
	if (!grown)
		return false;
	*pointer = grown;
	*room = wanted;
	return true;
}

static struct slot *find(const struct table *table, uint64_t key)
{
	uint64_t at = mix(key, 0) & table->mask;
	while (table->slots[at].key && table->slots[at].key != key)
		at = (at + 1) & table->mask;
	return &table->slots[at];
}

static bool widen(struct table *table)
{
	const uint64_t size = table->slots ? 2 * (table->mask + 1) : 64;
	struct table wider = {calloc(size, sizeof *wider.slots), size - 1, table->used};
	if (!wider.slots)
		return false;
	for (uint64_t at = 0; table->slots && at <= table->mask; at++)
		if (table->slots[at].key)
			*find(&wider, table->slots[at].key) = table->slots[at];
	free(table->slots);
	*table = wider;
	return true;
}

uint32_t *table_put(struct table *table, uint64_t key, bool *fresh)
{
	if ((!table->slots || table->used * 5 > table->mask * 3) && !widen(table))
		return NULL;
	struct slot *slot = find(table, key);
	*fresh = !slot->key;
	table->used += *fresh;
	slot->key = key;
	return &slot->value;
}

uint32_t *table_get(const struct table *table, uint64_t key)
{
	if (!table->slots)
		return NULL;
	struct slot *slot = find(table, key);
	return slot->key ? &slot->value : NULL;
}

void table_free(struct table *table)
{
	free(table->slots);
	*table = (struct table){0};
}

uint64_t hash_bytes(const uint8_t *bytes, uint64_t size, uint64_t seed)
{
	uint64_t hash = mix(size, seed), last = 0;
	for (; size >= 8; size -= 8, bytes += 8)
		hash = mix(load64(bytes), hash);
	if (size)
		memcpy(&last, bytes, size);
	return mix(last, hash) | 1;
}
