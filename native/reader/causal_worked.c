/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief How much of each span's own time threads worked for it: intervals less what its children cover.
 */
#include <errno.h>
#include <stdlib.h>

#include "causal.h"

/* What a child covers of its parent's time; pieces of one span do not overlap. */
struct piece {
	int64_t since, until;
};

static int by_time(const void *left, const void *right)
{
	const struct piece *a = left, *b = right;
	return (a->since > b->since) - (a->since < b->since);
}

/* pieces[first[span]] to before pieces[first[span + 1]] are the span's, in order of time */
static void cut(int64_t spans, const int64_t *parent, const int64_t *end, const int64_t *covers, int64_t *first,
				struct piece *pieces)
{
	for (int64_t child = 0; child < spans; child++)
		if (covers[child] > 0)
			first[parent[child] + 2]++;
	for (int64_t span = 0; span < spans; span++)
		first[span + 2] += first[span + 1];
	for (int64_t child = 0; child < spans; child++) {
		if (covers[child] <= 0)
			continue;
		const int64_t above = parent[child], until = end[child] < end[above] ? end[child] : end[above];
		pieces[first[above + 1]++] = (struct piece){until - covers[child], until};
	}
	for (int64_t span = 0; span < spans; span++) {
		struct piece *mine = pieces + first[span];
		const int64_t count = first[span + 1] - first[span];
		for (int64_t i = 1; i < count; i++)
			if (mine[i].since < mine[i - 1].since) {
				qsort(mine, (size_t)count, sizeof *mine, by_time);
				break;
			}
	}
}

/* ns between low and high that none of the pieces covers */
static int64_t uncovered(const struct piece *pieces, int64_t count, int64_t low, int64_t high)
{
	int64_t from = 0, to = count, left = high - low;
	while (from < to) {
		const int64_t middle = from + (to - from) / 2;
		if (pieces[middle].until <= low)
			from = middle + 1;
		else
			to = middle;
	}
	for (; from < count && pieces[from].since < high; from++) {
		const int64_t since = pieces[from].since > low ? pieces[from].since : low;
		left -= (pieces[from].until < high ? pieces[from].until : high) - since;
	}
	return left;
}

int64_t clew_worked(const struct clew_tree_times *in, int64_t intervals, const int64_t *span, const int64_t *low,
					const int64_t *high, int64_t *worked)
{
	for (int64_t child = 0; child < in->spans; child++)
		if (in->parent[child] < NONE || in->parent[child] >= in->spans ||
			(in->parent[child] == NONE && in->covers[child]))
			return -EINVAL;
	int64_t *first = calloc((size_t)in->spans + 2, sizeof *first);
	struct piece *pieces = malloc((size_t)(in->spans + 1) * sizeof *pieces);
	if (!first || !pieces) {
		free(first);
		free(pieces);
		return -ENOMEM;
	}
	cut(in->spans, in->parent, in->end, in->covers, first, pieces);
	int64_t used = 0;
	for (int64_t i = 0; i < intervals; i++) {
		int64_t at = span[i];
		if (at < 0 || at >= in->spans)
			continue;
		if (in->client[at] && in->parent[at] != NONE) /* work on a call is work for what the call is for */
			at = in->parent[at];
		const int64_t since = low[i] > in->start[at] ? low[i] : in->start[at];
		const int64_t until = high[i] < in->end[at] ? high[i] : in->end[at];
		used++;
		if (since < until)
			worked[at] += uncovered(pieces + first[at], first[at + 1] - first[at], since, until);
	}
	free(first);
	free(pieces);
	return used;
}
