/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Commands of MySQL and MariaDB, and where they begin.
 */
#ifndef CLEW_MYSQL_H
#define CLEW_MYSQL_H

#include "protocol.h"

#define MYSQL_FULL 0xffffffu    /* bytes of a packet that goes on in the next */
#define MYSQL_NO_EOF (1u << 24) /* capability: no EOF packets behind definitions */

enum mysql_command {
	MYSQL_QUIT = 1,
	MYSQL_INIT_DB = 2,
	MYSQL_QUERY = 3,
	MYSQL_FIELD_LIST = 4,
	MYSQL_STATISTICS = 9,
	MYSQL_CHANGE_USER = 0x11,
	MYSQL_PREPARE = 0x16,
	MYSQL_EXECUTE = 0x17,
	MYSQL_LONG_DATA = 0x18,
	MYSQL_CLOSE = 0x19,
	MYSQL_RESET = 0x1a,
	MYSQL_FETCH = 0x1c,
	MYSQL_BULK = 0xfa,
	MYSQL_CONNECT = 0xff /* ours: the handshake */
};

/** COM_QUERY, ...; NULL: no command has this code. */
const char *mysql_command(uint8_t code);
/** Whether this is what a client answers to the server's greeting (or its beginning). */
bool mysql_is_handshake(struct span packet);
/** Where a command begins, as far as that can be told; `size`: nowhere. */
size_t mysql_command_start(const uint8_t *data, size_t size);
int mysql_recognise(const struct opening *opening);

#endif
