/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What requests of a name do next: counted where it is certain, asked where several requests could be the cause.
 */
#include <stdlib.h>
#include <string.h>

#include "causal.h"

enum {
	FIRST_SLOTS = 1 << 12,
	MOST_SLOTS = 1 << 22, /* 64 MB: names that are never the same twice teach nothing */
	KNOWN = 12,           /* requests seen in a situation before it is said what they do */
};

uint64_t clew_causal_mix(uint64_t value)
{
	value ^= value >> 32;
	value *= UINT64_C(0xd6e8feb86659fd93);
	value ^= value >> 32;
	value *= UINT64_C(0xd6e8feb86659fd93);
	return value ^ value >> 32;
}

static struct habit *find(const struct habits *habits, uint64_t key)
{
	uint64_t at = key & habits->mask;
	while (habits->slots[at].key && habits->slots[at].key != key)
		at = (at + 1) & habits->mask;
	return &habits->slots[at];
}

static bool grow(struct habits *habits)
{
	const uint64_t slots = habits->slots ? (habits->mask + 1) * 2 : FIRST_SLOTS;
	struct habits larger = {calloc(slots, sizeof *larger.slots), slots - 1, habits->used};
	if (!larger.slots)
		return false;
	for (uint64_t at = 0; habits->slots && at <= habits->mask; at++)
		if (habits->slots[at].key)
			*find(&larger, habits->slots[at].key) = habits->slots[at];
	free(habits->slots);
	*habits = larger;
	return true;
}

static void count(struct habits *habits, uint64_t key, uint32_t times)
{
	struct habit *habit = find(habits, key | 1);
	habits->used += !habit->key;
	habit->key = key | 1;
	habit->count += times;
}

static uint64_t pair(uint64_t situation, uint64_t next)
{
	return clew_causal_mix(situation * 31 + next);
}

bool clew_habits_add(struct habits *habits, uint64_t situation, uint64_t next, uint32_t times)
{
	if (!habits->slots || (habits->used + 2) * 2 > habits->mask) {
		if (habits->slots && habits->mask + 1 >= MOST_SLOTS)
			return true;
		if (!grow(habits))
			return false;
	}
	count(habits, situation, times);
	count(habits, pair(situation, next), times);
	return true;
}

double clew_habits_share(const struct habits *habits, uint64_t situation, uint64_t next, double otherwise)
{
	if (!habits->slots)
		return otherwise;
	const uint32_t all = find(habits, situation | 1)->count;
	return all < KNOWN ? otherwise : (double)find(habits, pair(situation, next) | 1)->count / all;
}

uint32_t clew_habits_seen(const struct habits *habits, uint64_t situation)
{
	return habits->slots ? find(habits, situation | 1)->count : 0;
}

void clew_habits_clear(struct habits *habits)
{
	if (habits->slots)
		memset(habits->slots, 0, (habits->mask + 1) * sizeof *habits->slots);
	habits->used = 0;
}
