/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Trees of stacks, as Python asks for them: merged by function, summed up, laid out for a flame graph.
 *
 * Rows (or nodes) are (parent, key): a parent stands before its children, -1 is none. Merged trees have a node 0, the
 * root of all, with key and parent -1. Functions return a count, or -errno.
 */
#ifndef CLEW_TREE_H
#define CLEW_TREE_H

#include <stdint.h>

#define CLEW_TREE_API __attribute__((visibility("default")))

/**
 * Merge from the outermost frame down. A row with a negative key is left out: it is its parent's node. `root` >= 0:
 * only what stands at or below the outermost row of that key; other rows have node -1. `recursion`: a row of its
 * parent's key is its parent's node. `node` has one entry for each row, the outputs room for rows + 1.
 */
CLEW_TREE_API int64_t clew_tree_down(int64_t rows, const int32_t *parent, const int32_t *key, int32_t root,
									 int recursion, int32_t *node, int32_t *out_parent, int32_t *out_key,
									 int64_t capacity);
/** Merge the ways from each row of `leaf` up to its root; `node` is where each ends. -ENOSPC: more room is needed. */
CLEW_TREE_API int64_t clew_tree_up(int64_t rows, const int32_t *parent, const int32_t *key, int64_t leaves,
								   const int32_t *leaf, int32_t *node, int32_t *out_parent, int32_t *out_key,
								   int64_t capacity);

/** Ways from leaves up to their roots, and the tree that is made of them as far as it is wide enough. */
struct clew_tree_callers {
	int64_t rows;
	const int32_t *parent, *key; /* of each row */
	int64_t keys;                /* every key is smaller */
	int64_t leaves;
	const int32_t *leaf; /* rows where ways begin */
	const double *value; /* and what each weighs */
	const double *other; /* what it weighs on the other side of a comparison; NULL: there is none */
	int64_t path_count;
	const int32_t *path; /* keys from the root down: only these are followed, and what is below them */
	double least;        /* share of what the end of the path weighs, on the side where that is more, that a node must
							have on one side; its own children are all made; 0: everything */
	int64_t room;
	int32_t *out_parent, *out_key; /* of each node; so are all that follow */
	double *total;                 /* of all ways that come through it */
	double *own;                   /* of those that end there */
	double *other_total;           /* the same on the other side, if there is one */
	double *other_own;
	int64_t *narrow; /* number of ways that go on where it is too narrow */
};
/** Make that tree; returns the number of nodes. -ENOSPC: more room is needed. */
CLEW_TREE_API int64_t clew_tree_callers(const struct clew_tree_callers *in);
/** Add the value of each node to all above it. */
CLEW_TREE_API void clew_tree_totals(int64_t nodes, const int32_t *parent, double *value);
/** Nodes from the root to each node, from 1; 1 where a parent does not stand before its child. */
CLEW_TREE_API void clew_tree_depths(int64_t nodes, const int32_t *parent, int32_t *depth);
/** Whether a row, or one above it, is a hit. */
CLEW_TREE_API void clew_tree_flags(int64_t rows, const int32_t *parent, const uint8_t *hit, uint8_t *inside);
/** Set the value of rows below another row of the same key to 0, so that recursion counts once. */
CLEW_TREE_API void clew_tree_once(int64_t rows, const int32_t *parent, const int32_t *key, double *value);
/** Where each node starts (its parent's start and the siblings before it), and the nodes depth first. */
CLEW_TREE_API int64_t clew_tree_layout(int64_t nodes, const int32_t *parent, const double *total, const int32_t *rank,
									   double *start, int32_t *order);
#endif
