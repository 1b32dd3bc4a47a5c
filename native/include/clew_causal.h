/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Whose work each call was: the single pass over a process's spans, and what trees of spans are made of.
 *
 * A span is one exchange seen from one end: `server` (a request came in, its reply went out) or `client` (a request
 * went out, its reply came in). Spans stand in order of process, then start. Times are ns; CLEW_NEVER where nothing was
 * seen. Threads and connections are numbers from 0, names are checksums. Functions return a count, or -errno.
 */
#ifndef CLEW_CAUSAL_H
#define CLEW_CAUSAL_H

#include <stdint.h>

#define CLEW_CAUSAL_API __attribute__((visibility("default")))
#define CLEW_NEVER INT64_MAX

/* How the parent of a client span was found; names and meanings: kit/clew/causal/rules.py */
enum clew_rule {
	CLEW_RULE_NONE = 0,    /* no request was being worked on that it can belong to */
	CLEW_RULE_THREAD = 1,  /* the thread that received the request, doing one thing at a time */
	CLEW_RULE_HANDOFF = 2, /* the thread that answers the request, which another thread received */
	CLEW_RULE_LOOP = 3,    /* an event loop: the only request that it can belong to */
	CLEW_RULE_HELD = 4,  /* the connection was kept by that request: an open transaction, or steps that always follow */
	CLEW_RULE_ORDER = 5, /* an event loop: several can be, the one that was ready first */
	CLEW_RULE_QUEUE = 6, /* a worker thread: the request that waits longest for one */
	CLEW_RULE_LOST = 8,  /* requests were open, but it fits into none of them */
	CLEW_RULE_TASK = 9,  /* its task was started for that request, as the interpreter says */
	CLEW_RULE_UNLIKELY = 7 /* one was left, but its requests do not do this elsewhere: a link, no parent */
};

/* What a thread did besides moving messages. */
enum clew_signal {
	CLEW_SIGNAL_TURN = 1,   /* it asked which descriptors are ready: a new turn of its loop */
	CLEW_SIGNAL_IDLE = 3,   /* the same, and it had to wait: all that could go on had gone on */
	CLEW_SIGNAL_QUEUED = 0, /* as DONE, with the time of what it told in the queue of whoever was told */
	CLEW_SIGNAL_CAME = 4,   /* a reply came in to a call that is not known */
	CLEW_SIGNAL_DONE = 2,   /* it told another thread something, or waits for work: what it did before is finished */
};

struct clew_spans {
	int64_t spans, groups; /* a group: the spans of one process */
	const int64_t *first;  /* [groups + 1]: where each group starts */
	const uint8_t *client; /* 1: client, 0: server */
	const int64_t *start;  /* server: request received; client: request sent */
	const int64_t *asked;  /* client: when it was asked for, which may be when its connection was opened; else start */
	const int64_t *end;    /* when the last byte of the reply was sent, or received */
	const int64_t *begun;  /* server: when the read of the request began; client: when its last byte was sent */
	const int64_t *whole;  /* server: when the reply's last byte was sent; client: when its first was received */
	const int32_t *thread; /* that began it */
	const int32_t *end_thread; /* server: that answered; client: that received the reply; -1: not known */
	const int32_t *conn;
	const uint64_t *name;
	const uint8_t
		*held; /* client: 1: its reply left the connection with its user; 2: it prepares for what comes next */
	const int64_t *owner; /* client: the server span that its task works for; -1: not told */
	int64_t threads, conns;
	const int32_t *pool; /* [conns]: connections to the same address have the same number, below conns */
	int64_t signals;     /* in order of group, then time */
	const int64_t *signal_first;
	const int64_t *signal_ns;
	const int32_t *signal_thread;
	const uint8_t *signal_kind;
};

/* When a thread worked for a span; the intervals of a thread do not overlap. */
struct clew_work {
	int64_t start, end, span;
	int32_t thread, zero;
};

/**
 * For each client span its cause (-1: none), the rule, and how likely it is (0 to 1). `work` has room for two entries
 * for each span; `works` is set to how many there are.
 */
CLEW_CAUSAL_API int64_t clew_attribute(const struct clew_spans *spans, int64_t *cause, uint8_t *rule, float *confidence,
									   struct clew_work *work, int64_t *works);

/* One end of a connection to a listener that many connect to. */
struct clew_end {
	int64_t begun, done; /* when connect or accept was entered, and when it had returned: later than `begun` */
	int64_t asked;       /* client: when its first byte was being sent; server: when that was received */
	int64_t answered;    /* server: when its first byte was being sent; client: when that was received */
	uint64_t said;       /* checksum of what the client said first; 0: not known */
};

/**
 * Which client's end each server's end is the other end of; -1: not told. Ends stand in order of listener, clients then
 * in order of `begun`, servers of `done`; those of listener i are first[i] to before first[i + 1]. Returns how many
 * are.
 */
CLEW_CAUSAL_API int64_t clew_pair_ends(int64_t listeners, const int64_t *first_client, const int64_t *first_server,
									   const struct clew_end *clients, const struct clew_end *servers,
									   int64_t *client_of);

/** For each span the row of its root and how many parents it has; -EINVAL: parents go round in a circle, or outside. */
CLEW_CAUSAL_API int64_t clew_roots(int64_t spans, const int64_t *parent, int64_t *root, int32_t *depth);

/**
 * A checksum of each span's name and of all below it, children in order of their start, repeats in a row counted once.
 * Rows stand in order of start. `depth` is clew_roots'.
 */
CLEW_CAUSAL_API int64_t clew_shapes(int64_t spans, const int64_t *parent, const int32_t *depth, const uint64_t *name,
									uint64_t *shape);

/**
 * Of each tree (a row that is its own root): spans, how many processes they are of, the deepest and the least sure of
 * them. `process` has numbers below `processes`. Returns how many trees there are.
 */
CLEW_CAUSAL_API int64_t clew_trees(int64_t spans, const int64_t *root, const int32_t *depth, const int32_t *process,
								   int64_t processes, const float *confidence, int64_t *tree_root, uint32_t *tree_spans,
								   uint32_t *tree_processes, uint16_t *tree_depth, float *tree_confidence);

/**
 * The rows of trees depth first, children in order of their start, without those (and what is below them) that repeat
 * the child before; returns how many are in `order`. Parents stand before their children.
 */
CLEW_CAUSAL_API int64_t clew_walk(int64_t spans, const int64_t *parent, const uint64_t *shape, int64_t *order);

/* Spans in trees; `parent` is a row, -1: none. */
struct clew_tree_times {
	int64_t spans;
	const int64_t *parent, *start, *end;
	const uint8_t *client;
	const int64_t *covers; /* ns of its parent's time, up to its own or the parent's end, that no other row covers */
};

/**
 * Adds to worked[row] the ns of the intervals of that row, within its start and end, that no child of it covers. Those
 * of a client are its parent's. Intervals of no row (`span` is outside) are left out; returns how many were not.
 * -EINVAL: a parent is outside.
 */
CLEW_CAUSAL_API int64_t clew_worked(const struct clew_tree_times *in, int64_t intervals, const int64_t *span,
									const int64_t *low, const int64_t *high, int64_t *worked);
#endif
