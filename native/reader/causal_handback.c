/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Workers that hand their results back: whose they were is told by the reply that goes out for each.
 *
 * A worker tells the thread that serves that a job is done (a byte in a pipe, an eventfd); that thread answers in the
 * order in which it was told. So the k-th hand-back belongs to the k-th answer; what the worker did since its last
 * hand-back was done for that request. Two that hand back at the same moment may be told in the other order, unless
 * their places in the queue are known: then the queue of jobs decides, which gives jobs out in the order in which
 * requests came in. It is believed only where all but a few jobs lie within the request that they are given to.
 */
#include <errno.h>
#include <stdlib.h>

#include "causal.h"

enum {
	TRUSTED = 50,       /* of so many jobs at most one may lie outside its request */
	SELDOM = 10,        /* of so many pairs of jobs at most one may be out of order */
	NEAR = 1000 * 1000, /* ns: hand-backs that may have changed places */
	NEIGHBOURS = 6,
	ROUNDS = 3,
};

struct job {
	int64_t first, count; /* calls, in the list of all */
	int64_t taken, done;  /* ns: when its worker was free for it, when it was handed back */
	int64_t server;       /* that it was done for */
	bool queued;          /* `done` is its place in the queue */
};

static bool is_worker(const struct thread_state *thread)
{
	return thread->calls && !thread->serves;
}

/* Jobs in the order in which they were handed back, each with the calls of its worker since the one before. */
static int64_t list_jobs(struct attribution *work, int64_t steps, struct job *jobs, int64_t *calls)
{
	int64_t made = 0, listed = 0;
	for (int64_t i = 0; i < steps; i++) {
		const struct step *step = &work->steps[i];
		struct thread_state *thread = clew_causal_thread(work, step->thread);
		if (!is_worker(thread)) {
			/* A job that was done before anybody waited for it is told by the thread that serves itself: whose, is not
			 * seen. */
			if (step->kind == STEP_DONE && thread->serves)
				jobs[made++] = (struct job){listed, 0, 0, step->ns, NONE, step->queued};
			continue;
		}
		thread->pending += step->kind == STEP_SENT;
		if (step->kind != STEP_DONE)
			continue;
		struct job *job = &jobs[made++];
		*job = (struct job){listed, 0, thread->handed_back, step->ns, NONE, step->queued};
		for (int64_t at = i - 1; at >= 0 && thread->pending; at--)
			if (work->steps[at].thread == step->thread && work->steps[at].kind == STEP_SENT) {
				calls[listed++] = work->steps[at].span;
				job->count++;
				thread->pending--;
			}
		thread->handed_back = step->ns;
	}
	return made;
}

static bool lies_within(const struct attribution *work, const struct job *job, const int64_t *calls, int64_t server)
{
	for (int64_t i = 0; i < job->count; i++)
		if (!clew_causal_within(work, calls[job->first + i], server))
			return false;
	return true;
}

/* Whether the queue gave these two out in the other order than the answers say, and that is the surer sign. */
static bool changed_places(const struct attribution *work, const struct job *one, const struct job *other)
{
	if (one->queued && other->queued)
		return false;
	const int64_t *came = work->in->start;
	const int64_t first = came[one->server] < came[other->server] ? came[one->server] : came[other->server];
	const int64_t a = one->taken > first ? one->taken : first, b = other->taken > first ? other->taken : first;
	return (a < b) != (came[one->server] < came[other->server]) && llabs(a - b) > other->done - one->done;
}

static void settle(struct attribution *work, struct job *jobs, int64_t count, const int64_t *calls)
{
	for (int round = 0; round < ROUNDS; round++)
		for (int64_t k = 0; k < count; k++)
			for (int64_t m = k + 1; m < count && m <= k + NEIGHBOURS && jobs[m].done - jobs[k].done < NEAR; m++) {
				struct job *one = &jobs[k], *other = &jobs[m];
				if (!changed_places(work, one, other) || !lies_within(work, one, calls, other->server) ||
					!lies_within(work, other, calls, one->server))
					continue;
				const int64_t server = one->server;
				one->server = other->server;
				other->server = server;
			}
}

/* Whether a job that began after another was for a request that came in after the other's, as a queue would have it. */
static bool in_order(const struct attribution *work, const struct job *jobs, int64_t count, const int64_t *calls)
{
	int64_t compared = 0, against = 0;
	for (int64_t k = 0; k < count; k++)
		for (int64_t m = k + 1; m < count && m <= k + NEIGHBOURS; m++) {
			if (!jobs[k].count || !jobs[m].count)
				continue;
			/* calls stand from the last one back */
			const int64_t one = work->in->start[calls[jobs[k].first + jobs[k].count - 1]];
			const int64_t other = work->in->start[calls[jobs[m].first + jobs[m].count - 1]];
			compared++;
			against += (one < other) != (work->in->start[jobs[k].server] < work->in->start[jobs[m].server]);
		}
	return against * SELDOM <= compared;
}

static void pair(struct attribution *work, int64_t steps, struct job *jobs, int64_t made, const int64_t *calls)
{
	int64_t taken = 0, real = 0, wrong = 0;
	/* The answer may be on its way before the worker's call that wakes the loop has begun: only the order counts. */
	for (int64_t i = 0; i < steps && taken < made; i++)
		if (work->steps[i].kind == STEP_ANSWERED)
			jobs[taken++].server = work->steps[i].span;
	for (int64_t k = 0; k < taken; k++) {
		real += jobs[k].count > 0;
		wrong += jobs[k].count && !lies_within(work, &jobs[k], calls, jobs[k].server);
	}
	if (!real || wrong * TRUSTED > real)
		return;
	settle(work, jobs, taken, calls);
	if (!in_order(work, jobs, taken, calls))
		return;
	for (int64_t k = 0; k < taken; k++)
		if (lies_within(work, &jobs[k], calls, jobs[k].server))
			for (int64_t i = 0; i < jobs[k].count; i++)
				work->links[calls[jobs[k].first + i]].fixed = jobs[k].server;
}

int64_t clew_causal_hand_back(struct attribution *work, int64_t steps)
{
	int64_t hand_backs = 0, sent = 0;
	for (int64_t i = 0; i < steps; i++) {
		struct thread_state *thread = clew_causal_thread(work, work->steps[i].thread);
		thread->calls += work->steps[i].kind == STEP_SENT;
		thread->serves |= work->steps[i].kind == STEP_RECEIVED || work->steps[i].kind == STEP_ANSWERED;
		hand_backs += work->steps[i].kind == STEP_DONE;
		sent += work->steps[i].kind == STEP_SENT;
	}
	if (!hand_backs || !sent)
		return 0;
	struct job *jobs = malloc((size_t)hand_backs * sizeof *jobs);
	int64_t *calls = malloc((size_t)sent * sizeof *calls), result = -ENOMEM;
	if (jobs && calls) {
		pair(work, steps, jobs, list_jobs(work, steps, jobs, calls), calls);
		result = 0;
	}
	free(jobs);
	free(calls);
	return result;
}
