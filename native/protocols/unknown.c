/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What no processor knows: a request is what the client sends until the server speaks, its reply what the server
 * sends until the client does.
 *
 * One direction alone (a pipe, a socket that only sends) is one message that nobody answers.
 */
#include "protocol.h"

struct state {
	struct message open; /* of the side that speaks */
	bool spoke;          /* the server has */
};

static uint64_t spoken(struct talk *talk, void *memory, enum side side, uint64_t size)
{
	struct state *state = memory;
	if (state->open.begun && state->open.side != (uint32_t)side) {
		if (state->open.side == CLIENT)
			ask(talk, &state->open, 0);
		message_close(talk, &state->open);
	}
	state->spoke |= side == SERVER;
	if (!state->open.begun) {
		message_begin(talk, &state->open, side, 0);
		if (side == SERVER && waiting(talk))
			answer(talk, &state->open, NULL);
	}
	return size;
}

static uint64_t feed(struct talk *talk, void *state, enum side side, const uint8_t *data, size_t size)
{
	(void)data;
	return spoken(talk, state, side, size);
}

static uint64_t gap(struct talk *talk, void *state, enum side side, const uint8_t *data, size_t size, uint64_t hole)
{
	(void)data;
	return spoken(talk, state, side, size + hole);
}

static void end(struct talk *talk, void *memory)
{
	struct state *state = memory;
	if (state->open.begun && state->open.side == CLIENT && state->spoke)
		ask(talk, &state->open, 0);
	if (talk->closed[state->open.side])
		message_close(talk, &state->open);
	else
		message_cut(talk, &state->open);
}

const struct protocol protocol_unknown = {
	.name = "unknown", .state_size = sizeof(struct state), .feed = feed, .gap = gap, .end = end};
