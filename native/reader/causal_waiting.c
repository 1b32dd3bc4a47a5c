/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Requests that wait for a connection of a pool that is smaller than what they ask for at a time.
 *
 * Of a loop that goes on with a request as soon as something of it comes in, all is known but who gets a connection
 * that becomes free while others wait. A queue decides that; how many tickets requests take is learned from a part of
 * the recording, then everything is gone through once more. A request's calls are believed if its answer goes out when
 * it has the reply to the last of them, and nothing says otherwise; and none are if that is not so for nearly all.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "causal_waiting.h"

enum {
	SOME = 24,      /* suppositions in a lesson; if that is not enough, SUPPOSED */
	FEW = 16,       /* the same when ways are known */
	ENDED = 200,    /* requests, before it is said that none fits */
	TRUSTED = 10,   /* of so many requests at most one may not fit */
	KNOWN_LOOP = 8, /* turns in which several things came in, before it is said what a loop does */
	AT_ONCE = 4,    /* of so many such turns in one or more something went out in between */
	LOOPS = 16,     /* threads of a process that are looked at, at most: keeps the time linear */
};

struct pool_now {
	int32_t busy, most; /* connections in use, and at most */
	bool full;          /* all were, whenever the loop had done with something */
	int64_t since;      /* the step that this began with */
};

struct queue {
	struct scene scene;
	struct attribution *work;
	int64_t first; /* span of the group */
	int32_t thread;
	int32_t *places;       /* by span: of a request, or of a call */
	int32_t *free_request; /* [REQUESTS] */
	int32_t *free_flight;  /* [FLIGHTS] */
	int32_t free_requests, free_flights;
	int32_t *in_use; /* by connection: calls without a reply */
	struct pool_now *pools;
	uint8_t *short_of; /* by pool: its number below POOLS */
	int64_t *owner;    /* by span: NONE, or of a request that fits */
	bool *queued;
	int32_t freed; /* connection whose reply is being dealt with */
	int32_t full;  /* pools */
	int64_t fits, ended;
	bool asked; /* something was, since something came in */
	bool overflow;
};

static bool is_head(const struct queue *queue, int64_t span)
{
	return queue->work->links[span].head == span;
}

static bool is_tail(const struct queue *queue, int64_t span)
{
	return queue->work->links[queue->work->links[span].head].tail == span;
}

static int32_t *place_of(const struct queue *queue, int64_t span)
{
	return &queue->places[span - queue->first];
}

static struct pool_now *pool_of(const struct queue *queue, int64_t span)
{
	return &queue->pools[queue->work->in->pool[queue->work->in->conn[span]]];
}

static void use(const struct queue *queue, int64_t span)
{
	struct pool_now *pool = pool_of(queue, span);
	pool->busy += queue->in_use[queue->work->in->conn[span]]++ == 0;
	pool->most = pool->busy > pool->most ? pool->busy : pool->most;
}

static void release(const struct queue *queue, int64_t span)
{
	pool_of(queue, span)->busy -= --queue->in_use[queue->work->in->conn[span]] == 0;
}

static bool is_replied(const struct queue *queue, int64_t head)
{
	const struct clew_spans *in = queue->work->in;
	const int64_t tail = queue->work->links[head].tail;
	return in->end[tail] != CLEW_NEVER && in->end_thread[tail] == queue->thread;
}

/* How many connections are in use at most. */
static void measure_pools(struct queue *queue, int64_t steps)
{
	const struct attribution *work = queue->work;
	for (int64_t i = 0; i < steps; i++) {
		const struct step *step = &work->steps[i];
		if (step->thread != queue->thread)
			continue;
		if (step->kind == STEP_SENT && is_head(queue, step->span) && is_replied(queue, step->span))
			use(queue, step->span);
		else if (step->kind == STEP_REPLIED && is_tail(queue, step->span) &&
				 is_replied(queue, work->links[step->span].head))
			release(queue, step->span);
	}
	for (int64_t pool = 0; pool < work->in->conns; pool++) {
		queue->scene.pools += queue->pools[pool].most > 0;
		const int32_t count = queue->scene.pools < POOLS ? queue->scene.pools : POOLS;
		queue->short_of[pool] = (uint8_t)(count > 0 ? count - 1 : 0);
	}
}

