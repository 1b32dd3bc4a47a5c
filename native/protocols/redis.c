/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Redis: RESP2 and RESP3, inline commands, pipelines, transactions, publish and subscribe.
 *
 * Format: "Redis serialization protocol specification" of redis.io. A command is an array of strings
 * (*2 $3 GET $1 k, each ended by CRLF) or a line; a reply is a value, perhaps of values.
 *
 * Between the reply to MULTI (or WATCH) and that to EXEC, DISCARD (or UNWATCH) the connection is held. What is pushed
 * to a subscriber is nobody's reply.
 */
#include "normalise.h"
#include "protocol.h"

#define DEEPEST 32
#define WORDS 12      /* of a command that are kept */
#define WORD_KEPT 128 /* bytes of each */
#define MANY (UINT64_C(1) << 40)
#define LONGEST_HEAD 48u /* bytes of the first two lines of a command */

enum tag { /* what becomes of the connection with the reply; above: confirmations that it consists of */
		   MULTI = 1,
		   EXEC = 2,
		   WATCH = 4,
		   UNWATCH = 8,
		   SUBSCRIBE = 16,
		   RESET = 32,
		   STREAM = 64, /* replication: no replies from here on */
		   COUNT_SHIFT = 8
};

struct state {
	bool over;         /* replication: nothing more is told */
	bool asked;        /* a request was seen */
	bool seek[2];      /* what comes is not understood */
	bool long_command; /* a hole was in it; it goes on until the server speaks */
	bool one;          /* so it did: if there is more than one reply, it was more than one command */
	bool astray;       /* which reply is whose is not known */
	bool multi, watch, subscribed;
	bool off, skip; /* CLIENT REPLY: no replies; none to the next command */
	/* the client's command that is being read */
	uint64_t words_left;
	uint32_t words;
	struct clew_word word[WORDS];
	char kept[WORDS][WORD_KEPT];
	/* the server's value that is being read */
	uint32_t depth;
	uint64_t left[DEEPEST]; /* values that are still to come, by depth */
	bool confirms;          /* it is a confirmation of (un)subscribing */
	uint64_t confirmed;
	struct message request, reply, push;
};

/* What the connection is used for from this reply on. */
static void settle(struct state *state, uint64_t tag, bool failed)
{
	if (tag & (EXEC | RESET))
		state->multi = state->watch = false;
	if (tag & RESET)
		state->subscribed = false;
	if (tag & UNWATCH)
		state->watch = false;
	if (!failed) {
		state->multi |= (tag & MULTI) != 0;
		state->watch |= (tag & WATCH) != 0;
		state->over |= (tag & STREAM) != 0;
	}
}

/* The reply is complete. */
static void reply_ends(struct talk *talk, struct state *state)
{
	uint64_t tag = 0;
	answer(talk, &state->reply, &tag);
	settle(state, tag, state->reply.error);
	state->confirmed = 0;
	state->reply.held = state->multi || state->watch || state->subscribed ? HELD_YES : HELD_NO;
}

static void go_astray(struct talk *talk, struct state *state)
{
	state->astray = true;
	unsure(talk);
}

/* ---- the client ---- */

static bool word_is(const struct state *state, uint32_t number, const char *word)
{
	if (number >= state->words)
		return false;
	return is_word((struct span){(const uint8_t *)state->kept[number], state->word[number].size}, word);
}

static uint64_t tag_of(const struct state *state)
{
	static const struct {
		const char *word;
		uint64_t tag;
	} tags[] = {
		{"multi", MULTI},
		{"exec", EXEC},
		{"discard", EXEC},
		{"watch", WATCH},
		{"unwatch", UNWATCH},
		{"subscribe", SUBSCRIBE},
		{"psubscribe", SUBSCRIBE},
		{"ssubscribe", SUBSCRIBE},
		{"unsubscribe", SUBSCRIBE},
		{"punsubscribe", SUBSCRIBE},
		{"sunsubscribe", SUBSCRIBE},
		{"reset", RESET},
		{"psync", STREAM},
		{"sync", STREAM},
	};
	const char first = state->words && state->word[0].size > 3 ? (char)(state->kept[0][0] | 32) : 0;
	for (size_t at = 0; at < sizeof tags / sizeof *tags; at++)
		if (first == *tags[at].word && word_is(state, 0, tags[at].word))
			return tags[at].tag;
	return 0;
}

