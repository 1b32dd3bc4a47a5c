/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What led to what in an event loop: the reply or request that came in just before something goes out.
 *
 * Exchanges that follow each other on a connection at once, as they always do, are one chain: it has one owner. What
 * goes out (the first of a chain, or a reply) was caused by something that came in since the loop last had nothing to
 * do: a request, or the last reply of a chain. Where only one can be meant, it is known; from these it is learned after
 * how many turns what follows what, and with that the others are told apart. Replies name their request, so owners are
 * known from both ends. What waited in a queue in between stays open: it is given out in order later.
 */
#include <errno.h>
#include <stdlib.h>

#include "causal_waiting.h"
#include "causal_web.h"

enum {
	LESSONS = 5,        /* rounds that learn what follows what */
	ROUNDS = 2,         /* rounds that decide, from what is certain on */
	LOOKED_AT = 96,     /* things that came in, before each that went out */
	TAUGHT_BY = 200000, /* things that went out */
	WHOLE = 240,        /* weight of one of them */
	CHAIN_MOST = 64,
	ROUNDS_AT_ONCE = 3,
};
static const double FOLLOWS = 0.9, NEVER_FIRST = 0.98;
static const uint64_t AT_ONCE = UINT64_C(0x5851f42d4c957f2d);

/* ---- chains, and the components of chains of one owner ---- */

static int64_t component(struct attribution *work, int64_t head)
{
	while (work->links[head].same_as != head)
		head = work->links[head].same_as = work->links[work->links[head].same_as].same_as;
	return head;
}

static bool fits(const struct attribution *work, int64_t one, int64_t server)
{
	const struct clew_spans *in = work->in;
	const struct link *link = &work->links[one];
	return link->first >= in->start[server] &&
		   (in->end[server] == CLEW_NEVER || (link->last <= in->whole[server] && link->first <= in->end[server]));
}

/* Whether two things can belong to one request: an owner known at both ends is the same, and both lie within it. */
static bool agree(struct attribution *work, int64_t one, int64_t owner)
{
	const int64_t known = work->links[one].owner;
	return owner == NONE || (known == NONE ? fits(work, one, owner) : known == owner);
}

static bool repeats(const struct attribution *work, int64_t head, int64_t client)
{
	int looked = 0;
	for (int64_t at = head; at != NONE && looked < CHAIN_MOST; at = work->links[at].next, looked++)
		if (work->in->name[at] == work->in->name[client])
			return true;
	return looked == CHAIN_MOST;
}

/* One is always followed by the other, and that always comes after it, or after something at once: nobody begins with
 * it. */
static bool both_ways(const struct attribution *work, uint64_t name, uint64_t next)
{
	return clew_habits_share(&work->asking, name, next, 0) >= FOLLOWS &&
		   (clew_habits_share(&work->asking, ~next, name, 0) >= FOLLOWS ||
			clew_habits_share(&work->asking, next ^ AT_ONCE, AT_ONCE, 0) >= NEVER_FIRST);
}

static void begin_chain(struct attribution *work, int64_t client)
{
	const struct clew_spans *in = work->in;
	const int64_t last = in->end[client] == CLEW_NEVER ? in->start[client] : in->end[client];
	work->links[client] = (struct link){.head = client,
										.tail = client,
										.next = NONE,
										.same_as = client,
										.owner = NONE,
										.fixed = NONE,
										.first = in->asked[client],
										.last = last};
}

static void lengthen_chain(struct attribution *work, int64_t head, int64_t client)
{
	const int64_t last = work->links[client].last;
	work->links[work->links[head].tail].next = client;
	work->links[head].tail = client;
	work->links[client].head = head;
	work->links[head].last = last > work->links[head].last ? last : work->links[head].last;
}

/* ---- the steps of event loops as inputs and outputs ---- */

static void add_output(struct web *web, const struct step *step, const struct thread_state *thread, bool queued)
{
	web->outputs[web->outputs_count++] = (struct output){.span = step->span,
														 .turn = thread->turn,
														 .since = clew_causal_recent(thread),
														 .latest = thread->latest,
														 .cause = NONE,
														 .answer = step->kind == STEP_ANSWERED,
														 .queued = queued,
														 .turns_told = thread->told_turns};
}

