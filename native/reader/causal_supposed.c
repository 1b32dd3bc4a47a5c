/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief One supposition of who waits for a connection: what each step changes, and who may have got a call.
 *
 * A loop goes on with a request as soon as something of it comes in. If the request then neither sends nor answers, it
 * waits. A connection that becomes free goes to whoever waits longest for one to that address, with all the tickets
 * that he took at once.
 */
#include <string.h>

#include "causal_waiting.h"

/* How unlikely things are: logarithms. */
static const double MORE = -0.8, ENOUGH = -0.6, NOT_AS_EVER = -4, NOT_AS_LAST = -2, KEPT = -1.6;
static const double ELSEWHERE = -2.5, NOWHERE = -6, OUT_OF_TURN = -8;
static const double PAUSED = -3.5, PAUSED_AGAIN = -0.7, BY_ITSELF = -5, NOT_AWAKE = -1.5;
static const double STILL_MISSING = -3, NOT_ITS_TURN = -6, NOBODY_AWAKE = -1;

static bool is_known(const struct way *way)
{
	return way->asked > 0;
}

static double otherwise(const struct way *way)
{
	return way->asked >= STEADY ? NOT_AS_EVER : NOT_AS_LAST;
}

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
	memset(request->sent_to, 0, sizeof request->sent_to);
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

void clew_supposed_close(struct scene *scene, struct supposition *one, int32_t request, bool sure)
{
	struct waiting *of = &one->requests[request];
	struct way *way = &one->ways[of->way];
	if (of->way && of->sent) {
		const bool same = memcmp(way->asks, of->sent_to, sizeof way->asks) == 0;
		memcpy(way->asks, of->sent_to, sizeof way->asks);
		way->asked = !same ? (way->asked < STEADY ? 1 : 0) : way->asked;
		way->asked = sure ? SURE : way->asked < STEADY ? way->asked + 1 : way->asked;
	}
	of->closed = true;
	if (!of->missing)
		begin_batch(scene, of, of->rested);
}

static bool has_all(const struct supposition *one, const struct waiting *of)
{
	const struct way *way = &one->ways[of->way];
	bool all = is_known(way);
	for (int pool = 0; pool < POOLS; pool++)
		all &= of->sent_to[pool] >= way->asks[pool];
	return of->closed || all;
}