static int32_t take_place(struct queue *queue, int32_t *free, int32_t *count, int32_t *high, int32_t most)
{
	if (*count)
		return free[--*count];
	if (*high == most) {
		queue->overflow = true;
		return NONE;
	}
	return (*high)++;
}

/* What came in has been dealt with. */
static void finish(struct queue *queue)
{
	struct scene *scene = &queue->scene;
	if (queue->freed != NONE) {
		struct pool_now *pool = &queue->pools[queue->work->in->pool[queue->freed]];
		if (pool->full && pool->busy < pool->most) {
			pool->full = false;
			if (!--queue->full)
				scene->waits = INT64_MAX;
		}
	}
	if (queue->asked && !queue->full) /* who would have asked for more, could have */
		for (int i = 0; i < scene->count; i++) {
			const int32_t awake = scene->all[i].awake;
			if (awake != NONE && scene->all[i].requests[awake].open && scene->all[i].requests[awake].sent)
				clew_supposed_close(scene, &scene->all[i], awake, true);
		}
	queue->freed = NONE;
	queue->asked = false;
	for (int i = 0; i < scene->count; i++)
		scene->all[i].awake = NONE;
}

static void receive(struct queue *queue, int64_t span)
{
	struct scene *scene = &queue->scene;
	const int32_t request = take_place(queue, queue->free_request, &queue->free_requests, &scene->high, REQUESTS);
	*place_of(queue, span) = request;
	for (int i = 0; i < scene->count && request != NONE; i++)
		clew_supposed_arrive(scene, &scene->all[i], request, queue->work->in->name[span]);
}

static void get_reply(struct queue *queue, int64_t span)
{
	struct scene *scene = &queue->scene;
	const int64_t head = queue->work->links[span].head;
	const int32_t flight = *place_of(queue, head);
	if (flight == NONE)
		return;
	for (int i = 0; i < scene->count; i++)
		if (is_tail(queue, span))
			clew_supposed_reply(scene, &scene->all[i], flight);
		else
			scene->all[i].awake = scene->all[i].flights[flight];
	if (!is_tail(queue, span))
		return;
	*place_of(queue, head) = NONE;
	queue->free_flight[queue->free_flights++] = flight;
	queue->freed = queue->work->in->conn[span];
	release(queue, span);
}

static void send(struct queue *queue, int64_t span)
{
	struct scene *scene = &queue->scene;
	const struct clew_spans *in = queue->work->in;
	struct pool_now *pool = pool_of(queue, span);
	if (!is_head(queue, span))
		return;
	struct call call = {.span = span,
						.name = in->name[span],
						.pool = queue->short_of[in->pool[in->conn[span]]],
						.flight = NONE,
						.queued = pool->full && queue->freed == in->conn[span],
						.replied = is_replied(queue, span)};
	if (call.replied) {
		call.flight = take_place(queue, queue->free_flight, &queue->free_flights, &scene->flights, FLIGHTS);
		*place_of(queue, span) = call.flight;
		if (call.flight != NONE)
			scene->calls[call.flight] = queue->work->links[span].tail;
		use(queue, span);
	}
	if (pool->busy >= pool->most && !pool->full) {
		pool->full = true;
		if (!queue->full++)
			scene->waits = scene->woke;
		pool->since = scene->woke;
	}
	if (call.queued)
		queue->freed = NONE;
	else
		queue->asked = true;
	clew_suppose_give(scene, &call, pool->since);
}

static void answer(struct queue *queue, int64_t span)
{
	struct scene *scene = &queue->scene;
	const struct attribution *work = queue->work;
	const int32_t request = *place_of(queue, span);
	bool fits;
	if (request == NONE)
		return;
	*place_of(queue, span) = NONE;
	queue->free_request[queue->free_requests++] = request;
	const int64_t calls = clew_suppose_answer(scene, request, &fits);
	queue->ended++;
	queue->fits += fits;
	for (int64_t node = calls; node != NONE && node + NODES >= scene->nodes_count;) {
		const struct node *at = &scene->nodes[node % NODES];
		if (clew_causal_within(work, at->call, span)) {
			queue->owner[at->call - queue->first] = span;
			queue->queued[at->call - queue->first] = at->queued;
		}
		node = at->before;
	}
}

