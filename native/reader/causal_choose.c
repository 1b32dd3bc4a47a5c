/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Which request a call was made for: what cannot be is left out, then order decides.
 *
 * A thread that does one thing at a time works for the request that it answers next. An event loop has several open:
 * the call lies within its request, a request that waits for a reply does not ask on, and requests of a name do the
 * same things in the same order. Where several are left, those that became ready in the last turns of the loop come
 * first, unless the connection was given back just then: then those that waited for one. Among these the oldest.
 */
#include "causal.h"

enum { LOOKED_AT = 2048 /* open requests of one thread, from the oldest: keeps the time linear */ };

static const struct choice NOTHING = {NONE, CLEW_RULE_NONE, 0};

/* Candidates of one kind: how many, the one that was ready first, and the same among those ready just now. */
struct field {
	int64_t count, fresh_count;
	int64_t oldest, fresh;
};

static void consider(const struct attribution *work, struct field *field, int64_t span, int64_t since)
{
	const struct span_state *state = &work->spans[span];
	field->count++;
	if (field->oldest == NONE || state->ready < work->spans[field->oldest].ready)
		field->oldest = span;
	if (state->ready < since)
		return;
	field->fresh_count++;
	if (field->fresh == NONE || state->ready < work->spans[field->fresh].ready)
		field->fresh = span;
}

static struct choice pick(const struct attribution *work, const struct field *field, int64_t client, int64_t since)
{
	if (field->count == 1)
		return (struct choice){field->oldest, CLEW_RULE_LOOP, 1};
	const bool given_back = work->conns[work->in->conn[client]].freed >= since;
	const bool waited = field->count > field->fresh_count;
	if (field->fresh_count && !(given_back && waited))
		return (struct choice){field->fresh, CLEW_RULE_ORDER, field->fresh_count == 1 ? 0.98f : 0.95f};
	return (struct choice){field->oldest, CLEW_RULE_ORDER, given_back ? 0.95f : 0.9f};
}

static struct choice of_loop(struct attribution *work, const struct thread_state *thread, int64_t client)
{
	const struct clew_spans *in = work->in;
	struct field likely = {0, 0, NONE, NONE}, busy = likely, unlikely = likely;
	int64_t since = thread->turns[TURNS - 1];
	int looked = 0;
	for (int64_t span = thread->open.head; span != NONE && looked < LOOKED_AT;
		 span = work->spans[span].after, looked++) {
		if (!clew_causal_within(work, client, span))
			continue;
		const struct span_state *state = &work->spans[span];
		if (work->learned && !clew_habits_plausible(&work->habits, clew_causal_situation(work, span), in->name[client]))
			consider(work, &unlikely, span, since);
		else
			consider(work, state->missing ? &busy : &likely, span, since);
	}
	if (likely.count)
		return pick(work, &likely, client, since);
	if (busy.count == 1)
		return (struct choice){busy.oldest, CLEW_RULE_LOOP, unlikely.count ? 0.9f : 1};
	if (busy.count)
		return (struct choice){busy.fresh != NONE ? busy.fresh : busy.oldest, CLEW_RULE_ORDER, 0.7f};
	if (unlikely.count == 1)
		return (struct choice){unlikely.oldest, CLEW_RULE_LOOP, 0.9f};
	return unlikely.count ? (struct choice){unlikely.oldest, CLEW_RULE_UNLIKELY, 0.3f} : NOTHING;
}

/* A thread that neither receives nor answers requests works for those that others received. */
static struct choice of_worker(struct attribution *work, struct thread_state *thread, int64_t client)
{
	if (thread->task != NONE && work->spans[thread->task].listed && clew_causal_within(work, client, thread->task))
		return (struct choice){thread->task, CLEW_RULE_QUEUE, 0.95f};
	if (thread->task != NONE)
		work->spans[thread->task].taken = false;
	thread->task = NONE;
	struct field likely = {0, 0, NONE, NONE};
	int looked = 0;
	for (int64_t span = work->open.head; span != NONE && looked < LOOKED_AT; span = work->spans[span].later, looked++) {
		const struct span_state *state = &work->spans[span];
		if (!state->missing && !state->taken && clew_causal_within(work, client, span) &&
			(!work->learned ||
			 clew_habits_plausible(&work->habits, clew_causal_situation(work, span), work->in->name[client])))
			consider(work, &likely, span, INT64_MAX);
	}
	if (!likely.count)
		return NOTHING;
	if (thread->idle_calls * 10 > thread->calls) /* it calls of itself, whether or not there is a request */
		return (struct choice){likely.oldest, CLEW_RULE_UNLIKELY, 0.2f};
	thread->task = likely.oldest;
	work->spans[thread->task].taken = true;
	return (struct choice){thread->task, CLEW_RULE_QUEUE, likely.count == 1 ? 1 : 0.95f};
}

struct choice clew_causal_choose(struct attribution *work, int64_t client)
{
	const struct clew_spans *in = work->in;
	struct thread_state *thread = clew_causal_thread(work, in->thread[client]);
	const int64_t holder = work->conns[in->conn[client]].holder;
	if (holder != NONE && work->spans[holder].listed && clew_causal_within(work, client, holder))
		return (struct choice){holder, CLEW_RULE_HELD, 1};
	if (thread->interleaved && thread->open.head != NONE)
		return of_loop(work, thread, client);
	const int64_t next = thread->next_answer;
	if (next != NONE && in->start[next] <= in->start[client] && clew_causal_within(work, client, next)) {
		const bool own = in->thread[next] == in->thread[client];
		return (struct choice){next, own ? CLEW_RULE_THREAD : CLEW_RULE_HANDOFF, 1};
	}
	const int64_t last = thread->last_received;
	if (last != NONE && work->spans[last].listed && clew_causal_within(work, client, last))
		return (struct choice){last, CLEW_RULE_THREAD, thread->open.head == thread->open.tail ? 1 : 0.9f};
	return next == NONE && last == NONE ? of_worker(work, thread, client) : NOTHING;
}
