/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief HTTP/1.0 and 1.1 (RFC 9112): a request and its final response each, informational responses (1xx) being part
 * of the latter. Bodies are passed over by their length. After an upgrade or CONNECT what follows is another protocol,
 * which is passed over too.
 */
#include "headers.h"

/* TO_TURN: where it ends is not known (no length; or a hole), but not behind where the other side speaks. */
enum step { HEAD, CHUNK, TRAILER, TO_TURN, ENDED, BLIND };

/* Tags of requests: what is said of them decides about the response's body. */
enum tag { PLAIN = 0, HEAD_REQUEST = 1, CONNECT_REQUEST = 2, UPGRADE_REQUEST = 3 };

struct state {
	struct message open[2];
	enum step step[2];
};

static const char *const methods[] = {"GET ",    "POST ",      "HEAD ",  "PUT ",      "DELETE ",    "OPTIONS ",
									  "PATCH ",  "CONNECT ",   "TRACE ", "PROPFIND ", "PROPPATCH ", "MKCOL ",
									  "COPY ",   "MOVE ",      "LOCK ",  "UNLOCK ",   "REPORT ",    "SEARCH ",
									  "NOTIFY ", "SUBSCRIBE ", "PURGE ", "M-SEARCH "};

static bool is_method(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
		if (begins_with(data, size, methods[i]))
			return true;
	return false;
}

/* Whether these bytes agree with HTTP/1.x and a status of three digits, as far as they are there. */
static bool is_status_line(const uint8_t *data, size_t size)
{
	static const char form[] = "HTTP/1.0 200";
	for (size_t i = 0; i < size && i < sizeof form - 1; i++)
		if (i > 6 && form[i] != ' ' ? data[i] < '0' || data[i] > '9' : data[i] != form[i])
			return false;
	return true;
}

/* Whether the bytes may be the beginning of a start line of that side, as far as they are there. */
static bool starts_well(enum side side, const uint8_t *data, size_t size)
{
	if (side == SERVER)
		return is_status_line(data, size);
	for (size_t i = 0; i < size && i < 24; i++) {
		if (data[i] == ' ')
			return i > 0;
		if (!((data[i] >= 'A' && data[i] <= 'Z') || data[i] == '-' || data[i] == '_'))
			return false;
	}
	return size < 24;
}

/* Whether a whole line is a request line: METHOD target HTTP/1.x */
static bool is_request_line(struct span line)
{
	return line.size > 14 && memcmp(line.at + line.size - 9, " HTTP/1.", 8) == 0 && starts_well(CLIENT, line.at, 24);
}

static int recognise(const struct opening *opening)
{
	if (opening->datagram)
		return 0;
	struct span line;
	size_t next;
	const bool asks = opening->size[CLIENT] && starts_well(CLIENT, opening->data[CLIENT], opening->size[CLIENT]);
	const bool replies = opening->size[SERVER] >= 12 && is_status_line(opening->data[SERVER], opening->size[SERVER]);
	if (opening->size[CLIENT] && line_of(opening->data[CLIENT], opening->size[CLIENT], &line, &next))
		return is_request_line(line) ? 98 : replies && opening->first == CLIENT ? 80 : 0;
	if (asks && is_method(opening->data[CLIENT], opening->size[CLIENT])) /* a long target, or only a part was kept */
		return replies ? 97 : opening->size[SERVER] ? 40 : 75;
	return replies && !opening->size[CLIENT] ? 90 : 0;
}

/* These bytes are no beginning of a message. */
static void lose(struct talk *talk, struct state *state, enum side side)
{
	message_cut(talk, &state->open[side]);
	state->step[side] = BLIND;
	lost(talk, side);
}

/* This side begins a message: what the other one sent goes no further. */
static void turn(struct talk *talk, struct state *state, enum side side)
{
	const enum side other = side == CLIENT ? SERVER : CLIENT;
	if (state->step[other] != TO_TURN)
		return;
	message_close(talk, &state->open[other]);
	state->step[other] = HEAD;
}

