/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Call chains to stacks. Most samples repeat a chain that was seen before: equal bytes, equal stack.
 *
 * That holds while mappings stay as they are (`version`). Samples wait in a small queue until what has to be fetched
 * from memory for them has come, and are done before any other record changes a mapping.
 */
#include <errno.h>
#include <stdlib.h>

#include "perf.h"

#define LOWEST_MARK ((uint64_t)PERF_CONTEXT_MAX) /* addresses from here on say of which context the next ones are */

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

/* What waits: looked up, and if it is new, followed through the tree together. */
void stacks_done(struct clew_perf *perf)
{
	unsigned ways = 0;
	while (perf->waiting_count && (!perf->chains || (perf->chain_used + QUEUE) * 2 > perf->chain_mask))
		if (!widen(perf))
			return;
	for (unsigned i = 0; i < perf->waiting_count && !perf->failed; i++) {
		const struct waiting *waiting = &perf->waiting[i];
		const struct chain *known = find(perf, waiting->hash, waiting->more);
		if (known->hash) {
			perf->samples[waiting->row].stack = known->stack;
			continue;
		}
		const struct process *process = waiting->process == ABSENT ? NULL : &perf->processes[waiting->process];
		const unsigned count = steps_of(perf, process, &waiting->sample, 0, waiting->mode);
		struct way *way = &perf->ways[ways];
		way->of = i;
		way->count = count;
		if (count <= WAY) {
			for (unsigned step = 0; step < count; step++)
				way->places[step] = place_at(perf, process, &perf->steps[count - 1 - step]);
			ways++;
		} else {
			perf->samples[waiting->row].stack = walk(perf, process, count);
		}
	}
	follow(perf, perf->ways, ways);
	for (unsigned i = 0; i < ways && !perf->failed; i++) {
		const struct waiting *waiting = &perf->waiting[perf->ways[i].of];
		struct chain *known = find(perf, waiting->hash, waiting->more);
		perf->chain_used += !known->hash;
		*known = (struct chain){waiting->hash, waiting->more, perf->ways[i].parent};
		perf->samples[waiting->row].stack = known->stack;
	}
	perf->waiting_count = 0;
}

void stack_of(struct clew_perf *perf, const struct process *process, const struct sample *sample, uint32_t event,
			  unsigned mode, uint64_t row)
{
	if (!sample->chain_count || (sample->regs && sample->stack)) {
		perf->samples[row].stack = walk(perf, process, steps_of(perf, process, sample, event, mode));
		return;
	}
	const uint64_t version = mix(process ? process->version : 0, perf->kernel_version);
	uint64_t hash = version, more = sample->chain_count;
	for (uint32_t i = 0; i < sample->chain_count; i++) {
		const uint64_t address = load64(sample->chain + 8ull * i);
		hash = mix(address, hash);
		more = (more ^ address) * 0x9fb21c651e98df25u;
		more ^= more >> 32;
	}
	hash |= 1;
	if (perf->chains)
		__builtin_prefetch(&perf->chains[hash & perf->chain_mask]);
	perf->waiting[perf->waiting_count++] =
		(struct waiting){.hash = hash,
						 .more = (uint32_t)more,
						 .process = process ? (uint32_t)(process - perf->processes) : ABSENT,
						 .row = row,
						 .mode = mode,
						 .sample = *sample};
	if (perf->waiting_count == QUEUE)
		stacks_done(perf);
}
