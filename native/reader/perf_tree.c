/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief The tree of stacks: one node for each way from an outermost place; many ways are followed side by side.
 *
 * Nodes lie in memory in the order in which they were made, so a way that was followed before is read almost in a line,
 * but each fork in it is a place of its own that the processor waits for. Several ways at a time let it wait once.
 */
#include <errno.h>

#include "perf.h"

#define FEW 8 /* children that are looked through one by one */

static int32_t add(struct clew_perf *perf, int32_t parent, uint32_t place, uint32_t next)
{
	const uint64_t row = perf->told.stack_count;
	if (row >= INT32_MAX || !reserve(&perf->stacks, row, &perf->stack_room, sizeof *perf->stacks)) {
		perf->failed = -ENOMEM;
		return -1;
	}
	perf->stacks[row] = (struct clew_perf_stack){parent, place, ABSENT, next};
	perf->told.stack_count++;
	return (int32_t)row;
}

/* Most nodes have few children, which are looked through; others are found by hash. */
int32_t child_of(struct clew_perf *perf, int32_t parent, uint32_t place)
{
	const uint32_t head = parent < 0 ? perf->root : perf->stacks[parent].child;
	unsigned seen = 0;
	for (uint32_t child = head; child != ABSENT; child = perf->stacks[child].next, seen++)
		if (perf->stacks[child].place == place)
			return (int32_t)child;
	bool fresh = true;
	uint32_t *found = NULL;
	if (seen >= FEW && !(found = table_put(&perf->stack_table, ((uint64_t)(parent + 1) << 32 | place) + 1, &fresh))) {
		perf->failed = -ENOMEM;
		return -1;
	}
	if (!fresh)
		return (int32_t)*found;
	const int32_t row = add(perf, parent, place, found ? ABSENT : head);
	if (row < 0)
		return -1;
	if (found)
		*found = (uint32_t)row;
	else if (parent < 0)
		perf->root = (uint32_t)row;
	else
		perf->stacks[parent].child = (uint32_t)row;
	return row;
}

static void descend(const struct clew_perf *perf, struct way *way, uint32_t node)
{
	way->parent = (int32_t)node;
	way->at++;
	way->seen = 0;
	way->last = ABSENT;
	way->candidate = perf->stacks[node].child;
	if (way->candidate != ABSENT)
		__builtin_prefetch(&perf->stacks[way->candidate]);
}

/* No child of `parent` is it: make it, and what follows; or find it by hash. */
static void branch(struct clew_perf *perf, struct way *way)
{
	bool fresh = true;
	uint32_t *found = NULL;
	if (way->seen >= FEW) {
		const uint64_t key = ((uint64_t)(way->parent + 1) << 32 | way->places[way->at]) + 1;
		if (!(found = table_put(&perf->stack_table, key, &fresh)))
			perf->failed = -ENOMEM;
		else if (!fresh) {
			descend(perf, way, *found);
			return;
		}
	}
	const int32_t row = perf->failed ? -1 : add(perf, way->parent, way->places[way->at], ABSENT);
	if (row < 0)
		return;
	if (found)
		*found = (uint32_t)row;
	else if (way->last != ABSENT)
		perf->stacks[way->last].next = (uint32_t)row;
	else if (way->parent < 0)
		perf->root = (uint32_t)row;
	else
		perf->stacks[way->parent].child = (uint32_t)row;
	way->parent = row;
	while (++way->at < way->count) { /* nothing is below a new node */
		const int32_t next = add(perf, way->parent, way->places[way->at], ABSENT);
		if (next < 0)
			return;
		perf->stacks[way->parent].child = (uint32_t)next;
		way->parent = next;
	}
}

/* One look at one node. */
static void look(struct clew_perf *perf, struct way *way)
{
	if (way->candidate == ABSENT) { /* the end, if another way has not added one meanwhile */
		const uint32_t head = way->parent < 0 ? perf->root : perf->stacks[way->parent].child;
		way->candidate = way->last == ABSENT ? head : perf->stacks[way->last].next;
		if (way->candidate == ABSENT)
			branch(perf, way);
		return;
	}
	const struct clew_perf_stack *node = &perf->stacks[way->candidate];
	if (node->place == way->places[way->at]) {
		descend(perf, way, way->candidate);
		return;
	}
	way->seen++;
	way->last = way->candidate;
	way->candidate = node->next;
	if (way->candidate != ABSENT)
		__builtin_prefetch(&perf->stacks[way->candidate]);
}

void follow(struct clew_perf *perf, struct way *ways, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		ways[i].parent = -1;
		ways[i].at = ways[i].seen = 0;
		ways[i].last = ABSENT;
		ways[i].candidate = perf->root;
	}
	for (unsigned left = 1; left && !perf->failed;) {
		left = 0;
		for (unsigned i = 0; i < count && !perf->failed; i++)
			if (ways[i].at < ways[i].count) {
				look(perf, &ways[i]);
				left++;
			}
	}
}

int64_t clew_perf_expand(const struct clew_perf_stack *stacks, uint64_t count, const int32_t *first,
						 const int32_t *frames, int32_t *out_parent, uint32_t *out_frame, int32_t *last, uint64_t room)
{
	uint64_t row = 0;
	for (uint64_t i = 0; i < count; i++) {
		const uint32_t place = stacks[i].place;
		int32_t parent = stacks[i].parent < 0 ? -1 : last[stacks[i].parent];
		for (int32_t inside = 0; inside < frames[place]; inside++, row++) {
			if (row >= room)
				return -ENOSPC;
			out_parent[row] = parent;
			out_frame[row] = (uint32_t)(first[place] + inside);
			parent = (int32_t)row;
		}
		last[i] = parent;
	}
	return (int64_t)row;
}
