/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief DNS over UDP and TCP: a question and its answer, told apart by their id.
 *
 * Format: RFC 1035, section 4; over TCP two bytes of length stand before each message (4.2.2). NXDOMAIN is an answer,
 * not a failure.
 */
#include <stdio.h>

#include "protocol.h"

#define HEAD 12u
#define LONGEST_NAME 255u

struct state {
	bool lost[2]; /* a hole: lengths do not tell any more */
};

static const char *type_name(unsigned type, char *room)
{
	static const struct {
		unsigned type;
		const char *name;
	} names[] = {
		{1, "A"},      {2, "NS"},     {5, "CNAME"},   {6, "SOA"},    {12, "PTR"},   {15, "MX"},
		{16, "TXT"},   {28, "AAAA"},  {33, "SRV"},    {35, "NAPTR"}, {39, "DNAME"}, {43, "DS"},
		{46, "RRSIG"}, {47, "NSEC"},  {48, "DNSKEY"}, {50, "NSEC3"}, {52, "TLSA"},  {64, "SVCB"},
		{65, "HTTPS"}, {251, "IXFR"}, {252, "AXFR"},  {255, "ANY"},  {257, "CAA"},
	};
	for (size_t at = 0; at < sizeof names / sizeof *names; at++)
		if (names[at].type == type)
			return names[at].name;
	snprintf(room, 16, "TYPE%u", type); /* RFC 3597 */
	return room;
}

static const char *status_name(unsigned code, char *room)
{
	static const char *const names[] = {"NOERROR",  "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED",
										"YXDOMAIN", "YXRRSET", "NXRRSET",  "NOTAUTH",  "NOTZONE"};
	if (code < sizeof names / sizeof *names)
		return names[code];
	snprintf(room, 16, "RCODE%u", code);
	return room;
}

/* The first question's name as text, at most LONGEST_NAME bytes; returns where it ends in `data`, 0: it is none. */
static size_t question_name(const uint8_t *data, size_t size, char *out, size_t *written)
{
	size_t at = HEAD, used = 0;
	while (at < size && data[at]) {
		const size_t label = data[at++];
		if (label > 63 || label > size - at || used + label + 1 > LONGEST_NAME)
			return 0;
		for (size_t i = 0; i < label; i++)
			out[used++] = data[at + i] > ' ' && data[at + i] < 127 ? (char)data[at + i] : '?';
		out[used++] = '.';
		at += label;
	}
	if (at >= size)
		return 0;
	if (!used)
		out[used++] = '.';
	*written = used > 1 ? used - 1 : used;
	return at + 1;
}

/* Whether `size` bytes, all that were kept of a message of `unit` bytes, can be its beginning. */
static bool plausible(const uint8_t *data, size_t size, uint64_t unit, bool reply)
{
	char name[LONGEST_NAME];
	size_t written;
	if (size < HEAD || unit < HEAD || (data[2] >> 7) != reply || (data[2] >> 3 & 15) > 6 || data[3] & 0x40)
		return false;
	const unsigned questions = be16(data + 4), answers = be16(data + 6);
	if (questions > 1 || (!reply && answers > 32) || (!questions && !reply))
		return false;
	if (!questions)
		return unit == HEAD || answers;
	const size_t end = question_name(data, size, name, &written);
	if (!end || end + 4 > size)
		return false;
	const unsigned class = be16(data + end + 2) & 0x7fff;
	return class == 1 || class == 3 || class == 255;
}

static void tell(struct talk *talk, enum side side, const uint8_t *data, size_t size, size_t at, size_t end)
{
	char name[LONGEST_NAME], room[16];
	size_t written = 0;
	struct message message = {0};
	message_begin(talk, &message, side, at);
	if (size < HEAD) {
		message_cut(talk, &message);
		return;
	}
	const bool reply = data[2] >> 7;
	const size_t question = be16(data + 4) ? question_name(data, size, name, &written) : 0;
	const char *type = question && question + 2 <= size ? type_name(be16(data + question), room) : NULL;
	if (type)
		message_word(talk, &message.kind, type);
	if (reply == (side == CLIENT)) {
		message_end(talk, &message, end);
		return;
	}
	if (!reply) {
		if (type) {
			message_word(talk, &message.name, type);
			message_add(talk, &message.name, " ", name, written);
		}
		message_add(talk, &message.summary, "", name, written);
		ask_id(talk, &message, be16(data), 0);
	} else {
		const unsigned code = data[3] & 15;
		message.error = code && code != 3;
		message_word(talk, &message.status, status_name(code, room));
		message_print(talk, &message.summary, "%u answers%s", be16(data + 6), data[2] & 2 ? ", truncated" : "");
		answer_id(talk, &message, be16(data), NULL);
	}
	message_end(talk, &message, end);
}

static uint64_t stream(struct talk *talk, struct state *state, enum side side, const uint8_t *data, size_t size,
					   bool last)
{
	size_t at = 0;
	if (state->lost[side])
		return EVERYTHING;
	while (at < size) {
		const size_t left = size - at;
		if (left < 2)
			return at;
		const size_t total = 2 + (size_t)be16(data + at), wanted = total < WAIT_FOR ? total : WAIT_FOR;
		if (left < wanted && !last)
			return at;
		const size_t kept = (left < wanted ? left : wanted) - 2;
		if (!plausible(data + at + 2, kept, total - 2, side == SERVER) && kept >= HEAD) {
			state->lost[side] = true;
			return EVERYTHING;
		}
		tell(talk, side, data + at + 2, kept, at, at + total);
		at += total;
	}
	return at;
}

static uint64_t feed(struct talk *talk, void *memory, enum side side, const uint8_t *data, size_t size)
{
	if (!talk->datagram)
		return stream(talk, memory, side, data, size, false);
	tell(talk, side, data, size, 0, talk->unit);
	return size;
}

static uint64_t gap(struct talk *talk, void *memory, enum side side, const uint8_t *data, size_t size, uint64_t hole)
{
	struct state *state = memory;
	const uint64_t done = stream(talk, state, side, data, size, true);
	state->lost[side] |= hole && done < size + hole;
	return done;
}

static int recognise(const struct opening *opening)
{
	const size_t head = opening->datagram ? 0 : 2;
	int sure = 0;
	for (int side = CLIENT; side <= SERVER; side++) {
		const uint8_t *data = opening->data[side];
		const size_t size = opening->size[side];
		if (!size)
			continue;
		const uint64_t unit = size < head ? 0 : head ? be16(data) : size;
		if (size < head || !plausible(data + head, size - head, unit, side == SERVER))
			return 0;
		sure = sure ? 90 : 70;
	}
	return sure;
}

const struct protocol protocol_dns = {
	.name = "dns",
	.aliases = "domain mdns llmnr",
	.state_size = sizeof(struct state),
	.recognise = recognise,
	.feed = feed,
	.gap = gap,
};
