/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What stands behind struct talk: the streams of the conversation that is being told, its pairing, the rows.
 */
#ifndef CLEW_TALKS_H
#define CLEW_TALKS_H

#include "clew_messages.h"
#include "protocol.h"

#define PENDING 16u     /* messages whose end is still to come, of one side */
#define TAGS (1u << 16) /* requests without a reply, told apart by order */
#define IDS (1u << 12)  /* the same, told apart by ids */
#define ID_PROBES 16u

struct mark { /* from this position on, bytes came with this call */
	uint64_t from;
	struct place place;
};

struct pending {
	struct message message;
	uint64_t end;
};

/* The bytes of one side. Positions count from where the connection began, as far as that is known. */
struct stream {
	bool begun;
	uint64_t at;      /* what came so far ends here */
	uint64_t pass_to; /* up to here nobody wants to see it */
	uint64_t now_from;
	struct place now; /* the call that moved the last bytes, from now_from on */
	uint32_t kept, marks, marks_room, pendings;
	struct mark *mark; /* which calls moved the kept bytes */
	struct pending pending[PENDING];
	uint8_t keep[2 * TALK_KEEP]; /* what the processor was not done with: [at - kept, at) */
};

struct waiting_id {
	uint64_t id, exchange, tag;
	uint64_t talk; /* number of the conversation that it is of; another: free */
};

/* Numbers of requests, and which of them have no reply yet. */
struct exchanges {
	uint64_t next;         /* number of the next request */
	uint64_t first, count; /* of tags: a ring of requests that wait, by order */
	uint64_t room;         /* of tags, a power of two */
	struct waiting_tag {
		uint64_t exchange, tag;
	} *tags;
	struct waiting_id *ids; /* a hash of IDS entries */
	bool pipelined;         /* a request came while another waited */
	bool unsure;            /* order tells nothing any more */
	bool server_lost;
};

struct kept_text {
	uint64_t at;
	uint32_t size;
	uint32_t next_free;
};

/* A message that has ended. */
struct row {
	uint64_t thread_id, exchange, stream, offset, bytes;
	int64_t first_ns, last_ns;
	uint32_t conv, seq, pid, tid;
	uint8_t sent, role, error, held, whole;
	uint16_t protocol;
	struct {
		uint64_t at;
		uint32_t size, set;
	} texts[CLEW_TEXTS];
};

struct item;

#define STATEMENTS 256u
#define STATEMENT_BYTES 512u /* of a text, and of a name, that is kept */

/* Texts of statements and their names, each at the place that its key says. */
struct statements {
	struct statement {
		uint64_t key; /* of the text that came last; size 0: it came once, and was not kept */
		struct clew_found trace;
		uint32_t size, name_size;
		uint32_t kind; /* what else the name depends on */
		uint8_t text[STATEMENT_BYTES], name[STATEMENT_BYTES];
	} known[STATEMENTS];
	char name[TEXT_LIMIT_BYTES]; /* of one that is not kept */
};

/* Everything, for one conversation at a time. `talk` is first: a processor's pointer is one to this. */
struct talks {
	struct talk talk;
	const struct protocol *const *list;
	uint32_t protocols;
	uint32_t protocol; /* which speaks; number in list */
	uint32_t conv;     /* of the batch */
	uint64_t number;   /* of the conversation, from 1 */
	void *state;
	struct stream stream[2];
	uint64_t base; /* position of data[0] of the feed() or gap() that runs */
	enum side side;
	uint64_t available; /* bytes behind it */
	struct exchanges exchanges;
	struct statements statements;
	struct item *items; /* calls of the batch, by conversation */
	uint64_t item_room;
	struct row *rows;
	uint64_t row_count, row_room;
	uint64_t text_bytes[CLEW_TEXTS]; /* of all rows */
	uint8_t *text;                   /* of rows and of messages that are not ended */
	uint64_t text_size, text_room;
	struct kept_text *texts; /* of messages that are not ended; handle - 1 */
	uint32_t text_count, texts_room, text_free;
	int failed;   /* -ENOMEM */
	bool talking; /* a conversation is being told */
	bool client;  /* this end is the client */
};

static inline struct talks *talks_of(struct talk *talk)
{
	return (struct talks *)talk;
}

static inline const struct protocol *speaking(const struct talks *talks)
{
	return talks->list[talks->protocol];
}

/** An array that is used in no order, if it is large: most of the time would be spent looking for its pages. */
void in_large_pages(void *array, uint64_t size);
/** `array` with room for one more of `size` bytes than `count`; false, and failed is set: no memory. */
bool grow(struct talks *talks, void **array, uint64_t count, uint64_t *room, size_t size);

/* stream.c: bytes of one side to the processor */
void stream_bytes(struct talks *talks, enum side side, const struct place *call, const uint8_t *data, uint64_t size);
void stream_hole(struct talks *talks, enum side side, const struct place *call, uint64_t size);
void stream_datagram(struct talks *talks, enum side side, const struct place *call, const uint8_t *data, uint64_t size,
					 uint64_t unit);
/* What one call moved: `offset` as recorded, or NO_NUMBER; head and tail of `bytes` were kept. */
struct moved {
	struct place call;
	uint64_t bytes, offset;
	struct span head, tail;
};
void stream_moved(struct talks *talks, enum side side, struct moved *moved);
void stream_end(struct talks *talks);

/* message.c */
void messages_arrived(struct talks *talks, enum side side);
void messages_cut(struct talks *talks, enum side side);
void texts_keep(struct talks *talks);
void texts_forget(struct talks *talks);

/* exchange.c */
void exchanges_reset(struct talks *talks);

/* identify.c: how a conversation begins */
struct beginning {
	struct opening opening; /* by client and server once that is known; until then by sent (0) and received (1) */
	uint8_t bytes[2][OPENING];
	bool complete[2];
};
/* Chooses talks->protocol and, where `flags` do not tell, talks->client. */
void identify(struct talks *talks, struct beginning *beginning, const struct clew_conv *conv);

#endif
