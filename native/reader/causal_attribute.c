/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Goes through the steps of each process in order of time and gives every call to the request it was made for.
 *
 * First it is seen which threads do one thing at a time. Where some do not, a pass learns what requests of each name
 * do; the last pass decides.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "causal.h"

enum { PASSES = 4 };

static void note_turn(struct thread_state *thread, int64_t ns)
{
	thread->turn++;
	memmove(thread->turns + 1, thread->turns, sizeof thread->turns - sizeof *thread->turns);
	thread->turns[0] = ns;
}

void clew_causal_turn(struct thread_state *thread, const struct step *step)
{
	if (step->kind == STEP_IDLE) {
		thread->turn++;
		for (int i = 0; i < TURNS; i++)
			thread->turns[i] = step->ns;
	} else if (step->kind == STEP_TURN) {
		note_turn(thread, step->ns);
	} else if (step->kind == STEP_RECEIVED || step->kind == STEP_REPLIED) {
		/* Without waits on record, what comes in after something went out begins a turn. */
		if (!thread->told_turns && !thread->input_last)
			note_turn(thread, step->ns);
		thread->input_last = true;
	} else if (step->kind != STEP_DONE && step->kind != STEP_UNKNOWN) {
		thread->input_last = false;
	}
}

void clew_causal_look_at_threads(struct attribution *work, int64_t steps)
{
	for (int64_t i = 0; i < steps; i++) {
		const struct step *step = &work->steps[i];
		struct thread_state *thread = clew_causal_thread(work, step->thread);
		const bool own_reply =
			step->kind == STEP_REPLIED && work->in->thread[step->span] == step->thread && thread->unanswered;
		if (step->kind == STEP_TURN || step->kind == STEP_IDLE)
			thread->told_turns = true;
		else if (own_reply)
			thread->unanswered--;
		else if (step->kind != STEP_DONE && step->kind != STEP_UNKNOWN && thread->unanswered)
			thread->interleaved++;
		if (step->kind == STEP_SENT && work->in->end[step->span] != CLEW_NEVER &&
			work->in->end_thread[step->span] == step->thread)
			thread->unanswered++;
	}
}

/* Which server span each thread answers next, and after that. */
static void line_up_answers(struct attribution *work, int64_t steps)
{
	for (int64_t i = steps - 1; i >= 0; i--) {
		const struct step *step = &work->steps[i];
		if (step->kind != STEP_ANSWERED)
			continue;
		struct thread_state *thread = clew_causal_thread(work, step->thread);
		work->spans[step->span].next_answer = thread->next_answer;
		thread->next_answer = step->span;
	}
}

/* A reply while others are missing, or while none was: in either case the request asked for no more before it came. */
static bool note_reply(struct attribution *work, int64_t client)
{
	struct span_state *owner = &work->spans[work->spans[client].owner];
	const bool learns = owner->listed && !work->last;
	return !learns || clew_causal_learn(work, work->spans[client].owner, 1);
}

static bool give(struct attribution *work, int64_t client)
{
	const struct clew_spans *in = work->in;
	struct thread_state *thread = clew_causal_thread(work, in->thread[client]);
	if (!work->last && thread->interleaved && !clew_causal_learn_keeping(work, client))
		return false;
	thread->calls++;
	thread->idle_calls += work->open.head == NONE;
	struct choice choice = clew_causal_choose(work, client);
	if (choice.rule == CLEW_RULE_NONE && work->open.head != NONE)
		choice.rule = CLEW_RULE_LOST;
	work->cause[client] = choice.span;
	work->rule[client] = choice.rule;
	work->confidence[client] = choice.confidence;
	work->spans[client].owner = choice.rule == CLEW_RULE_UNLIKELY ? NONE : choice.span;
	if (work->spans[client].owner == NONE)
		return true;
	struct span_state *owner = &work->spans[choice.span];
	const uint64_t situation = clew_causal_situation(work, choice.span), name = in->name[client];
	const uint64_t hops = clew_causal_hops(work, thread, choice.span);
	if (!work->last && !(clew_causal_learn(work, choice.span, name) &&
						 clew_habits_add(&work->habits, clew_causal_pace(situation, name), hops, 1)))
		return false;
	clew_causal_given(work, client, choice.span);
	owner->missing += in->end[client] != CLEW_NEVER;
	owner->made += owner->made < 8;
	owner->stage = clew_causal_mix(in->name[client] + owner->made);
	return true;
}

