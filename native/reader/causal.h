/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What the parts of the attribution share: steps in order of time, the state of threads, spans and connections.
 */
#ifndef CLEW_READER_CAUSAL_H
#define CLEW_READER_CAUSAL_H

#include <stdbool.h>
#include <stddef.h>

#include "clew_causal.h"

#define NONE (-1)
#define TURNS 12 /* turns of a busy event loop that count as just now */

enum step_kind { /* in the order that steps of the same ns are taken */
				 STEP_IDLE,
				 STEP_TURN,
				 STEP_UNKNOWN,  /* something came in of which it is not known whose it is */
				 STEP_REPLIED,  /* a client span's reply came in */
				 STEP_RECEIVED, /* a server span's request came in */
				 STEP_DONE,
				 STEP_SENT,    /* a client span's request goes out: whose is it? */
				 STEP_ANSWERED /* a server span's reply goes out */
};

struct step {
	int64_t ns;
	int64_t span; /* NONE: a signal */
	int32_t thread;
	uint8_t kind;
	bool queued; /* STEP_DONE: in the order of the queue that it was told through */
};

struct list { /* of open server spans, in order of arrival */
	int64_t head, tail;
};

struct thread_state {
	int64_t group;       /* whose state this is; another's is stale */
	int64_t interleaved; /* steps made while a call of its own was unanswered: more than 0 is an event loop */
	int64_t unanswered;  /* calls of its own without a reply so far */
	int64_t idle_calls;  /* calls made while no request was open in the process */
	int64_t calls;
	int64_t next_answer;   /* server span that it answers next */
	int64_t last_received; /* server span */
	struct list open;      /* server spans that it received */
	int64_t turns[TURNS];  /* when its last turns began, the latest first; not before it last had nothing to do */
	int64_t task;          /* server span that it works for, taken from a queue */
	uint8_t task_rule;     /* how that was found */
	int64_t worked;        /* until when it is known what it worked for, or that it waited */
	int64_t turn;          /* number of its turn */
	int32_t latest;        /* causal_anchor.c: what came in last */
	int64_t came_in;       /* causal_shared.c: how much did */
	int64_t pending, handed_back; /* calls since it last handed something back, and when that was */
	int64_t first_pending;        /* ns: when the first of these was made */
	int64_t unreplied;            /* those without a reply so far */
	uint64_t did, did_before;     /* their names, in order; without the last of them */
	bool serves, mixed;           /* it receives or answers requests; of its calls some may be another job's */
	bool told_turns, input_last;
	int32_t several, between, came_now; /* causal_waiting.c: turns in which several things came in, and so on */
	bool sent_now, after_now, between_now;
	bool shares; /* it sends on connections that several requests use at a time */
};

struct span_state {         /* of a server span; of a client span `owner` alone */
	int64_t ready;          /* since when nothing it asked for is missing */
	int64_t ready_turn;     /* the turn of its loop in which that was */
	double score;           /* how well it explains the call that is looked at */
	int64_t before, after;  /* neighbours in its thread's list */
	int64_t earlier, later; /* neighbours in the process's list */
	int64_t next_answer;    /* server span that its answering thread answers after it */
	int64_t owner;          /* server span that a client span was given to */
	int64_t given;          /* the same of one that belongs together with it */
	uint64_t stage;         /* what it asked for last, and after how many calls */
	int32_t missing;        /* replies that it waits for */
	uint16_t made;          /* calls */
	bool listed, taken;     /* open; a worker thread works for it */
	bool surely_taken;      /* no other could have been meant */
	bool doubted, certain;  /* causal_anchor.c: answered in the turn of another; first thing done in its turn */
};

struct conn_state {
	int64_t freed;      /* when its last reply came in; INT64_MIN: none yet */
	int64_t last_owner; /* server span that its last exchange was given to, or NONE */
	uint64_t last_name; /* of that exchange */
	uint8_t held;       /* as the last exchange's */
	bool opened;        /* it has been used */
	int32_t unanswered; /* exchanges */
};

struct pool_state { /* connections to one address */
	int32_t opened, busy;
	int32_t most;              /* opened in all: only known from the second look on */
	int64_t full_ns;           /* when all were in use last */
	int64_t taken, last_taken; /* how often one was taken, and how often that was the last free one */
};

/* How often requests of a name, after what they did last, did a thing next. */
struct habits {
	struct habit {
		uint64_t key;
		uint32_t count;
	} *slots;
	uint64_t mask, used;
};

/* A client span among others of one owner: exchanges that always follow each other on a connection are a chain, chains
 * that led to each other a component. */
struct link {
	int64_t head, tail;  /* of its chain; tail: at the head only */
	int64_t next;        /* in its chain */
	int64_t same_as;     /* at a head: the way to the first of its component */
	int64_t owner;       /* at the first of a component: its server span, or NONE */
	int64_t fixed;       /* a worker's call: the server span that its result was handed back for, or NONE */
	int64_t first, last; /* ns, at the first of a component, and at a head: when it began and ended */
	bool queued;         /* its owner waited for the connection */
	bool open;           /* what came in just before did not tell its owner: it was of several requests, or not known */
};

