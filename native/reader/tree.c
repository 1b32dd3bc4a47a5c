/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Merges stack trees by function, from the outermost frame down or from the innermost up, and lays them out.
 *
 * A tree is a table of rows (parent, key): parents stand before their children, -1 is no parent. Keys say what is the
 * same; a negative key is a frame to leave out. Node 0 of a merged tree is the root of all ("all"): key -1, parent -1.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clew_tree.h"

#define AHEAD 16 /* rows whose place in the table is fetched while others are looked up */

struct merged {
	int32_t *parent, *key;
	int64_t count, capacity;
	int32_t *slots; /* node + 1 by (parent, key); 0: free */
	uint64_t mask;
};

static uint64_t mix(uint64_t value)
{
	value ^= value >> 31;
	value *= 0x9e3779b97f4a7c15u;
	return value ^ value >> 29;
}

static int merged_new(struct merged *tree, int32_t *parent, int32_t *key, int64_t capacity)
{
	uint64_t slots = 16;
	while (slots < (uint64_t)capacity * 2)
		slots *= 2;
	tree->slots = calloc(slots, sizeof *tree->slots);
	tree->mask = slots - 1;
	tree->parent = parent;
	tree->key = key;
	tree->capacity = capacity;
	if (!tree->slots || capacity < 1)
		return -ENOMEM;
	tree->parent[0] = tree->key[0] = -1;
	tree->count = 1;
	return 0;
}

static uint64_t slot_of(const struct merged *tree, int64_t parent, int32_t key)
{
	return mix((uint64_t)parent << 32 | (uint32_t)key) & tree->mask;
}

/* The child of `parent` with `key`, made if there is none; -1: no room. */
static int64_t child(struct merged *tree, int64_t parent, int32_t key)
{
	uint64_t at = slot_of(tree, parent, key);
	for (int64_t node; (node = tree->slots[at] - 1) >= 0; at = (at + 1) & tree->mask)
		if (tree->parent[node] == parent && tree->key[node] == key)
			return node;
	if (tree->count == tree->capacity)
		return -1;
	tree->parent[tree->count] = (int32_t)parent;
	tree->key[tree->count] = key;
	tree->slots[at] = (int32_t)++tree->count;
	return tree->count - 1;
}

int64_t clew_tree_down(int64_t rows, const int32_t *parent, const int32_t *key, int32_t root, int recursion,
					   int32_t *node, int32_t *out_parent, int32_t *out_key, int64_t capacity)
{
	struct merged tree;
	int result = merged_new(&tree, out_parent, out_key, capacity);
	for (int64_t row = 0; !result && row < rows; row++) {
		if (parent[row] >= row) {
			result = -EINVAL;
			break;
		}
		const int64_t above = parent[row] < 0 ? (root < 0 ? 0 : -1) : node[parent[row]], soon = row + AHEAD;
		if (soon < rows && parent[soon] >= 0 && parent[soon] < row)
			__builtin_prefetch(&tree.slots[slot_of(&tree, node[parent[soon]], key[soon])]);
		if (key[row] < 0)
			node[row] = (int32_t)above;
		else if (above < 0)
			node[row] = key[row] == root ? (int32_t)child(&tree, 0, root) : -1;
		else if (recursion && tree.key[above] == key[row])
			node[row] = (int32_t)above;
		else
			node[row] = (int32_t)child(&tree, above, key[row]);
	}
	free(tree.slots);
	return result ? result : tree.count;
}

int64_t clew_tree_up(int64_t rows, const int32_t *parent, const int32_t *key, int64_t leaves, const int32_t *leaf,
					 int32_t *node, int32_t *out_parent, int32_t *out_key, int64_t capacity)
{
	struct merged tree;
	int result = merged_new(&tree, out_parent, out_key, capacity);
	for (int64_t index = 0; !result && index < leaves; index++) {
		int64_t at = 0;
		for (int64_t row = leaf[index]; row >= 0 && at >= 0; row = parent[row]) {
			if (row >= rows || parent[row] >= row) {
				result = -EINVAL;
				break;
			}
			if (key[row] >= 0)
				at = child(&tree, at, key[row]);
		}
		node[index] = (int32_t)at;
		if (at < 0)
			result = -ENOSPC;
	}
	free(tree.slots);
	return result ? result : tree.count;
}