/* The message is complete before byte `at`, which may be still to come. */
static uint64_t done(struct talk *talk, struct state *state, enum side side, uint64_t at)
{
	message_end(talk, &state->open[side], at);
	state->step[side] = HEAD;
	return at;
}

static void request(struct talk *talk, struct message *message, struct span line, const struct http_headers *headers)
{
	struct span rest = line;
	const struct span method = word_of(&rest, " "), target = word_of(&rest, " ");
	http_name(talk, message, method, target);
	message_text(talk, &message->summary, line.at, line.size);
	http_correlation(talk, message, headers);
	ask(talk, message,
		is_word(method, "HEAD")      ? HEAD_REQUEST
		: is_word(method, "CONNECT") ? CONNECT_REQUEST
		: headers->upgrade           ? UPGRADE_REQUEST
									 : PLAIN);
}

/* What follows the head of `size` bytes; returns how many bytes are done with. */
static uint64_t body(struct talk *talk, struct state *state, enum side side, size_t size,
					 const struct http_headers *headers, bool none)
{
	if (headers->cut)
		state->step[side] = TO_TURN;
	else if (none)
		return done(talk, state, side, size);
	else if (headers->chunked)
		state->step[side] = CHUNK;
	else if (headers->has_length && headers->length <= INT64_MAX)
		return done(talk, state, side, size + headers->length);
	else if (side == CLIENT)
		return done(talk, state, side, size);
	else
		state->step[side] = TO_TURN;
	return size;
}

static uint64_t pass_all(struct talk *talk, struct state *state, enum side side, size_t size)
{
	message_end(talk, &state->open[side], size);
	message_close(talk, &state->open[CLIENT]);
	state->step[CLIENT] = state->step[SERVER] = ENDED;
	return EVERYTHING;
}

static uint64_t response(struct talk *talk, struct state *state, struct span line, size_t size,
						 const struct http_headers *headers)
{
	struct message *message = &state->open[SERVER];
	struct span rest = line;
	uint64_t code = 0, tag;
	word_of(&rest, " ");
	const struct span status = word_of(&rest, " ");
	number_of(status, &code);
	if (code >= 100 && code < 200 && code != 101)
		return size; /* the message stays open */
	message_text(talk, &message->status, status.at, status.size);
	message_text(talk, &message->summary, line.at, line.size);
	message->error = code >= 500;
	http_correlation(talk, message, headers);
	answer(talk, message, &tag);
	if (code == 101 || (tag == CONNECT_REQUEST && code >= 200 && code < 300))
		return pass_all(talk, state, SERVER, size);
	return body(talk, state, SERVER, size, headers, tag == HEAD_REQUEST || code == 204 || code == 304);
}

/* A head that is all there, or (cut) as much of it as was kept. */
static uint64_t head(struct talk *talk, struct state *state, enum side side, const uint8_t *data, size_t size, bool cut)
{
	struct http_headers headers;
	struct span line = {data, size};
	size_t next = size;
	line_of(data, size, &line, &next);
	http_read(&headers, data + next, size - next);
	headers.cut = cut;
	turn(talk, state, side);
	if (!state->open[side].begun)
		message_begin(talk, &state->open[side], side, 0);
	if (side == SERVER)
		return response(talk, state, line, size, &headers);
	request(talk, &state->open[CLIENT], line, &headers);
	return body(talk, state, CLIENT, size, &headers, false);
}

/* One line of a chunked body: a chunk's length, the end of a chunk, a trailer. */
static uint64_t chunked(struct talk *talk, struct state *state, enum side side, struct span line, size_t next)
{
	if (state->step[side] == TRAILER)
		return line.size ? next : done(talk, state, side, next);
	uint64_t length = 0;
	size_t digits = 0;
	for (; digits < line.size && digits < 15; digits++) {
		const uint8_t c = line.at[digits] | 0x20, digit = c >= 'a' ? (uint8_t)(c - 'a' + 10) : (uint8_t)(c - '0');
		if (digit > 15 || (c >= '0' + 10 && c < 'a'))
			break;
		length = length * 16 + digit;
	}
	if (!digits) {
		lose(talk, state, side);
		return next;
	}
	if (!length) {
		state->step[side] = TRAILER;
		return next;
	}
	return next + length + 2; /* and the end of line behind the chunk */
}

