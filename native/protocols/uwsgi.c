/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief The uwsgi protocol: modifier, length, modifier; variables with their lengths; the body; a response as in HTTP.
 */
#include "cgi_vars.h"

#define HEAD 4u

/* One length and its bytes, taken off `rest`; false: there is less. */
static bool counted(struct span *rest, struct span *word)
{
	if (rest->size < 2 || rest->size - 2 < le16(rest->at))
		return false;
	*word = (struct span){rest->at + 2, le16(rest->at)};
	rest->at += 2 + word->size;
	rest->size -= 2 + word->size;
	return true;
}

static int recognise(const struct opening *opening)
{
	const uint8_t *data = opening->data[CLIENT];
	const size_t size = opening->size[CLIENT];
	struct span name;
	if (opening->datagram || size < HEAD + 4 || data[0] || data[3] || le16(data + 1) < 8)
		return 0;
	struct span rest = {data + HEAD, size - HEAD};
	if (!counted(&rest, &name) || name.size < 3 || name.size + 4 > le16(data + 1))
		return 0;
	for (size_t i = 0; i < name.size; i++)
		if (!((name.at[i] >= 'A' && name.at[i] <= 'Z') || name.at[i] == '_'))
			return 0;
	return 92;
}

static uint64_t request(struct talk *talk, struct message *message, const uint8_t *data, size_t size, bool all)
{
	struct cgi_vars vars = {0};
	struct span name, value;
	if (size < HEAD) {
		message->broken = all;
		return all ? size : 0;
	}
	const uint64_t whole = HEAD + le16(data + 1);
	if (size < whole && size < WAIT_FOR && !all)
		return 0;
	struct span rest = {data + HEAD, (size_t)(size < whole ? size : whole) - HEAD};
	while (counted(&rest, &name) && counted(&rest, &value))
		cgi_var(&vars, name, value);
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

const struct protocol protocol_uwsgi = {
	.name = "uwsgi",
	.state_size = sizeof(struct one_shot),
	.recognise = recognise,
	.feed = feed,
	.gap = gap,
	.end = one_shot_end,
};
