/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Lines, words and numbers in bytes of somebody else's.
 */
#include "protocol.h"

bool line_of(const uint8_t *data, size_t size, struct span *line, size_t *next)
{
	const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
	if (!end)
		return false;
	const size_t length = (size_t)(end - data);
	*line = (struct span){data, length - (length && end[-1] == '\r')};
	*next = length + 1;
	return true;
}

struct span word_of(struct span *rest, const char *ends)
{
	size_t length = 0;
	if (ends[0] && !ends[1]) {
		const uint8_t *end = rest->size ? memchr(rest->at, ends[0], rest->size) : NULL;
		length = end ? (size_t)(end - rest->at) : rest->size;
	} else {
		while (length < rest->size && !(rest->at[length] && strchr(ends, rest->at[length])))
			length++;
	}
	const struct span word = {rest->at, length};
	length += length < rest->size;
	rest->at += length;
	rest->size -= length;
	return word;
}

static uint8_t lower(uint8_t letter)
{
	return letter >= 'A' && letter <= 'Z' ? (uint8_t)(letter + 32) : letter;
}

bool is_word(struct span span, const char *word)
{
	size_t i = 0;
	for (; i < span.size && word[i]; i++)
		if (lower(span.at[i]) != lower((uint8_t)word[i]))
			return false;
	return i == span.size && !word[i];
}

bool begins_with(const uint8_t *data, size_t size, const char *word)
{
	const size_t length = strlen(word);
	return size >= length && memcmp(data, word, length) == 0;
}

bool number_of(struct span span, uint64_t *value)
{
	*value = 0;
	for (size_t i = 0; i < span.size; i++) {
		const uint8_t digit = (uint8_t)(span.at[i] - '0');
		if (digit > 9 || *value > (UINT64_MAX - digit) / 10)
			return false;
		*value = *value * 10 + digit;
	}
	return span.size > 0;
}
