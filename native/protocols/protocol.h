/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What a protocol processor is: one small C file that tells messages in the bytes of a conversation.
 *
 * A processor sees the two byte streams of one connection, recorded at one end of it: what the client sent and what the
 * server sent, in the order in which it happened there. It says where messages begin and end and what they are; which
 * call moved their bytes, when, and in which thread is found out by whoever called it (talk.c). It is written for bytes
 * that are hostile, may begin in the middle and have holes: head and tail of each call are kept, its length is known.
 *
 * How feed() is called: with all bytes of a side that it was not done with yet, in one piece. It returns how many it is
 * done with:
 *   - fewer than `size`: the rest comes again, in front of the next bytes. At most TALK_KEEP bytes are kept like that;
 *     so wait for no more than WAIT_FOR bytes of a unit, whatever length it claims.
 *   - more than `size`: the bytes that are still to come are passed over without being kept or looked at, through
 * holes: that is how bodies are skipped. EVERYTHING: nothing of this side is wanted any more. It is called again as
 * long as it is done with some bytes and others are left.
 *
 * gap() is called where no more bytes will come in one piece with these: `hole` bytes were not kept, or (0) the stream
 * ends here, or more than TALK_KEEP bytes were not enough. It returns how many bytes it is done with as feed() does,
 * counted from `data`, the hole included; where that ends in or before the hole, all up to the hole's end is dropped,
 * and feed() sees what stands behind it: find the next place that looks like the beginning of a message.
 *
 * What messages come out must not depend on how the bytes were cut into calls: decide by what the bytes say.
 *
 * To add one: write NAME.c that defines `const struct protocol protocol_NAME`, add its line to protocols.def.
 */
#ifndef CLEW_PROTOCOL_H
#define CLEW_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "normalise.h" /* literals out of paths, statements, keys */

enum side { CLIENT = 0, SERVER = 1 }; /* who sent the bytes */
enum role { ROLE_REQUEST = 0, ROLE_REPLY = 1, ROLE_OTHER = 2 };
enum held { HELD_UNKNOWN = 0, HELD_NO = 1, HELD_YES = 2 };

#define NO_NUMBER UINT64_MAX   /* no exchange, no stream */
#define EVERYTHING UINT64_MAX  /* feed: done with all that will ever come from this side */
#define TALK_KEEP 16384u       /* bytes of a side that are kept for feed() at most */
#define WAIT_FOR 4096u         /* bytes of one unit that a processor may wait for */
#define TEXT_LIMIT_BYTES 1000u /* of a name, summary, ...: what is longer is cut at a whole character */
#define STATE_LIMIT (1u << 18) /* bytes of state of a conversation */

/* Bytes of somebody else's: not ended by NUL. */
struct span {
	const uint8_t *at;
	size_t size;
};

/* A text of a message, kept elsewhere; zero: none. Set it with message_text() and its kin. */
struct text {
	uint32_t handle; /* not for processors */
	uint32_t size;   /* bytes */
};

/* Where a byte stood and which call moved it. Filled by message_begin() and message_end(). */
struct place {
	uint64_t offset; /* bytes the side had sent before */
	int64_t begin_ns, end_ns;
	uint64_t thread_id;
	uint32_t seq, pid, tid, zero;
};

/*
 * One message. Lives in the processor's state; all zero: not begun. message_begin() fills it, the processor sets what
 * it knows, message_end() hands it on and clears it.
 */
struct message {
	struct place first; /* not for processors */
	uint32_t side;
	bool begun;
	bool error;        /* the reply tells a failure */
	bool broken;       /* bytes of it that matter were not kept: it will not be whole */
	uint8_t role;      /* enum role; message_begin() says ROLE_OTHER */
	uint64_t exchange; /* NO_NUMBER: none; set by ask(), answer() and their kin */
	uint64_t stream;   /* id by which the protocol tells exchanges apart; NO_NUMBER: none */
	uint32_t held;     /* enum held */
	uint32_t zero;
	struct text kind, name, summary, status, correlation;
};

/* One conversation as a processor may see it. */
struct talk {
	bool datagram;    /* every call of feed() holds one datagram from its first byte; what it leaves is dropped */
	bool received[2]; /* this side's bytes were read at this end (else they were written) */
	bool closed[2];   /* in end(): this side's stream is known to have ended, not only the recording */
	uint64_t unit;    /* in feed() of a datagram: its length; `size` is what was kept of it */
};

/* The first bytes of a conversation, as far as they were kept in one piece: at most OPENING each. */
#define OPENING 512u
struct opening {
	const uint8_t *data[2]; /* by enum side */
	size_t size[2];         /* 0: that side has sent nothing (yet) */
	bool datagram;
	enum side first; /* who sent first */
};

struct protocol {
	const char *name;    /* as in message.protocol */
	const char *aliases; /* other names of its services, by blanks, as in /etc/services; NULL: none */
	uint32_t state_size; /* bytes, at most STATE_LIMIT; zeroed for each conversation */
	/* How sure it is that this is its protocol, 0 (it is not) to 100. A wrong yes is worse than a no. Around 90: words
	 * that nothing else has; 60: lengths and fields that fit together on both sides. Below 50 never wins. NULL: never
	 * by its bytes. */
	int (*recognise)(const struct opening *opening);
	uint64_t (*feed)(struct talk *talk, void *state, enum side side, const uint8_t *data, size_t size);
	uint64_t (*gap)(struct talk *talk, void *state, enum side side, const uint8_t *data, size_t size, uint64_t hole);
	void (*end)(struct talk *talk, void *state); /* message_cut() what is still open; NULL: nothing can be */
};