/* Whether a reply came in by the same call as what came in before it. */
static bool is_together(const struct attribution *work, int64_t before, const struct step *step)
{
	const struct clew_spans *in = work->in;
	return in->client[before] && step->kind == STEP_REPLIED && in->conn[before] == in->conn[step->span] &&
		   in->end[before] == in->end[step->span];
}

static bool add_step(struct web *web, const struct step *step, bool learning)
{
	struct attribution *work = web->work;
	const struct clew_spans *in = work->in;
	struct thread_state *thread = clew_causal_thread(work, step->thread);
	clew_causal_turn(thread, step);
	clew_causal_use(work, step);
	if (step->kind == STEP_UNKNOWN)
		thread->latest = NONE;
	if (step->span == NONE)
		return true;
	const bool client = in->client[step->span];
	struct conn_state *conn = &work->conns[in->conn[step->span]];
	const int64_t since = clew_causal_recent(thread);
	if (client && step->kind == STEP_SENT && work->shared[in->conn[step->span]]) {
		if (learning)
			return true;
		begin_chain(work, step->span);
		if (thread->interleaved)
			add_output(web, step, thread, false);
	} else if (client && step->kind == STEP_SENT) {
		const bool at_once = conn->freed != INT64_MIN && conn->freed >= since;
		if (learning)
			return conn->last_owner == NONE ||
				   (clew_habits_add(&work->asking, conn->last_name, in->name[step->span], 1) &&
					clew_habits_add(&work->asking, ~in->name[step->span], conn->last_name, 1) &&
					clew_habits_add(&work->asking, in->name[step->span] ^ AT_ONCE, at_once ? AT_ONCE : 0, 1));
		begin_chain(work, step->span);
		const int64_t head = conn->last_owner == NONE ? NONE : work->links[conn->last_owner].head;
		/* A loop that goes on as soon as something comes in goes on with that, not with what came in before. */
		const struct input *latest = thread->latest == NONE ? NULL : &web->inputs[thread->latest];
		const bool other = latest && latest->turn == thread->turn && latest->span != conn->last_owner;
		const bool always = head != NONE && at_once && !other && !repeats(work, head, step->span) &&
							both_ways(work, conn->last_name, in->name[step->span]);
		const bool kept = conn->held == 1 || (conn->held == 2 && at_once);
		const bool follows = head != NONE && (kept || always);
		if (follows)
			lengthen_chain(work, head, step->span);
		else if (thread->interleaved)
			add_output(web, step, thread, clew_causal_queued(work, in->conn[step->span], since));
	} else if (client) {
		conn->freed = step->ns;
		conn->last_owner = step->span;
		conn->last_name = in->name[step->span];
		conn->held = in->held[step->span];
	}
	if (learning || !thread->interleaved)
		return true;
	if (step->kind == STEP_ANSWERED)
		add_output(web, step, thread, false);
	if (step->kind == STEP_REPLIED || step->kind == STEP_RECEIVED) {
		const int32_t before = thread->latest, now = web->inputs_count++;
		const bool together = before != NONE && is_together(work, web->inputs[before].span, step);
		web->inputs[now] = (struct input){.span = step->span,
										  .turn = thread->turn,
										  .before = before,
										  .batch = together ? web->inputs[before].batch : now,
										  .received = !client};
		thread->latest = now;
	}
	return true;
}

static bool add_steps(struct web *web, int64_t steps, bool learning, int64_t group, int64_t state)
{
	struct attribution *work = web->work;
	work->group = state;
	clew_causal_reset_conns(work, group);
	clew_causal_look_at_threads(work, steps);
	for (int64_t i = 0; i < steps; i++)
		if (!add_step(web, &work->steps[i], learning))
			return false;
	return true;
}

/* ---- what led to what ---- */

static uint64_t kind_of(const struct web *web, const struct input *input)
{
	return clew_causal_mix(web->work->in->name[input->span] * 2 + input->received);
}

static uint64_t event_of(const struct web *web, const struct output *output, const struct input *input)
{
	const uint64_t name = output->answer ? 0 : web->work->in->name[output->span];
	return clew_causal_mix(name * 16 + (uint64_t)(output->turn - input->turn));
}