/* Passed over: it has no ticket left, or waits for something else. */
static void skip(struct scene *scene, struct supposition *one, int32_t request, int32_t pool)
{
	struct waiting *of = &one->requests[request];
	if (of->sent)
		clew_supposed_close(scene, one, request, false);
	else if (of->way)
		one->ways[of->way].never |= (uint8_t)(1 << pool);
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
	if (option->keeps == KEEPS && one->requests[one->awake].sent)
		clew_supposed_close(scene, one, one->awake, false);
	if (one->awake != NONE && option->keeps != KEEPS_UNKNOWN && one->requests[one->awake].way)
		one->ways[one->requests[one->awake].way].keeping = option->keeps;
	for (int i = 0; i < SKIPPED; i++)
		if (option->skips[i] != NONE)
			skip(scene, one, option->skips[i], call->pool);
	if (call->flight != NONE)
		one->flights[call->flight] = option->request;
	if (option->request == NONE)
		return;
	struct waiting *of = &one->requests[option->request];
	one->ways[of->way].pauses |= option->paused && of->way;
	if (of->sent && !of->missing && option->request == one->awake && !call->queued)
		clew_supposed_close(scene, one, option->request, false); /* what it does now is something new */
	if (!of->sent && of->way)
		one->ways[of->way].never &= (uint8_t)~(1 << call->pool);
	scene->nodes[scene->nodes_count % NODES] = (struct node){call->span, of->last_call, call->queued};
	of->last_call = scene->nodes_count++;
	of->calls += clew_causal_mix((uint64_t)call->span + 1);
	of->batch += clew_causal_mix(call->name);
	of->missing += call->replied;
	of->sent += of->sent < UINT16_MAX;
	of->sent_to[call->pool] += of->sent_to[call->pool] < UINT8_MAX;
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

/* A reply may be passed on while it still comes in. */
static bool passes_on(const struct scene *scene, const struct supposition *one, int32_t request)
{
	const struct attribution *work = scene->work;
	const int64_t now = work->steps[scene->step].ns;
	int32_t begun = 0;
	for (int32_t flight = 0; one->requests[request].missing && flight < scene->flights; flight++)
		begun += one->flights[flight] == request && work->in->whole[scene->calls[flight]] <= now;
	return begun && begun == one->requests[request].missing;
}

bool clew_supposed_answer(struct scene *scene, struct supposition *one, int32_t request)
{
	struct waiting *of = &one->requests[request];
	bool fits = one->awake == request && !of->missing;
	if (passes_on(scene, one, request)) {
		fits = true;
	} else if (one->awake != request && !of->missing && !of->sent && one->ways[of->way].pauses) {
		one->score += BY_ITSELF;
	} else if (!fits) {
		one->score += one->awake == request ? STILL_MISSING : one->awake == NONE ? NOBODY_AWAKE : NOT_ITS_TURN;
		if (one->awake != NONE && one->awake != request)
			exchange(scene, one, request, one->awake);
	} else if (of->sent) { /* it may have had tickets left, but had not */
		const struct way *way = &one->ways[of->way];
		one->score += is_known(way) ? otherwise(way) : 0;
		clew_supposed_close(scene, one, request, false);
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
static bool may_wait(const struct supposition *one, const struct waiting *of, int32_t pool, int64_t full)
{
	const struct way *way = &one->ways[of->way];
	if (!of->open || of->closed || of->woke < full)
		return false;
	if (is_known(way) && of->sent_to[pool] < way->asks[pool])
		return of->sent || (!of->missing && !way->pauses);
	if (way->pauses && !of->sent)
		return false;
	if (of->sent)
		return !is_known(way) || (of->missing && way->asked < STEADY);
	return !of->missing && !is_known(way) && !(way->never >> pool & 1);
}

/* Who comes next of those that wait, after `before`. */
static int32_t next_of(const struct scene *scene, const struct supposition *one, int32_t pool, int64_t full,
					   int32_t before)
{
	const int64_t from = before == NONE ? 0 : one->requests[before].woke;
	int32_t next = NONE;
	for (int32_t at = 0; at < scene->high; at++) {
		const struct waiting *of = &one->requests[at];
		if (at == before || (at == one->awake && !of->sent) || !may_wait(one, of, pool, full))
			continue;
		if (before != NONE && (of->woke > from) == scene->newest_first)
			continue;
		if (next == NONE || (of->woke < one->requests[next].woke) != scene->newest_first)
			next = at;
	}
	return next;
}

/* How likely it is that a request that may wait takes one more ticket, or (not `more`) that it does not. */
static double chance(const struct scene *scene, const struct supposition *one, const struct waiting *of, int32_t pool,
					 bool more)
{
	const struct way *way = &one->ways[of->way];
	if (!is_known(way))
		return of->sent ? (more ? MORE : ENOUGH) : more ? 0 : scene->pools > 1 ? ELSEWHERE : NOWHERE;
	if (of->sent_to[pool] >= way->asks[pool])
		return more ? otherwise(way) : 0;
	return more ? 0 : of->sent ? otherwise(way) : OUT_OF_TURN;
}

/* Requests that have all they asked for, and did nothing since: they may go on by themselves. */
static int resting_options(const struct scene *scene, const struct option *plain, struct option *options)
{
	const struct supposition *one = &scene->all[plain->of];
	const struct waiting *awake = one->awake == NONE ? NULL : &one->requests[one->awake];
	const bool fresh = awake && awake->open && !awake->missing && !awake->sent;
	int count = 0;
	for (int32_t at = 0; at < scene->high && count < RESTING; at++) {
		const struct waiting *of = &one->requests[at];
		const struct way *way = &one->ways[of->way];
		if (!of->open || of->missing || of->sent || at == one->awake || (of->woke >= scene->waits && !way->pauses))
			continue;
		options[count] = *plain;
		options[count].request = at;
		options[count].paused = true;
		options[count++].score += (way->pauses ? PAUSED_AGAIN : PAUSED) + (fresh ? NOT_AWAKE : 0);
	}
	return count;
}

int clew_supposed_options(const struct scene *scene, int of, const struct call *call, int64_t full,
						  struct option options[static OPTIONS])
{
	const struct supposition *one = &scene->all[of];
	const struct waiting *awake = one->awake == NONE ? NULL : &one->requests[one->awake];
	const bool ready = awake && awake->open && !awake->missing, fresh = ready && !awake->sent;
	const uint8_t keeping = fresh ? one->ways[awake->way].keeping : KEEPS_UNKNOWN;
	const struct option plain = {one->score, of, NONE, {NONE, NONE}, false, KEEPS_UNKNOWN};
	struct option option = plain;
	int count = 0;
	bool nobody = !call->queued;
	for (int32_t next = NONE; !nobody && count <= SKIPPED; count++) {
		next = next_of(scene, one, call->pool, full, next);
		nobody = next == NONE;
		if (nobody)
			break;
		const struct waiting *waits = &one->requests[next];
		options[count] = option;
		options[count].request = next;
		options[count].score += chance(scene, one, waits, call->pool, true) + (keeping == KEEPS ? NOT_AS_EVER : 0);
		options[count].keeps = fresh ? KEEPS_NOT : KEEPS_UNKNOWN;
		const double passed = chance(scene, one, waits, call->pool, false);
		option.score += passed;
		if (passed <= OUT_OF_TURN || count == SKIPPED) {
			count++;
			break;
		}
		option.skips[count] = next;
	}
	if (nobody) {
		options[count] = option;
		options[count].request = one->awake;
		options[count++].score += awake ? 0 : NOBODY_AWAKE;
	}
	if (count > nobody && ready) { /* somebody waits, yet the connection is kept */
		options[count] = plain;
		options[count].request = one->awake;
		options[count].keeps = KEEPS;
		options[count].score += keeping == KEEPS ? 0 : keeping == KEEPS_NOT ? NOT_AS_EVER : KEPT;
		options[count++].score += awake->sent ? ENOUGH : 0;
	}
	return count + resting_options(scene, &plain, options + count);
}
