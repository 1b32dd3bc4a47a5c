/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief X11: connection setup in either byte order, requests, replies by their sequence number, events, errors.
 *
 * Format: X Window System Protocol, X Version 11, appendix B; BIG-REQUESTS. Requests are numbered from 1 as they are
 * sent; the server repeats the low 16 bits. Most requests have no reply: they are one-way. What extensions are called
 * is learnt from replies to QueryExtension, so a recording that begins in the middle is not read at all. When requests
 * can not be counted any more (a hole), no more replies are matched.
 */
#include "x11.h"

#define QUERY_EXTENSION 98
#define LIST_FONTS_WITH_INFO 50
#define UNIT 32u /* bytes of an event or error, and of a reply at least */
#define HELD_ITEMS 32u
#define TAG_OPCODE 0xffu

struct state {
	bool set_up[2]; /* this side's setup is behind us */
	bool big;       /* numbers begin with their most significant byte */
	bool over[2];   /* not followed any more */
	bool seek;      /* the server's next unit is to be found */
	uint64_t sent;  /* requests so far */
	uint64_t seen;  /* number of the request that the server spoke of last */
	const struct x11_extension *extension[128];
	struct { /* names that QueryExtension asked for, by the request's number */
		uint64_t number;
		char name[40];
		size_t size;
	} asked[HELD_ITEMS];
	struct message fonts; /* a reply in several pieces */
};

static uint32_t get16(const struct state *state, const uint8_t *data)
{
	return state->big ? be16(data) : le16(data);
}

static uint32_t get32(const struct state *state, const uint8_t *data)
{
	return state->big ? be32(data) : le32(data);
}

static uint64_t padded(uint64_t size)
{
	return (size + 3) & ~UINT64_C(3);
}

/* ---- setup ---- */

static uint64_t setup_size(const struct state *state, const uint8_t *data)
{
	return 12 + padded(get16(state, data + 6)) + padded(get16(state, data + 8));
}

static uint64_t client_setup(struct talk *talk, struct state *state, const uint8_t *data, size_t size)
{
	struct message message = {0};
	if (size < 12)
		return 0;
	state->big = *data == 'B';
	state->set_up[CLIENT] = true;
	if ((*data != 'B' && *data != 'l') || get16(state, data + 2) != 11) {
		state->over[CLIENT] = state->over[SERVER] = true;
		return EVERYTHING;
	}
	message_begin(talk, &message, CLIENT, 0);
	message_word(talk, &message.kind, "Setup");
	message_word(talk, &message.name, "connect");
	ask_id(talk, &message, 0, 0);
	const uint64_t total = setup_size(state, data);
	message_end(talk, &message, total);
	return total;
}

static uint64_t server_setup(struct talk *talk, struct state *state, const uint8_t *data, size_t size)
{
	struct message message = {0};
	if (size < 8)
		return 0;
	const uint64_t total = 8 + 4 * (uint64_t)get16(state, data + 6);
	message_begin(talk, &message, SERVER, 0);
	message_word(talk, &message.status, *data == 1 ? "Success" : *data == 2 ? "Authenticate" : "Failed");
	message.error = *data == 0;
	answer_id(talk, &message, 0, NULL);
	message_end(talk, &message, total);
	state->set_up[SERVER] = *data == 1;
	state->over[CLIENT] |= *data == 0;
	return total;
}

/* ---- requests ---- */

static void name_request(struct talk *talk, struct state *state, struct message *message, uint8_t opcode, uint8_t minor)
{
	const char *name = x11_request(opcode);
	const struct x11_extension *extension = opcode >= X11_EXTENSION ? state->extension[opcode - X11_EXTENSION] : NULL;
	if (name)
		message_word(talk, &message->kind, name);
	else if (extension)
		message_print(talk, &message->kind, "%s %u", extension->name, minor);
	else
		message_print(talk, &message->kind, "opcode %u %u", opcode, minor);
	if (name || extension)
		message_add(talk, &message->name, "", name ? name : extension->name, strlen(name ? name : extension->name));
	if (!name && extension)
		message_print(talk, &message->name, "%s %u", extension->name, minor);
}

