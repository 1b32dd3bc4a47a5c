/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Names to group requests by: statements, paths and keys with what differs from call to call taken out.
 *
 * Each function reads `size` bytes of `text` once, from start to end, writes at most `room` bytes to `out` (no NUL) and
 * returns how many. `cut`: the text went on. What is left out at the end, for that or for want of room, is told by
 * "...". The output never ends within a UTF-8 character that was whole in the text.
 */
#ifndef CLEW_NORMALISE_H
#define CLEW_NORMALISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLEW_NORMALISE_API __attribute__((visibility("default")))

enum clew_sql_dialect {
	CLEW_SQL_STANDARD = 0, /* PostgreSQL, SQLite: "x" is a name, \ is itself but in E'', $$..$$, comments nest */
	CLEW_SQL_MYSQL = 1     /* MySQL, MariaDB: "x" is a string, \ escapes, # comments, `x` is a name */
};

/** Where in the text something lies; size 0: nowhere. */
struct clew_found {
	uint64_t at;
	uint64_t size;
};

/**
 * A statement: literals and parameters become ?, lists in IN (..) and ARRAY[..] one ?, rows of VALUES that look alike
 * one row, white space and comments one blank. `traceparent` (may be NULL): where a comment holds a W3C trace context.
 */
CLEW_NORMALISE_API size_t clew_normalise_sql(uint32_t dialect, const char *text, size_t size, bool cut, char *out,
											 size_t room, struct clew_found *traceparent);

/**
 * How much of a text that was cut to make a name of: so much that both ends of a connection, which keep a few bytes
 * more or less of it, make the same one.
 */
static inline size_t clew_steady_size(size_t size, bool cut)
{
	return cut && size > 32 ? size - size % 32 : size;
}

/**
 * A request target: scheme, authority, ?query, #fragment and ;parameters of a segment are dropped (who calls can choose
 * names of query parameters freely, so they would not group). In a segment numbers, hexadecimal of 8 and more, UUIDs
 * and long mixtures of letters and digits become ?.
 */
CLEW_NORMALISE_API size_t clew_normalise_path(const char *text, size_t size, bool cut, char *out, size_t room);

/** A key of Redis or memcached: as a path's segment, and each other run of digits is ?, too. */
CLEW_NORMALISE_API size_t clew_normalise_key(const char *text, size_t size, bool cut, char *out, size_t room);

/** One word of a command. */
struct clew_word {
	const char *text;
	size_t size; /* bytes that were kept */
	bool cut;    /* there were more */
};

/**
 * A Redis command: its name in capitals, a second word where that is part of the name (CONFIG GET), and the pattern of
 * its first key: GET user:?. `secret` (may be NULL) is set if words of it must not be shown (AUTH).
 */
CLEW_NORMALISE_API size_t clew_normalise_redis(const struct clew_word *words, size_t count, char *out, size_t room,
											   bool *secret);

#endif
