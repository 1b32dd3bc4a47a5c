/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief MySQL and MariaDB: commands, prepared statements, result sets, LOCAL INFILE.
 *
 * Format: the chapters "MySQL Protocol" of MySQL's source documentation and "Client/Server Protocol" of MariaDB's
 * documentation. A packet is three bytes of length (least significant first), a number, and the rest; one of 0xffffff
 * bytes goes on in the next. Commands are packets with number 0.
 *
 * With TLS or compression nothing behind the handshake can be read here, and no messages are made of it. Whether column
 * definitions end with an EOF packet is told by the packets themselves, so a recording may begin in the middle.
 */
#include "mysql.h"
#include "normalise.h"
#include "remembered.h"

enum capability {
	COMPRESS = 0x20,
	SSL = 0x800,
	PROTOCOL_41 = 0x200,
	CONNECT_DB = 8,
	ZSTD = 1 << 26,
	ATTRIBUTES = 1 << 27
};
enum server_status { IN_TRANSACTION = 1, MORE_RESULTS = 8, CURSOR = 0x40 };
enum phase { FIRST, PARAMETERS, COLUMNS, AFTER_COLUMNS, ROWS, HANDSHAKE };

#define DEADLOCK 1213 /* the server has rolled the transaction back */
#define PROGRESS 0xffff
#define LAST_PREPARED UINT32_MAX /* MariaDB: the statement that was prepared before */

struct state {
	bool unreadable;   /* compressed or encrypted from here on */
	bool greeted;      /* the server's first packet was seen */
	bool commands;     /* the handshake is over */
	bool continues[2]; /* the last packet was of the greatest length */
	bool continued_request;
	bool seek[2];
	bool in_transaction;
	bool file_wanted; /* the server asked for a file of the client */
	uint32_t capabilities;
	enum phase phase;
	uint64_t parameters, columns; /* definitions that are still to come */
	uint8_t tail[16];             /* last bytes of the server while it is not followed */
	struct message request, file, reply;
	uint64_t tag, last_prepared;
	struct remembered known;
};

static void once(struct talk *talk, enum side side, size_t at, size_t size, const char *kind)
{
	struct message message = {0};
	message_begin(talk, &message, side, at);
	message_word(talk, &message.kind, kind);
	message_end(talk, &message, at + size);
}

static void end_reply(struct talk *talk, struct state *state, size_t end, bool transaction)
{
	state->in_transaction = transaction;
	state->reply.held = transaction ? HELD_YES : HELD_NO;
	if (!state->reply.status.size)
		message_word(talk, &state->reply.status, "OK");
	answer(talk, &state->reply, NULL);
	message_end(talk, &state->reply, end);
	state->phase = FIRST;
}

/* ---- the client ---- */

/* The last packet of a result ends with the server's status; UINT32_MAX: it does not look like one. */
static uint32_t status_in_tail(const struct state *state)
{
	const uint8_t *tail = state->tail;
	if (!memcmp(tail + 7, "\5\0\0", 3) && tail[11] == 0xfe)
		return le16(tail + 14);
	if (!memcmp(tail + 5, "\7\0\0", 3) && tail[9] == 0xfe)
		return le16(tail + 12);
	return UINT32_MAX;
}

/* The server's bytes could not be followed to the end of its reply; it is over, since the client goes on. */
static void close_reply(struct talk *talk, struct state *state)
{
	state->seek[SERVER] = false;
	state->phase = FIRST;
	if (!state->reply.begun) { /* all of it was in the hole */
		unanswered(talk);
		return;
	}
	const uint32_t status = status_in_tail(state);
	if (status != UINT32_MAX) {
		state->in_transaction = status & IN_TRANSACTION;
		state->reply.held = state->in_transaction ? HELD_YES : HELD_NO;
		message_word(talk, &state->reply.status, "OK");
	}
	answer(talk, &state->reply, NULL);
	message_close(talk, &state->reply);
}

