/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Names of statements: drivers send the same text over and over, which is taken apart once.
 *
 * A text is kept when it comes for the second time: statements with their values in them do not come again, and are not
 * worth a copy.
 */
#include "remembered.h"
#include "talks.h"

static struct span take_apart(struct statements *all, uint32_t dialect, struct span sql, bool cut,
							  struct clew_found *trace)
{
	const size_t size = clew_normalise_sql(dialect, (const char *)sql.at, clew_steady_size(sql.size, cut), cut,
										   all->name, sizeof all->name, trace);
	return (struct span){(const uint8_t *)all->name, size};
}

struct span statement_name(struct talk *talk, uint32_t dialect, struct span sql, bool cut, struct clew_found *trace)
{
	struct statements *all = &talks_of(talk)->statements;
	const uint8_t kind = (uint8_t)(dialect << 1 | cut);
	if (!sql.size || sql.size > STATEMENT_BYTES)
		return take_apart(all, dialect, sql, cut, trace);
	const uint64_t key = remembered_key(kind, sql.at, sql.size);
	struct statement *known = &all->known[key % STATEMENTS];
	const bool again = known->key == key;
	if (again && known->size == sql.size && known->kind == kind && !memcmp(known->text, sql.at, sql.size)) {
		*trace = known->trace;
		return (struct span){known->name, known->name_size};
	}
	const struct span name = take_apart(all, dialect, sql, cut, trace);
	known->key = key;
	known->size = 0;
	if (again && name.size <= STATEMENT_BYTES) {
		known->kind = kind;
		known->size = (uint32_t)sql.size;
		known->name_size = (uint32_t)name.size;
		known->trace = *trace;
		memcpy(known->text, sql.at, sql.size);
		memcpy(known->name, name.at, name.size);
	}
	return name;
}