static void query_extension(struct talk *talk, struct state *state, struct message *message, struct span rest)
{
	if (rest.size < 8)
		return;
	const size_t size = get16(state, rest.at + 4), here = rest.size - 8;
	const size_t kept = size < here ? size : here;
	message_text(talk, &message->summary, rest.at + 8, kept);
	for (size_t at = 0; at < HELD_ITEMS; at++)
		if (!state->asked[at].number || state->asked[at].number + HELD_ITEMS < state->sent) {
			state->asked[at].number = state->sent;
			state->asked[at].size = kept < sizeof state->asked[at].name ? kept : sizeof state->asked[at].name;
			memcpy(state->asked[at].name, rest.at + 8, state->asked[at].size);
			return;
		}
}

static uint64_t request(struct talk *talk, struct state *state, const uint8_t *data, size_t size, size_t at, bool last)
{
	const uint8_t *head = data + at;
	const size_t left = size - at;
	if (left < 4)
		return 0;
	uint64_t total = 4 * (uint64_t)get16(state, head + 2);
	if (!total && left < 8)
		return 0;
	if (!total)
		total = 4 * (uint64_t)get32(state, head + 4);
	if (total < 4 || (*head < X11_EXTENSION && !x11_request(*head))) {
		state->over[CLIENT] = true;
		return 0;
	}
	const size_t wanted = *head == QUERY_EXTENSION && total < 64 ? (size_t)total : 4;
	if (left < wanted && !last)
		return 0;
	struct message message = {0};
	state->sent++;
	message_begin(talk, &message, CLIENT, at);
	name_request(talk, state, &message, head[0], head[1]);
	const bool extension = *head >= X11_EXTENSION;
	if (*head == QUERY_EXTENSION)
		query_extension(talk, state, &message, (struct span){head, left < wanted ? left : wanted});
	if (extension ? x11_extension_answers(state->extension[*head - X11_EXTENSION], head[1]) : x11_is_answered(*head))
		ask_id(talk, &message, state->sent, *head);
	message_end(talk, &message, at + total);
	return total;
}

static uint64_t client(struct talk *talk, struct state *state, const uint8_t *data, size_t size, bool last)
{
	size_t at = 0;
	while (at < size) {
		if (state->over[CLIENT])
			return EVERYTHING;
		const uint64_t used = state->set_up[CLIENT] ? request(talk, state, data, size, at, last)
													: client_setup(talk, state, data + at, size - at);
		if (!used && !state->over[CLIENT])
			return at;
		if (used == EVERYTHING)
			return EVERYTHING;
		at += used;
	}
	return at;
}

/* ---- the server ---- */

/* The request that is meant by the low 16 bits of its number: the latest. */
static uint64_t number_of_request(const struct state *state, uint32_t low)
{
	return state->sent - ((state->sent - low) & 0xffff);
}

static void learn(struct state *state, uint64_t number, const uint8_t *reply)
{
	for (size_t at = 0; at < HELD_ITEMS; at++)
		if (number && state->asked[at].number == number) {
			state->asked[at].number = 0;
			const struct span name = {(const uint8_t *)state->asked[at].name, state->asked[at].size};
			if (reply[8] && reply[9] >= X11_EXTENSION)
				state->extension[reply[9] - X11_EXTENSION] = x11_extension(name);
		}
}

static void error_name(struct talk *talk, struct message *message, uint8_t code)
{
	message->error = true;
	if (x11_error(code))
		message_word(talk, &message->status, x11_error(code));
	else
		message_print(talk, &message->status, "error %u", code);
}

static void answered(struct talk *talk, struct state *state, const uint8_t *data, size_t at, uint64_t total,
					 uint64_t number, bool known)
{
	struct message one = {0}, *message = state->fonts.begun ? &state->fonts : &one;
	uint64_t tag = 0;
	const bool waits = known && expected_id(talk, number, NULL, &tag);
	if (!message->begun)
		message_begin(talk, message, SERVER, at);
	if (waits && (tag & TAG_OPCODE) == LIST_FONTS_WITH_INFO && *data && data[1]) { /* the last one names no font */
		if (message == &one)
			state->fonts = one;
		return;
	}
	if (*data) {
		message_word(talk, &message->status, "OK");
		if ((tag & TAG_OPCODE) == QUERY_EXTENSION)
			learn(state, number, data);
	} else {
		error_name(talk, message, data[1]);
	}
	if (waits)
		answer_id(talk, message, number, NULL);
	else
		message->role = *data ? ROLE_REPLY : ROLE_OTHER;
	message_end(talk, message, at + total);
}