static void statement(struct talk *talk, struct state *state, struct span sql, bool cut, bool prepare)
{
	struct clew_found trace;
	if (!prepare && state->capabilities & ATTRIBUTES && sql.size > 1) {
		if (sql.at[0]) /* attributes stand before the statement */
			return;
		sql = (struct span){sql.at + 2, sql.size - 2};
	}
	const struct span name = statement_name(talk, CLEW_SQL_MYSQL, sql, cut, &trace);
	if (name.size)
		message_text(talk, &state->request.name, name.at, name.size);
	message_text(talk, &state->request.summary, sql.at, sql.size);
	if (trace.size) {
		message_word(talk, &state->request.correlation, "traceparent=");
		message_add(talk, &state->request.correlation, "", sql.at + trace.at, trace.size);
	}
	if (prepare) {
		state->last_prepared++;
		remember(&state->known, remembered_key('T', (const uint8_t *)&state->last_prepared, 8), name.at, name.size);
	}
}

static void named_statement(struct talk *talk, struct state *state, struct span rest)
{
	if (rest.size < 4)
		return;
	const uint32_t id = le32(rest.at);
	const uint64_t key = id == LAST_PREPARED ? remembered_key('T', (const uint8_t *)&state->last_prepared, 8)
											 : remembered_key('S', rest.at, 4);
	const struct span text = recall(&state->known, key);
	if (text.at)
		message_text(talk, &state->request.name, text.at, text.size);
}

static void command(struct talk *talk, struct state *state, size_t at, size_t end, struct span rest, bool cut,
					bool last_packet)
{
	struct message *request = &state->request;
	const uint8_t code = rest.size ? *rest.at : 0;
	if (state->seek[SERVER])
		close_reply(talk, state);
	state->commands = true;
	state->file_wanted = false;
	message_begin(talk, request, CLIENT, at);
	if (mysql_command(code))
		message_word(talk, &request->kind, mysql_command(code));
	rest = rest.size ? (struct span){rest.at + 1, rest.size - 1} : rest;
	if (code == MYSQL_QUERY || code == MYSQL_PREPARE)
		statement(talk, state, rest, cut, code == MYSQL_PREPARE);
	else if (code == MYSQL_EXECUTE || code == MYSQL_BULK || code == MYSQL_FETCH || code == MYSQL_LONG_DATA ||
			 code == MYSQL_CLOSE || code == MYSQL_RESET)
		named_statement(talk, state, rest);
	else if (code == MYSQL_INIT_DB)
		message_text(talk, &request->summary, rest.at, rest.size);
	if (code != MYSQL_QUERY && code != MYSQL_EXECUTE && code != MYSQL_BULK)
		message_name_kind(talk, request);
	if (code == MYSQL_CLOSE && rest.size >= 4)
		forget(&state->known, remembered_key('S', rest.at, 4));
	if (code != MYSQL_QUIT && code != MYSQL_CLOSE && code != MYSQL_LONG_DATA)
		ask(talk, request, code | state->last_prepared << 8);
	state->continued_request = !last_packet;
	if (last_packet)
		message_end(talk, request, end);
}

static void handshake(struct talk *talk, struct state *state, size_t at, size_t end, struct span rest)
{
	struct message *request = &state->request;
	state->capabilities = rest.size >= 4 ? le32(rest.at) : 0;
	state->phase = HANDSHAKE;
	if (state->capabilities & SSL && end - at == 36) {
		once(talk, CLIENT, at, end - at, "SSLRequest");
		state->unreadable = true;
		return;
	}
	message_begin(talk, request, CLIENT, at);
	message_word(talk, &request->kind, "Handshake");
	message_word(talk, &request->name, "connect");
	if (rest.size > 32) {
		const uint8_t *user = rest.at + 32, *nul = memchr(user, 0, rest.size - 32);
		message_word(talk, &request->summary, "user=");
		message_add(talk, &request->summary, "", user, nul ? (size_t)(nul - user) : rest.size - 32);
	}
	ask(talk, request, MYSQL_CONNECT);
	message_end(talk, request, end);
}

/* Bytes of a file, ended by an empty packet */
static void infile(struct talk *talk, struct state *state, size_t at, size_t end)
{
	if (!state->file.begun) {
		message_begin(talk, &state->file, CLIENT, at);
		message_word(talk, &state->file.kind, "LOCAL INFILE");
	}
	if (end - at == 4)
		message_end(talk, &state->file, end);
}

