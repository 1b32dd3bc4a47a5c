/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What the normalisers share: kinds of bytes, and a writer that never writes past its room.
 */
#ifndef CLEW_NORMALISE_TEXT_H
#define CLEW_NORMALISE_TEXT_H

#include <string.h>

#include "normalise.h"

enum letter { DIGIT = 1, UPPER = 2, SMALL = 4, HEX = 8, BLANK = 16, HIGH = 32, SIGN = 64 }; /* bits */

/* What each byte is; SIGN: _ and $, which stand in words, too. */
extern const uint8_t normalise_letters[256];

static inline bool is_any(char c, unsigned kinds)
{
	return normalise_letters[(uint8_t)c] & kinds;
}

static inline bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static inline bool is_letter(char c)
{
	return is_any(c, UPPER | SMALL);
}

static inline bool is_hex(char c)
{
	return is_any(c, HEX);
}

static inline bool is_blank(char c)
{
	return is_any(c, BLANK);
}

static inline char lower(char c)
{
	return is_upper(c) ? (char)(c + 32) : c;
}

/* Whether `size` bytes are `word` (small letters), in letters of any size. */
static inline bool same_word(const char *text, size_t size, const char *word)
{
	size_t at = 0;
	while (at < size && word[at] && lower(text[at]) == word[at])
		at++;
	return at == size && !word[at];
}

/* Whether `size` bytes are one of `words`: words of small letters, each between blanks, also first and last. */
static inline bool one_of(const char *text, size_t size, const char *words)
{
	const char first = size ? lower(*text) : 0;
	for (const char *word = words + 1; size && *word; word++) {
		size_t at = 0;
		if (*word != first) {
			word = strchr(word, ' ');
			continue;
		}
		while (at < size && lower(text[at]) == word[at])
			at++;
		if (at == size && word[at] == ' ')
			return true;
		word = strchr(word + at, ' ');
	}
	return false;
}

struct writer {
	char *out;
	size_t room, used;
	bool full; /* something did not fit */
};

static inline void write_byte(struct writer *to, char c)
{
	if (to->used < to->room)
		to->out[to->used++] = c;
	else
		to->full = true;
}

static inline void write_text(struct writer *to, const char *text, size_t size)
{
	const size_t left = to->room - to->used;
	if (size > left) {
		to->full = true;
		size = left;
	}
	memcpy(to->out + to->used, text, size);
	to->used += size;
}

/* End with "..." in place of what did not fit or was not there. */
static inline size_t write_end(struct writer *to, bool cut)
{
	if (to->full || cut) {
		if (to->used + 3 > to->room)
			to->used = to->room < 3 ? 0 : to->room - 3;
		size_t back = to->used; /* to the start of a character of several bytes */
		while (back && to->used - back < 3 && ((uint8_t)to->out[back - 1] & 0xc0) == 0x80)
			back--;
		if (back && (uint8_t)to->out[back - 1] >= 0xc0) {
			const uint8_t first = (uint8_t)to->out[back - 1];
			const size_t wants = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
			if (to->used - back < wants)
				to->used = back - 1;
		}
		while (to->used && to->out[to->used - 1] == ' ')
			to->used--;
		write_text(to, "...", to->room < 3 ? 0 : 3);
	}
	return to->used;
}

#endif
