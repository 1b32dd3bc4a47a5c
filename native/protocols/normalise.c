/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief The normal forms as processors ask for them, and what the bytes are that they are made of.
 */
#include "normalise_text.h"
#include "protocol.h"

const uint8_t normalise_letters[256] = {
	[0 ... ' '] = BLANK,
	['0' ... '9'] = DIGIT | HEX,
	['A' ... 'F'] = UPPER | HEX,
	['G' ... 'Z'] = UPPER,
	['a' ... 'f'] = SMALL | HEX,
	['g' ... 'z'] = SMALL,
	['_'] = SIGN,
	['$'] = SIGN,
	[127] = BLANK,
	[128 ... 255] = HIGH,
};

size_t normalise_path(const uint8_t *path, size_t size, char *out, size_t room)
{
	return clew_normalise_path((const char *)path, size, false, out, room);
}

size_t normalise_sql(const uint8_t *sql, size_t size, char *out, size_t room)
{
	return clew_normalise_sql(CLEW_SQL_STANDARD, (const char *)sql, size, false, out, room, NULL);
}