static void client_packet(struct talk *talk, struct state *state, uint8_t number, size_t at, size_t end,
						  struct span rest, bool cut)
{
	const bool full = end - at == MYSQL_FULL + 4u, continuation = state->continues[CLIENT];
	state->continues[CLIENT] = full;
	if (continuation && state->continued_request) {
		state->continued_request = full;
		if (!full)
			message_end(talk, &state->request, end);
	} else if (state->file.begun) {
		infile(talk, state, at, end);
	} else if (!number) {
		command(talk, state, at, end, rest, cut, !full);
	} else if (!state->commands && state->phase != HANDSHAKE && mysql_is_handshake(rest)) {
		handshake(talk, state, at, end, rest);
	} else if (!state->file_wanted) {
		once(talk, CLIENT, at, end - at, "Authentication");
	} else {
		infile(talk, state, at, end);
	}
}

static uint64_t client(struct talk *talk, struct state *state, const uint8_t *data, size_t size, bool last)
{
	size_t at = 0;
	while (at < size) {
		if (state->unreadable)
			return EVERYTHING;
		if (state->seek[CLIENT]) {
			if (state->file.begun)
				return size;
			const size_t found = mysql_command_start(data + at, size - at);
			if (found == size - at)
				return at + (last ? found : found > 8 ? found - 8 : 0);
			at += found;
			state->seek[CLIENT] = false;
		}
		const size_t left = size - at;
		if (left < 4) {
			if (!last)
				return at;
			break;
		}
		const size_t total = 4 + (size_t)le24(data + at), wanted = total < WAIT_FOR ? total : WAIT_FOR;
		if (left < wanted && !last)
			return at;
		const size_t kept = (left < wanted ? left : wanted) - 4;
		const struct span rest = {data + at + 4, kept};
		const bool is_new = !data[at + 3] && !state->continues[CLIENT] && !state->file.begun;
		if (is_new && (total == 4 || (kept && !mysql_command(*rest.at)))) {
			state->seek[CLIENT] = true;
			unsure(talk);
			at++;
			continue;
		}
		client_packet(talk, state, data[at + 3], at, at + total, rest, kept + 4 < total);
		at += total;
	}
	return at;
}

/* ---- the server ---- */

/* A number of variable length taken off `rest`; UINT64_MAX: none. */
static uint64_t number(struct span *rest)
{
	if (!rest->size)
		return UINT64_MAX;
	const uint8_t first = *rest->at;
	const size_t size = first < 0xfb ? 0 : first == 0xfc ? 2 : first == 0xfd ? 3 : 8;
	if (first == 0xfb || first == 0xff || rest->size < 1 + size)
		return UINT64_MAX;
	uint64_t value = first < 0xfb ? first : 0;
	for (size_t at = 0; at < size; at++)
		value |= (uint64_t)rest->at[1 + at] << 8 * at;
	*rest = (struct span){rest->at + 1 + size, rest->size - 1 - size};
	return value;
}

/* Server status of an OK packet, or of an EOF packet. */
static uint32_t status_of(const struct state *state, struct span rest, size_t length)
{
	if (!rest.size)
		return state->in_transaction;
	const bool eof = *rest.at == 0xfe && length == 5;
	rest = (struct span){rest.at + 1, rest.size - 1};
	if (eof)
		return rest.size >= 4 ? le16(rest.at + 2) : state->in_transaction;
	number(&rest);
	number(&rest);
	return rest.size >= 2 ? le16(rest.at) : state->in_transaction;
}

static void failure(struct talk *talk, struct state *state, struct span rest, size_t end)
{
	struct message *reply = &state->reply;
	const unsigned code = rest.size >= 3 ? le16(rest.at + 1) : 0;
	const size_t text = rest.size > 8 && rest.at[3] == '#' ? 9 : 3;
	reply->error = true;
	message_word(talk, &reply->kind, "ERR");
	message_print(talk, &reply->status, "%u", code);
	if (rest.size > text)
		message_text(talk, &reply->summary, rest.at + text, rest.size - text);
	end_reply(talk, state, end, state->in_transaction && code != DEADLOCK);
}