static void begin(struct queue *queue, int64_t spans)
{
	struct scene *scene = &queue->scene;
	for (int64_t i = 0; i < spans; i++)
		queue->places[i] = NONE;
	for (int64_t i = 0; i < spans; i++)
		queue->owner[i] = NONE;
	memset(queue->in_use, 0, (size_t)queue->work->in->conns * sizeof *queue->in_use);
	for (int64_t i = 0; i < queue->work->in->conns; i++)
		queue->pools[i] = (struct pool_now){.most = queue->pools[i].most};
	int best = 0;
	for (int i = 1; i < scene->count; i++)
		best = scene->all[i].score > scene->all[best].score ? i : best;
	const struct supposition kept = scene->all[best];
	scene->all[best] = scene->all[0];
	scene->all[0] = kept;
	scene->all[0].awake = NONE;
	scene->all[0].score = 0;
	scene->count = 1;
	scene->high = scene->flights = 0;
	scene->nodes_count = 0;
	queue->free_requests = queue->free_flights = 0;
	queue->freed = NONE;
	queue->asked = false;
	queue->full = 0;
	scene->waits = INT64_MAX;
	queue->fits = queue->ended = 0;
}

static void forget_ways(struct scene *scene)
{
	memset(scene->stages, 0, WAYS * 2 * sizeof *scene->stages);
	scene->ways = 1;
	scene->count = 1;
	for (int i = 0; i < SUPPOSED; i++)
		for (int way = 0; way < WAYS; way++)
			scene->all[i].ways[way] = (struct way){{0}, 0, 0, false, 0};
}

/* What was not seen while there was nothing to wait for may not be so. */
static void forget_unsure(struct scene *scene)
{
	for (int i = 0; i < scene->count; i++)
		for (int way = 0; way < scene->ways; way++)
			if (scene->all[i].ways[way].asked != SURE)
				scene->all[i].ways[way] = (struct way){{0}, 0, 0, false, 0};
}

/* Nothing that came later would be told right. */
static bool is_lost(const struct queue *queue)
{
	return queue->overflow || (queue->ended >= ENDED && queue->fits * 2 < queue->ended);
}

static bool go_through(struct queue *queue, int64_t steps, int64_t spans)
{
	const struct attribution *work = queue->work;
	begin(queue, spans);
	for (int64_t i = 0; i < steps && !is_lost(queue); i++) {
		const struct step *step = &work->steps[i];
		const bool elsewhere = step->thread != queue->thread;
		if (step->kind == STEP_DONE || (elsewhere && step->kind != STEP_ANSWERED))
			continue;
		queue->scene.step = i;
		if (step->kind != STEP_SENT && step->kind != STEP_ANSWERED) {
			finish(queue);
			queue->scene.woke = i;
		}
		if (step->kind == STEP_RECEIVED)
			receive(queue, step->span);
		else if (step->kind == STEP_REPLIED)
			get_reply(queue, step->span);
		else if (step->kind == STEP_SENT)
			send(queue, step->span);
		else if (step->kind == STEP_ANSWERED)
			answer(queue, step->span);
	}
	return !is_lost(queue) && (queue->ended - queue->fits) * TRUSTED <= queue->ended;
}

static bool make(struct queue *queue, int64_t spans)
{
	struct scene *scene = &queue->scene;
	const size_t conns = (size_t)queue->work->in->conns + 1;
	bool made = true;
	for (int i = 0; i < SUPPOSED; i++) {
		struct supposition *one = &scene->all[i];
		one->requests = calloc(REQUESTS, sizeof *one->requests);
		one->flights = calloc(FLIGHTS, sizeof *one->flights);
		one->ways = calloc(WAYS, sizeof *one->ways);
		made &= one->requests && one->flights && one->ways;
	}
	scene->stages = calloc(WAYS * 2, sizeof *scene->stages);
	scene->way_of = calloc(WAYS * 2, sizeof *scene->way_of);
	scene->calls = calloc(FLIGHTS, sizeof *scene->calls);
	scene->nodes = malloc(NODES * sizeof *scene->nodes);
	queue->places = calloc((size_t)spans + 1, sizeof *queue->places);
	queue->owner = calloc((size_t)spans + 1, sizeof *queue->owner);
	queue->queued = calloc((size_t)spans + 1, sizeof *queue->queued);
	queue->free_request = calloc(REQUESTS, sizeof *queue->free_request);
	queue->free_flight = calloc(FLIGHTS, sizeof *queue->free_flight);
	queue->in_use = calloc(conns, sizeof *queue->in_use);
	queue->pools = calloc(conns, sizeof *queue->pools);
	queue->short_of = calloc(conns, sizeof *queue->short_of);
	return made && scene->stages && scene->way_of && scene->nodes && scene->calls && queue->places && queue->owner &&
		   queue->queued && queue->free_request && queue->free_flight && queue->in_use && queue->pools &&
		   queue->short_of;
}

