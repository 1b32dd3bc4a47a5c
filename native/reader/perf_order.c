/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Puts records in order of time: merges the ascending runs that a file consists of, pair by pair, stably.
 */
#include "perf.h"

static uint64_t run_end(const struct entry *entries, uint64_t from, uint64_t count)
{
	while (++from < count && entries[from - 1].time <= entries[from].time)
		;
	return from < count ? from : count;
}

static void merge(const struct entry *from, uint64_t middle, uint64_t end, uint64_t at, struct entry *to)
{
	uint64_t left = at, right = middle;
	while (left < middle && right < end)
		to[at++] = from[right].time < from[left].time ? from[right++] : from[left++];
	while (left < middle)
		to[at++] = from[left++];
	while (right < end)
		to[at++] = from[right++];
}

void entries_sort(struct entry *entries, struct entry *spare, uint64_t count)
{
	struct entry *from = entries, *to = spare;
	for (uint64_t runs = 2; runs > 1 && count;) {
		runs = 0;
		for (uint64_t at = 0, end; at < count; at = end, runs++) {
			const uint64_t middle = run_end(from, at, count);
			end = middle < count ? run_end(from, middle, count) : count;
			merge(from, middle, end, at, to);
		}
		struct entry *swap = from;
		from = to;
		to = swap;
	}
	if (from != entries)
		memcpy(entries, from, count * sizeof *entries);
}