/* A result is complete; others may follow. */
static void result_end(struct talk *talk, struct state *state, struct span rest, size_t length, size_t end)
{
	const uint32_t status = status_of(state, rest, length);
	state->phase = FIRST;
	if (!(status & MORE_RESULTS))
		end_reply(talk, state, end, status & IN_TRANSACTION);
}

/* Definitions that a prepared statement has are followed by its columns'; all may be missing. */
static void prepared(struct talk *talk, struct state *state, struct span rest, size_t end, uint64_t tag)
{
	if (rest.size >= 9) {
		const uint64_t number = tag >> 8;
		const struct span text = recall(&state->known, remembered_key('T', (const uint8_t *)&number, 8));
		if (text.at) {
			char copy[TEXT_LIMIT_BYTES];
			memcpy(copy, text.at, text.size);
			remember(&state->known, remembered_key('S', rest.at + 1, 4), copy, text.size);
		}
		state->columns = le16(rest.at + 5);
		state->parameters = le16(rest.at + 7);
	}
	message_word(talk, &state->reply.kind, "StmtPrepareOK");
	state->phase = state->parameters ? PARAMETERS : COLUMNS;
	if (!state->parameters && !state->columns)
		end_reply(talk, state, end, state->in_transaction);
}

static void first_packet(struct talk *talk, struct state *state, struct span rest, size_t length, size_t end)
{
	struct message *reply = &state->reply;
	const uint8_t first = rest.size ? *rest.at : 0, command = (uint8_t)state->tag;
	const uint8_t wanted = waiting(talk) ? command : MYSQL_QUERY;
	if (first == 0xfb && rest.size > 1 && wanted == MYSQL_QUERY) {
		message_word(talk, &reply->kind, "LOCAL INFILE"); /* the client sends it, then this goes on */
		state->file_wanted = true;
	} else if (first == 0 && wanted == MYSQL_PREPARE) {
		prepared(talk, state, rest, end, state->tag);
	} else if (wanted == MYSQL_STATISTICS) {
		end_reply(talk, state, end, state->in_transaction);
	} else if (first == 0 || (first == 0xfe && length < 9 && rest.size)) {
		if (!reply->kind.size)
			message_word(talk, &reply->kind, "OK");
		result_end(talk, state, rest, length, end);
	} else if (wanted == MYSQL_FETCH || wanted == MYSQL_FIELD_LIST) {
		state->phase = ROWS;
	} else {
		const uint64_t count = number(&rest);
		message_word(talk, &reply->kind, "ResultSet");
		state->columns = rest.size == 1 && length == 2 && !*rest.at ? 0 : count; /* MariaDB: as they were before */
		state->phase = state->columns && count != UINT64_MAX ? COLUMNS : AFTER_COLUMNS;
	}
}

/* Definitions of parameters and columns, with an EOF packet behind each group unless the client can do without. */
static void definitions(struct talk *talk, struct state *state, struct span rest, size_t length, size_t end)
{
	const bool eof = rest.size && *rest.at == 0xfe && length == 5;
	const bool prepare = (uint8_t)state->tag == MYSQL_PREPARE && waiting(talk);
	if (state->phase == PARAMETERS) {
		if (!eof && state->parameters)
			state->parameters--;
		const bool over = eof || (!state->parameters && state->capabilities & MYSQL_NO_EOF);
		if (over)
			state->phase = COLUMNS;
		if (over && !state->columns)
			end_reply(talk, state, end, state->in_transaction);
		return;
	}
	if (!eof && state->columns) {
		state->columns--;
		if (!state->columns && !prepare)
			state->phase = AFTER_COLUMNS;
	}
	if (prepare && (eof || (!state->columns && state->capabilities & MYSQL_NO_EOF)))
		end_reply(talk, state, end, state->in_transaction);
}