static bool take(struct attribution *work, const struct step *step)
{
	const struct clew_spans *in = work->in;
	struct thread_state *thread = clew_causal_thread(work, step->thread);
	struct span_state *span = step->span == NONE ? NULL : &work->spans[step->span];
	clew_causal_turn(thread, step);
	clew_causal_use(work, step);
	switch (step->kind) {
	case STEP_DONE:
		if (thread->task != NONE)
			work->spans[thread->task].taken = false;
		thread->task = NONE;
		break;
	case STEP_RECEIVED:
		span->ready = step->ns;
		span->ready_turn = thread->turn;
		thread->last_received = step->span;
		clew_causal_open(work, step->span);
		break;
	case STEP_REPLIED: {
		struct conn_state *conn = &work->conns[in->conn[step->span]];
		conn->freed = step->ns;
		conn->held = in->held[step->span];
		conn->last_owner = span->owner;
		conn->last_name = in->name[step->span];
		if (span->owner == NONE)
			break;
		if (!note_reply(work, step->span))
			return false;
		struct span_state *owner = &work->spans[span->owner];
		owner->missing--;
		owner->ready = step->ns;
		owner->ready_turn = thread->turn;
		break;
	}
	case STEP_SENT:
		return give(work, step->span);
	case STEP_ANSWERED:
		thread->next_answer = span->next_answer;
		clew_causal_close(work, step->span);
		/* What requests of this name do last is something that they do, too. */
		return work->last || clew_causal_learn(work, step->span, 0);
	}
	return true;
}

static int64_t attribute_group(struct attribution *work, int64_t group)
{
	const struct clew_spans *in = work->in;
	if (work->pass > 0 && !work->last && work->plain[group])
		return 0;
	const int64_t steps = clew_causal_steps(work, group);
	if (steps < 0)
		return steps;
	if (work->pass == 0) {
		const int64_t error = clew_causal_anchor(work, steps, group, PASSES * in->groups + 5 * group);
		if (error < 0)
			return error;
		work->plain[group] = error == 0;
	}
	if (work->plain[group] && !work->last)
		return 0;
	work->group = group + work->pass * in->groups;
	work->open = (struct list){NONE, NONE};
	clew_causal_reset_conns(work, group);
	for (int64_t span = in->first[group]; span < in->first[group + 1]; span++) {
		work->spans[span] = (struct span_state){.before = NONE,
												.after = NONE,
												.earlier = NONE,
												.later = NONE,
												.next_answer = NONE,
												.owner = NONE,
												.given = NONE};
	}
	clew_causal_look_at_threads(work, steps);
	line_up_answers(work, steps);
	for (int64_t i = 0; i < steps; i++)
		if (!take(work, &work->steps[i]))
			return -ENOMEM;
		else if (work->last)
			clew_causal_work(work, &work->steps[i]);
	return 0;
}

/* Each pass learns anew from what the one before it made of the calls; habits of a pass are those of the one before. */
static int64_t attribute_all(struct attribution *work)
{
	for (work->pass = 0; work->pass < PASSES; work->pass++) {
		work->learned = work->pass > 0;
		work->last = work->pass == PASSES - 1;
		for (int64_t group = 0; group < work->in->groups; group++) {
			const int64_t error = attribute_group(work, group);
			if (error)
				return error;
		}
	}
	return work->in->spans;
}

int64_t clew_attribute(const struct clew_spans *spans, int64_t *cause, uint8_t *rule, float *confidence,
					   struct clew_work *working, int64_t *works)
{
	struct attribution work = {
		.in = spans, .cause = cause, .rule = rule, .confidence = confidence, .work = working, .group = -1};
	for (int64_t span = 0; span < spans->spans; span++) {
		cause[span] = NONE;
		rule[span] = CLEW_RULE_NONE;
		confidence[span] = 0;
	}
	work.threads = malloc((size_t)(spans->threads + 1) * sizeof *work.threads);
	work.spans = malloc((size_t)(spans->spans + 1) * sizeof *work.spans);
	work.links = malloc((size_t)(spans->spans + 1) * sizeof *work.links);
	work.conns = malloc((size_t)(spans->conns + 1) * sizeof *work.conns);
	work.shared = calloc((size_t)spans->conns + 1, sizeof *work.shared);
	work.plain = calloc((size_t)spans->groups + 1, sizeof *work.plain);
	work.pools = calloc((size_t)spans->conns + 1, sizeof *work.pools);
	int64_t result = -ENOMEM;
	if (work.threads && work.plain && work.shared && work.pools && work.spans && work.links && work.conns) {
		for (int64_t thread = 0; thread < spans->threads; thread++)
			work.threads[thread].group = -1;
		result = attribute_all(&work);
	}
	*works = work.works;
	free(work.habits.slots);
	free(work.asking.slots);
	free(work.keeping.slots);
	free(work.steps);
	free(work.spare);
	free(work.threads);
	free(work.spans);
	free(work.links);
	free(work.conns);
	free(work.pools);
	free(work.shared);
	free(work.plain);
	return result;
}
