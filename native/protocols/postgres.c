/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief PostgreSQL, protocol 3: queries, prepared statements, pipelines, COPY.
 *
 * Format: PostgreSQL's manual, chapter "Frontend/Backend Protocol". A message is a type byte, a length of four bytes
 * that counts itself, and the rest; a client's first messages have no type byte.
 *
 * One request is a Query, or what the client sends up to a Sync, or up to a Flush, after which it waits, too; the reply
 * to a Sync ends with ReadyForQuery, that to a Flush when all that was asked for is answered, or with an error. Copied
 * rows that the client sends are a message of their own, which nobody answers.
 */
#include "postgres.h"
#include "remembered.h"

#define STARTUP_MOST 10000u /* bytes of a startup packet, as the server allows */
#define SSL_REQUEST 80877103u
#define GSS_REQUEST 80877104u
#define CANCEL_REQUEST 80877102u
#define PARAMETERS_SHOWN 8

enum {
	ASK_SYNC,
	ASK_FLUSH,
	ASK_STARTUP,
	ASK_UNCERTAIN
}; /* low byte of a tag; of ASK_FLUSH, answers expected above it */

struct state {
	bool typed;        /* the client's next message has a type */
	bool over;         /* what follows is not for us: encrypted, or a stream in both directions */
	bool one_byte;     /* the server's next byte says yes or no to encryption */
	bool copying;      /* the client sends rows */
	bool copied;       /* and has just ended that: its next Sync belongs to it */
	bool uncertain;    /* a hole in the client's bytes may have hidden where requests ended */
	bool settled;      /* the reply to such a one is over, if it was one: that is told by who speaks next */
	bool seek[2];      /* a hole was here: look for the next message */
	bool executed;     /* the request has an Execute */
	uint32_t answers;  /* that the client asked for since its last Sync or Flush */
	uint32_t answered; /* in the reply so far */
	uint32_t names;    /* different ones in the request */
	uint64_t seen[16]; /* their keys */
	uint8_t latest[TEXT_LIMIT_BYTES]; /* the one that was added last */
	size_t latest_size;
	struct message request, copy, reply;
	struct remembered known;
};

static void once(struct talk *talk, enum side side, size_t at, size_t size, const char *kind)
{
	struct message message = {0};
	message_begin(talk, &message, side, at);
	message_word(talk, &message.kind, kind);
	message_end(talk, &message, at + size);
}

/* Take the string that ends in NUL off `rest`; what was not kept ends it, too. */
static struct span string(struct span *rest)
{
	const uint8_t *end = rest->size ? memchr(rest->at, 0, rest->size) : NULL;
	const struct span found = {rest->at, end ? (size_t)(end - rest->at) : rest->size};
	const size_t taken = found.size + (end != NULL);
	rest->at += taken;
	rest->size -= taken;
	return found;
}

/* The client goes on: what was open is over. */
static void client_goes_on(struct talk *talk, struct state *state)
{
	if (state->settled) { /* one reply came, so it was one request */
		state->settled = false;
		state->answered = 0;
		answer(talk, &state->reply, NULL);
		if (!state->reply.status.size)
			message_word(talk, &state->reply.status, "OK");
		message_close(talk, &state->reply);
	} else if (state->seek[SERVER] && state->reply.begun) { /* its end was in a hole, or it is still to come */
		answer(talk, &state->reply, NULL);
		message_cut(talk, &state->reply);
		unsure(talk);
	}
}

/* ---- the client ---- */

static void add_name(struct talk *talk, struct state *state, struct span name)
{
	const uint64_t key = remembered_key(0, name.at, name.size);
	for (uint32_t at = 0; at < state->names && at < 16; at++)
		if (state->seen[at] == key)
			return;
	const bool cut = name.size > 3 && !memcmp(name.at + name.size - 3, "...", 3);
	if (state->names >= 16 || (cut && state->names && name.size - 3 <= state->latest_size &&
							   !memcmp(name.at, state->latest, name.size - 3))) /* the beginning of the same */
		return;
	state->latest_size = name.size < TEXT_LIMIT_BYTES ? name.size : TEXT_LIMIT_BYTES;
	memcpy(state->latest, name.at, state->latest_size);
	state->seen[state->names++] = key;
	message_add(talk, &state->request.name, "; ", name.at, name.size);
}

