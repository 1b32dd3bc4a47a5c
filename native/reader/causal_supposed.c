/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief One supposition of who waits for a connection: what each step changes, and who may have got a call.
 *
 * A loop goes on with a request as soon as something of it comes in. If the request then neither sends nor answers, it
 * waits. A connection that becomes free goes to whoever waits longest for one to that address, with all the tickets
 * that he took at once.
 */
#include "causal_waiting.h"

/* How unlikely things are: logarithms. */
static const double MORE = -0.8, ENOUGH = -0.6, NOT_AS_EVER = -4, KEPT = -1.6, ELSEWHERE = -2.5;
static const double STILL_MISSING = -3, NOT_ITS_TURN = -6, NOBODY_AWAKE = -1;

static int32_t way_of(struct scene *scene, uint64_t stage)
{
	uint64_t at = stage % (WAYS * 2);
	stage |= 1;
	while (scene->stages[at] && scene->stages[at] != stage)
		at = (at + 1) % (WAYS * 2);
	if (!scene->stages[at]) {
		if (scene->ways == WAYS)
			return 0;
		scene->stages[at] = stage;
		scene->way_of[at] = scene->ways++;
	}
	return scene->way_of[at];
}

static void begin_batch(struct scene *scene, struct waiting *request, int64_t woke)
{
	if (request->sent) {
		request->batches += request->batches < 8;
		request->stage = clew_causal_mix(request->name + clew_causal_mix(request->batch * 16 + request->batches));
	}
	request->batch = 0;
	request->sent = 0;
	request->closed = false;
	request->woke = woke;
	request->way = way_of(scene, request->stage);
}

void clew_supposed_arrive(struct scene *scene, struct supposition *one, int32_t request, uint64_t name)
{
	const uint64_t stage = clew_causal_mix(name + 1);
	one->requests[request] = (struct waiting){.name = stage, .stage = stage, .last_call = NONE, .open = true};
	begin_batch(scene, &one->requests[request], scene->step);
	one->awake = request;
}

void clew_supposed_close(struct scene *scene, struct supposition *one, int32_t request)
{
	struct waiting *of = &one->requests[request];
	if (of->way && of->sent)
		one->ways[of->way].asks = of->sent < 255 ? (uint8_t)of->sent : 255;
	of->closed = true;
	if (!of->missing)
		begin_batch(scene, of, of->rested);
}

static bool has_all(const struct supposition *one, const struct waiting *of)
{
	const uint8_t asks = one->ways[of->way].asks;
	return of->closed || (asks && of->sent >= asks);
}

void clew_supposed_reply(struct scene *scene, struct supposition *one, int32_t flight)
{
	const int32_t request = one->flights[flight];
	one->flights[flight] = NONE;
	one->awake = request;
	if (request == NONE)
		return;
	struct waiting *of = &one->requests[request];
	of->rested = scene->step;
	if (--of->missing == 0 && has_all(one, of))
		begin_batch(scene, of, scene->step);
}

void clew_supposed_give(struct scene *scene, struct supposition *one, const struct option *option,
						const struct call *call)
{
	one->score = option->score;
	if (one->awake != NONE && option->keeps != KEEPS_UNKNOWN && one->requests[one->awake].way)
		one->ways[one->requests[one->awake].way].keeping = option->keeps;
	if (option->closes != NONE)
		clew_supposed_close(scene, one, option->closes);
	if (call->flight != NONE)
		one->flights[call->flight] = option->request;
	if (option->request == NONE)
		return;
	struct waiting *of = &one->requests[option->request];
	if (of->sent && !of->missing && option->request == one->awake && !call->queued)
		clew_supposed_close(scene, one, option->request); /* what it does now is something new */
	if (!of->sent && of->way && one->ways[of->way].pool == NONE)
		one->ways[of->way].pool = call->pool;
	scene->nodes[scene->nodes_count % NODES] = (struct node){call->span, of->last_call, call->queued};
	of->last_call = scene->nodes_count++;
	of->calls += clew_causal_mix((uint64_t)call->span + 1);
	of->batch += clew_causal_mix(call->name);
	of->missing += call->replied;
	of->sent += of->sent < UINT16_MAX;
}