/*
 * Where the next start line is, among bytes that are not known to be a message's; it may follow a body without an end
 * of line. false: it is not there, and *at is how many bytes are done with.
 */
static bool find_response(const uint8_t *data, size_t size, size_t *at)
{
	for (*at = 0; *at < size; ++*at) {
		const uint8_t *found = memchr(data + *at, 'H', size - *at);
		if (!found)
			break;
		*at = (size_t)(found - data);
		const size_t left = size - *at;
		if (is_status_line(found, left))
			return left >= sizeof "HTTP/1.0 200" - 1;
	}
	*at = size;
	return false;
}

static bool find_request(const uint8_t *data, size_t size, size_t *at)
{
	struct span line;
	size_t next;
	if (!line_of(data, size, &line, &next)) {
		*at = size < WAIT_FOR ? 0 : size;
		return false;
	}
	*at = next;
	if (line.size < 14 || memcmp(line.at + line.size - 9, " HTTP/1.", 8) != 0)
		return false;
	for (size_t i = 0; i < line.size; i++)
		if (is_method(data + i, line.size - i)) {
			*at = i;
			return true;
		}
	return false;
}

static uint64_t feed(struct talk *talk, void *memory, enum side side, const uint8_t *data, size_t size)
{
	struct state *state = memory;
	struct span line;
	size_t next;
	switch (state->step[side]) {
	case ENDED:
		return EVERYTHING;
	case TO_TURN:
		return size;
	case CHUNK:
	case TRAILER:
		return line_of(data, size, &line, &next) ? chunked(talk, state, side, line, next) : 0;
	case BLIND:
		if (!(side == CLIENT ? find_request(data, size, &next) : find_response(data, size, &next)))
			return next;
		state->step[side] = HEAD;
		if (next)
			return next;
		break;
	case HEAD:
		break;
	}
	if (*data == '\r' || *data == '\n') /* an empty line before a request is to be ignored */
		return 1;
	if (!starts_well(side, data, size)) {
		lose(talk, state, side);
		return 1;
	}
	const size_t length = http_head(data, size);
	return length ? head(talk, state, side, data, length, false) : 0;
}

static uint64_t gap(struct talk *talk, void *memory, enum side side, const uint8_t *data, size_t size, uint64_t hole)
{
	struct state *state = memory;
	if (state->step[side] == ENDED)
		return EVERYTHING;
	const bool head_begins = size && (state->step[side] == HEAD || (state->step[side] == BLIND && size > 7)) &&
							 starts_well(side, data, size) && (side == SERVER || is_method(data, size));
	if (head_begins)
		head(talk, state, side, data, size, true);
	if (state->step[side] == ENDED)
		return EVERYTHING;
	if (!head_begins && (state->step[side] == HEAD || state->step[side] == BLIND)) {
		lose(talk, state, side);
		return size;
	}
	state->step[side] = TO_TURN; /* a length may have been told, but not from where on */
	lost(talk, side);
	state->open[side].broken |= !certain(talk); /* of several at once, other messages may be in what follows */
	return size + hole;
}

static void end(struct talk *talk, void *memory)
{
	struct state *state = memory;
	for (int side = CLIENT; side <= SERVER; side++)
		if (state->step[side] == TO_TURN && (talk->closed[CLIENT] || talk->closed[SERVER]))
			message_close(talk, &state->open[side]);
		else
			message_cut(talk, &state->open[side]);
}

const struct protocol protocol_http1 = {
	.name = "http1",
	.aliases = "http http-alt www www-http webcache http-proxy",
	.state_size = sizeof(struct state),
	.recognise = recognise,
	.feed = feed,
	.gap = gap,
	.end = end,
};
