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

#define LOWEST_MARK ((uint64_t)PERF_CONTEXT_MAX) /* addresses from here on say of which context the next ones are */

/* The number of a place; ABSENT: out of memory. */
static uint32_t place_of(struct clew_perf *perf, const struct clew_perf_place *place)
{
	uint64_t key =
		mix(place->address, mix((uint64_t)(uint32_t)place->module << 32 | (uint32_t)place->pid, place->kind)) | 1;
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
	const struct map *map = NULL;
	if (step->kernel)
		map = maps_find(perf->kernel, step->address);
	else if (process && !(map = maps_find(process->maps, step->address)) && process->before)
		map = maps_find(process->before, step->address);
	struct clew_perf_place place = {.address = step->address, .module = -1, .pid = -1, .kind = CLEW_PERF_UNKNOWN};
	if (map)
		place = (struct clew_perf_place){.address = step->address + map->offset,
										 .module = (int32_t)map->module,
										 .pid = map->kind == CLEW_PERF_JIT ? map->pid : -1,
										 .kind = map->kind};
	else if (step->kernel)
		place.kind = CLEW_PERF_KERNEL;
	return place_of(perf, &place);
}

/* The child of `parent` (-1: none) at `place`; -1: out of memory. */
static int32_t child_of(struct clew_perf *perf, int32_t parent, uint32_t place)
{
	bool fresh;
	uint32_t *number = table_put(&perf->stack_table, ((uint64_t)(parent + 1) << 32 | place) + 1, &fresh);
	if (number && fresh) {
		const uint64_t row = perf->told.stack_count;
		if (row < INT32_MAX && reserve(&perf->stacks, row, &perf->stack_room, sizeof *perf->stacks)) {
			*number = (uint32_t)row;
			perf->stacks[row] = (struct clew_perf_stack){parent, place};
			perf->told.stack_count++;
		} else {
			number = NULL;
		}
	}
	if (!number)
		perf->failed = -ENOMEM;
	return number ? (int32_t)*number : -1;
}

/* The steps of a sample, innermost first; returns how many. */
static unsigned steps_of(struct clew_perf *perf, const struct sample *sample, unsigned mode)
{
	unsigned count = 0;
	bool kernel = false, known = true;
	for (uint32_t i = 0; i < sample->chain_count; i++) {
		const uint64_t address = load64(sample->chain + 8ull * i);
		if (address >= LOWEST_MARK) {
			kernel = address == (uint64_t)PERF_CONTEXT_KERNEL;
			known = kernel || address == (uint64_t)PERF_CONTEXT_USER;
		} else if (known) {
			perf->steps[count++] = (struct step){address, kernel};
		}
	}
	if (!count && !sample->regs && sample->has_ip && (mode == PERF_RECORD_MISC_KERNEL || mode == PERF_RECORD_MISC_USER))
		perf->steps[count++] = (struct step){sample->ip, mode == PERF_RECORD_MISC_KERNEL};
	return count;
}

static struct chain *find(const struct clew_perf *perf, const struct chain *wanted)
{
	uint64_t at = wanted->hash & perf->chain_mask;
	for (; perf->chains[at].hash; at = (at + 1) & perf->chain_mask) {
		const struct chain *chain = &perf->chains[at];
		if (chain->hash == wanted->hash && chain->version == wanted->version && chain->count == wanted->count &&
			!memcmp(chain->bytes, wanted->bytes, 8ull * wanted->count))
			break;
	}
	return &perf->chains[at];
}

static bool widen(struct clew_perf *perf)
{
	const uint64_t size = perf->chains ? 2 * (perf->chain_mask + 1) : 1024;
	struct chain *old = perf->chains;
	const uint64_t old_size = old ? perf->chain_mask + 1 : 0;
	struct chain *wider = calloc(size, sizeof *wider);
	if (!wider) {
		perf->failed = -ENOMEM;
		return false;
	}
	perf->chains = wider;
	perf->chain_mask = size - 1;
	for (uint64_t i = 0; i < old_size; i++) {
		uint64_t at = old[i].hash & perf->chain_mask;
		while (old[i].hash && wider[at].hash)
			at = (at + 1) & perf->chain_mask;
		if (old[i].hash)
			wider[at] = old[i];
	}
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
	(void)event;
	if (!sample->chain_count || sample->regs)
		return walk(perf, process, steps_of(perf, sample, mode));
	if ((!perf->chains || perf->chain_used * 2 > perf->chain_mask) && !widen(perf))
		return -1;
	struct chain chain = {.version = mix(process ? process->version : 0, perf->kernel_version),
						  .bytes = sample->chain,
						  .count = sample->chain_count};
	chain.hash = hash_bytes(chain.bytes, 8ull * chain.count, chain.version);
	struct chain *found = find(perf, &chain);
	if (!found->hash) {
		chain.stack = walk(perf, process, steps_of(perf, sample, mode));
		*found = chain;
		perf->chain_used++;
	}
	return found->stack;
}
