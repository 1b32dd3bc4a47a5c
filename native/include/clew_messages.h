/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Calls that moved bytes to messages of protocols, as Python asks for it: batches of calls in, rows out.
 */
#ifndef CLEW_MESSAGES_H
#define CLEW_MESSAGES_H

#include <stdint.h>

#define CLEW_MESSAGES_API __attribute__((visibility("default")))

struct protocol;
struct talks;

/* Calls, in any order: a column each. */
struct clew_calls {
	const uint32_t *conv; /* index into the batch's conversations */
	const int64_t *ts_ns, *dur_ns;
	const uint64_t *bytes;  /* moved */
	const uint64_t *offset; /* of the first of them in its direction; ~0: not known */
	const uint8_t *sent;    /* 1: written, 0: read; a read of 0 bytes is the end of what the other end sends */
	const uint64_t *thread_id;
	const uint32_t *seq, *pid, *tid;
	const uint8_t *head;      /* kept bytes of all calls, one after the other */
	const int64_t *head_ends; /* count + 1: those of call i are [head_ends[i], head_ends[i + 1]) */
	const uint8_t *tail;
	const int64_t *tail_ends;
	uint64_t count;
};

enum clew_conv_flag {
	CLEW_CONV_DATAGRAM = 1,   /* each call is one datagram */
	CLEW_CONV_CLIENT = 2,     /* this end is the client */
	CLEW_CONV_SERVER = 4,     /* this end is the server; neither: whoever fits the bytes, else who sends first */
	CLEW_CONV_CLOSED = 8,     /* this end closed it, or said that it sends no more */
	CLEW_CONV_CONTINUED = 16, /* the batch before ended in the middle of it */
	CLEW_CONV_CONTINUES = 32, /* its last calls come with the next batch */
	CLEW_CONV_TOLD = 64,      /* `hint` is what it speaks, whatever its bytes look like */
};

/* One conversation of a batch: a connection as recorded at one end. */
struct clew_conv {
	int32_t hint;   /* protocol that its services file names, by its number; -1: none */
	uint32_t flags; /* enum clew_conv_flag */
};

/* A call of such a batch, where its bytes were moved and when: the thread and its number say which call. */
struct clew_placed {
	uint64_t thread_id;
	uint64_t offset; /* as in clew_calls, right also where the call returned late */
	int64_t at_ns;   /* not before the bytes in front of them */
	uint32_t seq;
	uint32_t conv;
};

enum clew_message_text { CLEW_KIND_TEXT, CLEW_NAME, CLEW_SUMMARY, CLEW_STATUS, CLEW_CORRELATION, CLEW_TEXTS };

enum clew_message_flag { CLEW_SENT, CLEW_ERROR, CLEW_WHOLE, CLEW_HELD, CLEW_FLAGS };

/* Messages as columns of table message, room for all rows in each. Bits are as in Arrow: the first row's is the lowest
 * of the first byte. */
struct clew_messages {
	uint64_t *thread_id, *exchange, *stream, *offset, *bytes; /* exchange, stream: ~0 is none */
	int64_t *first_ns, *last_ns;
	uint32_t *conv, *seq, *pid, *tid;
	uint8_t *role;
	uint16_t *protocol;
	uint8_t *exchange_known, *stream_known, *held_known; /* bits */
	uint8_t *flag[CLEW_FLAGS];                           /* bits */
	uint8_t *text[CLEW_TEXTS];                           /* clew_talks_text_size() bytes */
	int64_t *text_ends[CLEW_TEXTS];                      /* where each row's ends */
	uint8_t *text_known[CLEW_TEXTS];                     /* bits */
};

/** The processors that are built in, and how many there are. */
CLEW_MESSAGES_API uint32_t clew_protocols(const struct protocol *const **list);
/** A processor's name and other names of its services (NULL: none). */
CLEW_MESSAGES_API const char *clew_protocol_name(const struct protocol *protocol, const char **aliases);
/** Whatever tells messages with the `count` processors of `list` (all stay the caller's); NULL: no memory. */
CLEW_MESSAGES_API struct talks *clew_talks_new(const struct protocol *const *list, uint32_t count);
/** Tell the messages of a batch, whose calls are in `parts` pieces; 0, -EINVAL where its columns do not fit each other,
 * or -ENOMEM. */
CLEW_MESSAGES_API int clew_talks_feed(struct talks *talks, const struct clew_calls *calls, uint32_t parts,
									  const struct clew_conv *convs, uint32_t conv_count);
/** The calls of a batch, one conversation after the other, each in the order in which its bytes were moved, into `out`
 * (`calls->count` of them); their bytes are not looked at. 0, -EINVAL or -ENOMEM. */
CLEW_MESSAGES_API int clew_calls_in_order(const struct clew_calls *calls, uint32_t conv_count, struct clew_placed *out);
/** How many messages have ended since clew_talks_clear(). */
CLEW_MESSAGES_API uint64_t clew_talks_rows(const struct talks *talks);
/** Bytes of one text (enum clew_message_text) of all of them. */
CLEW_MESSAGES_API uint64_t clew_talks_text_size(const struct talks *talks, uint32_t text);
/** Those messages, in the order in which they ended. */
CLEW_MESSAGES_API void clew_talks_messages(const struct talks *talks, const struct clew_messages *out);
/** Forget the rows. */
CLEW_MESSAGES_API void clew_talks_clear(struct talks *talks);
CLEW_MESSAGES_API void clew_talks_free(struct talks *talks);

/* ---- for processors in Python, see protocol.h ---- */

struct talk;
struct message;

enum clew_message_end { CLEW_END_AT, CLEW_END_HERE, CLEW_END_CUT, CLEW_END_DROP };

/** A message that begins here; NULL: no memory. */
CLEW_MESSAGES_API struct message *clew_message_begin(struct talk *talk, uint32_t side, uint64_t at);
/** It ends; `message` is gone. */
CLEW_MESSAGES_API void clew_message_end(struct talk *talk, struct message *message, uint32_t how, uint64_t at);
/** Set one of its texts (enum clew_message_text). */
CLEW_MESSAGES_API void clew_message_text(struct talk *talk, struct message *message, uint32_t text,
										 const uint8_t *bytes, uint64_t size);
CLEW_MESSAGES_API void clew_message_marks(struct message *message, uint32_t error, uint32_t held, uint32_t broken);
/** Set its stream; returns its exchange. */
CLEW_MESSAGES_API uint64_t clew_message_stream(struct message *message, uint64_t stream);
CLEW_MESSAGES_API void clew_ask(struct talk *talk, struct message *message, uint32_t by_id, uint64_t id, uint64_t tag);
/** Returns the request's tag. */
CLEW_MESSAGES_API uint64_t clew_answer(struct talk *talk, struct message *message, uint32_t by_id, uint64_t id);
CLEW_MESSAGES_API int32_t clew_expected(const struct talk *talk, uint64_t *tag);
CLEW_MESSAGES_API void clew_unanswered(struct talk *talk);
CLEW_MESSAGES_API void clew_lost(struct talk *talk, uint32_t side);

#endif
