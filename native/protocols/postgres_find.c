/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Finds the beginnings of PostgreSQL's messages: by chains of lengths that end where an exchange ends.
 */
#include "postgres.h"

#define LONGEST 0x40000000u /* bytes of a message */

/* Lengths that a type allows; most: 0 means any. */
static bool fits(uint32_t length, uint32_t least, uint32_t most)
{
	return length >= least && length <= (most ? most : LONGEST);
}

bool postgres_client_head(const uint8_t *data)
{
	const uint32_t length = be32(data + 1);
	switch (data[0]) {
	case 'S': /* Sync */
	case 'H': /* Flush */
	case 'X': /* Terminate */
	case 'c': /* CopyDone */
		return length == 4;
	case 'Q': /* Query */
	case 'p': /* password and the like */
	case 'f': /* CopyFail */
		return fits(length, 5, 0);
	case 'd': /* CopyData */
		return fits(length, 4, 0);
	case 'P': /* Parse */
		return fits(length, 8, 0);
	case 'B': /* Bind */
		return fits(length, 12, 0);
	case 'E': /* Execute */
		return fits(length, 9, 256);
	case 'D': /* Describe */
	case 'C': /* Close */
		return fits(length, 6, 256);
	case 'F': /* FunctionCall */
		return fits(length, 14, 0);
	default:
		return false;
	}
}

bool postgres_server_head(const uint8_t *data)
{
	const uint32_t length = be32(data + 1);
	switch (data[0]) {
	case '1': /* ParseComplete */
	case '2': /* BindComplete */
	case '3': /* CloseComplete */
	case 'I': /* EmptyQueryResponse */
	case 'n': /* NoData */
	case 's': /* PortalSuspended */
	case 'c': /* CopyDone */
		return length == 4;
	case 'Z': /* ReadyForQuery */
		return length == 5;
	case 'K': /* BackendKeyData: 256 bytes of key at most since 3.2 */
		return fits(length, 12, 264);
	case 'R': /* Authentication */
		return fits(length, 8, 8192);
	case 'C': /* CommandComplete */
		return fits(length, 5, 128);
	case 'D': /* DataRow */
	case 'T': /* RowDescription */
	case 't': /* ParameterDescription */
		return fits(length, 6, 0);
	case 'G': /* CopyInResponse */
	case 'H': /* CopyOutResponse */
	case 'W': /* CopyBothResponse */
		return fits(length, 7, 16384);
	case 'E': /* ErrorResponse */
	case 'N': /* NoticeResponse */
		return fits(length, 5, 1 << 20);
	case 'A': /* NotificationResponse */
		return fits(length, 10, 16384);
	case 'S': /* ParameterStatus */
		return fits(length, 6, 0);
	case 'V': /* FunctionCallResponse */
		return fits(length, 8, 0);
	case 'd': /* CopyData */
		return fits(length, 4, 0);
	case 'v': /* NegotiateProtocolVersion */
		return fits(length, 12, 8192);
	default:
		return false;
	}
}

/* The first place from which lengths lead to `goal`, of those at most POSTGRES_LOOK bytes before it. */
static size_t first_leading_to(const uint8_t *data, size_t goal, bool (*head)(const uint8_t *))
{
	bool leads[POSTGRES_LOOK + 1] = {0}; /* by distance from the goal */
	const size_t look = goal < POSTGRES_LOOK ? goal : POSTGRES_LOOK;
	size_t found = 0;
	leads[0] = true;
	for (size_t back = 5; back <= look; back++) {
		const uint8_t *at = data + goal - back;
		const size_t total = 1 + (size_t)be32(at + 1);
		if (total <= back && leads[back - total] && head(at)) {
			leads[back] = true;
			found = back;
		}
	}
	return goal - found;
}

size_t postgres_server_start(const uint8_t *data, size_t size)
{
	for (size_t at = 0; at + 6 <= size; at++) {
		const uint8_t *found = memchr(data + at, 'Z', size - 5 - at);
		if (!found)
			break;
		at = (size_t)(found - data);
		if (be32(found + 1) == 5 && (found[5] == 'I' || found[5] == 'T' || found[5] == 'E'))
			return first_leading_to(data, at, postgres_server_head);
	}
	return size;
}

/* A text that ends where the length says so */
static bool whole_query(const uint8_t *data, size_t size)
{
	const size_t total = 1 + (size_t)be32(data + 1);
	return total > 6 && total <= size && !data[total - 1] && !memchr(data + 5, 0, total - 6);
}

size_t postgres_client_start(const uint8_t *data, size_t size)
{
	for (size_t at = 0; at + 5 <= size; at++) {
		const bool query = data[at] == 'Q' && whole_query(data + at, size - at);
		if (((data[at] == 'S' || data[at] == 'c') && be32(data + at + 1) == 4) || query)
			return query ? at : first_leading_to(data, at, postgres_client_head);
	}
	return size;
}

/* How many messages stand there in a row, the last perhaps cut; 0: none, or something else among them. */
static unsigned chain(const uint8_t *data, size_t size, bool (*head)(const uint8_t *))
{
	unsigned count = 0;
	for (size_t at = 0; at < size; count++) {
		if (size - at < 5)
			return count;
		if (!head(data + at))
			return 0;
		at += 1 + (size_t)be32(data + at + 1);
	}
	return count;
}

int postgres_recognise(const struct opening *opening)
{
	const uint8_t *client = opening->data[CLIENT], *server = opening->data[SERVER];
	const size_t sent = opening->size[CLIENT], got = opening->size[SERVER];
	if (opening->datagram)
		return 0;
	if (sent >= 8 && !client[0]) {
		const uint32_t length = be32(client), code = be32(client + 4);
		if ((length == 8 && code - 80877103u < 2) || (length >= 16 && length <= 268 && code == 80877102))
			return 95;
		const bool named = sent > 12 && (memmem(client + 8, sent - 8, "user", 5) != NULL);
		return code >> 16 == 3 && (code & 0xffff) <= 2 && length > 8 && length <= 10000 && named ? 95 : 0;
	}
	const unsigned asked = sent ? chain(client, sent, postgres_client_head) : 0;
	const unsigned told = got ? chain(server, got, postgres_server_head) : 0;
	if ((sent && !asked) || (got && !told))
		return 0;
	if (asked && told)
		return 80;
	if (asked && (client[0] == 'Q' ? whole_query(client, sent) : asked > 1))
		return 60;
	return told > 1 ? 55 : 0;
}
