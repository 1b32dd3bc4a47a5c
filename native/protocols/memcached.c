/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief memcached: text and meta commands, and the binary protocol.
 *
 * Formats: protocol.txt of memcached's documentation, and its page "Binary Protocol". Of quiet commands (noreply, the
 * meta flag q, opcodes with a Q) it is not known whether there will be a reply: they are one-way; what is told to quiet
 * ones in spite of that is nobody's reply, where the protocol says so (binary) or ends such a batch (MN).
 */
#include "memcached.h"
#include "normalise.h"

enum tag { ONE_LINE, VALUES, LINES, BATCH, OPCODE = 256 };

struct state {
	bool binary, stray[2];
	bool quiet; /* meta commands with q have gone before */
	struct message request, reply;
};

/* ---- text ---- */

static bool has_flag(struct span words, char flag)
{
	while (words.size) {
		const struct span word = word_of(&words, " ");
		if (word.size && *word.at == (uint8_t)flag)
			return true;
	}
	return false;
}

static bool last_is(struct span words, const char *word)
{
	struct span last = {NULL, 0};
	while (words.size)
		last = word_of(&words, " ");
	return is_word(last, word);
}

/* Bytes of data behind the line: the word with number `place`, from 0, is their count. */
static uint64_t data_of(struct span line, unsigned place)
{
	uint64_t size = 0;
	struct span word = {NULL, 0};
	for (unsigned at = 0; at <= place; at++)
		word = line.size ? word_of(&line, " ") : (struct span){NULL, 0};
	return word.size && number_of(word, &size) && size < UINT64_C(1) << 32 ? size + 2 : 0;
}

static size_t text_command(struct talk *talk, struct state *state, size_t at, size_t next, struct span line)
{
	char name[TEXT_LIMIT_BYTES];
	struct span rest = line;
	const struct span verb = word_of(&rest, " ");
	static const struct memcached_command unknown = {"", 0, 0, MEMCACHED_LINE, false}; /* answered with ERROR */
	const struct memcached_command *command = memcached_command(verb);
	if (!command && !memcached_is_word(verb))
		return 0;
	if (!command)
		command = &unknown;
	const uint64_t data = command->data ? data_of(line, command->data) : 0;
	struct span keys = rest;
	if (command->key == 2)
		word_of(&keys, " ");
	const struct span key = command->key ? word_of(&keys, " ") : (struct span){NULL, 0};
	const bool meta = command->meta, quiet = meta ? has_flag(keys, 'q') : last_is(rest, "noreply");
	struct message *request = &state->request;
	message_begin(talk, request, CLIENT, at);
	message_text(talk, &request->kind, verb.at, verb.size);
	message_text(talk, &request->name, verb.at, verb.size);
	if (key.size)
		message_add(talk, &request->name, " ", name,
					clew_normalise_key((const char *)key.at, key.size, false, name, sizeof name));
	message_text(talk, &request->summary, line.at, line.size);
	if (!quiet && command->reply != MEMCACHED_NONE) {
		const bool ends = meta && is_word(verb, "mn");
		ask(talk, request,
			ends && state->quiet                 ? BATCH
			: command->reply == MEMCACHED_VALUES ? VALUES
			: command->reply == MEMCACHED_LINES  ? LINES
												 : ONE_LINE);
		state->quiet = false;
	}
	state->quiet |= meta && quiet;
	message_end(talk, request, at + next + (size_t)data);
	return next + (size_t)data;
}

static void end_reply(struct talk *talk, struct state *state, size_t end)
{
	state->reply.held = HELD_NO;
	answer(talk, &state->reply, NULL);
	message_end(talk, &state->reply, end);
}

static size_t text_reply(struct talk *talk, struct state *state, size_t at, size_t next, struct span line)
{
	uint64_t tag;
	struct span rest = line;
	const struct span word = word_of(&rest, " ");
	struct message *reply = &state->reply;
	if (!memcached_reply(word))
		return 0;
	const bool asked = expected(talk, &tag), values = is_word(word, "VALUE"), meta = is_word(word, "VA");
	const size_t total = next + (size_t)(values ? data_of(line, 3) : meta ? data_of(line, 1) : 0);
	if (asked && tag == BATCH && !is_word(word, "MN") && !is_word(word, "ERROR")) { /* of a quiet command */
		struct message other = {0};
		message_begin(talk, &other, SERVER, at);
		message_text(talk, &other.status, word.at, word.size);
		message_end(talk, &other, at + total);
		return total;
	}
	if (!reply->begun)
		message_begin(talk, reply, SERVER, at);
	reply->error = is_word(word, "ERROR") || is_word(word, "CLIENT_ERROR") || is_word(word, "SERVER_ERROR");
	uint64_t number;
	if (!reply->status.size && number_of(word, &number))
		message_word(talk, &reply->status, "OK");
	else if (!reply->status.size || reply->error)
		message_text(talk, &reply->status, word.at, word.size);
	if (reply->error)
		message_text(talk, &reply->summary, line.at, line.size);
	if (!values && !is_word(word, "STAT") && !is_word(word, "ITEM"))
		end_reply(talk, state, at + total);
	return total;
}

/* ---- binary ---- */

