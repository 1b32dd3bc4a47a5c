/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Which requests a thread, and a process, has open: lists in order of arrival.
 */
#include "causal.h"

struct thread_state *clew_causal_thread(struct attribution *work, int32_t thread)
{
	struct thread_state *state = &work->threads[thread];
	if (state->group != work->group) {
		*state = (struct thread_state){.group = work->group,
									   .next_answer = NONE,
									   .last_received = NONE,
									   .open = {NONE, NONE},
									   .task = NONE,
									   .latest = NONE,
									   .worked = INT64_MIN};
		for (int i = 0; i < TURNS; i++)
			state->turns[i] = INT64_MIN;
	}
	return state;
}

void clew_causal_open(struct attribution *work, int64_t span)
{
	struct span_state *state = &work->spans[span];
	struct list *own = &clew_causal_thread(work, work->in->thread[span])->open;
	state->before = own->tail;
	state->earlier = work->open.tail;
	state->after = state->later = NONE;
	if (own->tail == NONE)
		own->head = span;
	else
		work->spans[own->tail].after = span;
	if (work->open.tail == NONE)
		work->open.head = span;
	else
		work->spans[work->open.tail].later = span;
	own->tail = work->open.tail = span;
	state->listed = true;
}

void clew_causal_close(struct attribution *work, int64_t span)
{
	struct span_state *state = &work->spans[span];
	if (!state->listed)
		return;
	struct list *own = &clew_causal_thread(work, work->in->thread[span])->open;
	*(state->before == NONE ? &own->head : &work->spans[state->before].after) = state->after;
	*(state->after == NONE ? &own->tail : &work->spans[state->after].before) = state->before;
	*(state->earlier == NONE ? &work->open.head : &work->spans[state->earlier].later) = state->later;
	*(state->later == NONE ? &work->open.tail : &work->spans[state->later].earlier) = state->earlier;
	state->listed = false;
}

bool clew_causal_within(const struct attribution *work, int64_t client, int64_t server)
{
	const struct clew_spans *in = work->in;
	if (in->start[server] > in->asked[client])
		return false;
	if (in->end[server] == CLEW_NEVER)
		return true;
	/* A reply may be passed on while it still comes in: its parts keep their order, at the start and at the end. */
	return in->end[client] == CLEW_NEVER ? in->start[client] <= in->end[server]
										 : in->whole[client] <= in->end[server] && in->end[client] <= in->whole[server];
}

uint64_t clew_causal_situation(const struct attribution *work, int64_t server)
{
	const struct span_state *state = &work->spans[server];
	return clew_causal_mix(work->in->name[server] ^ clew_causal_mix(state->stage * 2 + (state->missing > 0)));
}

int64_t clew_causal_recent(const struct thread_state *thread)
{
	return thread->turns[TURNS - 1];
}

/* The same without what it did before. */
static uint64_t broadly(const struct attribution *work, int64_t server)
{
	return clew_causal_mix(work->in->name[server] * 5 + (work->spans[server].missing > 0));
}

double clew_causal_share(const struct attribution *work, int64_t server, uint64_t name, double otherwise)
{
	const double share = clew_habits_share(&work->habits, clew_causal_situation(work, server), name, -1);
	return share >= 0 ? share : clew_habits_share(&work->habits, broadly(work, server), name, otherwise);
}

bool clew_causal_learn(struct attribution *work, int64_t server, uint64_t what)
{
	return clew_habits_add(&work->habits, clew_causal_situation(work, server), what, 1) &&
		   clew_habits_add(&work->habits, broadly(work, server), what, 1);
}

uint64_t clew_causal_hops(const struct attribution *work, const struct thread_state *thread, int64_t server)
{
	const int64_t turns = thread->turn - work->spans[server].ready_turn;
	return work->spans[server].ready < clew_causal_recent(thread) || turns > TURNS ? TURNS + 1 : (uint64_t)turns;
}

uint64_t clew_causal_pace(uint64_t situation, uint64_t name)
{
	return clew_causal_mix(situation * 7 + name);
}
