/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Trees of spans: the root of each, and a checksum of what hangs below each.
 */
#include <errno.h>
#include <stdlib.h>

#include "causal.h"

int64_t clew_roots(int64_t spans, const int64_t *parent, int64_t *root, int32_t *depth)
{
	int64_t *way = malloc((size_t)(spans + 1) * sizeof *way);
	if (!way)
		return -ENOMEM;
	for (int64_t span = 0; span < spans; span++)
		root[span] = NONE;
	int64_t result = spans;
	for (int64_t span = 0; span < spans && result >= 0; span++) {
		int64_t steps = 0, at = span;
		while (root[at] == NONE) { /* -2 marks the way that is being gone */
			root[at] = -2;
			way[steps++] = at;
			if (parent[at] == NONE)
				break;
			if (parent[at] < 0 || parent[at] >= spans) {
				result = -EINVAL;
				break;
			}
			at = parent[at];
		}
		if (result < 0 || (root[at] == -2 && parent[at] != NONE)) {
			result = -EINVAL;
			break;
		}
		if (root[at] == -2) { /* a root itself */
			root[at] = at;
			depth[at] = 0;
			steps--;
		}
		while (steps--) {
			const int64_t child = way[steps];
			root[child] = root[at];
			depth[child] = depth[parent[child]] + 1;
		}
	}
	free(way);
	return result;
}

int64_t clew_shapes(int64_t spans, const int64_t *parent, const int32_t *depth, const uint64_t *name, uint64_t *shape)
{
	int32_t deepest = 0;
	for (int64_t span = 0; span < spans; span++)
		deepest = depth[span] > deepest ? depth[span] : deepest;
	int64_t *at = calloc((size_t)deepest + 2, sizeof *at), *order = malloc((size_t)(spans + 1) * sizeof *order);
	uint64_t *last = calloc((size_t)spans + 1, sizeof *last); /* checksum of the child before */
	if (!at || !order || !last) {
		free(at);
		free(order);
		free(last);
		return -ENOMEM;
	}
	for (int64_t span = 0; span < spans; span++) {
		shape[span] = clew_causal_mix(name[span]);
		at[deepest - depth[span] + 1]++;
	}
	for (int32_t level = 0; level <= deepest; level++)
		at[level + 1] += at[level];
	for (int64_t span = 0; span < spans; span++)
		order[at[deepest - depth[span]]++] = span;
	for (int64_t i = 0; i < spans; i++) { /* the deepest first; within a level in order of start */
		const int64_t span = order[i], above = parent[span];
		shape[span] = clew_causal_mix(shape[span]);
		if (above == NONE || last[above] == shape[span])
			continue;
		last[above] = shape[span];
		shape[above] = clew_causal_mix(shape[above] * 31 + shape[span]);
	}
	free(at);
	free(order);
	free(last);
	return spans;
}

int64_t clew_trees(int64_t spans, const int64_t *root, const int32_t *depth, const int32_t *process, int64_t processes,
				   const float *confidence, int64_t *tree_root, uint32_t *tree_spans, uint32_t *tree_processes,
				   uint16_t *tree_depth, float *tree_confidence)
{
	int64_t *next = malloc((size_t)(spans + 1) * sizeof *next), *seen = malloc((size_t)(processes + 1) * sizeof *seen);
	int64_t *tail = malloc((size_t)(spans + 1) * sizeof *tail), trees = 0;
	if (!next || !seen || !tail) {
		free(next);
		free(seen);
		free(tail);
		return -ENOMEM;
	}
	for (int64_t one = 0; one < processes; one++)
		seen[one] = NONE;
	for (int64_t span = 0; span < spans; span++) {
		next[span] = NONE;
		tail[span] = span;
	}
	for (int64_t span = 0; span < spans; span++) /* each root leads to the others of its tree */
		if (root[span] != span) {
			next[tail[root[span]]] = span;
			tail[root[span]] = span;
		}
	for (int64_t top = 0; top < spans; top++) {
		if (root[top] != top)
			continue;
		uint32_t size = 0, programs = 0;
		int32_t deepest = 0;
		float least = 1;
		for (int64_t span = top; span != NONE; span = next[span]) {
			size++;
			programs += seen[process[span]] != top;
			seen[process[span]] = top;
			deepest = depth[span] > deepest ? depth[span] : deepest;
			least = confidence[span] < least ? confidence[span] : least;
		}
		tree_root[trees] = top;
		tree_spans[trees] = size;
		tree_processes[trees] = programs;
		tree_depth[trees] = deepest > UINT16_MAX ? UINT16_MAX : (uint16_t)deepest;
		tree_confidence[trees++] = least;
	}
	free(next);
	free(seen);
	free(tail);
	return trees;
}

int64_t clew_walk(int64_t spans, const int64_t *parent, const uint64_t *shape, int64_t *order)
{
	int64_t *child = malloc((size_t)(spans + 1) * sizeof *child), *next = malloc((size_t)(spans + 1) * sizeof *next);
	int64_t count = 0;
	if (!child || !next) {
		free(child);
		free(next);
		return -ENOMEM;
	}
	int64_t root = NONE;
	for (int64_t span = 0; span < spans; span++)
		child[span] = next[span] = NONE;
	for (int64_t span = spans - 1; span >= 0; span--) {
		int64_t *first = parent[span] < 0 || parent[span] >= span ? &root : &child[parent[span]];
		next[span] = *first;
		if (first != &root && *first != NONE && shape[*first] == shape[span])
			next[span] = next[*first]; /* the later one of two that are equal is left out */
		*first = span;
	}
	for (int64_t span = root; span != NONE;) {
		order[count++] = span;
		int64_t at = child[span];
		while (at == NONE && span != NONE) {
			at = next[span];
			span = parent[span] < 0 || parent[span] >= span ? NONE : parent[span];
		}
		span = at;
	}
	free(child);
	free(next);
	return count;
}