int64_t clew_web_owner(struct web *web, const struct input *input)
{
	struct attribution *work = web->work;
	if (input->received)
		return input->span;
	return work->links[component(work, work->links[input->span].head)].owner;
}

static int64_t owner_of(struct web *web, const struct output *output)
{
	struct attribution *work = web->work;
	return output->answer ? output->span : work->links[component(work, output->span)].owner;
}

bool clew_web_can_lead(struct web *web, const struct input *input, const struct output *output)
{
	struct attribution *work = web->work;
	const struct clew_spans *in = work->in;
	if (input->received) {
		if (output->answer)
			return input->span == output->span;
		const int64_t one = component(work, output->span);
		return agree(work, one, input->span);
	}
	if (work->links[work->links[input->span].head].tail != input->span || input->led_to)
		return false; /* in the midst of a chain, or it led to something else */
	const int64_t one = component(work, work->links[input->span].head), owner = owner_of(web, output);
	if (!agree(work, one, owner))
		return false;
	if (output->answer)
		return true;
	const int64_t other = component(work, output->span);
	return one != other && agree(work, other, work->links[one].owner) &&
		   in->start[output->span] >= work->links[one].first;
}

void clew_web_lead(struct web *web, int32_t cause, struct output *output)
{
	struct attribution *work = web->work;
	struct input *input = &web->inputs[cause];
	output->cause = cause;
	input->led_to++;
	if (input->received && output->answer)
		return;
	const int64_t one = component(work, input->received ? output->span : work->links[input->span].head);
	if (input->received) {
		work->links[one].owner = input->span;
	} else if (output->answer) {
		work->links[one].owner = output->span;
	} else {
		const int64_t other = component(work, output->span);
		struct link *kept = &work->links[one], *joined = &work->links[other];
		joined->same_as = one;
		kept->owner = kept->owner == NONE ? joined->owner : kept->owner;
		kept->first = joined->first < kept->first ? joined->first : kept->first;
		kept->last = joined->last > kept->last ? joined->last : kept->last;
	}
}

static double share_of(struct web *web, const struct input *input, const struct output *output, bool known)
{
	return known ? clew_habits_share(&web->flow, kind_of(web, input), event_of(web, output, input), 0.01) : 1;
}

/* The things that may have led to an output, the latest first. */
static int candidates(struct web *web, const struct output *output, int32_t found[static LOOKED_AT])
{
	int count = 0, looked = 0;
	for (int32_t at = output->latest; at != NONE && looked < LOOKED_AT; at = web->inputs[at].before, looked++) {
		const struct input *input = &web->inputs[at];
		if (output->turn - input->turn > TURNS || web->work->steps_ns[at] < output->since)
			break;
		if (clew_web_can_lead(web, input, output))
			found[count++] = at;
	}
	return count;
}

/* What follows what, after how many turns: each output counts for all that may have led to it, as far as they explain
 * it. */
static bool learn(struct web *web, struct habits *next, bool known)
{
	int32_t found[LOOKED_AT];
	double share[LOOKED_AT];
	for (int32_t i = 0; i < web->outputs_count && i < TAUGHT_BY; i++) {
		const struct output *output = &web->outputs[i];
		if (output->cause != NONE)
			continue;
		const int count = candidates(web, output, found);
		double all = output->queued ? 0.02 : 0.002; /* it may have waited in a queue */
		for (int k = 0; k < count; k++)
			all += share[k] = share_of(web, &web->inputs[found[k]], output, known);
		for (int k = 0; k < count; k++) {
			const struct input *input = &web->inputs[found[k]];
			const uint32_t weight = (uint32_t)(WHOLE * share[k] / all);
			if (weight && !clew_habits_add(next, kind_of(web, input), event_of(web, output, input), weight))
				return false;
		}
	}
	return true;
}

static bool learn_flow(struct web *web)
{
	for (int lesson = 0; lesson < LESSONS; lesson++) {
		struct habits next = {NULL, 0, 0};
		const bool done = learn(web, &next, lesson > 0);
		free(web->flow.slots);
		web->flow = next;
		if (!done)
			return false;
	}
	return true;
}

