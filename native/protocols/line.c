/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief A protocol of lines: each line of the client is a request, each of the server a reply, in order.
 *
 * Never told by its bytes: name it in a services file. Its name is the line's first word.
 */
#include "protocol.h"

struct state {
	struct message open[2]; /* begun: its line goes on */
};

static void begin(struct talk *talk, struct message *message, enum side side, struct span line)
{
	char name[TEXT_LIMIT_BYTES];
	line.size = line.size < TEXT_LIMIT_BYTES ? line.size : TEXT_LIMIT_BYTES;
	struct span rest = line;
	message_begin(talk, message, side, 0);
	if (side == CLIENT) {
		const struct span word = word_of(&rest, " \t");
		const size_t size = clew_normalise_key((const char *)word.at, word.size, false, name, sizeof name);
		message_text(talk, &message->kind, word.at, word.size);
		message_text(talk, &message->name, name, size);
		ask(talk, message, 0);
	} else if (waiting(talk)) {
		answer(talk, message, NULL);
	}
	message_text(talk, &message->summary, line.at, line.size);
}

static uint64_t feed(struct talk *talk, void *memory, enum side side, const uint8_t *data, size_t size)
{
	struct message *message = &((struct state *)memory)->open[side];
	struct span line = {data, size};
	size_t next = size;
	const bool ends = line_of(data, size, &line, &next);
	if (!ends && !message->begun && size < TEXT_LIMIT_BYTES)
		return 0;
	if (!message->begun)
		begin(talk, message, side, line);
	if (ends)
		message_end(talk, message, next);
	return next;
}

static uint64_t gap(struct talk *talk, void *memory, enum side side, const uint8_t *data, size_t size, uint64_t hole)
{
	struct message *message = &((struct state *)memory)->open[side];
	if (!message->begun && size)
		begin(talk, message, side, (struct span){data, size});
	if (hole) { /* how many lines end in it is not known */
		message_cut(talk, message);
		lost(talk, side);
	}
	return size;
}

static void end(struct talk *talk, void *memory)
{
	struct state *state = memory;
	for (int side = CLIENT; side <= SERVER; side++)
		message_cut(talk, &state->open[side]);
}

const struct protocol protocol_line = {
	.name = "line",
	.aliases = "echo finger whois ident",
	.state_size = sizeof(struct state),
	.feed = feed,
	.gap = gap,
	.end = end,
};
