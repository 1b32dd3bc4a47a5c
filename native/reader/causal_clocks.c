/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What goes out because of a clock, or of anything else that is not seen to come in.
 *
 * In a turn of a loop in which nothing came in, what goes out has such a cause. What is seen to go out like that may do
 * so in any turn: after the last thing that came in. What goes out before something else comes in was led to by what
 * came in before it. A loop that is never idle has no such turns: there, what a clock leads to is told by its place,
 * for it goes out after the last of the things that came in more often than these would have it.
 */
#include <stdlib.h>

#include "causal_web.h"

static const double SOMETIMES = 0.01; /* share of what goes out of a kind */
static const double CLEARLY = 0.05, DEVIATIONS = 5;
enum { CERTAIN = 1000 };

struct causes {              /* by what goes out: how often .. */
	struct habits alone;     /* .. nothing came in in its turn */
	struct habits last;      /* .. of several things that did, none did after it */
	struct habits by_chance; /* .. that is so if each of these leads to as much as another */
};

static uint64_t kind_of(const struct web *web, const struct output *output)
{
	return clew_causal_mix(web->work->in->name[output->span] * 2 + output->answer);
}

/* Whether nothing came in in its turn; what still comes in has not begun, either. */
static bool is_alone(const struct web *web, const struct output *output, int64_t now)
{
	const struct input *latest = output->latest == NONE ? NULL : &web->inputs[output->latest];
	if (!output->turns_told || !latest || latest->turn == output->turn)
		return false;
	const int32_t next = latest->after;
	return next == NONE || web->inputs[next].received || web->work->in->whole[web->inputs[next].span] > now;
}

/* What came in by one call counts once. */
static void number_inputs(struct web *web)
{
	for (int32_t i = 0; i < web->inputs_count; i++) {
		struct input *input = &web->inputs[i];
		struct input *before = input->before == NONE ? NULL : &web->inputs[input->before];
		input->after = NONE;
		input->nth = 1;
		if (before)
			before->after = i;
		if (before && before->turn == input->turn)
			input->nth = before->nth + (input->batch == i);
	}
	for (int32_t i = web->inputs_count - 1; i >= 0; i--) {
		struct input *input = &web->inputs[i];
		const struct input *after = input->after == NONE ? NULL : &web->inputs[input->after];
		input->of = after && after->turn == input->turn ? after->of : input->nth;
	}
}

static bool is_last(const struct web *web, const struct output *output)
{
	const struct input *latest = output->latest == NONE ? NULL : &web->inputs[output->latest];
	return !latest || latest->turn != output->turn || latest->nth == latest->of;
}

static bool learn(struct web *web, struct causes *causes)
{
	const struct clew_spans *in = web->work->in;
	bool done = true;
	for (int32_t i = 0; i < web->outputs_count && done; i++) {
		const struct output *output = &web->outputs[i];
		const struct input *latest = output->latest == NONE ? NULL : &web->inputs[output->latest];
		const uint64_t kind = kind_of(web, output);
		const int64_t now = output->answer ? in->end[output->span] : in->asked[output->span];
		done = clew_habits_add(&causes->alone, kind, is_alone(web, output, now), 1);
		if (!done || !latest || latest->turn != output->turn || latest->of < 2)
			continue;
		const uint32_t chance = CERTAIN / (uint32_t)latest->of;
		done = clew_habits_add(&causes->last, kind, latest->nth == latest->of, 1) &&
			   clew_habits_add(&causes->by_chance, kind, 1, chance) &&
			   clew_habits_add(&causes->by_chance, kind, 0, CERTAIN - chance);
	}
	return done;
}

/* Whether it goes out after the last thing that came in more often than by chance. */
static bool is_often_last(const struct causes *causes, uint64_t kind)
{
	const double share = clew_habits_share(&causes->last, kind, 1, 0);
	const double chance = clew_habits_share(&causes->by_chance, kind, 1, 1);
	const double more = share - chance, seen = clew_habits_seen(&causes->last, kind);
	return more > CLEARLY && more * more * seen > DEVIATIONS * DEVIATIONS * chance * (1 - chance);
}

bool clew_web_find_clocks(struct web *web)
{
	struct causes causes = {{NULL, 0, 0}, {NULL, 0, 0}, {NULL, 0, 0}};
	number_inputs(web);
	const bool done = learn(web, &causes);
	for (int32_t i = 0; i < web->outputs_count && done; i++) {
		struct output *output = &web->outputs[i];
		const uint64_t kind = kind_of(web, output);
		output->by_clocks = output->turns_told &&
							(clew_habits_share(&causes.alone, kind, 1, 0) > SOMETIMES || is_often_last(&causes, kind));
		output->clocked = output->by_clocks && is_last(web, output);
		if (output->clocked && !output->answer)
			web->work->links[output->span].open = true;
	}
	free(causes.alone.slots);
	free(causes.last.slots);
	free(causes.by_chance.slots);
	return done;
}