static void summarise(struct talk *talk, struct state *state, uint64_t more)
{
	struct text *summary = &state->request.summary;
	for (uint32_t at = 0; at < state->words; at++) {
		message_add(talk, summary, " ", state->kept[at], state->word[at].size);
		if (state->word[at].cut)
			message_add(talk, summary, "", "...", 3);
	}
	if (more)
		message_add(talk, summary, " ", "...", 3);
}

/* Whether the server says nothing to this command, since it was told so. */
static bool quiet(struct state *state)
{
	bool silent = state->off || state->skip;
	state->skip = false;
	if (!word_is(state, 0, "client") || !word_is(state, 1, "reply"))
		return silent;
	if (word_is(state, 2, "on"))
		return state->off = false;
	state->skip = word_is(state, 2, "skip");
	state->off |= word_is(state, 2, "off");
	return true;
}

/* A command is complete; end 0: with the last byte that came. */
static void command_end(struct talk *talk, struct state *state, size_t end, uint64_t words)
{
	char name[TEXT_LIMIT_BYTES];
	bool secret;
	struct message *request = &state->request;
	for (uint32_t at = 0; at < state->words; at++)
		state->word[at].text = state->kept[at];
	const size_t size = clew_normalise_redis(state->word, state->words, name, sizeof name, &secret);
	const char *verb_end = memchr(name, ' ', size);
	if (size)
		message_text(talk, &request->name, name, size);
	if (size)
		message_text(talk, &request->kind, name, verb_end ? (size_t)(verb_end - name) : size);
	if (secret)
		message_add(talk, &request->summary, "", name, size);
	else
		summarise(talk, state, words > state->words);
	uint64_t tag = tag_of(state);
	if (tag == SUBSCRIBE)
		tag |= (words > 1 ? words - 1 : 1) << COUNT_SHIFT;
	if (!quiet(state))
		ask(talk, request, tag);
	if (end)
		message_end(talk, request, end);
	else
		message_close(talk, request);
	state->asked = true;
	state->one = !end;
}

static void keep_word(struct state *state, const uint8_t *text, size_t size, uint64_t length)
{
	if (state->words == WORDS)
		return;
	const size_t kept = size < WORD_KEPT ? size : WORD_KEPT;
	memcpy(state->kept[state->words], text, kept);
	state->word[state->words++] = (struct clew_word){NULL, kept, kept < length};
}

/* $3: a length; false: it is none. */
static bool length_of(struct span line, char type, uint64_t *length)
{
	if (line.size < 2 || *line.at != (uint8_t)type)
		return false;
	return number_of((struct span){line.at + 1, line.size - 1}, length) && *length < MANY;
}

static bool inline_command(struct talk *talk, struct state *state, size_t at, size_t next, struct span line)
{
	uint64_t words = 0;
	if (line.size && !((*line.at | 32) >= 'a' && (*line.at | 32) <= 'z'))
		return false;
	state->words = 0;
	struct span rest = line;
	while (rest.size) {
		const struct span word = word_of(&rest, " \t");
		if (!word.size)
			continue;
		keep_word(state, word.at, word.size, word.size);
		words++;
	}
	if (!words)
		return true;
	message_begin(talk, &state->request, CLIENT, at);
	command_end(talk, state, next, words);
	return true;
}

/* Where a command begins: *2 CRLF $3 CRLF and a letter; `size`: nowhere. */
static size_t command_start(const uint8_t *data, size_t size)
{
	for (size_t at = 0; at < size; at++) {
		const uint8_t *found = memchr(data + at, '*', size - at);
		if (!found)
			return size;
		at = (size_t)(found - data);
		struct span line;
		size_t next, second;
		uint64_t length;
		const size_t left = size - at < LONGEST_HEAD ? size - at : LONGEST_HEAD;
		if (line_of(data + at, left, &line, &next) && length_of(line, '*', &length) && length &&
			line_of(data + at + next, left - next, &line, &second) && length_of(line, '$', &length) && length &&
			at + next + second < size && (data[at + next + second] | 32) >= 'a' &&
			(data[at + next + second] | 32) <= 'z')
			return at;
	}
	return size;
}

