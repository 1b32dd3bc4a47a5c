/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief CGI (RFC 3875): a program's variables are its request, what it writes to its standard output is the reply.
 *
 * Never told by bytes: whoever knows that a pipe is a program's standard output puts the variables (NAME=VALUE lines)
 * in front as what the client sent.
 */
#include "cgi_vars.h"

struct state {
	struct message reply;
	bool asked, answered;
};

static uint64_t request(struct talk *talk, struct state *state, const uint8_t *data, size_t size)
{
	struct message message;
	struct cgi_vars vars = {0};
	struct span line;
	size_t next;
	message_begin(talk, &message, CLIENT, 0);
	message_word(talk, &message.kind, "CGI");
	for (size_t at = 0; line_of(data + at, size - at, &line, &next); at += next) {
		const struct span name = word_of(&line, "=");
		cgi_var(&vars, name, line);
	}
	cgi_request(talk, &message, &vars);
	ask(talk, &message, 0);
	message_end(talk, &message, size);
	state->asked = true;
	return EVERYTHING;
}

static uint64_t response(struct talk *talk, struct state *state, const uint8_t *data, size_t size, bool all)
{
	if (!all && !http_head(data, size) && size < WAIT_FOR)
		return 0;
	state->answered = true;
	message_begin(talk, &state->reply, SERVER, 0);
	answer(talk, &state->reply, NULL);
	cgi_response(talk, &state->reply, data, size);
	return EVERYTHING;
}

static uint64_t feed(struct talk *talk, void *memory, enum side side, const uint8_t *data, size_t size)
{
	struct state *state = memory;
	if (side == CLIENT)
		return state->asked ? EVERYTHING : request(talk, state, data, size);
	return state->answered ? EVERYTHING : response(talk, state, data, size, false);
}

static uint64_t gap(struct talk *talk, void *memory, enum side side, const uint8_t *data, size_t size, uint64_t hole)
{
	struct state *state = memory;
	(void)hole;
	if (side == CLIENT || state->answered)
		return EVERYTHING;
	return response(talk, state, data, size, true);
}

/* The program has ended with its pipe: what it wrote is all, whoever closed it. */
static void end(struct talk *talk, void *memory)
{
	message_close(talk, &((struct state *)memory)->reply);
}

const struct protocol protocol_cgi = {
	.name = "cgi",
	.state_size = sizeof(struct state),
	.feed = feed,
	.gap = gap,
	.end = end,
};
