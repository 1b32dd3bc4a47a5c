/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What Python takes: which processors there are, the rows and their texts.
 */
#include <stdlib.h>

#include "talks.h"

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

uint64_t clew_talks_rows(const struct talks *talks, const struct clew_message_row **rows)
{
	*rows = talks->rows;
	return talks->row_count;
}

uint64_t clew_talks_text_size(const struct talks *talks, uint32_t text)
{
	return talks->text_bytes[text];
}

void clew_talks_text(const struct talks *talks, uint32_t text, uint8_t *out, int64_t *ends, uint8_t *set)
{
	int64_t at = 0;
	for (uint64_t i = 0; i < talks->row_count; i++) {
		const uint32_t size = talks->rows[i].texts[text].size;
		if (size)
			memcpy(out + at, talks->text + talks->rows[i].texts[text].at, size);
		at += size;
		ends[i] = at;
		set[i] = (uint8_t)talks->rows[i].texts[text].set;
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
	free(talks->rows);
	free(talks->text);
	free(talks->texts);
	free(talks->state);
	free(talks);
}
