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

static const float SURE = 0.965f;
static const struct choice NOTHING = {NONE, CLEW_RULE_NONE, 0};

/* Candidates of one kind: how many, the one that was ready first, and the same among those ready just now. */
struct field {
	int64_t count, fresh_count;
	int64_t oldest, fresh;
	double best; /* of those ready just now */
};

static const struct field NOBODY = {0, 0, NONE, NONE, 0};
static const double EXPECTED = 0.2, POSSIBLE = 0.005;
static const double ALIKE = 0.3, CLEAR = 0.1; /* of the best one's score */

static void consider(const struct attribution *work, struct field *field, int64_t span, int64_t since)
{
	const struct span_state *state = &work->spans[span];
	field->count++;
	if (field->oldest == NONE || state->ready < work->spans[field->oldest].ready)
		field->oldest = span;
	if (state->ready < since)
		return;
	field->fresh_count++;
	field->best = state->score > field->best ? state->score : field->best;
}

/* Of those ready just now that explain the call about as well as the best one: the first that was ready. */
static float settle(const struct attribution *work, struct field *field, const struct thread_state *thread,
					int64_t since)
{
	int alike = 0, others = 0, looked = 0;
	for (int64_t span = thread->open.head; span != NONE && looked < LOOKED_AT;
		 span = work->spans[span].after, looked++) {
		const struct span_state *state = &work->spans[span];
		if (state->score <= 0 || state->ready < since)
			continue;
		others += state->score >= field->best * CLEAR;
		if (state->score < field->best * ALIKE)
			continue;
		alike++;
		if (field->fresh == NONE || state->ready < work->spans[field->fresh].ready)
			field->fresh = span;
	}
	return others == 1 ? 0.99f : alike == 1 ? 0.97f : 0.95f;
}

/* `given_back`: the connection was in use until just now, so that those who wait for one come first. */
static struct choice pick(const struct attribution *work, struct field *field, const struct thread_state *thread,
						  int64_t since, bool given_back, float less)
{
	const bool waited = field->count > field->fresh_count;
	if (field->fresh_count && !(given_back && waited)) {
		const float sure = settle(work, field, thread, since) - (waited ? 0.05f : 0);
		return (struct choice){field->fresh, CLEW_RULE_ORDER, sure - less};
	}
	return (struct choice){field->oldest, CLEW_RULE_ORDER, (given_back || field->count == 1 ? 0.95f : 0.85f) - less};
}

static struct choice likeliest(struct attribution *work, const struct thread_state *thread, int64_t client)
{
	const struct clew_spans *in = work->in;
	struct field expected = NOBODY, possible = NOBODY, unlikely = NOBODY;
	const int64_t since = clew_causal_recent(thread);
	int looked = 0;
	for (int64_t span = thread->open.head; span != NONE && looked < LOOKED_AT;
		 span = work->spans[span].after, looked++) {
		work->spans[span].score = 0;
		if (!clew_causal_within(work, client, span) || work->links[client].last > in->whole[span])
			continue;
		const double unknown = work->spans[span].missing ? 0.1 : 1; /* most do one thing after the other */
		const uint64_t situation = clew_causal_situation(work, span), name = in->name[client];
		const double share = work->learned ? clew_causal_share(work, span, name, unknown) : unknown;
		struct field *field = share >= EXPECTED ? &expected : share >= POSSIBLE ? &possible : &unlikely;
		const uint64_t hops = clew_causal_hops(work, thread, span);
		work->spans[span].score =
			0.01 +
			(work->learned ? clew_habits_share(&work->habits, clew_causal_pace(situation, name), hops, 0.5) : 0.5);
		work->spans[span].score *= share;
		consider(work, field, span, since);
		if (field == &unlikely)
			work->spans[span].score = 0;
	}
	if (expected.count + possible.count + unlikely.count == 1)
		return (struct choice){expected.count   ? expected.oldest
							   : possible.count ? possible.oldest
												: unlikely.oldest,
							   CLEW_RULE_LOOP, 1};
	const bool given_back = clew_causal_queued(work, in->conn[client], since);
	if (possible.fresh_count && !expected.fresh_count && !(given_back && expected.count))
		return pick(work, &possible, thread, since, false, 0.05f);
	if (expected.count)
		return pick(work, &expected, thread, since, given_back, 0);
	if (possible.count)
		return pick(work, &possible, thread, since, given_back, 0.1f);
	return unlikely.count ? (struct choice){unlikely.oldest, CLEW_RULE_UNLIKELY, 0.3f} : NOTHING;
}

