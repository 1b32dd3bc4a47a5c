/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Callers of innermost functions, followed only where they can be seen: what is narrower is counted, not made.
 *
 * Leaves are split by function, each part by the callers of that function, and so on: nothing is looked up, and a part
 * that weighs too little ends there. The full tree of half a million stacks has some millions of nodes.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "clew_tree.h"

struct item {
	int32_t row; /* to be looked at next; -1: the way has ended */
	double value, other;
};

struct part {
	int64_t from, to; /* of items */
	int32_t node;
	int32_t step; /* how much of the path leads here; path_count: at its end; more: below it */
};

/* Of the functions of one part. */
struct group {
	int32_t key;
	int64_t count, at;
	double value, other;
	int32_t node; /* -1: not made */
};

struct work {
	const struct clew_tree_callers *in;
	struct item *items, *spare;
	struct part *parts;
	int64_t part_count, part_room;
	struct group *groups;
	int32_t *group_of; /* key -> number of its group + 1, in the part at hand */
	int64_t nodes;
	double least;
};

/* The first row from `row` outwards that is not left out. */
static int32_t shown_row(const struct clew_tree_callers *in, int32_t row)
{
	while (row >= 0 && in->key[row] < 0)
		row = in->parent[row];
	return row;
}

/* How wide something is drawn: what vanished is seen, too. */
static double width(double value, double other)
{
	return value > other ? value : other;
}

static bool is_kept(const struct work *work, const struct part *part, const struct group *group)
{
	const struct clew_tree_callers *in = work->in;
	if (part->step < in->path_count)
		return group->key == in->path[part->step];
	return part->step == in->path_count || width(group->value, group->other) >= work->least;
}

/* A node of what a group holds. */
static void begin(const struct clew_tree_callers *in, int32_t node, int32_t parent, const struct group *group)
{
	in->out_parent[node] = parent;
	in->out_key[node] = group->key;
	in->total[node] = group->value;
	in->own[node] = 0;
	in->narrow[node] = 0;
	if (in->other) {
		in->other_total[node] = group->other;
		in->other_own[node] = 0;
	}
}

/* Split a part by function: a node for each that is wide enough, with what goes on from there. */
static int split(struct work *work, struct part part)
{
	const struct clew_tree_callers *in = work->in;
	int64_t groups = 0, at = part.from;
	if (part.step == in->path_count) /* the tree is of this node */
		work->least = width(in->total[part.node], in->other ? in->other_total[part.node] : 0) * in->least;
	for (int64_t i = part.from; i < part.to; i++) {
		struct item *item = &work->items[i];
		item->row = shown_row(in, item->row);
		if (item->row < 0) {
			in->own[part.node] += item->value;
			if (in->other)
				in->other_own[part.node] += item->other;
			continue;
		}
		const int32_t key = in->key[item->row];
		int32_t *number = &work->group_of[key];
		if (!*number) {
			work->groups[groups] = (struct group){.key = key, .node = -1};
			*number = (int32_t)++groups;
		}
		struct group *group = &work->groups[*number - 1];
		group->count++;
		group->value += item->value;
		group->other += item->other;
	}
	for (int64_t i = 0; i < groups; i++) {
		struct group *group = &work->groups[i];
		if (!is_kept(work, &part, group)) {
			in->narrow[part.node] += group->count;
			continue;
		}
		if (work->nodes == in->room)
			return -ENOSPC;
		group->node = (int32_t)work->nodes++;
		begin(in, group->node, part.node, group);
		group->at = at;
		if (work->part_count == work->part_room) {
			const int64_t room = work->part_room * 2;
			struct part *more = realloc(work->parts, (size_t)room * sizeof *more);
			if (!more)
				return -ENOMEM;
			work->parts = more;
			work->part_room = room;
		}
		work->parts[work->part_count++] = (struct part){at, at + group->count, group->node, part.step + 1};
		at += group->count;
	}
	for (int64_t i = part.from; i < part.to; i++) {
		const struct item item = work->items[i];
		struct group *group = item.row < 0 ? NULL : &work->groups[work->group_of[in->key[item.row]] - 1];
		if (group && group->node >= 0)
			work->spare[group->at++] = (struct item){in->parent[item.row], item.value, item.other};
	}
	memcpy(work->items + part.from, work->spare + part.from, (size_t)(at - part.from) * sizeof *work->items);
	for (int64_t i = 0; i < groups; i++)
		work->group_of[work->groups[i].key] = 0;
	return 0;
}

int64_t clew_tree_callers(const struct clew_tree_callers *in)
{
	struct work work = {.in = in, .part_room = 1024};
	int64_t result = 0;
	if (in->room < 1)
		return -ENOSPC;
	work.items = malloc(((size_t)in->leaves + 1) * sizeof *work.items);
	work.spare = malloc(((size_t)in->leaves + 1) * sizeof *work.spare);
	work.parts = malloc((size_t)work.part_room * sizeof *work.parts);
	work.groups = malloc(((size_t)in->keys + 1) * sizeof *work.groups);
	work.group_of = calloc((size_t)in->keys + 1, sizeof *work.group_of);
	if (!work.items || !work.spare || !work.parts || !work.groups || !work.group_of)
		result = -ENOMEM;
	for (int64_t row = 0; !result && row < in->rows; row++)
		if (in->parent[row] >= row || in->key[row] >= in->keys)
			result = -EINVAL;
	struct group all = {.key = -1};
	for (int64_t i = 0; !result && i < in->leaves; i++) {
		const double other = in->other ? in->other[i] : 0;
		if (in->leaf[i] < 0 || in->leaf[i] >= in->rows)
			result = -EINVAL;
		else
			work.items[i] = (struct item){in->leaf[i], in->value[i], other};
		all.value += in->value[i];
		all.other += other;
	}
	begin(in, 0, -1, &all);
	work.nodes = 1;
	if (!result)
		work.parts[work.part_count++] = (struct part){0, in->leaves, 0, 0};
	while (!result && work.part_count)
		result = split(&work, work.parts[--work.part_count]);
	free(work.items);
	free(work.spare);
	free(work.parts);
	free(work.groups);
	free(work.group_of);
	return result ? result : work.nodes;
}