/* The server's bytes could not be followed to the end of its reply; it is over, since the client goes on. */
static void close_reply(struct talk *talk, struct state *state)
{
	if (!state->seek[SERVER])
		return;
	state->seek[SERVER] = false;
	state->depth = 0;
	if (!state->reply.begun) { /* all of it was in the hole */
		unanswered(talk);
		return;
	}
	reply_ends(talk, state);
	message_close(talk, &state->reply);
}

/* One line or string of the client at `at`; returns how many bytes it takes, 0: more are needed, or (seek) it is none.
 */
static size_t client_unit(struct talk *talk, struct state *state, const uint8_t *data, size_t at, size_t size,
						  bool last)
{
	struct span line;
	size_t next;
	uint64_t length;
	if (!line_of(data + at, size - at, &line, &next)) {
		state->seek[CLIENT] = size - at > WAIT_FOR;
		return 0;
	}
	if (!state->words_left) {
		if (data[at] == '*') {
			if (length_of(line, '*', &length) && length) {
				message_begin(talk, &state->request, CLIENT, at);
				state->words_left = length;
				state->words = 0;
				return next;
			}
			if (line.size > 1 && (line.at[1] == '-' || line.at[1] == '0'))
				return next;
		} else if (inline_command(talk, state, at, next, line))
			return next;
		state->seek[CLIENT] = true;
		return 0;
	}
	if (!length_of(line, '$', &length)) {
		state->seek[CLIENT] = true;
		return 0;
	}
	const size_t here = size - at - next, wanted = length < WORD_KEPT ? (size_t)length : WORD_KEPT;
	if (state->words < WORDS && here < wanted && !last)
		return 0;
	keep_word(state, data + at + next, here < length ? here : (size_t)length, length);
	const size_t total = next + (size_t)length + 2;
	if (!--state->words_left)
		command_end(talk, state, at + total, state->words);
	return total;
}

static uint64_t client(struct talk *talk, struct state *state, const uint8_t *data, size_t size, bool last)
{
	size_t at = 0;
	close_reply(talk, state);
	while (at < size) {
		if (state->over)
			return EVERYTHING;
		if (state->long_command)
			return size;
		if (state->seek[CLIENT]) {
			message_cut(talk, &state->request);
			state->words_left = 0;
			const size_t found = command_start(data + at, size - at);
			at += found;
			if (at == size)
				return last || found < 64 ? size - (last ? 0 : found) : size - 64;
			state->seek[CLIENT] = false;
		}
		const size_t used = client_unit(talk, state, data, at, size, last);
		if (state->seek[CLIENT]) {
			go_astray(talk, state);
			at++;
		} else if (!used) {
			return at;
		}
		at += used;
	}
	return at;
}

/* ---- the server ---- */

/* Values that stand in an aggregate of this type; 0: none do, it is a value itself. */
static unsigned per_entry(uint8_t type)
{
	return type == '*' || type == '~' || type == '>' ? 1 : type == '%' || type == '|' ? 2 : 0;
}

static void status_of(struct talk *talk, struct message *reply, struct span line)
{
	const uint8_t type = *line.at;
	struct span rest = {line.at + 1, line.size - 1};
	if (type == '-') {
		const struct span code = word_of(&rest, " ");
		reply->error = !is_word(code, "MOVED") && !is_word(code, "ASK"); /* ask another server */
		message_text(talk, &reply->status, code.at, code.size);
		message_text(talk, &reply->summary, line.at + 1, line.size - 1);
	} else if (type == '!') {
		reply->error = true;
		message_word(talk, &reply->status, "ERR");
	} else if (type == '_' || ((type == '$' || type == '*') && rest.size && *rest.at == '-')) {
		message_word(talk, &reply->status, "NIL");
	} else {
		message_word(talk, &reply->status, type == '+' && is_word(rest, "QUEUED") ? "QUEUED" : "OK");
		if (type == '+' || type == ':' || type == '*' || type == '%')
			message_text(talk, &reply->summary, line.at, line.size);
	}
}