struct attribution {
	const struct clew_spans *in;
	int64_t *cause;
	uint8_t *rule;
	float *confidence;
	struct clew_work *work;
	int64_t works;
	struct step *steps, *spare;
	int64_t room;
	struct thread_state *threads;
	struct span_state *spans;
	struct conn_state *conns;
	struct pool_state *pools;
	bool *shared; /* connections that several requests use at a time */
	bool *plain;  /* groups whose threads all do one thing at a time: there is nothing to learn */
	struct link *links;
	int64_t *steps_ns;
	struct habits habits, asking, keeping;
	struct list open; /* server spans of the process */
	int64_t group;
	int pass;
	bool learned, last; /* habits are known from an earlier pass; this is the last one */
};

/* causal_steps.c */
/** The steps of a group in order of time, in work->steps; returns how many, or -ENOMEM. */
int64_t clew_causal_steps(struct attribution *work, int64_t group);

/* causal_habits.c */
bool clew_habits_add(struct habits *habits, uint64_t situation, uint64_t next, uint32_t times);
void clew_habits_clear(struct habits *habits);
/** The share of cases in which `next` was done in that situation; `otherwise` where too little is known. */
double clew_habits_share(const struct habits *habits, uint64_t situation, uint64_t next, double otherwise);
/** How much was added in that situation. */
uint32_t clew_habits_seen(const struct habits *habits, uint64_t situation);
uint64_t clew_causal_mix(uint64_t value);

/* causal_lists.c */
void clew_causal_open(struct attribution *work, int64_t span);
void clew_causal_close(struct attribution *work, int64_t span);
struct thread_state *clew_causal_thread(struct attribution *work, int32_t thread);
/** Whether a client span can be part of a server span: it lies within it. */
bool clew_causal_within(const struct attribution *work, int64_t client, int64_t server);
uint64_t clew_causal_situation(const struct attribution *work, int64_t server);
/** The share of requests like this one that ask for `name` now: in this situation, else at any point of them. */
double clew_causal_share(const struct attribution *work, int64_t server, uint64_t name, double otherwise);
/** Learn that a request did `what` now; false: no memory. */
bool clew_causal_learn(struct attribution *work, int64_t server, uint64_t what);
/** How many turns of the loop a request takes until it makes a call: the same for all of a kind, if nothing is in its
 * way. */
uint64_t clew_causal_hops(const struct attribution *work, const struct thread_state *thread, int64_t server);
uint64_t clew_causal_pace(uint64_t situation, uint64_t name);
/** Since when what a thread does counts as just now. */
int64_t clew_causal_recent(const struct thread_state *thread);

/* causal_attribute.c */
void clew_causal_look_at_threads(struct attribution *work, int64_t steps);
/** Count the turns of a thread's loop. */
void clew_causal_turn(struct thread_state *thread, const struct step *step);

/** Forget what a group's connections did. */
void clew_causal_reset_conns(struct attribution *work, int64_t group);
/** Count connections in use; to be called before a step is looked at. */
void clew_causal_use(struct attribution *work, const struct step *step);
/** Whether a call may have waited for its connection: that was in use until just now, and so were all others. */
bool clew_causal_queued(const struct attribution *work, int32_t conn, int64_t since);

/* causal_handback.c */
/** Find what workers did for whom from how they hand it back; 0, or -ENOMEM. */
int64_t clew_causal_hand_back(struct attribution *work, int64_t steps);

/* causal_anchor.c */
/**
 * Find chains and what led to what, in work->links; `state` and the four numbers after it name states of threads.
 * Returns whether there is anything to find: 0 where all threads do one thing at a time; or -ENOMEM.
 */
int64_t clew_causal_anchor(struct attribution *work, int64_t steps, int64_t group, int64_t state);

/** The server span that a client span belongs to as far as that is known: NONE, or one that may be closed by now. */
int64_t clew_causal_anchored(struct attribution *work, int64_t client);
/** Remember to which server span a client span was given, for those that belong together with it. */
void clew_causal_given(struct attribution *work, int64_t client, int64_t server);

/* causal_shared.c */
/** Find the connections of a group that several requests use at a time, in work->shared; 0, or -ENOMEM. */
int64_t clew_causal_share_conns(struct attribution *work, int64_t steps, int64_t group);

/* causal_keep.c */
/** The request that the connection's last exchange belonged to, if it goes on with it; NONE: it was given back. */
int64_t clew_causal_keeper(const struct attribution *work, int64_t client);
/** Learn from a call whether connections are kept between two such exchanges; false: no memory. */
bool clew_causal_learn_keeping(struct attribution *work, int64_t client);

/* causal_working.c */
/** Write down for which span the thread of a step worked until then. */
void clew_causal_work(struct attribution *work, const struct step *step);

/* causal_choose.c */
struct choice {
	int64_t span;
	uint8_t rule;
	float confidence;
};
struct choice clew_causal_choose(struct attribution *work, int64_t client);
#endif
