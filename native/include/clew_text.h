/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Text of `perf script`, as Python asks for it: cut into samples, equal lines and equal stacks known by number.
 *
 * A paragraph is what blank lines enclose: as a rule the head of a sample and the lines of its frames, innermost first.
 * What a line or half a head means is for Python to say, once for each that differs from all before it.
 */
#ifndef CLEW_TEXT_H
#define CLEW_TEXT_H

#include <stdint.h>

#define CLEW_TEXT_API __attribute__((visibility("default")))
#define CLEW_TEXT_ABSENT UINT32_MAX

/** One paragraph. `before` (its time) and `after` (time and period) are numbers of halves of its head; ABSENT: no plain
 * head with a time.
 */
struct clew_text_row {
	uint64_t begin, time_at, time_end, head_end, end; /* in the block; time_end: behind the colon */
	uint64_t first, lines;   /* numbers of the lines below the head: lines[first], ...; 0 of them without head */
	int64_t time_ns, period; /* period -1: the head has none */
	uint32_t before, after;
	int32_t stack; /* by clew_text_stacks: -1: no frame; -2: not known */
	uint32_t zero;
};

/** Where the reader's columns are until its next call. Names: `ends` has one entry more than there are, from 0. */
struct clew_text_tables {
	const struct clew_text_row *rows;
	const uint32_t *lines; /* of this block: numbers of names of lines */
	const uint64_t *line_ends, *half_ends;
	const uint8_t *line_bytes, *half_bytes;
	const int32_t *parent, *frame; /* the tree of stacks, parents first; -1: outermost */
	uint64_t row_count, line_count, half_count, node_count;
};

struct clew_text;

/** NULL: out of memory. `most_halves`: heads in more kinds are not remembered, and have `before` or `after` ABSENT. */
CLEW_TEXT_API struct clew_text *clew_text_new(uint64_t most_halves);
CLEW_TEXT_API void clew_text_free(struct clew_text *text);
/** Cut `size` bytes, which end where a paragraph ends, into rows. -ENOMEM. */
CLEW_TEXT_API int clew_text_read(struct clew_text *text, const uint8_t *bytes, uint64_t size,
								 struct clew_text_tables *tables);
/**
 * Set `stack` of the rows that `wanted` (a byte for each row) names. `frame` of each kind of line: -1: a stack with it
 * is left out (-2); -2: this line is no frame, and left out; others are frames of the tree. -ENOMEM.
 */
CLEW_TEXT_API int clew_text_stacks(struct clew_text *text, const uint8_t *wanted, const int32_t *frame,
								   struct clew_text_tables *tables);
/**
 * The names of frames of each of `count` nodes, outermost first, one behind the other: name F is `bytes` from `ends`[F]
 * to `ends`[F + 1]. Returns how many bytes; nothing is written behind `room`. `out_ends` has one entry for each node.
 */
CLEW_TEXT_API uint64_t clew_text_fold(const struct clew_text *text, const int32_t *nodes, uint64_t count,
									  const uint64_t *ends, const uint8_t *bytes, uint8_t *out, uint64_t room,
									  uint64_t *out_ends);
#endif
