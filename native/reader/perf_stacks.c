/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Call chains to stacks: each address to a place (module and offset), each stack to a branch of one tree.
 *
 * Most samples repeat a chain that was seen before. While mappings stay as they are (`version`), equal bytes mean an
 * equal stack, so a chain is looked up as a whole before its addresses are.
 */
#include <errno.h>
#include <stdlib.h>

#include "perf.h"

#define FEW 8                                    /* children that are looked through one by one */
#define LOWEST_MARK ((uint64_t)PERF_CONTEXT_MAX) /* addresses from here on say of which context the next ones are */

/* The number of a place; ABSENT: out of memory. */
static uint32_t place_of(struct clew_perf *perf, const struct clew_perf_place *place)
{
	const uint64_t where = mix((uint64_t)(uint32_t)place->module << 32 | (uint32_t)place->pid, place->kind);
	uint64_t key = mix(place->address, where + place->is_return) | 1;
	for (;; key += 2) { /* as good as never more than once */
		bool fresh;
		uint32_t *number = table_put(&perf->place_table, key, &fresh);
		if (!number || (fresh && !reserve(&perf->places, perf->told.place_count, &perf->place_room, sizeof *place))) {
			perf->failed = -ENOMEM;
			return ABSENT;
		}
		if (fresh) {
			*number = (uint32_t)perf->told.place_count++;
			perf->places[*number] = *place;
		}
		if (!memcmp(&perf->places[*number], place, sizeof *place))
			return *number;
	}
}

static uint32_t place_at(struct clew_perf *perf, const struct process *process, const struct step *step)
{
	const uint64_t of = step->kernel ? perf->kernel_version : process ? process->version : INT64_MAX;
	const uint64_t version = of | (uint64_t)step->is_return << 63;
	struct meaning *known = &perf->meanings[mix(step->address, version) % MEANINGS];
	if (known->version == version && known->address == step->address)
		return known->place;
	const struct map *map = NULL;
	if (step->kernel)
		map = maps_find(perf->kernel, step->address);
	else if (process && !(map = maps_find(process->maps, step->address)) && process->before)
		map = maps_find(process->before, step->address);
	struct clew_perf_place place = {
		.address = step->address, .module = -1, .pid = -1, .kind = CLEW_PERF_UNKNOWN, .is_return = step->is_return};
	if (map) {
		place.address += map->offset;
		place.module = (int32_t)map->module;
		place.pid = map->kind == CLEW_PERF_JIT ? map->pid : -1;
		place.kind = map->kind;
	} else if (step->kernel && !perf->kernel->count) {
		place.kind = CLEW_PERF_KERNEL; /* where it is was not recorded */
	}
	*known = (struct meaning){step->address, version, place_of(perf, &place)};
	return known->place;
}

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

/*
 * The child of `parent` (-1: none) at `place`, made if there is none; -1: out of memory. Most have few children, which
 * are looked through: they were made one after the other and lie near their parents. Others are found by hash.
 */
static int32_t child_of(struct clew_perf *perf, int32_t parent, uint32_t place)
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

/* The steps of a sample, innermost first; returns how many. */
static unsigned steps_of(struct clew_perf *perf, const struct process *process, const struct sample *sample,
						 uint32_t event, unsigned mode)
{
	unsigned count = 0;
	bool kernel = false, known = true, first = true;
	for (uint32_t i = 0; i < sample->chain_count; i++) {
		const uint64_t address = load64(sample->chain + 8ull * i);
		if (address >= LOWEST_MARK) {
			kernel = address == (uint64_t)PERF_CONTEXT_KERNEL;
			known = kernel || address == (uint64_t)PERF_CONTEXT_USER;
			first = true;
		} else if (known) {
			perf->steps[count++] = (struct step){address, kernel, !first};
			first = false;
		}
	}
	if (!count && !sample->regs && sample->has_ip && (mode == PERF_RECORD_MISC_KERNEL || mode == PERF_RECORD_MISC_USER))
		perf->steps[count++] = (struct step){sample->ip, mode == PERF_RECORD_MISC_KERNEL, false};
	if (process && sample->regs && sample->stack && perf->input.unwind)
		return unwind_steps(perf, process, sample, event, count);
	return count;
}

static struct chain *find(const struct clew_perf *perf, uint64_t hash, uint32_t more)
{
	uint64_t at = hash & perf->chain_mask;
	while (perf->chains[at].hash && (perf->chains[at].hash != hash || perf->chains[at].more != more))
		at = (at + 1) & perf->chain_mask;
	return &perf->chains[at];
}

static bool widen(struct clew_perf *perf)
{
	struct chain *old = perf->chains;
	const uint64_t old_size = old ? perf->chain_mask + 1 : 0, size = old ? 2 * old_size : 1024;
	struct chain *wider = calloc(size, sizeof *wider);
	if (!wider) {
		perf->failed = -ENOMEM;
		return false;
	}
	perf->chains = wider;
	perf->chain_mask = size - 1;
	for (uint64_t i = 0; i < old_size; i++)
		if (old[i].hash)
			*find(perf, old[i].hash, old[i].more) = old[i];
	free(old);
	return true;
}

static int32_t walk(struct clew_perf *perf, const struct process *process, unsigned count)
{
	int32_t stack = -1;
	while (count-- && !perf->failed) {
		const uint32_t place = place_at(perf, process, &perf->steps[count]);
		stack = place == ABSENT ? -1 : child_of(perf, stack, place);
	}
	return stack;
}

int32_t stack_of(struct clew_perf *perf, const struct process *process, const struct sample *sample, uint32_t event,
				 unsigned mode)
{
	if (!sample->chain_count || sample->regs)
		return walk(perf, process, steps_of(perf, process, sample, event, mode));
	if ((!perf->chains || perf->chain_used * 2 > perf->chain_mask) && !widen(perf))
		return -1;
	const uint64_t version = mix(process ? process->version : 0, perf->kernel_version);
	uint64_t hash = version, more = sample->chain_count;
	for (uint32_t i = 0; i < sample->chain_count; i++) {
		const uint64_t address = load64(sample->chain + 8ull * i);
		hash = mix(address, hash);
		more = (more ^ address) * 0x9fb21c651e98df25u;
		more ^= more >> 32;
	}
	hash |= 1;
	struct chain *found = find(perf, hash, (uint32_t)more);
	if (!found->hash) {
		*found =
			(struct chain){hash, (uint32_t)more, walk(perf, process, steps_of(perf, process, sample, event, mode))};
		perf->chain_used++;
	}
	return found->stack;
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
