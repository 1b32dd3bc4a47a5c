/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Descriptors that outlive exec keep their connection: "fd:id,fd:id" goes along in CLEW_FDS.
 *
 * What the text says is believed only of a descriptor that is still the same open file (device, inode,
 * access), because file actions of posix_spawn and children of vfork move descriptors unseen. For the
 * same reason a descriptor that the text does not name may be one that it names under another number.
 */
#include "connections.h"

#define MOST 256 /* descriptors remembered for that */

static struct {
	uint64_t conn_id[MOST];
	unsigned count;
} handed;

uint64_t conn_inherited(uint64_t claimed, const struct clew_conn *identity)
{
	const struct clew_conn *slot = conn_slot(claimed);
	if (slot && conn_same_file(slot, identity))
		return claimed;
	if (identity->kind == CLEW_KIND_ANON) /* eventfds and epolls share one inode */
		return 0;
	uint64_t found = 0;
	for (unsigned i = 0; i < handed.count; i++) {
		slot = conn_slot(handed.conn_id[i]);
		if (!slot || !conn_same_file(slot, identity) || handed.conn_id[i] == found)
			continue;
		if (found)
			return 0; /* opened twice: which of them is not known */
		found = handed.conn_id[i];
	}
	return found ? found : conn_find(identity);
}

static size_t put_number(char *text, uint64_t number)
{
	char digits[20];
	size_t count = 0, length = 0;
	do
		digits[count++] = (char)('0' + number % 10);
	while (number /= 10);
	while (count)
		text[length++] = digits[--count];
	return length;
}

size_t conn_handover_write(char *text, size_t room)
{
	size_t length = 0;
	uint64_t entry;
	for (unsigned fd = 0; length + 33 <= room && conn_next(&fd, &entry); fd++) { /* ,1048575: 17 digits, NUL */
		if (length)
			text[length++] = ',';
		length += put_number(text + length, fd);
		text[length++] = ':';
		length += put_number(text + length, entry & CONN_ID);
	}
	if (room)
		text[length] = 0;
	return length;
}

static const char *get_number(const char *text, uint64_t *number)
{
	uint64_t value = 0;
	while (*text >= '0' && *text <= '9' && value < CONN_ID)
		value = value * 10 + (uint64_t)(*text++ - '0');
	*number = value;
	return text;
}

void conn_handover_read(const char *text)
{
	while (text && *text) {
		uint64_t fd, conn_id;
		text = get_number(text, &fd);
		if (*text++ != ':')
			return;
		text = get_number(text, &conn_id);
		if (conn_id && conn_id < CONN_ID && fd < INT32_MAX) {
			conn_put_unverified((int)fd, conn_id);
			if (handed.count < MOST)
				handed.conn_id[handed.count++] = conn_id;
		}
		if (*text != ',')
			return;
		text++;
	}
}
