/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief SCGI: a netstring of variables, each ended by NUL, CONTENT_LENGTH first; the body; a CGI response.
 */
#include "cgi_vars.h"

static const char first_name[] = "CONTENT_LENGTH";

/* The netstring's length and where its content begins; false: it is none. */
static bool netstring(const uint8_t *data, size_t size, uint64_t *length, size_t *content)
{
	struct span rest = {data, size < 11 ? size : 11};
	const struct span digits = word_of(&rest, ":");
	*content = digits.size + 1;
	return *content <= size && digits.size < 10 && number_of(digits, length) && data[digits.size] == ':';
}

static int recognise(const struct opening *opening)
{
	uint64_t length;
	size_t content;
	const uint8_t *data = opening->data[CLIENT];
	if (opening->datagram || !netstring(data, opening->size[CLIENT], &length, &content))
		return 0;
	return begins_with(data + content, opening->size[CLIENT] - content, first_name) ? 98 : 0;
}

static uint64_t request(struct talk *talk, struct message *message, const uint8_t *data, size_t size, bool all)
{
	uint64_t length;
	size_t content;
	struct cgi_vars vars = {0};
	if (!netstring(data, size, &length, &content)) {
		message->broken = all || size > 10;
		return message->broken ? size : 0;
	}
	const uint64_t whole = content + length + 1;
	if (size < whole && size < WAIT_FOR && !all)
		return 0;
	struct span rest = {data + content, (size_t)(size < whole ? size : whole - 1) - content};
	while (rest.size) {
		struct span name = rest, value;
		const uint8_t *end = memchr(rest.at, 0, rest.size);
		if (!end)
			break;
		name.size = (size_t)(end - rest.at);
		value.at = end + 1;
		rest.size -= name.size + 1;
		end = rest.size ? memchr(value.at, 0, rest.size) : NULL;
		if (!end)
			break;
		value.size = (size_t)(end - value.at);
		rest = (struct span){end + 1, rest.size - value.size - 1};
		cgi_var(&vars, name, value);
	}
	cgi_request(talk, message, &vars);
	return vars.length > INT64_MAX ? whole : whole + vars.length;
}

static uint64_t feed(struct talk *talk, void *state, enum side side, const uint8_t *data, size_t size)
{
	return one_shot_feed(talk, state, side, data, size, false, request);
}

static uint64_t gap(struct talk *talk, void *state, enum side side, const uint8_t *data, size_t size, uint64_t hole)
{
	(void)hole;
	return one_shot_feed(talk, state, side, data, size, true, request);
}

const struct protocol protocol_scgi = {
	.name = "scgi",
	.state_size = sizeof(struct one_shot),
	.recognise = recognise,
	.feed = feed,
	.gap = gap,
	.end = one_shot_end,
};
