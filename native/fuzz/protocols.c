/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief libFuzzer: hostile bytes in calls of any size, with holes, through every processor.
 *
 * Input: a byte that says which protocol the services file names, flags of the conversation, then calls: side and what
 * becomes of the bytes, how many, the bytes. Rows must lie within what was sent, and their texts must be text.
 */
#include <stdlib.h>
#include <string.h>

#include "clew_messages.h"
#include "output.h"
#include "protocol.h"

#define CALLS 2048

struct batch {
	uint32_t conv[CALLS], seq[CALLS], pid[CALLS], tid[CALLS];
	int64_t ts[CALLS], dur[CALLS], head_ends[CALLS + 1], tail_ends[CALLS + 1];
	uint64_t bytes[CALLS], offset[CALLS], thread_id[CALLS];
	uint8_t sent[CALLS];
	uint64_t count, carried[2];
};

static uint64_t add_call(struct batch *batch, const uint8_t *data, size_t size)
{
	const uint64_t i = batch->count++, all = data[1] | (data[0] & 8 ? (uint64_t)data[2] << 8 : 0);
	const uint64_t kept = all < size - 3 ? all : size - 3, hole = data[0] & 2 ? (uint64_t)data[2] * 5 : 0;
	const uint64_t head = data[0] & 4 ? kept / 2 : kept;
	const bool sent = data[0] & 1;
	batch->seq[i] = (uint32_t)i + 1;
	batch->pid[i] = batch->tid[i] = 1;
	batch->thread_id[i] = data[0] & 16 ? 1 : 2;
	batch->ts[i] = (int64_t)i * 10 - (data[0] & 32 ? 25 : 0);
	batch->dur[i] = data[0] & 64 ? 30 : 1;
	batch->sent[i] = sent;
	batch->bytes[i] = kept + hole;
	batch->offset[i] = data[0] & 128 ? NO_NUMBER : batch->carried[sent];
	batch->carried[sent] += kept + hole + (data[0] == 255 ? 3 : 0);
	batch->head_ends[i + 1] = batch->head_ends[i] + (int64_t)head;
	batch->tail_ends[i + 1] = batch->tail_ends[i] + (int64_t)(kept - head);
	return kept;
}

/* Each text of each row is valid UTF-8 by itself: nothing to be escaped. */
static void check_texts(const struct clew_messages *rows, uint64_t count, const uint64_t *sizes)
{
	for (uint32_t text = 0; text < CLEW_TEXTS; text++) {
		uint8_t *again = malloc(4 * sizes[text] + 1);
		for (uint64_t i = 0; i < count; i++) {
			const int64_t from = i ? rows->text_ends[text][i - 1] : 0, end = rows->text_ends[text][i];
			struct output made = {again, again + 4 * sizes[text], false};
			put_utf8(&made, rows->text[text] + from, (size_t)(end - from));
			if (made.at - again != end - from || end - from > TEXT_LIMIT_BYTES)
				abort();
		}
		free(again);
	}
}

static void check_rows(const struct talks *talks)
{
	const uint64_t count = clew_talks_rows(talks);
	struct clew_messages rows;
	void **const columns = (void **)&rows; /* pointers, all of them */
	const size_t all = sizeof rows / sizeof *columns;
	for (size_t i = 0; i < all; i++)
		columns[i] = malloc(8 * count + 1);
	uint64_t sizes[CLEW_TEXTS];
	for (uint32_t text = 0; text < CLEW_TEXTS; text++) {
		sizes[text] = clew_talks_text_size(talks, text);
		free(rows.text[text]);
		rows.text[text] = malloc(sizes[text] + 1);
	}
	clew_talks_messages(talks, &rows);
	check_texts(&rows, count, sizes);
	for (uint64_t i = 0; i < count; i++)
		if (rows.role[i] > ROLE_OTHER || rows.bytes[i] > UINT64_MAX - rows.offset[i])
			abort();
	for (size_t i = 0; i < all; i++)
		free(columns[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	const struct protocol *const *list;
	const uint32_t count = clew_protocols(&list);
	if (size < 2)
		return 0;
	struct batch *batch = calloc(1, sizeof *batch);
	uint8_t *heads = malloc(size), *tails = malloc(size); /* of their own, so that a byte too many is seen */
	const uint8_t *at = input + 2, *end = input + size;
	while (end - at > 3 && batch->count < CALLS) {
		const uint64_t i = batch->count, kept = add_call(batch, at, (size_t)(end - at));
		const int64_t head = batch->head_ends[i + 1] - batch->head_ends[i];
		memcpy(heads + batch->head_ends[i], at + 3, (size_t)head);
		memcpy(tails + batch->tail_ends[i], at + 3 + head, kept - (size_t)head);
		at += 3 + kept;
	}
	heads = realloc(heads, (size_t)batch->head_ends[batch->count] + 1);
	tails = realloc(tails, (size_t)batch->tail_ends[batch->count] + 1);
	struct clew_calls calls = {batch->conv, batch->ts,        batch->dur, batch->bytes,     batch->offset,
							   batch->sent, batch->thread_id, batch->seq, batch->pid,       batch->tid,
							   heads,       batch->head_ends, tails,      batch->tail_ends, batch->count};
	const struct clew_conv conv = {input[0] % (count + 1) - 1, input[1] & (CLEW_CONV_DATAGRAM | CLEW_CONV_CLIENT |
																		   CLEW_CONV_SERVER | CLEW_CONV_CLOSED)};
	struct talks *talks = clew_talks_new(list, count);
	if (clew_talks_feed(talks, &calls, 1, &conv, 1) != 0)
		abort();
	check_rows(talks);
	clew_talks_clear(talks);
	clew_talks_free(talks);
	free(batch);
	free(heads);
	free(tails);
	return 0;
}
