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

struct merged {
	int32_t *parent, *key;
	int64_t count, capacity;
	int64_t *slots; /* node + 1 by (parent, key); 0: free */
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

/* The child of `parent` with `key`, made if there is none; -1: no room. */
static int64_t child(struct merged *tree, int64_t parent, int32_t key)
{
	uint64_t at = mix((uint64_t)parent << 32 | (uint32_t)key) & tree->mask;
	for (int64_t node; (node = tree->slots[at] - 1) >= 0; at = (at + 1) & tree->mask)
		if (tree->parent[node] == parent && tree->key[node] == key)
			return node;
	if (tree->count == tree->capacity)
		return -1;
	tree->parent[tree->count] = (int32_t)parent;
	tree->key[tree->count] = key;
	tree->slots[at] = ++tree->count;
	return tree->count - 1;
}

int64_t clew_tree_down(int64_t rows, const int32_t *parent, const int32_t *key, int32_t root, int recursion,
					   int32_t *node, int32_t *out_parent, int32_t *out_key, int64_t capacity)
{
	struct merged tree;
	int result = merged_new(&tree, out_parent, out_key, capacity);
	for (int64_t row = 0; !result && row < rows; row++) {
		int64_t above = parent[row] < 0 ? (root < 0 ? 0 : -1) : node[parent[row]];
		if (parent[row] >= row)
			result = -EINVAL;
		else if (key[row] < 0)
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

int64_t clew_tree_layout(int64_t nodes, const int32_t *parent, const double *total, const int32_t *rank, double *start,
						 int32_t *order)
{
	int64_t *begin = calloc((size_t)nodes + 1, sizeof *begin); /* where the children of a node stand */
	int64_t *count = calloc((size_t)nodes + 1, sizeof *count);
	struct sibling *siblings = calloc((size_t)nodes + 1, sizeof *siblings);
	int32_t *stack = calloc((size_t)nodes + 1, sizeof *stack);
	int64_t done = 0, depth = 0;
	if (!begin || !count || !siblings || !stack) {
		done = -ENOMEM;
		goto end;
	}
	for (int64_t node = 1; node < nodes; node++)
		count[parent[node]]++;
	for (int64_t node = 0; node < nodes; node++) {
		begin[node + 1] = begin[node] + count[node];
		count[node] = 0;
	}
	for (int64_t node = 1; node < nodes; node++) {
		int64_t at = begin[parent[node]] + count[parent[node]]++;
		siblings[at] = (struct sibling){total[node], rank[node], (int32_t)node};
	}
	for (int64_t node = 0; node < nodes; node++)
		if (count[node] > 1)
			qsort(siblings + begin[node], (size_t)count[node], sizeof *siblings, by_size);
	stack[depth++] = 0;
	start[0] = 0;
	while (depth) {
		int64_t node = stack[--depth];
		double left = start[node];
		order[done++] = (int32_t)node;
		struct sibling *children = siblings + begin[node];
		for (int64_t index = 0; index < count[node]; index++) {
			start[children[index].node] = left;
			left += children[index].total;
		}
		for (int64_t index = count[node]; index-- > 0;)
			stack[depth++] = children[index].node;
	}
end:
	free(begin);
	free(count);
	free(siblings);
	free(stack);
	return done;
}