void clew_tree_totals(int64_t nodes, const int32_t *parent, double *value)
{
	for (int64_t node = nodes - 1; node >= 0; node--)
		if (parent[node] >= 0 && parent[node] < node)
			value[parent[node]] += value[node];
}

void clew_tree_depths(int64_t nodes, const int32_t *parent, int32_t *depth)
{
	for (int64_t node = 0; node < nodes; node++)
		depth[node] = parent[node] >= 0 && parent[node] < node ? depth[parent[node]] + 1 : 1;
}

void clew_tree_flags(int64_t rows, const int32_t *parent, const uint8_t *hit, uint8_t *inside)
{
	for (int64_t row = 0; row < rows; row++)
		inside[row] = hit[row] || (parent[row] >= 0 && parent[row] < row && inside[parent[row]]);
}

void clew_tree_once(int64_t rows, const int32_t *parent, const int32_t *key, double *value)
{
	for (int64_t row = 0; row < rows; row++) {
		int64_t other = parent[row];
		while (other >= 0 && other < row && key[other] != key[row])
			other = parent[other];
		if (key[row] < 0 || other >= 0)
			value[row] = 0;
	}
}

/* Siblings from the largest to the smallest, then by name. */
struct sibling {
	double total;
	int32_t rank, node;
};

static int by_size(const void *one, const void *two)
{
	const struct sibling *a = one, *b = two;
	if (a->total != b->total)
		return a->total < b->total ? 1 : -1;
	return a->rank != b->rank ? (a->rank < b->rank ? -1 : 1) : (a->node > b->node) - (a->node < b->node);
}

/* Most nodes have few children. */
static void sort(struct sibling *siblings, int64_t count)
{
	if (count > 16) {
		qsort(siblings, (size_t)count, sizeof *siblings, by_size);
		return;
	}
	for (int64_t i = 1; i < count; i++) {
		const struct sibling one = siblings[i];
		int64_t at = i;
		for (; at > 0 && by_size(&one, &siblings[at - 1]) < 0; at--)
			siblings[at] = siblings[at - 1];
		siblings[at] = one;
	}
}

int64_t clew_tree_layout(int64_t nodes, const int32_t *parent, const double *total, const int32_t *rank, double *start,
						 int32_t *order)
{
	const size_t room = (size_t)nodes + 1;
	int32_t *begin = calloc(room, sizeof *begin);  /* where the children of a node stand among `siblings` */
	int32_t *below = malloc(room * sizeof *below); /* nodes at or below it */
	int32_t *place = calloc(room, sizeof *place); /* of a node in `order`; while children are put there: how many are */
	struct sibling *siblings = malloc(room * sizeof *siblings);
	int64_t done = -ENOMEM;
	if (!begin || !below || !place || !siblings)
		goto end;
	for (int64_t node = 0; node < nodes; node++)
		below[node] = 1;
	for (int64_t node = nodes - 1; node > 0; node--) {
		below[parent[node]] += below[node];
		begin[parent[node] + 1]++;
	}
	for (int64_t node = 0; node < nodes; node++)
		begin[node + 1] += begin[node];
	for (int64_t node = 1; node < nodes; node++) {
		const int32_t above = parent[node];
		siblings[begin[above] + place[above]++] = (struct sibling){total[node], rank[node], (int32_t)node};
	}
	start[0] = 0;
	place[0] = 0;
	for (int64_t node = 0; node < nodes; node++) { /* no walk from child to child: each would wait for memory */
		struct sibling *child = siblings + begin[node], *last = siblings + begin[node + 1];
		int32_t next = place[node] + 1;
		double left = start[node];
		order[place[node]] = (int32_t)node;
		if (last - child > 1)
			sort(child, last - child);
		for (; child < last; child++) {
			place[child->node] = next;
			start[child->node] = left;
			next += below[child->node];
			left += child->total;
		}
	}
	done = nodes;
end:
	free(begin);
	free(below);
	free(place);
	free(siblings);
	return done;
}