static void add_statement(struct talk *talk, struct state *state, struct span sql, bool cut, uint64_t key)
{
	struct clew_found trace;
	const struct span name = statement_name(talk, CLEW_SQL_STANDARD, sql, cut, &trace);
	message_add(talk, &state->request.summary, "; ", sql.at, sql.size);
	if (trace.size) {
		message_word(talk, &state->request.correlation, "traceparent=");
		message_add(talk, &state->request.correlation, "", sql.at + trace.at, trace.size);
	}
	if (key)
		remember(&state->known, key, name.at, name.size);
	add_name(talk, state, name);
}

/* Parameters of a Bind as far as they are text: [17, shoe]. */
static void add_parameters(struct talk *talk, struct state *state, struct span rest)
{
	bool binary[PARAMETERS_SHOWN] = {0};
	if (rest.size < 2)
		return;
	const size_t formats = be16(rest.at);
	if (rest.size < 4 + 2 * formats)
		return;
	for (size_t at = 0; at < PARAMETERS_SHOWN && formats; at++)
		binary[at] = (formats == 1 || at < formats) && be16(rest.at + 2 + 2 * (formats == 1 ? 0 : at));
	const size_t count = be16(rest.at + 2 + 2 * formats);
	size_t at = 4 + 2 * formats;
	for (size_t number = 0; number < count && number < PARAMETERS_SHOWN && at + 4 <= rest.size; number++) {
		const uint32_t size = be32(rest.at + at);
		const bool null = size == UINT32_MAX;
		at += 4;
		const size_t kept = null ? 0 : size < rest.size - at ? size : rest.size - at;
		const bool hidden = binary[number] && !null;
		message_add(talk, &state->request.summary, number ? ", " : " [",
					hidden ? "?"
					: null ? "NULL"
						   : (const char *)rest.at + at,
					hidden      ? 1
					: null      ? 4
					: kept < 64 ? kept
								: 64);
		at += kept;
	}
	if (count)
		message_add(talk, &state->request.summary, "", count > PARAMETERS_SHOWN ? ", ...]" : "]",
					count > PARAMETERS_SHOWN ? 6 : 1);
}

static void bind(struct talk *talk, struct state *state, struct span rest)
{
	const struct span portal = string(&rest), statement = string(&rest);
	const struct span name = recall(&state->known, remembered_key('S', statement.at, statement.size));
	const uint64_t key = remembered_key('P', portal.at, portal.size);
	if (name.at) {
		char copy[TEXT_LIMIT_BYTES];
		memcpy(copy, name.at, name.size);
		remember(&state->known, key, copy, name.size);
		if (!state->request.summary.size)
			message_add(talk, &state->request.summary, "", copy, name.size);
	} else {
		forget(&state->known, key);
	}
	add_parameters(talk, state, rest);
}

static void open_request(struct talk *talk, struct state *state, size_t at)
{
	if (state->request.begun)
		return;
	message_begin(talk, &state->request, CLIENT, at);
	state->executed = false;
	state->names = 0;
	state->answers = 0;
}

static void close_request(struct talk *talk, struct state *state, size_t end, uint64_t tag)
{
	ask(talk, &state->request, state->uncertain ? ASK_UNCERTAIN : tag);
	message_end(talk, &state->request, end);
	state->answers = 0;
	state->uncertain = false;
}

/* What only prepares a statement, or asks about it, does not count as one that was run. */
static void close_batch(struct talk *talk, struct state *state, size_t end, uint64_t tag)
{
	if (!state->executed)
		message_name_kind(talk, &state->request);
	close_request(talk, state, end, tag);
}

static void use(struct talk *talk, struct state *state, char kind, struct span name)
{
	const struct span text = recall(&state->known, remembered_key((uint8_t)kind, name.at, name.size));
	if (text.at)
		add_name(talk, state, text);
}

