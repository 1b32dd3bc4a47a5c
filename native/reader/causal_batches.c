/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Several replies that came in by one call: what goes out after it was led to by one of them, in any order.
 *
 * A request that waits for nothing more does something in that turn. So if as many things go out as there are such
 * requests, each did one. What can have been led to by one thing only was led to by that, until nothing more follows;
 * the others stay open.
 */
#include "causal_web.h"

enum { MOST = 24, AHEAD = 256 /* outputs of other threads in between, at most */ };

struct batch {
	int32_t inputs[MOST], outputs[MOST];
	bool acts[MOST]; /* nothing is missing any more: it must have led to something */
	int inputs_count, outputs_count;
	bool one_each;
};

bool clew_web_in_batch(const struct web *web, const struct output *output)
{
	return output->latest != NONE && web->inputs[output->latest].batch != output->latest;
}

/* Whether a request that waits for nothing more got its last reply with this; inputs stand from the last one back. */
static bool must_act(struct web *web, const struct batch *batch, int at)
{
	const int64_t owner = clew_web_owner(web, &web->inputs[batch->inputs[at]]);
	if (owner == NONE || web->work->spans[owner].missing > 0)
		return false;
	for (int i = 0; i < at; i++)
		if (clew_web_owner(web, &web->inputs[batch->inputs[i]]) == owner)
			return false;
	return true;
}

/* Whether all replies are of requests that wait for nothing more. */
static bool all_act(struct web *web, const struct batch *batch)
{
	for (int i = 0; i < batch->inputs_count; i++) {
		const int64_t owner = clew_web_owner(web, &web->inputs[batch->inputs[i]]);
		if (owner == NONE || web->work->spans[owner].missing > 0)
			return false;
	}
	return true;
}

static bool gather(struct web *web, int32_t first, struct batch *batch)
{
	const struct output *one = &web->outputs[first];
	const int32_t latest = one->latest, begin = web->inputs[latest].batch;
	for (int32_t at = latest; at != NONE && at >= begin; at = web->inputs[at].before) {
		if (batch->inputs_count == MOST)
			return false;
		batch->inputs[batch->inputs_count++] = at;
	}
	for (int32_t i = first; i < web->outputs_count && i < first + AHEAD; i++) {
		const struct output *output = &web->outputs[i];
		if (output->latest != latest)
			continue;
		if (output->turn != one->turn || output->queued || batch->outputs_count == MOST)
			return false;
		batch->outputs[batch->outputs_count++] = i;
	}
	int acting = 0;
	for (int i = 0; i < batch->inputs_count; i++)
		acting += batch->acts[i] = must_act(web, batch, i);
	batch->one_each = acting == batch->outputs_count && all_act(web, batch);
	return true;
}

static bool is_able(struct web *web, const struct batch *batch, int input, int output)
{
	struct input *from = &web->inputs[batch->inputs[input]];
	const int32_t before = from->led_to;
	if (batch->one_each && (before || !batch->acts[input]))
		return false;
	from->led_to = 0; /* it may lead to several */
	const bool able = clew_web_can_lead(web, from, &web->outputs[batch->outputs[output]]);
	from->led_to = before;
	return able;
}

static bool lead(struct web *web, struct batch *batch, int input, int output)
{
	clew_web_lead(web, batch->inputs[input], &web->outputs[batch->outputs[output]]);
	return true;
}

/* The only input that can have led to an output. */
static bool settle_output(struct web *web, struct batch *batch, int output)
{
	int able = 0, which = 0;
	for (int i = 0; i < batch->inputs_count; i++)
		if (is_able(web, batch, i, output)) {
			which = i;
			able++;
		}
	return able == 1 && lead(web, batch, which, output);
}

/* The only output that an input can have led to, which led to one. */
static bool settle_input(struct web *web, struct batch *batch, int input)
{
	int able = 0, which = 0;
	if (!batch->acts[input] || web->inputs[batch->inputs[input]].led_to)
		return false;
	for (int i = 0; i < batch->outputs_count; i++)
		if (web->outputs[batch->outputs[i]].cause == NONE && is_able(web, batch, input, i)) {
			which = i;
			able++;
		}
	return able == 1 && lead(web, batch, input, which);
}

/* Whether something else went out before it that follows the same batch. */
static bool is_further(const struct web *web, int32_t output)
{
	for (int32_t i = output - 1; i >= 0 && i > output - AHEAD; i--)
		if (web->outputs[i].latest == web->outputs[output].latest)
			return true;
	return false;
}

void clew_web_settle_batch(struct web *web, int32_t first)
{
	struct batch batch = {.inputs_count = 0};
	bool changed = !is_further(web, first) && gather(web, first, &batch);
	while (changed) {
		changed = false;
		for (int i = 0; i < batch.outputs_count; i++)
			if (web->outputs[batch.outputs[i]].cause == NONE)
				changed |= settle_output(web, &batch, i);
		for (int i = 0; i < batch.inputs_count; i++)
			changed |= settle_input(web, &batch, i);
	}
}
