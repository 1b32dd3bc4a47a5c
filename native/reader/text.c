/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Text of `perf script`: paragraphs, the time in their heads, lines and stacks by number (clew_text.h).
 */
#include <errno.h>
#include <stdlib.h>

#include "clew_text.h"
#include "perf.h"

/* Distinct strings of bytes, by number. */
struct names {
	struct table table;
	uint64_t *ends;
	uint8_t *bytes;
	uint64_t count, room, byte_room, most;
};

struct clew_text {
	struct names lines, halves;
	struct clew_text_row *rows;
	uint32_t *list;
	uint64_t row_count, row_room, list_count, list_room;
	struct table tree;
	int32_t *parent, *frame;
	uint64_t node_count, parent_room, frame_room;
};

static bool is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

static bool is_blank(uint8_t byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static bool names_start(struct names *names, uint64_t most)
{
	names->most = most;
	if (!reserve(&names->ends, 1, &names->room, sizeof *names->ends))
		return false;
	names->ends[0] = 0;
	return true;
}

/* -ENOMEM, or the number of a name; *number is ABSENT if there are as many as may be. */
static int number_of(struct names *names, const uint8_t *bytes, uint64_t size, uint32_t *number)
{
	for (uint64_t key = hash_bytes(bytes, size, 0);; key += 2) {
		bool fresh = false;
		uint32_t *value =
			names->count < names->most ? table_put(&names->table, key, &fresh) : table_get(&names->table, key);
		*number = ABSENT;
		if (!value)
			return names->count < names->most ? -ENOMEM : 0;
		if (fresh) {
			const uint64_t end = names->ends[names->count];
			*value = (uint32_t)names->count;
			if (!reserve(&names->ends, names->count + 1, &names->room, sizeof *names->ends) ||
				!reserve(&names->bytes, end + size, &names->byte_room, 1))
				return -ENOMEM;
			memcpy(names->bytes + end, bytes, size);
			names->ends[++names->count] = end + size;
			*number = *value;
			return 0;
		}
		const uint64_t begin = names->ends[*value], end = names->ends[*value + 1];
		if (end - begin == size && !memcmp(names->bytes + begin, bytes, size)) {
			*number = *value;
			return 0;
		}
	}
}

/* The first "SECONDS.FRACTION:" between blanks, in nanoseconds or microseconds; false: there is none. */
static bool time_in(const uint8_t *begin, const uint8_t *end, const uint8_t **from, const uint8_t **to, int64_t *ns)
{
	for (const uint8_t *dot = begin; (dot = memchr(dot, '.', (size_t)(end - dot))); dot++) {
		const uint8_t *left = dot, *right = dot + 1;
		uint64_t seconds = 0, fraction = 0;
		while (left > begin && is_digit(left[-1]) && dot - left < 11)
			left--;
		while (right < end && is_digit(*right) && right - dot < 11)
			fraction = 10 * fraction + (*right++ - '0');
		const ptrdiff_t before = dot - left, after = right - dot - 1;
		if (before < 1 || before > 10 || (after != 6 && after != 9) || left == begin || !is_blank(left[-1]))
			continue;
		if (end - right < 2 || right[0] != ':' || !is_blank(right[1]))
			continue;
		for (const uint8_t *digit = left; digit < dot; digit++)
			seconds = 10 * seconds + (*digit - '0');
		if (seconds > INT64_MAX / 1000000000 - 1)
			return false;
		*ns = (int64_t)(seconds * 1000000000 + (after == 6 ? 1000 * fraction : fraction));
		*from = left;
		*to = right + 1;
		return true;
	}
	return false;
}

/* The number at `*at` if a blank is on each side of it, -1 if not; blanks around it are skipped. */
static int64_t period_at(const uint8_t **at, const uint8_t *end)
{
	int64_t period = 0;
	while (*at < end && is_blank(**at))
		(*at)++;
	const uint8_t *digit = *at;
	while (digit < end && is_digit(*digit) && digit - *at < 18)
		period = 10 * period + (*digit++ - '0');
	if (digit == *at || digit == end || !is_blank(*digit))
		return -1;
	while (digit < end && is_blank(*digit))
		digit++;
	*at = digit;
	return period;
}

static int paragraph(struct clew_text *text, const uint8_t *bytes, const uint8_t *begin, const uint8_t *end)
{
	const uint8_t *newline = memchr(begin, '\n', (size_t)(end - begin));
	const uint8_t *head_end = newline ? newline : end, *from, *to;
	if (!reserve(&text->rows, text->row_count, &text->row_room, sizeof *text->rows))
		return -ENOMEM;
	struct clew_text_row *row = &text->rows[text->row_count++];
	*row = (struct clew_text_row){.begin = (uint64_t)(begin - bytes),
								  .head_end = (uint64_t)(head_end - bytes),
								  .end = (uint64_t)(end - bytes),
								  .first = text->list_count,
								  .before = ABSENT,
								  .after = ABSENT,
								  .stack = -2,
								  .period = -1};
	if (*begin == '#' || is_blank(*begin) || !time_in(begin, head_end, &from, &to, &row->time_ns))
		return 0;
	int done = number_of(&text->halves, begin, (uint64_t)(from - begin), &row->before);
	row->time_at = (uint64_t)(from - bytes);
	row->time_end = (uint64_t)(to - bytes);
	row->period = period_at(&to, head_end);
	if (!done)
		done = number_of(&text->halves, to, (uint64_t)(head_end - to), &row->after);
	if (done || row->before == ABSENT || row->after == ABSENT)
		return done;
	for (const uint8_t *line = head_end + 1; line < end && !done; line = newline + 1) {
		if (!(newline = memchr(line, '\n', (size_t)(end - line))))
			newline = end;
		if (!reserve(&text->list, text->list_count, &text->list_room, sizeof *text->list))
			return -ENOMEM;
		done = number_of(&text->lines, line, (uint64_t)(newline - line), &text->list[text->list_count]);
		if (text->list[text->list_count++] == ABSENT) /* of 2^31 different lines */
			done = -ENOMEM;
	}
	row->lines = text->list_count - row->first;
	return done;
}

/* Where a paragraph ends, without its last line feed. */
static const uint8_t *blank_line(const uint8_t *at, const uint8_t *end)
{
	while ((at = memchr(at, '\n', (size_t)(end - at))) && at + 1 < end)
		if (*++at == '\n')
			return at - 1;
	return at ? at : end;
}

static void tell(const struct clew_text *text, struct clew_text_tables *tables)
{
	*tables = (struct clew_text_tables){
		.rows = text->rows,
		.lines = text->list,
		.line_ends = text->lines.ends,
		.half_ends = text->halves.ends,
		.line_bytes = text->lines.bytes,
		.half_bytes = text->halves.bytes,
		.parent = text->parent,
		.frame = text->frame,
		.row_count = text->row_count,
		.line_count = text->lines.count,
		.half_count = text->halves.count,
		.node_count = text->node_count,
	};
}

struct clew_text *clew_text_new(uint64_t most_halves)
{
	struct clew_text *text = calloc(1, sizeof *text);
	if (text && names_start(&text->lines, INT32_MAX) && names_start(&text->halves, most_halves))
		return text;
	clew_text_free(text);
	return NULL;
}

void clew_text_free(struct clew_text *text)
{
	if (!text)
		return;
	struct names *names[] = {&text->lines, &text->halves};
	for (size_t i = 0; i < 2; i++) {
		table_free(&names[i]->table);
		free(names[i]->ends);
		free(names[i]->bytes);
	}
	table_free(&text->tree);
	free(text->rows);
	free(text->list);
	free(text->parent);
	free(text->frame);
	free(text);
}

int clew_text_read(struct clew_text *text, const uint8_t *bytes, uint64_t size, struct clew_text_tables *tables)
{
	const uint8_t *at = bytes, *const end = bytes + size;
	text->row_count = text->list_count = 0;
	for (int done = 0; !done;) {
		while (at < end && *at == '\n')
			at++;
		if (at == end)
			break;
		const uint8_t *stop = blank_line(at, end);
		if ((done = paragraph(text, bytes, at, stop)))
			return done;
		at = stop;
	}
	tell(text, tables);
	return 0;
}

/* -ENOMEM, or 0: the node of `frame` below *node is *node now. */
static int below(struct clew_text *text, int32_t *node, int32_t frame)
{
	bool fresh;
	uint32_t *found = table_put(&text->tree, ((uint64_t)(*node + 1) << 32 | (uint32_t)frame) + 1, &fresh);
	if (!found)
		return -ENOMEM;
	if (fresh) {
		*found = (uint32_t)text->node_count;
		if (text->node_count == INT32_MAX - 1 ||
			!reserve(&text->parent, text->node_count, &text->parent_room, sizeof *text->parent) ||
			!reserve(&text->frame, text->node_count, &text->frame_room, sizeof *text->frame))
			return -ENOMEM;
		text->parent[text->node_count] = *node;
		text->frame[text->node_count++] = frame;
	}
	*node = (int32_t)*found;
	return 0;
}

int clew_text_stacks(struct clew_text *text, const uint8_t *wanted, const int32_t *frame,
					 struct clew_text_tables *tables)
{
	for (uint64_t i = 0; i < text->row_count; i++) {
		struct clew_text_row *row = &text->rows[i];
		if (!wanted[i])
			continue;
		const uint32_t *lines = row->lines ? text->list + row->first : NULL;
		row->stack = -1;
		for (uint64_t line = 0; line < row->lines; line++)
			if (frame[lines[line]] == -1)
				row->stack = -2;
		for (uint64_t line = row->stack == -1 ? row->lines : 0; line-- > 0;)
			if (frame[lines[line]] >= 0 && below(text, &row->stack, frame[lines[line]]))
				return -ENOMEM;
	}
	tell(text, tables);
	return 0;
}

uint64_t clew_text_fold(const struct clew_text *text, const int32_t *nodes, uint64_t count, const uint64_t *ends,
						const uint8_t *bytes, uint8_t *out, uint64_t room, uint64_t *out_ends)
{
	uint64_t size = 0;
	for (uint64_t i = 0; i < count; i++) {
		for (int32_t node = nodes[i]; node >= 0; node = text->parent[node])
			size += ends[text->frame[node] + 1] - ends[text->frame[node]];
		out_ends[i] = size;
		uint64_t at = size;
		if (size > room)
			continue;
		for (int32_t node = nodes[i]; node >= 0; node = text->parent[node]) {
			const uint64_t begin = ends[text->frame[node]], length = ends[text->frame[node] + 1] - begin;
			at -= length;
			memcpy(out + at, bytes + begin, length);
		}
	}
	return size;
}
