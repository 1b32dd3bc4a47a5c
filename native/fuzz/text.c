/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief libFuzzer: hostile text of `perf script`, in blocks, cut into samples and put into a tree.
 */
#include <stdlib.h>
#include <string.h>

#include "clew_text.h"

#define KINDS 1024

/* What lines mean, and which rows are wanted, as the first byte says; names of frames have one byte each. */
static void use(struct clew_text *text, const uint8_t *bytes, uint64_t size, uint8_t choice)
{
	static int32_t frames[KINDS], nodes[KINDS];
	static uint64_t ends[KINDS + 1], out_ends[KINDS];
	static uint8_t names[KINDS], out[1 << 12];
	struct clew_text_tables tables;
	if (clew_text_read(text, bytes, size, &tables) || tables.line_count > KINDS)
		return;
	uint8_t *wanted = malloc(tables.row_count + 1);
	if (!wanted)
		return;
	for (uint64_t i = 0; i < tables.row_count; i++) {
		const struct clew_text_row *row = &tables.rows[i];
		if (row->begin >= row->head_end || row->head_end > row->end || row->end > size)
			abort();
		if (row->before != CLEW_TEXT_ABSENT && (row->time_at >= row->time_end || row->time_end > row->head_end))
			abort();
		if (row->lines && row->after >= tables.half_count)
			abort();
		wanted[i] = (choice >> (i & 3)) & 1;
	}
	for (uint64_t i = 0; i < KINDS; i++) {
		frames[i] = (int32_t)(i % 7) - (choice & 16 ? 2 : 0);
		ends[i + 1] = i + 1;
	}
	if (!clew_text_stacks(text, wanted, frames, &tables)) {
		const uint64_t count = tables.node_count < KINDS ? tables.node_count : KINDS;
		for (uint64_t i = 0; i < tables.node_count; i++)
			if (tables.parent[i] >= (int64_t)i || tables.frame[i] < 0)
				abort();
		for (uint64_t i = 0; i < count; i++)
			nodes[i] = (int32_t)i;
		clew_text_fold(text, nodes, count, ends, names, out, sizeof out, out_ends);
	}
	free(wanted);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	if (size < 2)
		return 0;
	struct clew_text *text = clew_text_new(input[0] & 128 ? 2 : 1000);
	const size_t half = (size - 1) * input[0] / 256;
	for (unsigned turn = 0; text && turn < 2; turn++) {
		const size_t length = turn ? size - 1 - half : half;
		uint8_t *block = malloc(length + !length); /* so that a byte too many is seen */
		if (block)
			memcpy(block, input + 1 + (turn ? half : 0), length);
		if (block)
			use(text, block, length, input[0]);
		free(block);
	}
	clew_text_free(text);
	return 0;
}
