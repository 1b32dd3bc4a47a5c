/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Addresses to places: a module and an offset in its file, or an address in the kernel's or generated code.
 */
#include <errno.h>

#include "perf.h"

/* The number of a place; ABSENT: out of memory. */
static uint32_t place_of(struct clew_perf *perf, const struct clew_perf_place *place)
{
	const uint64_t of = mix((uint64_t)(uint32_t)place->module << 32 | (uint32_t)place->pid, (uint64_t)place->made);
	const uint64_t where = mix(of, place->kind);
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

uint32_t place_at(struct clew_perf *perf, const struct process *process, const struct step *step)
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
	struct clew_perf_place place = {.address = step->address,
									.module = -1,
									.pid = -1,
									.kind = CLEW_PERF_UNKNOWN,
									.is_return = step->is_return,
									.made = -1};
	if (map) {
		place.address += map->offset;
		place.module = (int32_t)map->module;
		place.pid = map->kind == CLEW_PERF_JIT ? map->pid : -1;
		place.kind = map->kind;
	} else if (step->kernel && (!perf->kernel->count || step->address >= perf->kernel->list[0].start)) {
		place.kind = CLEW_PERF_KERNEL; /* where it is was not recorded; or what it runs only while it starts */
	}
	const struct map *made = NULL;
	if (!step->kernel && process && process->made && (!map || map->kind != CLEW_PERF_USER))
		made = maps_find(process->made, step->address);
	if (made) {
		place.kind = CLEW_PERF_JIT;
		place.pid = made->pid;
		place.made = made->module;
	}
	*known = (struct meaning){step->address, version, place_of(perf, &place)};
	return known->place;
}
