/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief FastCGI 1.0: records of requests that share a connection, told apart by ids. BEGIN_REQUEST, PARAMS and STDIN
 * are a request; STDOUT, STDERR and END_REQUEST its reply. A request ends with the last byte of its body (or
 * variables): many applications never read the empty record behind it.
 */
#include "cgi_vars.h"

enum type { BEGIN_REQUEST = 1, ABORT, END_REQUEST, PARAMS, STDIN, STDOUT, STDERR, DATA, GET_VALUES, RESULT, UNKNOWN };
#define HEAD 8u
#define REQUESTS 64u /* at a time; of more, the oldest are cut */

struct request {
	uint16_t id;
	bool used, named, told; /* params were seen; the response's fields were */
	bool measured;          /* `left` is known */
	uint64_t left;          /* bytes of the body that are still to come */
	struct message open[2];
};

struct state {
	struct request requests[REQUESTS];
	uint32_t next;
	bool blind[2];
};

/* Whether these 8 bytes may be a record of that side. */
static bool is_record(enum side side, const uint8_t *data)
{
	const uint32_t types[2] = {1u << BEGIN_REQUEST | 1u << ABORT | 1u << PARAMS | 1u << STDIN | 1u << DATA |
								   1u << GET_VALUES,
							   1u << END_REQUEST | 1u << STDOUT | 1u << STDERR | 1u << RESULT | 1u << UNKNOWN};
	if (data[0] != 1 || data[7] || data[1] > UNKNOWN || !(types[side] >> data[1] & 1))
		return false;
	if (!be16(data + 2) != (data[1] >= GET_VALUES))
		return false;
	return (data[1] != BEGIN_REQUEST && data[1] != END_REQUEST) || be16(data + 4) == 8;
}

/* Whether the content of a BEGIN_REQUEST is one. What is reserved need not be zero: PHP leaves there what was. */
static bool is_begin(const uint8_t *data)
{
	return !data[8] && data[9] >= 1 && data[9] <= 3 && data[10] <= 1;
}

static int recognise(const struct opening *opening)
{
	const uint8_t *data = opening->data[CLIENT], *reply = opening->data[SERVER];
	if (opening->datagram || opening->first == SERVER)
		return 0;
	if (opening->size[CLIENT] >= 2 * HEAD && is_record(CLIENT, data) && data[1] == BEGIN_REQUEST && is_begin(data))
		return 98;
	if (opening->size[CLIENT] >= HEAD && is_record(CLIENT, data) && opening->size[SERVER] >= HEAD &&
		is_record(SERVER, reply))
		return 70;
	return 0;
}

static void drop(struct talk *talk, struct request *request)
{
	message_cut(talk, &request->open[CLIENT]);
	message_cut(talk, &request->open[SERVER]);
	memset(request, 0, sizeof *request);
}

static struct request *find(struct state *state, uint16_t id)
{
	for (uint32_t i = 0; i < REQUESTS; i++)
		if (state->requests[i].used && state->requests[i].id == id)
			return &state->requests[i];
	return NULL;
}

static struct request *make(struct talk *talk, struct state *state, uint16_t id)
{
	struct request *request = find(state, id);
	for (uint32_t i = 0; !request && i < REQUESTS; i++)
		if (!state->requests[i].used)
			request = &state->requests[i];
	if (!request)
		request = &state->requests[state->next++ % REQUESTS];
	drop(talk, request);
	request->used = true;
	request->id = id;
	return request;
}

static bool length_of(struct span *rest, size_t *length)
{
	if (!rest->size || (rest->at[0] & 0x80 && rest->size < 4))
		return false;
	const size_t bytes = rest->at[0] & 0x80 ? 4 : 1;
	*length = bytes == 4 ? be32(rest->at) & 0x7fffffff : rest->at[0];
	rest->at += bytes;
	rest->size -= bytes;
	return true;
}

static void params(struct talk *talk, struct request *request, struct span rest, bool all)
{
	struct message *message = &request->open[CLIENT];
	struct cgi_vars vars = {0};
	size_t name, value;
	while (length_of(&rest, &name) && length_of(&rest, &value) && name <= rest.size && value <= rest.size - name) {
		cgi_var(&vars, (struct span){rest.at, name}, (struct span){rest.at + name, value});
		rest.at += name + value;
		rest.size -= name + value;
	}
	cgi_request(talk, message, &vars);
	message_word(talk, &message->kind, "BEGIN_REQUEST");
	request->measured = vars.has_length || all;
	request->left = vars.length;
}

