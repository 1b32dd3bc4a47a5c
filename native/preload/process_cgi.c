/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What a CGI program is asked for: RFC 3875's variables stand in its environment, where no read shows them.
 */
#include "exec.h"
#include "internal.h"

#define ROOM 2048u /* of all lines together: one that does not fit is left out */

/* Without payloads: no header, and of the address what stands before its query. */
static const struct {
	const char *name;
	bool is_payload, is_address;
} variables[] = {
	{"REQUEST_METHOD=", false, false}, {"REQUEST_URI=", false, true},      {"SCRIPT_NAME=", false, false},
	{"PATH_INFO=", false, false},      {"QUERY_STRING=", true, false},     {"SERVER_PROTOCOL=", false, false},
	{"CONTENT_LENGTH=", false, false}, {"HTTP_TRACEPARENT=", true, false}, {"HTTP_X_REQUEST_ID=", true, false},
	{"HTTP_B3=", true, false},         {"UNIQUE_ID=", true, false},
};
#define VARIABLES (sizeof variables / sizeof *variables)

static size_t length_of_line(const char *text, char end)
{
	size_t length = 0;
	while (text[length] && text[length] != '\n' && text[length] != end)
		length++;
	return length;
}

void note_cgi(struct clew_slot *slot)
{
	if (!env_find("GATEWAY_INTERFACE="))
		return;
	const bool payload = arena->payload_head || arena->payload_tail;
	struct iovec data[VARIABLES * 3];
	int count = 0;
	size_t size = 0;
	for (size_t i = 0; i < VARIABLES; i++) {
		const char *name = variables[i].name, *value = env_find(name);
		if (!value || (variables[i].is_payload && !payload))
			continue;
		const size_t name_length = text_length(name);
		const size_t length = length_of_line(value, variables[i].is_address && !payload ? '?' : 0);
		if (size + name_length + length + 1 > ROOM)
			continue;
		size += name_length + length + 1;
		data[count++] = (struct iovec){(void *)(uintptr_t)name, name_length};
		data[count++] = (struct iovec){(void *)(uintptr_t)value, length};
		data[count++] = (struct iovec){(void *)(uintptr_t)"\n", 1};
	}
	note_write(slot, CLEW_OP_CGI, 0, -1, CLEW_F_TEXT, data, count);
}