/* The first rounds decide what is clearly likelier than all else; these decisions leave less for the others. */
static void explain(struct web *web, struct output *output, int round)
{
	int32_t found[LOOKED_AT], cause = NONE;
	double best = 0, second = 0;
	if (output->queued)
		return; /* whoever waited longest */
	const int count = candidates(web, output, found);
	for (int k = 0; k < count; k++) {
		const double share = share_of(web, &web->inputs[found[k]], output, true);
		if (share > best) {
			second = best;
			best = share;
			cause = found[k];
		} else if (share > second) {
			second = share;
		}
	}
	static const double least[ROUNDS] = {0.3, 0.15}, better[ROUNDS] = {100, 30};
	if (cause != NONE && best >= least[round] && best >= second * better[round])
		clew_web_lead(web, cause, output);
}

/* Whether a reply is passed on while it still comes in. */
static bool passes_on(const struct web *web, const struct output *answer)
{
	const struct clew_spans *in = web->work->in;
	const int64_t last = web->work->spans[answer->span].given;
	if (last == NONE)
		return false;
	const int64_t tail = web->work->links[last].tail, now = in->end[answer->span];
	return in->whole[tail] <= now && in->end[tail] > now;
}

/* What came in just before, within a turn, is the cause; then an answer goes out in the turn of its own request. If it
 * goes out in that of a call that was not the first thing done in its turn, a clock or a file may have been the cause
 * of that call, and nothing is certain of either request. Sets the owner of each call as it would be, and `doubted` of
 * such requests. */
static void check_at_once(struct web *web, int64_t group)
{
	struct attribution *work = web->work;
	for (int64_t span = work->in->first[group]; span < work->in->first[group + 1]; span++)
		work->spans[span] = (struct span_state){.owner = NONE, .given = NONE};
	for (int32_t i = 0; i < web->outputs_count; i++) {
		const struct output *output = &web->outputs[i];
		struct input *input = output->latest == NONE ? NULL : &web->inputs[output->latest];
		if (!input || input->turn != output->turn || clew_web_in_batch(web, output))
			continue;
		const int64_t head = input->received ? NONE : work->links[input->span].head;
		const int64_t cause = input->received ? input->span : work->spans[head].owner;
		const bool first = !input->acted;
		input->acted = true;
		if (!output->answer) {
			const int64_t known = work->links[output->span].owner;
			const int64_t owner = known != NONE ? known : output->queued ? NONE : cause;
			if (owner == NONE || !clew_causal_within(work, output->span, owner))
				continue;
			work->spans[output->span].owner = owner;
			work->spans[output->span].certain = first || known != NONE;
			work->spans[owner].given = output->span;
		} else if (head != NONE && cause != NONE && cause != output->span && !work->spans[head].certain &&
				   !passes_on(web, output)) {
			work->spans[cause].doubted = work->spans[output->span].doubted = true;
		}
	}
}

static bool is_doubted(const struct web *web, const struct output *output)
{
	const int64_t likely = output->answer ? output->span : web->work->spans[output->span].owner;
	return likely != NONE && web->work->spans[likely].doubted;
}

/* What a clock may have led to is not told by what came in; what a batch led to not by the order of its parts. */
static bool stays_open(const struct web *web, const struct output *output)
{
	return output->clocked || (clew_web_in_batch(web, output) && web->inputs[output->latest].turn == output->turn);
}

/* What goes out right after something came in, within a turn, was caused by that. */
static void explain_at_once(struct web *web, int32_t which)
{
	struct output *output = &web->outputs[which];
	if (output->latest == NONE || output->queued || output->clocked || !output->turns_told)
		return;
	struct input *input = &web->inputs[output->latest];
	if (input->turn != output->turn)
		return;
	if (clew_web_in_batch(web, output)) {
		clew_web_settle_batch(web, which);
		return;
	}
	if (output->cause != NONE || is_doubted(web, output))
		return;
	const int32_t before = input->led_to;
	input->led_to = 0; /* it may lead to several */
	if (clew_web_can_lead(web, input, output))
		clew_web_lead(web, output->latest, output);
	input->led_to += before;
}

/* In order of time, so that it is known what each request waits for, as far as its calls are. What is known of an
 * answer goes back to what led to it: the next round knows more. */
