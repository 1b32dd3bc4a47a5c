/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief The same interface for processors that are written in Python: messages are pointers there.
 */
#include <stdlib.h>

#include "clew_messages.h"
#include "protocol.h"

struct message *clew_message_begin(struct talk *talk, uint32_t side, uint64_t at)
{
	struct message *message = calloc(1, sizeof *message);
	if (message)
		message_begin(talk, message, side == CLIENT ? CLIENT : SERVER, at);
	return message;
}

void clew_message_end(struct talk *talk, struct message *message, uint32_t how, uint64_t at)
{
	if (how == CLEW_END_AT)
		message_end(talk, message, at);
	else if (how == CLEW_END_HERE)
		message_close(talk, message);
	else if (how == CLEW_END_CUT)
		message_cut(talk, message);
	else
		message_drop(talk, message);
	free(message);
}

void clew_message_text(struct talk *talk, struct message *message, uint32_t text, const uint8_t *bytes, uint64_t size)
{
	struct text *const texts[CLEW_TEXTS] = {&message->kind, &message->name, &message->summary, &message->status,
											&message->correlation};
	if (text < CLEW_TEXTS)
		message_text(talk, texts[text], bytes, size);
}

void clew_message_marks(struct message *message, uint32_t error, uint32_t held, uint32_t broken)
{
	message->error = error;
	message->held = held;
	message->broken = broken;
}

uint64_t clew_message_stream(struct message *message, uint64_t stream)
{
	message->stream = stream;
	return message->exchange;
}

void clew_ask(struct talk *talk, struct message *message, uint32_t by_id, uint64_t id, uint64_t tag)
{
	if (by_id)
		ask_id(talk, message, id, tag);
	else
		ask(talk, message, tag);
}

uint64_t clew_answer(struct talk *talk, struct message *message, uint32_t by_id, uint64_t id)
{
	uint64_t tag;
	if (by_id)
		answer_id(talk, message, id, &tag);
	else
		answer(talk, message, &tag);
	return tag;
}

int32_t clew_expected(const struct talk *talk, uint64_t *tag)
{
	return expected(talk, tag);
}

void clew_unanswered(struct talk *talk)
{
	unanswered(talk);
}

void clew_lost(struct talk *talk, uint32_t side)
{
	lost(talk, side == CLIENT ? CLIENT : SERVER);
}