/* ---- messages; `at` counts from `data` of the feed() or gap() that is running ---- */

/** A message of `side` begins `at` bytes after `data`. `message` must be clear (ended, or never begun). */
void message_begin(struct talk *talk, struct message *message, enum side side, uint64_t at);
/** It ends before byte `at`, which may still be to come (its length says so). Nothing happens if it was not begun. */
void message_end(struct talk *talk, struct message *message, uint64_t at);
/** It ends with the last byte that its side has sent, although that side is not being fed. Whole, unless broken. */
void message_close(struct talk *talk, struct message *message);
/** As message_close(), but its end was not seen. */
void message_cut(struct talk *talk, struct message *message);
/** Forget it: it was none. */
void message_drop(struct talk *talk, struct message *message);

/** Set one of message's texts to these bytes, whatever they are; only the first TEXT_LIMIT_BYTES are kept. */
void message_text(struct talk *talk, struct text *text, const void *bytes, size_t size);
/** The same with a C string. */
void message_word(struct talk *talk, struct text *text, const char *word);
/** The same, made as printf() does. */
void message_print(struct talk *talk, struct text *text, const char *format, ...) __attribute__((format(printf, 3, 4)));
/** Add bytes to a text that may have some; `between` stands before them if it has. */
void message_add(struct talk *talk, struct text *text, const char *between, const void *bytes, size_t size);
/** Its name, if it has one, says what was only done with a statement that was not run: Parse SELECT ... */
void message_name_kind(struct talk *talk, struct message *message);

/** The name to group a statement by, as clew_normalise_sql() makes it of what both ends see; `*trace` is where a trace
 * context stands in it. The name holds until the next call. */
struct span statement_name(struct talk *talk, uint32_t dialect, struct span sql, bool cut, struct clew_found *trace);

/* ---- pairing ---- */

/** `message` is a request: it gets the next number. `tag` is for whoever handles the reply. */
void ask(struct talk *talk, struct message *message, uint64_t tag);
/** `message` is the reply to the oldest request without one; *tag (may be NULL) is that request's, 0 if there is none.
 */
void answer(struct talk *talk, struct message *message, uint64_t *tag);
/** The tag of the request that answer() would take; false: there is none. */
bool expected(const struct talk *talk, uint64_t *tag);
/** How many requests wait for a reply. */
uint64_t waiting(const struct talk *talk);
/** The oldest request without a reply gets none (a one-way command). */
void unanswered(struct talk *talk);
/** The same by an id instead of by order; also sets message->stream. At most 4096 ids wait at a time. */
void ask_id(struct talk *talk, struct message *message, uint64_t id, uint64_t tag);
/** The request of that id waits no longer. */
void answer_id(struct talk *talk, struct message *message, uint64_t id, uint64_t *tag);
/** The same, but the request goes on waiting: there are more replies to come, or it is only looked at. */
bool expected_id(const struct talk *talk, uint64_t id, uint64_t *exchange, uint64_t *tag);
/** Whether order still tells which reply is of which request. */
bool certain(const struct talk *talk);
/** How many messages `side` sent is not known (a hole that was not passed over by length): what answers what is only
 * told again where order leaves no doubt. Ids are not affected. */
void lost(struct talk *talk, enum side side);
/** Order tells nothing any more in this conversation: an unknown number of requests was sent while others waited. */
void unsure(struct talk *talk);

/* ---- reading ---- */

static inline uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t be24(const uint8_t *p)
{
	return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}
static inline uint32_t be32(const uint8_t *p)
{
	return (uint32_t)be16(p) << 16 | be16(p + 2);
}
static inline uint64_t be64(const uint8_t *p)
{
	return (uint64_t)be32(p) << 32 | be32(p + 4);
}
static inline uint16_t le16(const uint8_t *p)
{
	return (uint16_t)(p[1] << 8 | p[0]);
}
static inline uint32_t le24(const uint8_t *p)
{
	return (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}
static inline uint32_t le32(const uint8_t *p)
{
	return (uint32_t)le16(p + 2) << 16 | le16(p);
}

/** Bytes before the first "\n" (a "\r" before it left out) and, in *next, where the following line begins. false: no
 * end of line in `size` bytes. */
bool line_of(const uint8_t *data, size_t size, struct span *line, size_t *next);
/** The next word up to one of `ends` (or the end), taken off `rest` with that character; empty words are words. */
struct span word_of(struct span *rest, const char *ends);
/** Whether `span` is `word`, letters of either case. */
bool is_word(struct span span, const char *word);
/** Whether `data` begins with `word`, exactly. */
bool begins_with(const uint8_t *data, size_t size, const char *word);
/** The decimal number that is all of `span`; false: it is none, or too large for *value. */
bool number_of(struct span span, uint64_t *value);

/* ---- all processors: protocols.def has one X(name) for each, in the order in which ties are broken ---- */
#define X(name) extern const struct protocol protocol_##name;
#include "protocols.def"
#undef X

#endif