static void explain_all_at_once(struct web *web, int64_t group)
{
	struct attribution *work = web->work;
	bool batches = false;
	for (int round = 0; round == 0 || (batches && round < ROUNDS_AT_ONCE); round++) {
		int32_t came = 0;
		for (int64_t span = work->in->first[group]; span < work->in->first[group + 1]; span++)
			work->spans[span].missing = 0;
		for (int32_t i = 0; i < web->outputs_count; i++) {
			const struct output *output = &web->outputs[i];
			for (; came < web->inputs_count && came <= output->latest; came++)
				if (!web->inputs[came].received && clew_web_owner(web, &web->inputs[came]) != NONE)
					work->spans[clew_web_owner(web, &web->inputs[came])].missing--;
			batches |= clew_web_in_batch(web, output);
			explain_at_once(web, i);
			const int64_t owner = output->answer ? NONE : owner_of(web, output);
			if (owner != NONE)
				work->spans[owner].missing++;
		}
	}
	for (int32_t i = 0; i < web->outputs_count; i++) {
		const struct output *output = &web->outputs[i];
		if (output->cause == NONE && !output->answer &&
			(output->latest == NONE || output->by_clocks || stays_open(web, output)))
			work->links[output->span].open = true;
	}
}

static bool is_plain(struct attribution *work, int64_t steps, int64_t group, int64_t state)
{
	work->group = state;
	clew_causal_look_at_threads(work, steps);
	for (int64_t i = 0; i < steps; i++)
		if (work->steps[i].kind == STEP_DONE || clew_causal_thread(work, work->steps[i].thread)->interleaved)
			return false;
	for (int64_t span = work->in->first[group]; span < work->in->first[group + 1]; span++)
		if (work->in->client[span])
			begin_chain(work, span);
	return true;
}

int64_t clew_causal_anchor(struct attribution *work, int64_t steps, int64_t group, int64_t state)
{
	struct web web = {.work = work};
	int64_t result = -ENOMEM;
	if (is_plain(work, steps, group, state))
		return 0;
	work->group = state + 4;
	if (clew_causal_share_conns(work, steps, group) < 0)
		return result;
	web.inputs = malloc((size_t)(steps + 1) * sizeof *web.inputs);
	web.outputs = malloc((size_t)(steps + 1) * sizeof *web.outputs);
	work->steps_ns = malloc((size_t)(steps + 1) * sizeof *work->steps_ns);
	if (!web.inputs || !web.outputs || !work->steps_ns)
		goto end;
	if (!add_steps(&web, steps, true, group, state + 1) || !add_steps(&web, steps, false, group, state + 2))
		goto end;
	for (int32_t i = 0; i < web.inputs_count; i++) {
		const int64_t span = web.inputs[i].span;
		work->steps_ns[i] = web.inputs[i].received ? work->in->start[span] : work->in->end[span];
	}
	if (!clew_web_find_clocks(&web))
		goto end;
	result = clew_causal_waiting(work, steps, group);
	if (result < 0)
		goto end;
	result = -ENOMEM;
	check_at_once(&web, group);
	explain_all_at_once(&web, group);
	if (!learn_flow(&web))
		goto end;
	for (int round = 0; round < ROUNDS; round++)
		for (int32_t i = web.outputs_count - 1; i >= 0; i--) /* from the last: what is known of the reply goes back */
			if (web.outputs[i].cause == NONE && !is_doubted(&web, &web.outputs[i]) &&
				!stays_open(&web, &web.outputs[i]))
				explain(&web, &web.outputs[i], round);
	work->group = state + 3;
	result = clew_causal_hand_back(work, steps);
	result = result < 0 ? result : 1;
end:
	free(web.inputs);
	free(web.outputs);
	free(work->steps_ns);
	free(web.flow.slots);
	return result;
}

int64_t clew_causal_anchored(struct attribution *work, int64_t client)
{
	const int64_t head = work->links[client].head, one = component(work, head);
	if (head != client && work->spans[head].owner != NONE)
		return work->spans[head].owner;
	return work->links[one].owner != NONE ? work->links[one].owner : work->spans[one].given;
}

void clew_causal_given(struct attribution *work, int64_t client, int64_t server)
{
	work->spans[component(work, work->links[client].head)].given = server;
}