/* A message of the extended protocol, at `at`; `size` is all of it, `rest` what was kept of its body. */
static void extended(struct talk *talk, struct state *state, uint8_t type, size_t at, size_t size, struct span rest,
					 bool cut)
{
	open_request(talk, state, at);
	struct text *kind = &state->request.kind;
	if (type == 'P') {
		const struct span name = string(&rest), sql = string(&rest);
		const uint64_t key = remembered_key('S', name.at, name.size);
		add_statement(talk, state, sql, cut, key);
		if (!state->executed)
			message_word(talk, kind, "Parse");
	} else if (type == 'B') {
		bind(talk, state, rest);
		if (!kind->size)
			message_word(talk, kind, "Bind");
	} else if (type == 'E') {
		if (!state->executed)
			message_word(talk, kind, "Execute");
		state->executed = true;
		use(talk, state, 'P', string(&rest));
	} else if (type == 'D' || type == 'C') {
		const char what = rest.size && *rest.at == 'P' ? 'P' : 'S';
		rest = rest.size ? (struct span){rest.at + 1, rest.size - 1} : rest;
		const struct span name = string(&rest);
		if (!kind->size)
			message_word(talk, kind, type == 'D' ? "Describe" : "Close");
		if (!state->executed)
			use(talk, state, what, name);
		if (type == 'C')
			forget(&state->known, remembered_key((uint8_t)what, name.at, name.size));
	} else if (type == 'F') {
		message_word(talk, kind, "FunctionCall");
		close_request(talk, state, at + size, ASK_SYNC);
		return;
	} else if (type == 'S') {
		if (!kind->size)
			message_word(talk, kind, "Sync");
		close_batch(talk, state, at + size, ASK_SYNC);
		return;
	} else if (state->answers) { /* H */
		close_batch(talk, state, at + size, ASK_FLUSH | (uint64_t)state->answers << 8);
		return;
	}
	state->answers += type != 'H';
}

static void client_message(struct talk *talk, struct state *state, uint8_t type, size_t at, size_t size,
						   struct span rest, bool cut)
{
	const bool copied = state->copied;
	state->copied = false;
	if (type == 'd' || type == 'c' || type == 'f') {
		if (!state->copy.begun) {
			message_begin(talk, &state->copy, CLIENT, at);
			message_word(talk, &state->copy.kind, "CopyData");
		}
		state->copying = type == 'd';
		state->copied = type != 'd';
		if (type != 'd')
			message_end(talk, &state->copy, at + size);
		return;
	}
	message_cut(talk, &state->copy);
	state->copying = false;
	if (type == 'S' && copied && !state->request.begun)
		once(talk, CLIENT, at, size, "Sync"); /* the one before the rows was not answered */
	else if (type == 'X')
		once(talk, CLIENT, at, size, "Terminate");
	else if (type == 'p')
		once(talk, CLIENT, at, size, "Password");
	else if (type == 'Q') {
		message_cut(talk, &state->request);
		open_request(talk, state, at);
		message_word(talk, &state->request.kind, "Query");
		add_statement(talk, state, string(&rest), cut, 0);
		close_request(talk, state, at + size, ASK_SYNC);
	} else
		extended(talk, state, type, at, size, rest, cut);
}

/* The client's first messages, which have no type. */
static void startup(struct talk *talk, struct state *state, size_t at, size_t size, struct span rest)
{
	const uint32_t code = rest.size >= 4 ? be32(rest.at) : 0;
	if (code == SSL_REQUEST || code == GSS_REQUEST) {
		once(talk, CLIENT, at, size, code == SSL_REQUEST ? "SSLRequest" : "GSSENCRequest");
		state->one_byte = true;
		return;
	}
	state->typed = true;
	if (code == CANCEL_REQUEST) {
		once(talk, CLIENT, at, size, "CancelRequest");
		return;
	}
	open_request(talk, state, at);
	message_word(talk, &state->request.kind, "Startup");
	message_word(talk, &state->request.name, "connect");
	rest = rest.size < 4 ? (struct span){rest.at, 0} : (struct span){rest.at + 4, rest.size - 4};
	while (rest.size && *rest.at) {
		const struct span name = string(&rest), value = string(&rest);
		message_add(talk, &state->request.summary, " ", name.at, name.size);
		message_add(talk, &state->request.summary, "=", value.at, value.size);
	}
	close_request(talk, state, at + size, ASK_STARTUP);
}