static void event(struct talk *talk, const uint8_t *data, size_t at, uint64_t total)
{
	struct message message = {0};
	const uint8_t code = *data & 0x7f;
	message_begin(talk, &message, SERVER, at);
	if (x11_event(code))
		message_word(talk, &message.kind, x11_event(code));
	else
		message_print(talk, &message.kind, "event %u", code);
	message_end(talk, &message, at + total);
}

/* Where a unit stands whose number lies between the last one and what was sent, followed by another one or nothing. */
static size_t unit_start(const struct state *state, const uint8_t *data, size_t size)
{
	for (size_t at = 0; at + UNIT <= size; at++) {
		const uint8_t code = data[at] & 0x7f;
		const uint64_t number = number_of_request(state, get16(state, data + at + 2));
		const bool kind = code < 2 ? !(data[at] & 0x80) : code <= 35 && code != 11;
		if (kind && number >= state->seen && number <= state->sent &&
			(code != 1 || get32(state, data + at + 4) < 1 << 16) && (code || (data[at + 1] && data[at + 10])))
			return at;
	}
	return size;
}

static uint64_t server(struct talk *talk, struct state *state, const uint8_t *data, size_t size)
{
	size_t at = 0;
	while (at < size) {
		if (state->over[SERVER])
			return EVERYTHING;
		if (!state->set_up[SERVER]) {
			const uint64_t used = server_setup(talk, state, data + at, size - at);
			if (!used)
				return at;
			at += used;
			continue;
		}
		if (state->seek) {
			const size_t found = unit_start(state, data + at, size - at);
			if (found == size - at)
				return at + (found < UNIT ? 0 : found - UNIT + 1);
			at += found;
			state->seek = false;
		}
		if (size - at < UNIT)
			return at;
		const uint8_t *unit = data + at, code = *unit & 0x7f;
		const uint64_t total = UNIT + (code == 1 || code == 35 ? 4 * (uint64_t)get32(state, unit + 4) : 0);
		const bool known = !state->over[CLIENT];
		const uint64_t number = number_of_request(state, get16(state, unit + 2));
		if (code != 11 && known && number > state->seen) /* KeymapNotify has no number */
			state->seen = number;
		if (code < 2)
			answered(talk, state, unit, at, total, number, known);
		else
			event(talk, unit, at, total);
		at += total;
	}
	return at;
}

static uint64_t feed(struct talk *talk, void *memory, enum side side, const uint8_t *data, size_t size)
{
	return side == CLIENT ? client(talk, memory, data, size, false) : server(talk, memory, data, size);
}

static uint64_t gap(struct talk *talk, void *memory, enum side side, const uint8_t *data, size_t size, uint64_t hole)
{
	struct state *state = memory;
	const uint64_t done = side == CLIENT ? client(talk, state, data, size, true) : server(talk, state, data, size);
	if (!hole || done >= size + hole)
		return done;
	if (side == CLIENT)
		state->over[CLIENT] = true;
	else if (!state->set_up[SERVER] || state->over[CLIENT])
		state->over[SERVER] = true;
	else
		state->seek = true;
	return done;
}

static void end(struct talk *talk, void *memory)
{
	struct state *state = memory;
	message_cut(talk, &state->fonts);
}

static int recognise(const struct opening *opening)
{
	const uint8_t *client = opening->data[CLIENT], *server = opening->data[SERVER];
	const size_t sent = opening->size[CLIENT], got = opening->size[SERVER];
	if (opening->datagram || sent < 12 || (*client != 'B' && *client != 'l'))
		return 0;
	const struct state order = {.big = *client == 'B'};
	if (get16(&order, client + 2) != 11 || get16(&order, client + 4) > 1 || get16(&order, client + 6) > 256 ||
		get16(&order, client + 8) > 4096 || client[10] || client[11])
		return 0;
	if (!got)
		return 80;
	return got >= 8 && *server <= 2 && get16(&order, server + 2) == 11 ? 95 : 0;
}

const struct protocol protocol_x11 = {
	.name = "x11",
	.state_size = sizeof(struct state),
	.recognise = recognise,
	.feed = feed,
	.gap = gap,
	.end = end,
};
