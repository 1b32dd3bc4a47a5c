/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What Python takes: which processors there are, the rows and their texts.
 */
#include <stdlib.h>

#include "talks.h"

#define ROWS_AT_ONCE 256u /* written out column by column while the cache holds them; a multiple of 8 */

static const struct protocol *const built_in[] = {
#define X(name) &protocol_##name,
#include "protocols.def"
#undef X
};

uint32_t clew_protocols(const struct protocol *const **list)
{
	*list = built_in;
	return sizeof built_in / sizeof *built_in;
}

const char *clew_protocol_name(const struct protocol *protocol, const char **aliases)
{
	*aliases = protocol->aliases;
	return protocol->name;
}

struct talks *clew_talks_new(const struct protocol *const *list, uint32_t count)
{
	struct talks *talks = calloc(1, sizeof *talks);
	uint32_t largest = 1;
	for (uint32_t i = 0; i < count; i++)
		if (list[i]->state_size > largest)
			largest = list[i]->state_size;
	if (!talks || !count || largest > STATE_LIMIT || !(talks->state = calloc(1, largest))) {
		free(talks);
		return NULL;
	}
	talks->list = list;
	talks->protocols = count;
	return talks;
}

uint64_t clew_talks_rows(const struct talks *talks)
{
	return talks->row_count;
}

uint64_t clew_talks_text_size(const struct talks *talks, uint32_t text)
{
	return talks->text_bytes[text];
}

static void numbers_out(const struct row *rows, uint64_t from, uint64_t to, const struct clew_messages *out)
{
#define COLUMN(name)                                                                                                   \
	for (uint64_t i = from; i < to; i++)                                                                               \
		out->name[i] = rows[i].name;
	COLUMN(thread_id)
	COLUMN(exchange)
	COLUMN(stream)
	COLUMN(offset)
	COLUMN(bytes)
	COLUMN(first_ns)
	COLUMN(last_ns)
	COLUMN(conv)
	COLUMN(seq)
	COLUMN(pid)
	COLUMN(tid)
	COLUMN(role)
	COLUMN(protocol)
#undef COLUMN
}

/* The bits of rows [from, to), from a multiple of 8. */
static void bits_out(const struct row *rows, uint64_t from, uint64_t to, const struct clew_messages *out)
{
#define BITS(column, condition)                                                                                        \
	for (uint64_t i = from; i < to; i++) {                                                                             \
		const struct row *row = &rows[i];                                                                              \
		if (i % 8 == 0)                                                                                                \
			(column)[i / 8] = 0;                                                                                       \
		(column)[i / 8] |= (uint8_t)((condition) << i % 8);                                                            \
	}
	BITS(out->exchange_known, row->exchange != NO_NUMBER)
	BITS(out->stream_known, row->stream != NO_NUMBER)
	BITS(out->held_known, row->held != HELD_UNKNOWN)
	BITS(out->flag[CLEW_SENT], row->sent != 0)
	BITS(out->flag[CLEW_ERROR], row->error != 0)
	BITS(out->flag[CLEW_WHOLE], row->whole != 0)
	BITS(out->flag[CLEW_HELD], row->held == HELD_YES)
	for (int text = 0; text < CLEW_TEXTS; text++)
		BITS(out->text_known[text], row->texts[text].set != 0)
#undef BITS
}

void clew_talks_messages(const struct talks *talks, const struct clew_messages *out)
{
	int64_t at[CLEW_TEXTS] = {0};
	for (uint64_t from = 0; from < talks->row_count; from += ROWS_AT_ONCE) {
		const uint64_t left = talks->row_count - from, to = from + (left < ROWS_AT_ONCE ? left : ROWS_AT_ONCE);
		numbers_out(talks->rows, from, to, out);
		bits_out(talks->rows, from, to, out);
		for (int text = 0; text < CLEW_TEXTS; text++)
			for (uint64_t i = from; i < to; i++) {
				const uint32_t size = talks->rows[i].texts[text].size;
				if (size)
					memcpy(out->text[text] + at[text], talks->text + talks->rows[i].texts[text].at, size);
				out->text_ends[text][i] = at[text] += size;
			}
	}
}

void clew_talks_clear(struct talks *talks)
{
	talks->row_count = 0;
	memset(talks->text_bytes, 0, sizeof talks->text_bytes);
	texts_keep(talks);
}

void clew_talks_free(struct talks *talks)
{
	if (!talks)
		return;
	for (int side = CLIENT; side <= SERVER; side++)
		free(talks->stream[side].mark);
	free(talks->exchanges.tags);
	free(talks->exchanges.ids);
	free(talks->items);
	free(talks->rows);
	free(talks->text);
	free(talks->texts);
	free(talks->state);
	free(talks);
}
