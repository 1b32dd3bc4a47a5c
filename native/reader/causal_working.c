/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief For which span a thread works, when.
 *
 * A thread that does one thing at a time works for a request from when it takes it (it came in, or the one before was
 * answered) until the reply is sent, waits included. An event loop works for the span of each step since the step
 * before it, or since its wait ended: what it does after the last step of a turn is nobody's.
 */
#include "causal.h"

static void add(struct attribution *work, int32_t thread, int64_t start, int64_t end, int64_t span)
{
	struct thread_state *state = clew_causal_thread(work, thread);
	if (start < state->worked)
		start = state->worked;
	if (start >= end)
		return;
	work->work[work->works++] = (struct clew_work){start, end, span, thread, 0};
	state->worked = end;
}

static void of_loop(struct attribution *work, const struct step *step, int64_t owner)
{
	const struct clew_spans *in = work->in;
	const struct thread_state *thread = clew_causal_thread(work, step->thread);
	const int64_t since = thread->turns[0] > thread->worked ? thread->turns[0] : thread->worked;
	switch (step->kind) {
	case STEP_SENT:
		add(work, step->thread, since > step->ns || since == INT64_MIN ? step->ns : since, in->begun[step->span],
			owner);
		break;
	case STEP_ANSWERED:
		add(work, step->thread, since > step->ns || since == INT64_MIN ? step->ns : since, in->whole[step->span],
			owner);
		break;
	case STEP_RECEIVED:
		add(work, step->thread, in->begun[step->span], step->ns, owner);
		break;
	case STEP_REPLIED:
		add(work, step->thread, in->whole[step->span], step->ns, owner);
		break;
	}
}

void clew_causal_work(struct attribution *work, const struct step *step)
{
	const struct clew_spans *in = work->in;
	if (step->span == NONE)
		return;
	const struct thread_state *thread = clew_causal_thread(work, step->thread);
	const bool client = in->client[step->span];
	const int64_t cause = client ? work->spans[step->span].owner : step->span;
	const int64_t owner = cause == NONE ? step->span : cause;
	if (thread->interleaved) {
		of_loop(work, step, owner);
		return;
	}
	if (step->kind == STEP_ANSWERED)
		add(work, step->thread, in->thread[step->span] == step->thread ? in->begun[step->span] : in->start[step->span],
			in->whole[step->span], step->span);
	else if (step->kind == STEP_REPLIED && (cause == NONE || work->rule[step->span] == CLEW_RULE_QUEUE))
		add(work, step->thread, in->start[step->span], step->ns, owner);
}