static void from_client(struct talk *talk, struct state *state, uint8_t type, uint16_t id, struct span content,
						uint64_t length, uint64_t next)
{
	struct request *request = type == BEGIN_REQUEST ? make(talk, state, id) : find(state, id);
	if (!request)
		return;
	struct message *message = &request->open[CLIENT];
	if (type == BEGIN_REQUEST) {
		message_begin(talk, message, CLIENT, 0);
		message_word(talk, &message->kind, "BEGIN_REQUEST");
		ask_id(talk, message, id, 0);
	} else if (type == PARAMS && length && !request->named) {
		request->named = true;
		params(talk, request, content, content.size == length);
	} else if (type == STDIN && length && request->measured) {
		request->left -= length < request->left ? length : request->left;
		if (!request->left)
			message_end(talk, message, HEAD + length);
	} else if ((type == STDIN && !length) || type == ABORT || (type == PARAMS && request->measured && !request->left)) {
		message_end(talk, message, next);
	}
}

static void from_server(struct talk *talk, struct state *state, uint8_t type, uint16_t id, struct span content,
						uint64_t length, uint64_t next)
{
	struct request *request = find(state, id);
	if (!request)
		request = make(talk, state, id);
	struct message *message = &request->open[SERVER];
	if (!message->begun) {
		message_begin(talk, message, SERVER, 0);
		answer_id(talk, message, id, NULL);
		if (state->blind[CLIENT])
			message_close(talk, &request->open[CLIENT]);
	}
	if (type == STDOUT && length && !request->told) {
		request->told = true;
		cgi_response(talk, message, content.at, content.size);
	} else if (type == END_REQUEST) {
		static const char *const refusals[] = {"", "CANT_MPX_CONN", "OVERLOADED", "UNKNOWN_ROLE"};
		if (content.size > 4 && content.at[4] && content.at[4] < 4) {
			message->error = true;
			message_word(talk, &message->status, refusals[content.at[4]]);
		}
		message_end(talk, message, next);
		message_close(talk, &request->open[CLIENT]); /* an authorizer's has no STDIN; others need not read it */
		memset(request, 0, sizeof *request);
	}
}

/* One record, of whose content `size` bytes are there. */
static uint64_t record(struct talk *talk, struct state *state, enum side side, const uint8_t *data, size_t size)
{
	const uint64_t length = be16(data + 4), next = HEAD + length + data[6];
	const struct span content = {data + HEAD, size - HEAD < length ? size - HEAD : (size_t)length};
	const uint16_t id = be16(data + 2);
	if (id && side == CLIENT)
		from_client(talk, state, data[1], id, content, length, next);
	else if (id)
		from_server(talk, state, data[1], id, content, length, next);
	return next;
}

/*
 * Where the next record that begins or ends a request may stand, after bytes that were not kept. Until then requests
 * and replies stay open: the former end where their replies begin, the latter with END_REQUEST.
 */
static uint64_t look(struct state *state, enum side side, const uint8_t *data, size_t size)
{
	const uint8_t wanted = side == CLIENT ? BEGIN_REQUEST : END_REQUEST;
	for (size_t i = 0; i < size; i++) {
		const uint8_t *at = memchr(data + i, 1, size - i);
		if (!at)
			return size;
		i = (size_t)(at - data);
		if (i + 2 * HEAD > size)
			return i;
		if (at[1] == wanted && is_record(side, at) &&
			(side == CLIENT ? is_begin(at) : at[12] < 4 && find(state, be16(at + 2)))) {
			state->blind[side] = false;
			return i;
		}
	}
	return size;
}

static uint64_t feed(struct talk *talk, void *memory, enum side side, const uint8_t *data, size_t size)
{
	struct state *state = memory;
	if (state->blind[side]) {
		const uint64_t found = look(state, side, data, size);
		if (found || state->blind[side])
			return found;
	}
	if (size < HEAD)
		return 0;
	if (!is_record(side, data)) {
		state->blind[side] = true;
		return 1;
	}
	const uint64_t length = be16(data + 4);
	const bool wanted = data[1] == BEGIN_REQUEST || data[1] == PARAMS || data[1] == STDOUT || data[1] == END_REQUEST;
	if (wanted && size < HEAD + length && size < WAIT_FOR)
		return 0;
	return record(talk, state, side, data, size);
}

static uint64_t gap(struct talk *talk, void *memory, enum side side, const uint8_t *data, size_t size, uint64_t hole)
{
	struct state *state = memory;
	uint64_t next = 0;
	if (!state->blind[side] && size >= HEAD && is_record(side, data))
		next = record(talk, state, side, data, size);
	if (next < size + hole && hole)
		state->blind[side] = true;
	return next;
}

static void end(struct talk *talk, void *memory)
{
	struct state *state = memory;
	for (uint32_t i = 0; i < REQUESTS; i++)
		drop(talk, &state->requests[i]);
}

const struct protocol protocol_fastcgi = {
	.name = "fastcgi",
	.aliases = "fcgi fpm php-fpm php",
	.state_size = sizeof(struct state),
	.recognise = recognise,
	.feed = feed,
	.gap = gap,
	.end = end,
};