static uint64_t client(struct talk *talk, struct state *state, const uint8_t *data, size_t size, bool last)
{
	size_t at = 0;
	if (!state->copying && !state->copy.begun && size && *data != 'd' && *data != 'c' && *data != 'f')
		client_goes_on(talk, state);
	while (at < size) {
		if (state->over)
			return EVERYTHING;
		if (state->seek[CLIENT]) {
			const size_t found = postgres_client_start(data + at, size - at);
			if (found == size - at)
				return at + (last ? found : found > POSTGRES_LOOK ? found - POSTGRES_LOOK : 0);
			at += found;
			state->seek[CLIENT] = false;
			state->typed = true;
		}
		const size_t left = size - at;
		const bool typed = state->typed |=
			data[at] != 0; /* a length begins with 0, a recording in the middle does not */
		const size_t head = typed ? 5 : 4;
		if (left < head) {
			if (!last)
				return at;
			break;
		}
		const uint32_t length = be32(data + at + head - 4);
		if (typed ? !postgres_client_head(data + at) : length < 8 || length > STARTUP_MOST) {
			state->seek[CLIENT] = true;
			lost(talk, CLIENT);
			at++;
			continue;
		}
		const size_t total = (typed ? 1 : 0) + (size_t)length, wanted = total < WAIT_FOR ? total : WAIT_FOR;
		if (left < wanted && !last && !(typed && data[at] == 'd'))
			return at;
		const size_t kept = (left < wanted ? left : wanted) - head;
		const struct span rest = {data + at + head, kept};
		if (typed)
			client_message(talk, state, data[at], at, total, rest, kept + head < total);
		else
			startup(talk, state, at, total, rest);
		at += total;
	}
	return at;
}

/* ---- the server ---- */

static void end_reply(struct talk *talk, struct state *state, size_t end)
{
	uint64_t tag = 0;
	answer(talk, &state->reply, &tag);
	if (!state->reply.status.size)
		message_word(talk, &state->reply.status, "OK");
	message_end(talk, &state->reply, end);
	state->answered = 0;
}

/* A Flush whose answers are all there ends the reply; they may have come before the Flush. */
static void flushed(struct talk *talk, struct state *state, size_t end)
{
	uint64_t tag;
	if (!state->reply.begun || !expected(talk, &tag) || (tag & 0xff) != ASK_FLUSH)
		return;
	if (state->reply.error || state->answered >= tag >> 8) {
		state->reply.held = HELD_YES;
		end_reply(talk, state, end);
	}
}

static void ready(struct talk *talk, struct state *state, size_t end, uint8_t status)
{
	uint64_t tag;
	while (expected(talk, &tag) && (tag & 0xff) == ASK_FLUSH)
		unanswered(talk); /* passed over because of an error before */
	state->reply.held = status == 'I' ? HELD_NO : HELD_YES;
	if (expected(talk, &tag) && tag == ASK_UNCERTAIN)
		state->settled = true;
	else
		end_reply(talk, state, end);
}

/* Fields of an ErrorResponse; true: the server ends the session. */
static bool failure(struct talk *talk, struct message *reply, struct span rest)
{
	struct span severity = {NULL, 0}, code = {NULL, 0}, text = {NULL, 0};
	while (rest.size && *rest.at) {
		const uint8_t field = *rest.at;
		rest = (struct span){rest.at + 1, rest.size - 1};
		const struct span value = string(&rest);
		if (field == 'V' || (field == 'S' && !severity.at))
			severity = value;
		else if (field == 'C')
			code = value;
		else if (field == 'M')
			text = value;
	}
	const bool first = !reply->error;
	reply->error = true;
	if (first) {
		message_word(talk, &reply->kind, "ErrorResponse");
		message_text(talk, &reply->status, code.at, code.size);
		message_text(talk, &reply->summary, text.at, text.size);
	}
	return is_word(severity, "FATAL") || is_word(severity, "PANIC");
}

/* INSERT 0 17: the status is INSERT, so that it groups. */
static void command(struct talk *talk, struct message *reply, struct span rest)
{
	const struct span tag = string(&rest);
	size_t words = tag.size;
	if (reply->error)
		return;
	while (words && (tag.at[words - 1] == ' ' || (tag.at[words - 1] >= '0' && tag.at[words - 1] <= '9')))
		words--;
	message_word(talk, &reply->kind, "CommandComplete");
	message_text(talk, &reply->status, tag.at, words);
	message_text(talk, &reply->summary, tag.at, tag.size);
}

/* What the server says although nobody asked: NotificationResponse, NoticeResponse, ParameterStatus, BackendKeyData. */
static bool is_notice(uint8_t type)
{
	return type == 'A' || type == 'N' || type == 'S' || type == 'K';
}

/* Messages that answer one of the client's and have nothing in them to be told. */
static bool is_plain_answer(uint8_t type)
{
	return type == '1' || type == '2' || type == '3' || type == 'T' || type == 'n';
}

