/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Paths and keys without the ids in them.
 */
#include "normalise_text.h"

#define HEXADECIMAL 8     /* characters: shorter ones are words, too (cafe, add) */
#define MIXTURE 16        /* letters and digits */
#define STRONG_MIXTURE 10 /* small letters, capitals and digits */

static bool in_run(const char *text, size_t size, size_t at)
{
	const char c = text[at];
	return is_letter(c) || is_digit(c) || (uint8_t)c >= 128 ||
		   (c == '%' && at + 2 < size && is_hex(text[at + 1]) && is_hex(text[at + 2]));
}

/* 8-4-4-4-12 hexadecimal digits */
static bool is_uuid(const char *text, size_t size)
{
	if (size < 36)
		return false;
	for (size_t at = 0; at < 36; at++)
		if (at == 8 || at == 13 || at == 18 || at == 23 ? text[at] != '-' : !is_hex(text[at]))
			return false;
	return true;
}

static bool is_id(const char *run, size_t size)
{
	size_t digits = 0, hex = 0, small = 0, large = 0;
	for (size_t at = 0; at < size; at++) {
		digits += is_digit(run[at]);
		hex += is_hex(run[at]);
		large += is_upper(run[at]);
		small += is_letter(run[at]) && !is_upper(run[at]);
	}
	if (digits == size)
		return true;
	if (size > 2 && run[0] == '0' && lower(run[1]) == 'x' && hex == size - 1)
		return true;
	if (!digits || digits + small + large != size)
		return false;
	return (hex == size && size >= HEXADECIMAL) || size >= MIXTURE ||
		   (size >= STRONG_MIXTURE && digits > 1 && small && large);
}

/* A ? in place of an id; ids with one separator between them are one. */
static void put_id(struct writer *to, size_t from, bool *after_id)
{
	if (*after_id && to->used >= from + 2)
		to->used--; /* the separator */
	else
		write_byte(to, '?');
	*after_id = true;
}

static void put_run(struct writer *to, const char *run, size_t size, bool every_digit)
{
	for (size_t at = 0; at < size; at++)
		if (!every_digit || !is_digit(run[at]))
			write_byte(to, run[at]);
		else if (!at || !is_digit(run[at - 1]))
			write_byte(to, '?');
}

/* One segment, or a whole key: runs of letters and digits, with single separators between them. */
static void put_segment(struct writer *to, const char *text, size_t size, bool every_digit)
{
	const size_t from = to->used;
	bool after_id = false; /* the run before the separator that was written last was one */
	for (size_t at = 0; at < size && !to->full;) {
		size_t end = at;
		if (is_uuid(text + at, size - at) && (at + 36 == size || !in_run(text, size, at + 36)))
			end = at + 36;
		const bool uuid = end > at;
		while (!uuid && end < size && in_run(text, size, end))
			end += text[end] == '%' ? 3 : 1;
		if (uuid || (end > at && is_id(text + at, end - at))) {
			put_id(to, from, &after_id);
		} else if (end > at) {
			put_run(to, text + at, end - at, every_digit);
			after_id = false;
		} else {
			const char c = text[end++];
			after_id = after_id && to->used && to->out[to->used - 1] == '?' && strchr("-_.,~", c) && c;
			write_byte(to, is_blank(c) ? '_' : c);
		}
		at = end;
	}
}

/* Where the path starts: behind scheme://authority, if that is how the target begins. */
static size_t path_start(const char *text, size_t size)
{
	size_t at = 0;
	while (at < size && (is_letter(text[at]) || (at && (is_digit(text[at]) || strchr("+-.", text[at])))))
		at++;
	if (!at || at + 3 > size || memcmp(text + at, "://", 3))
		return 0;
	for (at += 3; at < size && !strchr("/?#", text[at]);)
		at++;
	return at;
}

size_t clew_normalise_path(const char *text, size_t size, bool cut, char *out, size_t room)
{
	struct writer to = {out, room, 0, false};
	size_t at = path_start(text, size), end = at;
	while (end < size && text[end] != '?' && text[end] != '#')
		end++;
	const bool open = cut && end == size;
	if (at == end && !open)
		write_byte(&to, '/');
	while (at < end && !to.full) {
		size_t stop = at, parameters;
		while (stop < end && text[stop] != '/')
			stop++;
		parameters = at;
		while (parameters < stop && text[parameters] != ';')
			parameters++;
		put_segment(&to, text + at, parameters - at, false);
		if (stop < end)
			write_byte(&to, '/');
		at = stop + 1;
	}
	return write_end(&to, open);
}

size_t clew_normalise_key(const char *text, size_t size, bool cut, char *out, size_t room)
{
	struct writer to = {out, room, 0, false};
	put_segment(&to, text, size, true);
	return write_end(&to, cut);
}