/* The connection on which a reply came in goes to somebody else: what he was given is exchanged. */
static void exchange(struct scene *scene, struct supposition *one, int32_t answered, int32_t other)
{
	const struct waiting *from = &one->requests[answered];
	struct waiting *to = &one->requests[other];
	to->doubted = true;
	for (int32_t flight = 0; from->missing && flight < scene->flights; flight++)
		if (one->flights[flight] == answered) {
			one->flights[flight] = other;
			to->missing++;
			to->closed = true;
			return;
		}
	to->woke = from->woke;
}

bool clew_supposed_answer(struct scene *scene, struct supposition *one, int32_t request)
{
	struct waiting *of = &one->requests[request];
	bool fits = one->awake == request && !of->missing;
	if (!fits) {
		one->score += one->awake == request ? STILL_MISSING : one->awake == NONE ? NOBODY_AWAKE : NOT_ITS_TURN;
		if (one->awake != NONE && one->awake != request)
			exchange(scene, one, request, one->awake);
	} else if (of->sent) { /* it may have had tickets left, but had not */
		const uint8_t asks = one->ways[of->way].asks;
		one->score += asks ? NOT_AS_EVER : 0;
		clew_supposed_close(scene, one, request);
	}
	for (int32_t flight = 0; of->missing && flight < scene->flights; flight++)
		if (one->flights[flight] == request)
			one->flights[flight] = NONE;
	of->open = false;
	if (one->awake == request)
		one->awake = NONE;
	return fits && !of->doubted;
}

/* Whether a request may have a ticket for a pool that has been full since step `full`. */
static bool may_wait(const struct supposition *one, const struct waiting *of, const struct call *call, int64_t full)
{
	if (!of->open || of->woke < full)
		return false;
	if (of->sent)
		return !has_all(one, of);
	const int32_t pool = one->ways[of->way].pool;
	return !of->missing && (pool == NONE || pool == call->pool);
}

/* Who comes first of those that wait, `but` left out. */
static int32_t first_of(const struct scene *scene, const struct supposition *one, const struct call *call, int64_t full,
						int32_t but)
{
	int32_t first = NONE;
	for (int32_t at = 0; at < scene->high; at++) {
		const struct waiting *of = &one->requests[at];
		if (at == but || (at == one->awake && !of->sent) || !may_wait(one, of, call, full))
			continue;
		if (first == NONE || (of->woke < one->requests[first].woke) != scene->newest_first)
			first = at;
	}
	return first;
}

int clew_supposed_options(const struct scene *scene, int of, const struct call *call, int64_t full,
						  struct option options[static 4])
{
	const struct supposition *one = &scene->all[of];
	const struct waiting *awake = one->awake == NONE ? NULL : &one->requests[one->awake];
	const struct option plain = {one->score, of, one->awake, NONE, KEEPS_UNKNOWN};
	options[0] = plain;
	const int32_t first = call->queued ? first_of(scene, one, call, full, NONE) : NONE;
	if (first == NONE) {
		options[0].score += awake ? 0 : NOBODY_AWAKE;
		return 1;
	}
	const uint8_t keeping = awake ? one->ways[awake->way].keeping : KEEPS_NOT;
	const bool ready = awake && first != one->awake && awake->open && !awake->missing && !awake->sent;
	const double passed_on = ready && keeping == KEEPS ? NOT_AS_EVER : 0;
	const uint8_t not_kept = ready ? KEEPS_NOT : KEEPS_UNKNOWN;
	const struct waiting *waits = &one->requests[first];
	const bool known = one->ways[waits->way].asks > 0;
	int count = 0;
	options[count] = plain;
	options[count].score += passed_on + (waits->sent && !known ? MORE : 0);
	options[count].keeps = not_kept;
	options[count++].request = first;
	if (waits->sent || scene->pools > 1) { /* it has no ticket left, or waits for something else */
		const int32_t next = first_of(scene, one, call, full, first);
		options[count] = plain;
		options[count].request = next == NONE ? one->awake : next;
		options[count].keeps = not_kept;
		options[count].closes = waits->sent ? first : NONE;
		options[count].score += passed_on + (!waits->sent ? ELSEWHERE : known ? NOT_AS_EVER : ENOUGH);
		count += options[count].request != NONE && options[count].request != first;
	}
	if (ready) {
		options[count] = plain;
		options[count].keeps = KEEPS;
		options[count++].score += keeping == KEEPS ? 0 : keeping == KEEPS_NOT ? NOT_AS_EVER : KEPT;
	}
	return count;
}