static size_t binary(struct talk *talk, struct state *state, enum side side, const uint8_t *data, size_t at,
					 size_t kept)
{
	char name[TEXT_LIMIT_BYTES];
	const uint8_t *head = data + at, opcode = head[1];
	const size_t total = 24 + (size_t)be32(head + 8), key = be16(head + 2), from = 24 + (size_t)head[4];
	const bool quiet = memcached_is_quiet(opcode);
	struct message one = {0}, *message = side == SERVER ? &state->reply : &one;
	if (!message->begun)
		message_begin(talk, message, side, at);
	message_word(talk, &message->kind, memcached_opcode(opcode));
	if (side == CLIENT) {
		message_word(talk, &message->name, memcached_opcode(opcode));
		if (key && from < kept && !memcached_is_secret(opcode)) {
			const size_t here = kept - from < key ? kept - from : key;
			message_add(talk, &message->name, " ", name,
						clew_normalise_key((const char *)head + from, here, here < key, name, sizeof name));
			message_add(talk, &message->summary, "", head + from, here);
		}
		if (!quiet)
			ask(talk, message, OPCODE | opcode);
		message_end(talk, message, at + total);
		return total;
	}
	const unsigned status = be16(head + 6);
	message_word(talk, &message->status, memcached_status(status));
	message->error = status >= 3 && status != 5 && status != 0x21;
	if (opcode == 0x10 && key && !status) /* STAT: more of them follow */
		return total;
	message->held = HELD_NO;
	if (!quiet)
		answer(talk, message, NULL);
	message_end(talk, message, at + total);
	return total;
}

/* ---- both ---- */

/* Replies could not be followed; a single one is over when the client goes on. */
static void close_reply(struct talk *talk, struct state *state)
{
	if (!state->stray[SERVER])
		return;
	state->stray[SERVER] = false;
	if (!state->reply.begun) { /* all of it was in the hole */
		unanswered(talk);
		return;
	}
	state->reply.held = HELD_NO;
	answer(talk, &state->reply, NULL);
	message_close(talk, &state->reply);
}

static void stray(struct talk *talk, struct state *state, enum side side)
{
	state->stray[side] = true;
	if (side == CLIENT)
		unsure(talk);
	else if (waiting(talk) > 1)
		lost(talk, SERVER);
	if (side == SERVER && waiting(talk) > 1)
		message_cut(talk, &state->reply);
}

/* One message's worth at `at`; 0: more is needed, or it is none (stray). */
static size_t unit(struct talk *talk, struct state *state, enum side side, const uint8_t *data, size_t size, size_t at,
				   bool last)
{
	const size_t left = size - at;
	if (data[at] == (side == CLIENT ? 0x80 : 0x81)) {
		if (left < 24)
			return 0;
		const size_t total = 24 + (size_t)be32(data + at + 8), head = 24 + (size_t)data[at + 4] + be16(data + at + 2);
		const size_t wanted = head < WAIT_FOR ? head : WAIT_FOR;
		if (head > total || data[at + 5])
			stray(talk, state, side);
		else if (left >= wanted || last)
			return binary(talk, state, side, data, at, left < wanted ? left : wanted);
		return 0;
	}
	struct span line;
	size_t next, used = 0;
	if (!line_of(data + at, left, &line, &next)) {
		if (left > WAIT_FOR || data[at] < ' ' || data[at] > 126)
			stray(talk, state, side);
		return 0;
	}
	if (side == CLIENT && !line.size)
		return next;
	used = side == CLIENT ? text_command(talk, state, at, next, line) : text_reply(talk, state, at, next, line);
	if (!used)
		stray(talk, state, side);
	return used;
}

static uint64_t both(struct talk *talk, struct state *state, enum side side, const uint8_t *data, size_t size,
					 bool last)
{
	bool *const lost_here = &state->stray[side == CLIENT ? CLIENT : SERVER];
	size_t at = 0;
	if (side == CLIENT)
		close_reply(talk, state);
	while (at < size) {
		if (*lost_here) {
			if (side == SERVER)
				return size;
			const size_t found = memcached_start(data + at, size - at);
			at += found;
			if (at == size)
				return last || found < 64 ? size - (last ? 0 : found) : size - 64;
			*lost_here = false;
		}
		const size_t used = unit(talk, state, side, data, size, at, last);
		if (*lost_here)
			at++;
		else if (!used)
			return at;
		at += used;
	}
	return at;
}

static uint64_t feed(struct talk *talk, void *state, enum side side, const uint8_t *data, size_t size)
{
	return both(talk, state, side, data, size, false);
}

static uint64_t gap(struct talk *talk, void *memory, enum side side, const uint8_t *data, size_t size, uint64_t hole)
{
	struct state *state = memory;
	const uint64_t done = both(talk, state, side, data, size, true);
	if (hole && done < size + hole)
		stray(talk, state, side);
	return done;
}

static void end(struct talk *talk, void *memory)
{
	struct state *state = memory;
	message_cut(talk, &state->request);
	if (talk->closed[CLIENT])
		close_reply(talk, state);
	if (state->reply.begun)
		answer(talk, &state->reply, NULL);
	message_cut(talk, &state->reply);
}

const struct protocol protocol_memcached = {
	.name = "memcached",
	.aliases = "memcache",
	.state_size = sizeof(struct state),
	.recognise = memcached_recognise,
	.feed = feed,
	.gap = gap,
	.end = end,
};
