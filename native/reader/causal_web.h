/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What came in at event loops and what went out: the steps among which it is looked for what led to what.
 */
#ifndef CLEW_READER_CAUSAL_WEB_H
#define CLEW_READER_CAUSAL_WEB_H

#include "causal.h"

struct input {
	int64_t span, turn;
	int32_t before;  /* the one before it on its thread */
	int32_t after;   /* the next one there; set, as what follows, by clew_web_find_clocks */
	int32_t nth, of; /* its place among what came in in its turn, from 1 on, and how much did */
	int32_t led_to;  /* things that went out because of it */
	int32_t batch;   /* the first of those that came in by the same call */
	bool received;   /* a request; else the last reply of a chain */
	bool acted;      /* something went out since, within the turn */
};

struct output {
	int64_t span, turn, since; /* since: when its loop last had nothing to do, at the earliest TURNS turns ago */
	int32_t latest, cause;     /* inputs */
	bool answer;               /* a reply; else the first of a chain */
	bool by_clocks, clocked;   /* clocks lead to such; one may have led to this */
	bool queued;               /* it may have waited for its connection */
	bool turns_told; /* waits are on record: what came in before the last one is told apart from what came after */
};

struct web {
	struct attribution *work;
	struct input *inputs;
	struct output *outputs;
	int32_t inputs_count, outputs_count;
	struct habits flow;
};

/* causal_anchor.c */
/** The request that a thing which came in belongs to, as far as that is known, or NONE. */
int64_t clew_web_owner(struct web *web, const struct input *input);
bool clew_web_can_lead(struct web *web, const struct input *input, const struct output *output);
/** Write down that an input led to an output: they belong to one request. */
void clew_web_lead(struct web *web, int32_t cause, struct output *output);

/* causal_clocks.c */
/** Find which outputs a clock may have led to; false: no memory. */
bool clew_web_find_clocks(struct web *web);

/* causal_batches.c */
/** Whether several things came in by the same call as the latest thing before an output. */
bool clew_web_in_batch(const struct web *web, const struct output *output);
/** If `first` is the first output that follows a batch, find what led to each of these, as far as one thing only can
 * have. */
void clew_web_settle_batch(struct web *web, int32_t first);
#endif
