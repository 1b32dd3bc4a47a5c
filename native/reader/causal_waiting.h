/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Requests that wait for a connection: what several suppositions say of who waits, and since when.
 *
 * Terms. A batch is what a request asks for at once; it has its tickets in the queue from the moment on at which
 * nothing was missing any more. A way is what requests in the same situation do: how many tickets they take, for which
 * address, and whether they go on with the connection that they have. A call is a chain of exchanges.
 */
#ifndef CLEW_READER_CAUSAL_WAITING_H
#define CLEW_READER_CAUSAL_WAITING_H

#include "causal.h"

enum {
	REQUESTS = 1024, /* open at once on a thread, at most */
	FLIGHTS = 2048,  /* calls without a reply, at most */
	WAYS = 1024,     /* situations that are told apart; others have way 0, of which nothing is known */
	SUPPOSED = 64,   /* suppositions that are followed at once */
	POOLS = 4,       /* that are told apart */
	SURE = 5,        /* the same for one that was seen while there was nothing to wait for */
	STEADY = 4,      /* times that a way was the same, before it is expected */
	OPTIONS = 8,     /* at most, for one call in one supposition */
	RESTING = 3,     /* requests that may go on by themselves, of those looked at */
	SKIPPED = 2,     /* requests that are passed over for one call, at most */
	NODES = 1 << 20, /* calls remembered until their request ends */
};

struct waiting { /* an open request, as a supposition has it */
	uint64_t name, stage;
	uint64_t batch;             /* what it asked for in this batch, in any order */
	uint64_t calls;             /* a checksum of all calls that it was given */
	int64_t last_call;          /* the latest of them: a node, or NONE */
	int64_t woke;               /* step that began this batch */
	int64_t rested;             /* step at which nothing of it was missing any more */
	int32_t missing, way;       /* replies; its situation */
	uint16_t sent;              /* calls of this batch */
	uint8_t sent_to[POOLS];     /* the same by pool */
	uint8_t batches;            /* ended, 8 at most */
	bool closed, doubted, open; /* closed: no tickets are left */
};

struct way {
	uint8_t asks[POOLS]; /* calls in a batch, by pool; all 0: not known */
	uint8_t asked;       /* how often that was so in a row */
	uint8_t never;       /* pools, as bits, that those in this situation do not wait for */
	bool pauses;         /* it goes on without anything that is seen: by a clock, or with a file */
	uint8_t keeping;     /* whether it goes on with the connection that its reply came in on: enum keeping */
};

enum keeping { KEEPS_UNKNOWN, KEEPS_NOT, KEEPS };

struct supposition {
	double score;             /* 0 or less, the logarithm of how likely it is beside others */
	struct waiting *requests; /* [REQUESTS] */
	int32_t *flights;         /* [FLIGHTS]: whose: a place in requests, or NONE */
	struct way *ways;         /* [WAYS] */
	int32_t awake;            /* whose reply, or request, came in last: a place in requests, or NONE */
};

struct node {
	int64_t call, before;
	bool queued;
};

struct call { /* that is to be given to a request */
	int64_t span;
	uint64_t name;
	int32_t pool, flight; /* pool: below POOLS */
	bool queued, replied; /* on a connection that was in use until just now; a reply will come */
};

/* What a thread does, as far as all suppositions agree. */
struct scene {
	struct attribution *work;
	int64_t step, woke; /* the step, and the one at which the latest thing came in */
	uint64_t *stages;   /* [WAYS * 2]: ways by stage */
	int32_t *way_of;
	int32_t ways;
	struct node *nodes;
	int64_t nodes_count;
	int64_t waits;         /* step since which some pool has been full: since then requests may wait for it */
	int64_t *calls;        /* [FLIGHTS]: the last span of each call */
	int32_t high, flights; /* places in use are below */
	int32_t pools;
	bool newest_first; /* the queue is a stack */
	struct supposition all[SUPPOSED];
	int count, most; /* suppositions, the first so many of all; and at most */
};

struct option {
	double score;
	int of;                 /* supposition */
	int32_t request;        /* that gets the call, or NONE */
	int32_t skips[SKIPPED]; /* requests that have no ticket left, or wait for something else, or NONE */
	bool paused;            /* that request went on by itself */
	uint8_t keeps;          /* what is said of the way of the request that is awake */
};

/* causal_supposed.c: what happens, in one supposition */
void clew_supposed_arrive(struct scene *scene, struct supposition *one, int32_t request, uint64_t name);
void clew_supposed_reply(struct scene *scene, struct supposition *one, int32_t flight);
/** No tickets are left: what was sent at once is all; `sure`: there was nothing to wait for. */
void clew_supposed_close(struct scene *scene, struct supposition *one, int32_t request, bool sure);
void clew_supposed_give(struct scene *scene, struct supposition *one, const struct option *option,
						const struct call *call);
/** A request was answered; returns whether that fits. */
bool clew_supposed_answer(struct scene *scene, struct supposition *one, int32_t request);
/** Who may have got a call on a connection of a pool that has been in use without a break since step `full`. */
int clew_supposed_options(const struct scene *scene, int of, const struct call *call, int64_t full,
						  struct option options[static OPTIONS]);

/* causal_suppose.c: several suppositions */
void clew_suppose_give(struct scene *scene, const struct call *call, int64_t full);
/** The calls of a request that was answered, as most suppositions have it: a node; NONE: that is not sure. */
int64_t clew_suppose_answer(struct scene *scene, int32_t request, bool *fits);

/* causal_waiting.c */
/** Find the owners of calls of loops whose requests wait for connections, in work->links; 0, or -ENOMEM. */
int64_t clew_causal_waiting(struct attribution *work, int64_t steps, int64_t group);
#endif