static void value_end(struct talk *talk, struct state *state, size_t end)
{
	uint64_t tag = 0;
	if (state->push.begun) {
		message_end(talk, &state->push, end);
		return;
	}
	const bool asked = expected(talk, &tag);
	if (asked && tag & SUBSCRIBE && state->confirms && ++state->confirmed < tag >> COUNT_SHIFT)
		return;
	reply_ends(talk, state);
	message_end(talk, &state->reply, end);
}

/* The word an array begins with, if it is a short string: message, subscribe, ...; false: more bytes are needed. */
static bool first_word(const uint8_t *data, size_t size, struct span *word)
{
	struct span line;
	size_t next;
	uint64_t length;
	*word = (struct span){data, 0};
	if (!size)
		return false;
	if (*data != '$')
		return true;
	if (!line_of(data, size, &line, &next))
		return size > 24;
	if (!length_of(line, '$', &length) || length > 64)
		return true;
	if (length > size - next)
		return false;
	*word = (struct span){data + next, (size_t)length};
	return true;
}

static bool is_confirmation(struct span word)
{
	return is_word(word, "subscribe") || is_word(word, "psubscribe") || is_word(word, "ssubscribe") ||
		   is_word(word, "unsubscribe") || is_word(word, "punsubscribe") || is_word(word, "sunsubscribe");
}

/* A value begins: is it a reply, or pushed? `rest` is what stands behind its first line. */
static void value_begin(struct talk *talk, struct state *state, size_t at, struct span line, struct span rest)
{
	const uint8_t type = *line.at;
	uint64_t tag;
	const bool asked = expected(talk, &tag), list = type == '>' || type == '*';
	struct span word = {line.at, 0};
	if (list)
		first_word(rest.at, rest.size, &word);
	state->confirms = list && is_confirmation(word);
	state->subscribed |= is_word(word, "subscribe") || is_word(word, "psubscribe") || is_word(word, "ssubscribe");
	const bool confirmation = state->confirms && asked && tag & SUBSCRIBE;
	const bool told = type == '*' && state->subscribed &&
					  (is_word(word, "message") || is_word(word, "pmessage") || is_word(word, "smessage"));
	const bool pushed = type == '>' || told || state->confirms;
	const bool nobodys = state->asked && !state->astray && !waiting(talk);
	if (!pushed && nobodys && state->one)
		go_astray(talk, state);
	else if (!confirmation && (pushed || nobodys)) {
		message_begin(talk, &state->push, SERVER, at);
		if (word.size)
			message_text(talk, &state->push.kind, word.at, word.size);
		return;
	}
	if (!state->reply.begun)
		message_begin(talk, &state->reply, SERVER, at);
	if (!state->reply.status.size)
		status_of(talk, &state->reply, line);
}

/* Where a server can not be followed any more. Of a single reply it is known when it ended: when the client goes on. */
static void stray(struct talk *talk, struct state *state)
{
	state->seek[SERVER] = true;
	state->depth = 0;
	message_cut(talk, &state->push);
	if (waiting(talk) > 1) {
		go_astray(talk, state);
		message_cut(talk, &state->reply);
	}
}

