/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Spans of a process as steps in order of time: each span's start and end, and what threads did besides.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "causal.h"

enum { DIGIT = 1 << 11, SMALL = 64 };

static bool is_before(const struct step *a, const struct step *b)
{
	return a->ns != b->ns ? a->ns < b->ns : a->kind < b->kind;
}

static void sort_small(struct step *steps, int64_t count)
{
	for (int64_t i = 1; i < count; i++) {
		const struct step one = steps[i];
		int64_t at = i;
		for (; at > 0 && is_before(&one, &steps[at - 1]); at--)
			steps[at] = steps[at - 1];
		steps[at] = one;
	}
}

/* By ns from the lowest digit up, as far as they differ; then steps of the same ns by kind. */
static struct step *sort_radix(struct step *steps, struct step *spare, int64_t count)
{
	int64_t low = INT64_MAX, high = INT64_MIN;
	for (int64_t i = 0; i < count; i++) {
		low = steps[i].ns < low ? steps[i].ns : low;
		high = steps[i].ns > high ? steps[i].ns : high;
	}
	const uint64_t range = (uint64_t)high - (uint64_t)low;
	for (unsigned shift = 0; shift < 64 && range >> shift; shift += 11) {
		int64_t at[DIGIT + 1] = {0};
		for (int64_t i = 0; i < count; i++)
			at[(((uint64_t)steps[i].ns - (uint64_t)low) >> shift) % DIGIT + 1]++;
		for (int digit = 0; digit < DIGIT; digit++)
			at[digit + 1] += at[digit];
		for (int64_t i = 0; i < count; i++)
			spare[at[(((uint64_t)steps[i].ns - (uint64_t)low) >> shift) % DIGIT]++] = steps[i];
		struct step *sorted = spare;
		spare = steps;
		steps = sorted;
	}
	for (int64_t i = 0, end; i < count; i = end) {
		for (end = i + 1; end < count && steps[end].ns == steps[i].ns; end++)
			;
		sort_small(steps + i, end - i < SMALL * 16 ? end - i : 0);
	}
	return steps;
}

int64_t clew_causal_steps(struct attribution *work, int64_t group)
{
	const struct clew_spans *in = work->in;
	const int64_t begin = in->first[group], end = in->first[group + 1];
	const int64_t signals = in->signal_first[group + 1] - in->signal_first[group];
	const int64_t most = 2 * (end - begin) + signals;
	if (most > work->room) {
		free(work->steps);
		free(work->spare);
		work->steps = malloc((size_t)most * sizeof *work->steps);
		work->spare = malloc((size_t)most * sizeof *work->spare);
		work->room = most;
		if (!work->steps || !work->spare)
			return -ENOMEM;
	}
	int64_t count = 0;
	for (int64_t span = begin; span < end; span++) {
		const bool client = in->client[span];
		work->steps[count++] =
			(struct step){in->asked[span], span, in->thread[span], client ? STEP_SENT : STEP_RECEIVED, false};
		if (in->end[span] != CLEW_NEVER)
			work->steps[count++] =
				(struct step){in->end[span] > in->start[span] ? in->end[span] : in->start[span] + 1, span,
							  in->end_thread[span] < 0 ? in->thread[span] : in->end_thread[span],
							  client ? STEP_REPLIED : STEP_ANSWERED, false};
	}
	static const uint8_t kinds[] = {STEP_DONE, STEP_TURN, STEP_DONE, STEP_IDLE, STEP_UNKNOWN};
	for (int64_t i = in->signal_first[group]; i < in->signal_first[group + 1]; i++)
		work->steps[count++] = (struct step){in->signal_ns[i], NONE, in->signal_thread[i],
											 kinds[in->signal_kind[i] % 5], in->signal_kind[i] == CLEW_SIGNAL_QUEUED};
	if (count <= SMALL) {
		sort_small(work->steps, count);
		return count;
	}
	struct step *sorted = sort_radix(work->steps, work->spare, count);
	if (sorted != work->steps) {
		work->spare = work->steps;
		work->steps = sorted;
	}
	return count;
}