/* Messages whose bodies are read. */
static bool is_read(uint8_t type)
{
	return type == 'E' || type == 'C' || type == 'Z' || type == 'R';
}

static void server_message(struct talk *talk, struct state *state, uint8_t type, size_t at, size_t size,
						   struct span rest)
{
	struct message *reply = &state->reply;
	flushed(talk, state, at);
	if (state->settled && type != 'A' && type != 'N') { /* another reply: the hole hid several requests */
		state->settled = false;
		unsure(talk);
		end_reply(talk, state, at);
	}
	if (!reply->begun && is_notice(type)) {
		once(talk, SERVER, at, size,
			 type == 'A'   ? "NotificationResponse"
			 : type == 'N' ? "NoticeResponse"
						   : "ParameterStatus");
		return;
	}
	if (!reply->begun) {
		message_begin(talk, reply, SERVER, at);
		state->answered = 0;
	}
	if (type == 'E') {
		const bool fatal = failure(talk, reply, rest), idle = !waiting(talk);
		if (idle && fatal)
			message_end(talk, reply, at + size);
		else if (fatal)
			end_reply(talk, state, at + size);
		state->answered++;
	} else if (type == 'C') {
		command(talk, reply, rest);
		state->answered++;
	} else if (type == 'I' || type == 's') {
		if (!reply->error)
			message_word(talk, &reply->status, type == 'I' ? "EMPTY" : "SUSPENDED");
		state->answered++;
	} else if (is_plain_answer(type)) {
		state->answered++;
	} else if (type == 'W') { /* both sides stream from now on */
		message_word(talk, &reply->status, "COPY BOTH");
		reply->held = HELD_YES;
		end_reply(talk, state, at + size);
		state->over = true;
	} else if (type == 'R' && !reply->kind.size) {
		message_word(talk, &reply->kind, "Authentication");
	} else if (type == 'Z') {
		ready(talk, state, at + size, rest.size ? *rest.at : 'T');
		return;
	}
	flushed(talk, state, at + size);
}

static uint64_t server(struct talk *talk, struct state *state, const uint8_t *data, size_t size, bool last)
{
	size_t at = 0;
	while (at < size) {
		if (state->over)
			return EVERYTHING;
		if (state->one_byte) {
			state->one_byte = false;
			if (data[at] != 'E') { /* very old servers */
				once(talk, SERVER, at, 1, "EncryptionResponse");
				state->over = data[at++] != 'N';
				continue;
			}
		}
		if (state->seek[SERVER]) {
			const size_t found = postgres_server_start(data + at, size - at);
			if (found == size - at)
				return at + (last ? found : found > POSTGRES_LOOK ? found - POSTGRES_LOOK : 0);
			at += found;
			state->seek[SERVER] = false;
		}
		const size_t left = size - at;
		if (left < 5) {
			if (!last)
				return at;
			break;
		}
		const uint8_t type = data[at];
		if (!postgres_server_head(data + at)) {
			state->seek[SERVER] = true;
			at++;
			continue;
		}
		const size_t total = 1 + (size_t)be32(data + at + 1), wanted = total < WAIT_FOR ? total : WAIT_FOR;
		if (left < wanted && !last && is_read(type))
			return at;
		server_message(talk, state, type, at, total, (struct span){data + at + 5, (left < wanted ? left : wanted) - 5});
		at += total;
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
	if (!hole || done >= size + hole)
		return done;
	/* A header was in the hole. One reply that was asked for goes on until it ends; of more it is not known which. */
	state->seek[side] = true;
	if (side == CLIENT && !state->copying)
		waiting(talk) ? unsure(talk) : lost(talk, CLIENT);
	if (side == SERVER && state->settled)
		unsure(talk);
	state->uncertain |= side == CLIENT && !state->copying;
	if (side == SERVER && waiting(talk) > 1)
		lost(talk, SERVER);
	return done;
}

static void end(struct talk *talk, void *memory)
{
	struct state *state = memory;
	message_cut(talk, &state->request);
	message_cut(talk, &state->copy);
	if (state->settled)
		client_goes_on(talk, state);
	if (state->reply.begun)
		answer(talk, &state->reply, NULL);
	message_cut(talk, &state->reply);
}

const struct protocol protocol_postgres = {
	.name = "postgres",
	.aliases = "postgresql",
	.state_size = sizeof(struct state),
	.recognise = postgres_recognise,
	.feed = feed,
	.gap = gap,
	.end = end,
};
