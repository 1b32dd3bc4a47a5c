/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Commands of MySQL and MariaDB: their names, and how to tell them from other bytes.
 */
#include "mysql.h"

static const char *const names[] = {
	"COM_SLEEP",
	"COM_QUIT",
	"COM_INIT_DB",
	"COM_QUERY",
	"COM_FIELD_LIST",
	"COM_CREATE_DB",
	"COM_DROP_DB",
	"COM_REFRESH",
	"COM_SHUTDOWN",
	"COM_STATISTICS",
	"COM_PROCESS_INFO",
	"COM_CONNECT",
	"COM_PROCESS_KILL",
	"COM_DEBUG",
	"COM_PING",
	"COM_TIME",
	"COM_DELAYED_INSERT",
	"COM_CHANGE_USER",
	"COM_BINLOG_DUMP",
	"COM_TABLE_DUMP",
	"COM_CONNECT_OUT",
	"COM_REGISTER_SLAVE",
	"COM_STMT_PREPARE",
	"COM_STMT_EXECUTE",
	"COM_STMT_SEND_LONG_DATA",
	"COM_STMT_CLOSE",
	"COM_STMT_RESET",
	"COM_SET_OPTION",
	"COM_STMT_FETCH",
	"COM_DAEMON",
	"COM_BINLOG_DUMP_GTID",
	"COM_RESET_CONNECTION",
};

const char *mysql_command(uint8_t code)
{
	if (code == MYSQL_BULK)
		return "COM_STMT_BULK_EXECUTE";
	return code && code < sizeof names / sizeof *names ? names[code] : NULL;
}

bool mysql_is_handshake(struct span packet)
{
	static const uint8_t zeros[19];              /* of 23, the last four may hold MariaDB's capabilities */
	if (packet.size < 32 || !(packet.at[1] & 2)) /* protocol 4.1 */
		return false;
	return memcmp(packet.at + 9, zeros, sizeof zeros) == 0;
}

static bool is_statement(const uint8_t *text, size_t size)
{
	size_t at = 0;
	while (at < size && at < 8 && (text[at] == '\t' || text[at] == '\n' || (text[at] >= ' ' && text[at] < 127)))
		at++;
	return size && (at == size || at == 8);
}

/* Whether a packet with a command begins here, whose length and contents go together. */
static bool is_command(const uint8_t *data, size_t size)
{
	if (size < 5 || data[3])
		return false;
	const uint32_t length = le24(data);
	switch (data[4]) {
	case MYSQL_QUERY:
	case MYSQL_PREPARE:
		return length > 1 && is_statement(data + 5, length - 1 < size - 5 ? length - 1 : size - 5);
	case MYSQL_EXECUTE:
		return length >= 10 && size >= 14 && le32(data + 10) == 1;
	case MYSQL_CLOSE:
	case MYSQL_RESET:
		return length == 5;
	case MYSQL_QUIT:
	case MYSQL_STATISTICS:
	case 0x0e: /* COM_PING */
	case 0x1f: /* COM_RESET_CONNECTION */
		return length == 1;
	default:
		return false;
	}
}

size_t mysql_command_start(const uint8_t *data, size_t size)
{
	for (size_t at = 0; at + 5 <= size; at++)
		if (is_command(data + at, size - at))
			return at;
	return size;
}

static bool is_greeting(const uint8_t *data, size_t size)
{
	if (size < 6 || data[3] || data[4] != 10 || le24(data) < 40 || le24(data) > 400)
		return false;
	if (data[5] < '0' || data[5] > '9') /* of a version */
		return false;
	for (size_t at = 5; at < size; at++)
		if (data[at] < ' ' || data[at] > 126) /* then come the connection's number, 8 bytes of salt, and 0 */
			return at > 6 && !data[at] && (at + 13 >= size || !data[at + 13]);
	return true;
}

int mysql_recognise(const struct opening *opening)
{
	const uint8_t *client = opening->data[CLIENT], *server = opening->data[SERVER];
	const size_t sent = opening->size[CLIENT], got = opening->size[SERVER];
	if (opening->datagram)
		return 0;
	if (is_greeting(server, got))
		return 95;
	if (sent >= 36 && client[3] && client[3] < 4 && le24(client) >= 32 &&
		mysql_is_handshake((struct span){client + 4, sent - 4}))
		return 90;
	if (!is_command(client, sent))
		return 0;
	const bool fits = (size_t)le24(client) + 4 <= sent || sent == OPENING;
	if (got >= 5)
		return server[3] == 1 && le24(server) && fits ? 75 : 0;
	return fits && client[4] == MYSQL_QUERY ? 52 : 0;
}
