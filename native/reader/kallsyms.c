/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Lines of /proc/kallsyms: a hundred thousand of them, which each process that names the kernel's functions
 * reads.
 */
#include <stdbool.h>
#include <string.h>

#include "clew_kallsyms.h"

static int digit_of(uint8_t byte)
{
	const uint8_t letter = byte | 0x20;
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/* The address at the beginning of a line: digits of one width, a type of code or data, and a name without `$`. */
static bool is_symbol(const uint8_t *line, uint64_t size, uint64_t width, uint64_t *address)
{
	if (size <= width + 3 || line[width] != ' ' || line[width + 2] != ' ' || line[width + 3] == '$')
		return false;
	const uint8_t kind = line[width + 1] | 0x20;
	if (kind != 't' && kind != 'w' && kind != 'd' && kind != 'b')
		return false;
	*address = 0;
	for (uint64_t i = 0; i < width; i++) {
		const int digit = digit_of(line[i]);
		if (digit < 0)
			return false;
		*address = *address << 4 | (uint64_t)digit;
	}
	return true;
}

int64_t clew_kallsyms(const uint8_t *text, uint64_t size, uint64_t width, uint64_t *start, int64_t *name_at,
					  int64_t *name_end, int64_t *line_end, int64_t room)
{
	int64_t count = 0;
	for (const uint8_t *line = text, *end, *tab; line < text + size && count < room; line = end + 1) {
		if (!(end = memchr(line, '\n', (size_t)(text + size - line))))
			break;
		if (!is_symbol(line, (uint64_t)(end - line), width, &start[count]))
			continue;
		name_at[count] = line + width + 3 - text;
		line_end[count] = end - text;
		tab = NULL; /* the last one, behind the name's first byte */
		for (const uint8_t *at = end; !tab && --at > line + width + 3;)
			if (*at == '\t')
				tab = at;
		name_end[count++] = (tab ? tab : end) - text;
	}
	return count;
}
