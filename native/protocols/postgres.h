/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Where messages of PostgreSQL begin: in the middle of a stream, and behind a hole.
 */
#ifndef CLEW_POSTGRES_H
#define CLEW_POSTGRES_H

#include "protocol.h"

#define POSTGRES_LOOK 1024u /* bytes to keep where no beginning was found: one may begin in them */

/** Whether five bytes can begin a message with a type that a client sends. */
bool postgres_client_head(const uint8_t *data);
/** The same of a server. */
bool postgres_server_head(const uint8_t *data);
/** Where the first message begins that leads to the end of a request (or to the end of the data); `size`: nowhere. */
size_t postgres_client_start(const uint8_t *data, size_t size);
/** The same of a reply: that leads to ReadyForQuery. */
size_t postgres_server_start(const uint8_t *data, size_t size);
int postgres_recognise(const struct opening *opening);

#endif