/* One of several that is not clearly the likeliest is told as a link: a wrong parent is worse than none. */
static struct choice of_loop(struct attribution *work, const struct thread_state *thread, int64_t client)
{
	struct choice choice = likeliest(work, thread, client);
	const bool queued = clew_causal_queued(work, work->in->conn[client], clew_causal_recent(thread));
	if (queued && choice.rule != CLEW_RULE_LOOP && choice.confidence > 0.9f)
		choice.confidence = 0.9f;
	const bool open = work->links[client].open && choice.rule != CLEW_RULE_LOOP;
	if (work->last && choice.span != NONE && (choice.confidence < SURE || open))
		choice.rule = CLEW_RULE_UNLIKELY;
	return choice;
}

/* A thread that neither receives nor answers requests works for those that others received. */
static struct choice of_worker(struct attribution *work, struct thread_state *thread, int64_t client)
{
	if (thread->task != NONE && work->spans[thread->task].listed && clew_causal_within(work, client, thread->task))
		return (struct choice){thread->task, work->last ? thread->task_rule : CLEW_RULE_QUEUE, 0.95f};
	if (thread->task != NONE)
		work->spans[thread->task].taken = false;
	thread->task = NONE;
	struct field likely = NOBODY;
	int looked = 0, possible = 0;
	for (int64_t span = work->open.head; span != NONE && looked < LOOKED_AT; span = work->spans[span].later, looked++) {
		const struct span_state *state = &work->spans[span];
		const bool within = clew_causal_within(work, client, span);
		possible += within && !(state->taken && state->surely_taken);
		if (!state->missing && !state->taken && within &&
			(!work->learned || clew_habits_share(&work->habits, clew_causal_situation(work, span),
												 work->in->name[client], 1) >= POSSIBLE))
			consider(work, &likely, span, INT64_MAX);
	}
	if (!likely.count)
		return NOTHING;
	if (thread->idle_calls * 10 > thread->calls) /* it calls of itself, whether or not there is a request */
		return (struct choice){likely.oldest, CLEW_RULE_UNLIKELY, 0.2f};
	thread->task = likely.oldest;
	work->spans[thread->task].taken = true;
	/* Which of several the queue gave to this worker is told by how it hands back, if at all. */
	const bool sure = possible == 1 || !work->last;
	work->spans[likely.oldest].surely_taken = sure;
	thread->task_rule = sure ? CLEW_RULE_QUEUE : CLEW_RULE_UNLIKELY;
	return (struct choice){thread->task, thread->task_rule, possible == 1 ? 1 : 0.9f};
}

static uint8_t how_anchored(const struct attribution *work, int64_t client)
{
	if (work->links[client].head != client)
		return CLEW_RULE_HELD;
	return work->links[client].queued ? CLEW_RULE_ORDER : CLEW_RULE_LOOP;
}

struct choice clew_causal_choose(struct attribution *work, int64_t client)
{
	const struct clew_spans *in = work->in;
	struct thread_state *thread = clew_causal_thread(work, in->thread[client]);
	if (in->owner[client] != NONE)
		return (struct choice){in->owner[client], CLEW_RULE_TASK, 1};
	const int64_t fixed = work->links[client].fixed;
	if (fixed != NONE && work->spans[fixed].listed)
		return (struct choice){fixed, CLEW_RULE_QUEUE, 0.99f};
	if (thread->interleaved && thread->open.head != NONE) {
		const int64_t anchor = clew_causal_anchored(work, client);
		if (anchor != NONE && work->spans[anchor].listed && clew_causal_within(work, client, anchor))
			return (struct choice){anchor, how_anchored(work, client), 0.99f};
		const int64_t keeper = thread->open.head == thread->open.tail ? NONE : clew_causal_keeper(work, client);
		return keeper == NONE ? of_loop(work, thread, client) : (struct choice){keeper, CLEW_RULE_HELD, 0.99f};
	}
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