static void unmake(struct queue *queue)
{
	for (int i = 0; i < SUPPOSED; i++) {
		free(queue->scene.all[i].requests);
		free(queue->scene.all[i].flights);
		free(queue->scene.all[i].ways);
	}
	free(queue->scene.stages);
	free(queue->scene.way_of);
	free(queue->scene.calls);
	free(queue->scene.nodes);
	free(queue->places);
	free(queue->owner);
	free(queue->queued);
	free(queue->free_request);
	free(queue->free_flight);
	free(queue->in_use);
	free(queue->pools);
	free(queue->short_of);
}

static void find(struct queue *queue, int64_t steps, int64_t spans)
{
	static const int64_t lessons[] = {20000, 8000}; /* steps; the more suppositions, the fewer */
	struct scene *scene = &queue->scene;
	measure_pools(queue, steps);
	for (int newest_first = 0; newest_first < 2; newest_first++) {
		scene->newest_first = newest_first;
		queue->overflow = false;
		forget_ways(scene);
		scene->most = SOME;
		bool learned = go_through(queue, steps < lessons[0] ? steps : lessons[0], spans);
		if (!learned) {
			forget_unsure(scene);
			scene->most = SUPPOSED;
			learned = go_through(queue, steps < lessons[1] ? steps : lessons[1], spans);
		}
		scene->most = FEW;
		if (!learned || !go_through(queue, steps, spans))
			continue;
		for (int64_t i = 0; i < spans; i++)
			if (queue->owner[i] != NONE) {
				struct link *link = &queue->work->links[queue->first + i];
				link->owner = queue->owner[i];
				link->queued = queue->queued[i];
			}
		return;
	}
}

/* Whether threads go on with something as soon as it comes in: then what goes out stands between what comes in. */
static void look_at_loops(struct attribution *work, int64_t steps)
{
	for (int64_t i = 0; i < steps; i++) {
		const struct step *step = &work->steps[i];
		struct thread_state *thread = clew_causal_thread(work, step->thread);
		if (step->kind == STEP_SENT || step->kind == STEP_ANSWERED) {
			thread->sent_now = true;
			thread->shares |= step->kind == STEP_SENT && work->shared[work->in->conn[step->span]];
			thread->after_now |= thread->came_now > 0;
		} else if (step->kind == STEP_REPLIED || step->kind == STEP_RECEIVED) {
			thread->came_now++;
			thread->between_now |= thread->after_now;
		} else if (step->kind != STEP_DONE && step->kind != STEP_UNKNOWN) {
			thread->several += thread->came_now > 1 && thread->sent_now;
			thread->between += thread->came_now > 1 && thread->between_now;
			thread->came_now = 0;
			thread->sent_now = thread->after_now = thread->between_now = false;
		}
	}
}

static int64_t look_at_queue(struct attribution *work, int64_t steps, int64_t group, int32_t thread)
{
	struct queue queue = {.work = work, .first = work->in->first[group], .thread = thread, .scene = {.work = work}};
	const int64_t spans = work->in->first[group + 1] - queue.first;
	const bool made = make(&queue, spans);
	if (made)
		find(&queue, steps, spans);
	unmake(&queue);
	return made ? 0 : -ENOMEM;
}

int64_t clew_causal_waiting(struct attribution *work, int64_t steps, int64_t group)
{
	look_at_loops(work, steps);
	int looked = 0;
	for (int64_t i = 0; i < steps && looked < LOOPS; i++) {
		struct thread_state *thread = clew_causal_thread(work, work->steps[i].thread);
		if (work->steps[i].kind != STEP_SENT || thread->shares || thread->several < KNOWN_LOOP ||
			thread->between * AT_ONCE < thread->several)
			continue;
		thread->several = 0; /* it has been looked at */
		looked++;
		const int64_t error = look_at_queue(work, steps, group, work->steps[i].thread);
		if (error)
			return error;
	}
	return 0;
}