/* One value, or the head of an aggregate; returns how many bytes it takes, 0: more are needed or (seek) it is none. */
static size_t server_unit(struct talk *talk, struct state *state, const uint8_t *data, size_t size, size_t at,
						  bool last)
{
	struct span line;
	size_t next;
	uint64_t length = 0;
	if (!strchr("+-:$*%~_#,>(!=|", data[at]) || !data[at] || !line_of(data + at, size - at, &line, &next)) {
		state->seek[SERVER] = !strchr("+-:$*%~_#,>(!=|", data[at]) || !data[at] || size - at > WAIT_FOR;
		return 0;
	}
	const uint8_t type = *line.at;
	const bool sized = strchr("$*%~>!=|", type) != NULL, nothing = line.size > 1 && line.at[1] == '-' && sized;
	if (sized && !nothing && !length_of(line, (char)type, &length)) {
		state->seek[SERVER] = true;
		return 0;
	}
	const unsigned each = per_entry(type);
	uint64_t tag;
	struct span word;
	const bool may_push =
		type == '>' || (type == '*' && (state->subscribed || (expected(talk, &tag) && tag & SUBSCRIBE)));
	if (!state->depth && may_push && length && !last && !first_word(data + at + next, size - at - next, &word))
		return 0;
	if (!state->depth)
		value_begin(talk, state, at, line, (struct span){data + at + next, size - at - next});
	const size_t total = next + (each || !sized || nothing ? 0 : (size_t)length + 2);
	if (each && length) {
		if (state->depth == DEEPEST) {
			state->seek[SERVER] = true;
			return 0;
		}
		state->left[state->depth++] = length * each + (type == '|'); /* attributes stand before their value */
		return total;
	}
	while (state->depth && !--state->left[state->depth - 1])
		state->depth--;
	if (!state->depth)
		value_end(talk, state, at + total);
	return total;
}

static uint64_t server(struct talk *talk, struct state *state, const uint8_t *data, size_t size, bool last)
{
	size_t at = 0;
	if (state->long_command) {
		state->long_command = false;
		command_end(talk, state, 0, state->words + state->words_left);
		state->words_left = 0;
	}
	while (at < size) {
		if (state->over)
			return EVERYTHING;
		if (state->seek[SERVER])
			return size;
		const size_t used = server_unit(talk, state, data, size, at, last);
		if (state->seek[SERVER])
			stray(talk, state);
		else if (!used)
			return at;
		at += used;
	}
	return at;
}

static uint64_t feed(struct talk *talk, void *memory, enum side side, const uint8_t *data, size_t size)
{
	return side == CLIENT ? client(talk, memory, data, size, false) : server(talk, memory, data, size, false);
}

static uint64_t gap(struct talk *talk, void *memory, enum side side, const uint8_t *data, size_t size, uint64_t hole)
{
	struct state *state = memory;
	const uint64_t done =
		side == CLIENT ? client(talk, state, data, size, true) : server(talk, state, data, size, true);
	if (!hole || done >= size + hole || state->over)
		return done;
	if (side == SERVER) {
		stray(talk, state);
	} else if (state->words_left && !state->astray && !waiting(talk)) {
		state->long_command = true;
	} else {
		state->seek[CLIENT] = true;
		if (waiting(talk))
			go_astray(talk, state);
	}
	return done;
}

static void end(struct talk *talk, void *memory)
{
	struct state *state = memory;
	message_cut(talk, &state->request);
	message_cut(talk, &state->push);
	if (talk->closed[CLIENT])
		close_reply(talk, state);
	if (state->reply.begun)
		answer(talk, &state->reply, NULL);
	message_cut(talk, &state->reply);
}

static bool is_value(const uint8_t *data, size_t size)
{
	struct span line;
	size_t next;
	return size > 3 && strchr("+-:$*%~_#,>(!=|", *data) && *data && line_of(data, size, &line, &next) &&
		   data[next - 2] == '\r';
}

static int recognise(const struct opening *opening)
{
	const uint8_t *client = opening->data[CLIENT];
	const size_t sent = opening->size[CLIENT], got = opening->size[SERVER];
	if (opening->datagram)
		return 0;
	const bool value = is_value(opening->data[SERVER], got);
	if (sent && *client == '*' && command_start(client, sent) == 0)
		return got && !value ? 0 : 92;
	struct span line;
	size_t next;
	if (sent && value && line_of(client, sent, &line, &next) && line.size && (*line.at | 32) >= 'a' &&
		(*line.at | 32) <= 'z')
		return 60; /* an inline command */
	return 0;
}

const struct protocol protocol_redis = {
	.name = "redis",
	.aliases = "valkey keydb",
	.state_size = sizeof(struct state),
	.recognise = recognise,
	.feed = feed,
	.gap = gap,
	.end = end,
};