static void reply_packet(struct talk *talk, struct state *state, struct span rest, size_t length, size_t at, size_t end)
{
	const uint8_t first = rest.size ? *rest.at : 0;
	if (state->seek[CLIENT] && state->file.begun) { /* a file is over when the server goes on */
		message_close(talk, &state->file);
		state->seek[CLIENT] = false;
	}
	if (!state->reply.begun) {
		expected(talk, &state->tag);
		message_begin(talk, &state->reply, SERVER, at);
		state->phase = state->phase == HANDSHAKE ? HANDSHAKE : FIRST;
	}
	if (first == 0xff && rest.size >= 3 && le16(rest.at + 1) == PROGRESS)
		return;
	if (first == 0xff) {
		failure(talk, state, rest, end);
	} else if (state->phase == HANDSHAKE || ((uint8_t)state->tag == MYSQL_CHANGE_USER && first)) {
		if (first == 0) { /* the rest of a handshake goes to and fro before */
			state->commands = true;
			message_word(talk, &state->reply.kind, "OK");
			end_reply(talk, state, end, false);
			state->unreadable = state->capabilities & (COMPRESS | ZSTD);
		}
	} else if (state->phase == FIRST) {
		first_packet(talk, state, rest, length, end);
	} else if (state->phase == PARAMETERS || state->phase == COLUMNS) {
		definitions(talk, state, rest, length, end);
	} else if (first == 0xfe && length < MYSQL_FULL) {
		const bool columns_end = state->phase == AFTER_COLUMNS && length == 5;
		state->phase = ROWS;
		if (!columns_end || status_of(state, rest, length) & CURSOR)
			result_end(talk, state, rest, length, end);
	} else {
		state->phase = ROWS;
	}
}

static void server_packet(struct talk *talk, struct state *state, struct span rest, size_t at, size_t end)
{
	const size_t length = end - at - 4;
	const bool continuation = state->continues[SERVER];
	state->continues[SERVER] = length == MYSQL_FULL;
	if (continuation)
		return;
	const bool greeting = !state->greeted && !state->commands && rest.size && *rest.at == 10 && !waiting(talk);
	state->greeted = true;
	if (greeting)
		once(talk, SERVER, at, end - at, "Greeting");
	else
		reply_packet(talk, state, rest, length, at, end);
}

static void keep_tail(struct state *state, const uint8_t *data, size_t size)
{
	const size_t room = sizeof state->tail, keep = size < room ? room - size : 0;
	memmove(state->tail, state->tail + room - keep, keep);
	memcpy(state->tail + keep, data + size - (room - keep), room - keep);
}

/* Where a server can not be followed any more. Of a single reply it is known when it ended: when the client goes on. */
static void stray(struct talk *talk, struct state *state)
{
	state->seek[SERVER] = true;
	memset(state->tail, 0, sizeof state->tail);
	state->continues[SERVER] = false;
	if (waiting(talk) > 1) {
		lost(talk, SERVER);
		message_cut(talk, &state->reply);
	}
}

static uint64_t server(struct talk *talk, struct state *state, const uint8_t *data, size_t size, bool last)
{
	size_t at = 0;
	while (at < size) {
		if (state->unreadable)
			return EVERYTHING;
		if (state->seek[SERVER]) {
			keep_tail(state, data + at, size - at);
			return size;
		}
		const size_t left = size - at;
		const size_t total = left < 4 ? SIZE_MAX : 4 + (size_t)le24(data + at);
		const bool rows = state->phase == ROWS && total > 0x2000;
		const size_t wanted = rows ? 5 : total < WAIT_FOR ? total : WAIT_FOR;
		if (left < wanted && (!last || left < 4)) {
			if (!last)
				return at;
			break;
		}
		server_packet(talk, state, (struct span){data + at + 4, (left < wanted ? left : wanted) - 4}, at, at + total);
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
	if (!hole || done >= size + hole || state->unreadable)
		return done;
	if (side == SERVER) {
		stray(talk, state);
	} else {
		state->seek[CLIENT] = true;
		if (!state->file.begun && waiting(talk))
			unsure(talk);
	}
	return done;
}

static void end(struct talk *talk, void *memory)
{
	struct state *state = memory;
	message_cut(talk, &state->request);
	message_cut(talk, &state->file);
	if (state->seek[SERVER] && state->reply.begun && status_in_tail(state) != UINT32_MAX)
		close_reply(talk, state);
	if (state->reply.begun)
		answer(talk, &state->reply, NULL);
	message_cut(talk, &state->reply);
}

const struct protocol protocol_mysql = {
	.name = "mysql",
	.aliases = "mariadb",
	.state_size = sizeof(struct state),
	.recognise = mysql_recognise,
	.feed = feed,
	.gap = gap,
	.end = end,
};
