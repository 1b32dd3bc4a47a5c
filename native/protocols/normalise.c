/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief The normal forms as processors ask for them.
 */
#include "protocol.h"

#include "normalise.h"

size_t normalise_path(const uint8_t *path, size_t size, char *out, size_t room)
{
	return clew_normalise_path((const char *)path, size, false, out, room);
}

size_t normalise_sql(const uint8_t *sql, size_t size, char *out, size_t room)
{
	return clew_normalise_sql(CLEW_SQL_STANDARD, (const char *)sql, size, false, out, room, NULL);
}
