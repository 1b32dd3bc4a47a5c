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
 *
 * A job that was done before anybody waited for it is told by the thread that serves itself. Which worker's it was is
 * told by what requests of that name ask for, if one alone did just that; else what these workers did stays open.
 */
#include <errno.h>
#include <stdlib.h>

#include "causal.h"

enum {
	TRUSTED = 50,       /* of so many jobs at most one may lie outside its request */
	SELDOM = 10,        /* of so many pairs of jobs at most one may be out of order */
	NEAR = 1000 * 1000, /* ns: hand-backs that may have changed places */
	SOON = 50 * 1000,   /* ns: between what a worker puts in a list and what it then tells of it */
	NEIGHBOURS = 6,
	ROUNDS = 3,
	WORKERS = 256, /* that are looked at for a job that no worker handed back, at most */
};
static const double USUAL = 0.2; /* share of the requests of a name */
static const double CLEAR = 4;   /* times as likely */

struct job {
	int64_t first, count; /* calls, in the list of all */
	int64_t taken, done;  /* ns: when its worker was free for it, when it was handed back */
	int64_t server;       /* that it was done for */
	uint64_t did;         /* the names of its calls, in order */
	bool queued;          /* `done` is its place in the queue */
	bool mixed;           /* some of its calls may be another's */
};

struct jobs {
	struct job *all;
	int64_t count;
	int64_t *calls; /* of one job they stand from the last one back */
	int64_t listed;
	int32_t workers[WORKERS];
	int workers_count;
	struct habits habits; /* what jobs for requests of a name call, in order */
};

static bool is_worker(const struct thread_state *thread)
{
	return thread->calls && !thread->serves;
}

static void note_call(struct jobs *jobs, const struct attribution *work, struct thread_state *thread,
					  const struct step *step)
{
	if (!thread->pending++) {
		thread->first_pending = step->ns;
		thread->unreplied = 0;
		thread->did = thread->did_before = 0;
	}
	if (!thread->handed_back && thread->pending == 1 && jobs->workers_count < WORKERS)
		jobs->workers[jobs->workers_count++] = step->thread;
	thread->unreplied += work->in->end[step->span] != CLEW_NEVER;
	thread->did_before = thread->did;
	thread->did = clew_causal_mix(thread->did + work->in->name[step->span]);
}

static void note_reply(const struct attribution *work, struct thread_state *thread, int64_t client)
{
	if (thread->pending && work->in->asked[client] >= thread->first_pending)
		thread->unreplied--;
}

/* A job is done: the calls of `worker` since the one before were made for it. */
static void take_calls(struct jobs *jobs, struct attribution *work, int64_t step, int32_t worker)
{
	struct thread_state *thread = clew_causal_thread(work, worker);
	struct job *job = &jobs->all[jobs->count - 1];
	job->taken = thread->handed_back;
	job->mixed = thread->mixed;
	job->did = thread->pending ? thread->did : 0;
	for (int64_t at = step - 1; at >= 0 && thread->pending; at--)
		if (work->steps[at].thread == worker && work->steps[at].kind == STEP_SENT) {
			jobs->calls[jobs->listed++] = work->steps[at].span;
			job->count++;
			thread->pending--;
		}
	thread->handed_back = work->steps[step].ns;
	thread->mixed = false;
}

/* Whether that is what requests of this name usually have done; true where it is not known. */
static bool is_usual(const struct jobs *jobs, const struct attribution *work, int64_t server, uint64_t did)
{
	return clew_habits_share(&jobs->habits, work->in->name[server], did, 1) >= USUAL;
}

/* Nobody handed back the job that was done last. */
static void find_worker(struct jobs *jobs, struct attribution *work, int64_t step)
{
	const int64_t server = jobs->all[jobs->count - 1].server;
	int32_t one = NONE;
	int able = 0;
	if (server == NONE)
		return;
	for (int i = 0; i < jobs->workers_count; i++) {
		struct thread_state *thread = clew_causal_thread(work, jobs->workers[i]);
		if (!thread->pending || thread->first_pending < work->in->start[server])
			continue;
		const bool whole = !thread->unreplied && is_usual(jobs, work, server, thread->did);
		const bool went_on = thread->did_before && is_usual(jobs, work, server, thread->did_before);
		one = whole && !went_on ? jobs->workers[i] : one;
		able += whole + went_on;
		thread->mixed |= whole || went_on;
	}
	const double without = clew_habits_share(&jobs->habits, work->in->name[server], 0, 1);
	if (able == 1 && one != NONE && without < USUAL) {
		clew_causal_thread(work, one)->mixed = false;
		take_calls(jobs, work, step, one);
	}
}

/* The next answer from step `from` on. */
static int64_t next_answer(const struct attribution *work, int64_t steps, int64_t from)
{
	while (from < steps && work->steps[from].kind != STEP_ANSWERED)
		from++;
	return from;
}

/* Jobs in the order in which they were handed back, each with the calls of its worker since the one before. The answer
 * may be on its way before the worker's call that wakes the loop has begun: only the order counts. */
static bool list_jobs(struct jobs *jobs, struct attribution *work, int64_t steps)
{
	int64_t answer = -1;
	for (int64_t i = 0; i < steps; i++) {
		const struct step *step = &work->steps[i];
		struct thread_state *thread = clew_causal_thread(work, step->thread);
		if (step->kind == STEP_REPLIED)
			note_reply(work, clew_causal_thread(work, work->in->thread[step->span]), step->span);
		if (step->kind == STEP_SENT && is_worker(thread))
			note_call(jobs, work, thread, step);
		if (step->kind != STEP_DONE || !(is_worker(thread) || thread->serves))
			continue;
		answer = answer < steps ? next_answer(work, steps, answer + 1) : steps;
		const int64_t server = answer < steps ? work->steps[answer].span : NONE;
		jobs->all[jobs->count++] =
			(struct job){.first = jobs->listed, .done = step->ns, .server = server, .queued = step->queued};
		if (!is_worker(thread)) {
			find_worker(jobs, work, i);
			continue;
		}
		take_calls(jobs, work, i, step->thread);
		const struct job *job = &jobs->all[jobs->count - 1];
		if (server != NONE && !job->mixed && !clew_habits_add(&jobs->habits, work->in->name[server], job->did, 1))
			return false;
	}
	return true;
}

static bool lies_within(const struct attribution *work, const struct job *job, const int64_t *calls, int64_t server)
{
	for (int64_t i = 0; i < job->count; i++)
		if (!clew_causal_within(work, calls[job->first + i], server))
			return false;
	return true;
}

/* Whether a job was begun before another: its first call went out before the other's worker was free. */
static bool began_before(const struct attribution *work, const struct job *one, const struct job *other,
						 const int64_t *calls)
{
	return one->count && work->in->start[calls[one->first + one->count - 1]] <= other->taken;
}

/* Whether the queue gave these two out in the other order than the answers say. */
static bool changed_places(const struct attribution *work, const struct job *one, const struct job *other,
						   const int64_t *calls)
{
	if (one->queued && other->queued)
		return false;
	const bool came_before = work->in->start[one->server] < work->in->start[other->server];
	return came_before ? began_before(work, other, one, calls) : began_before(work, one, other, calls);
}

static void settle(struct attribution *work, struct job *jobs, int64_t count, const int64_t *calls)
{
	for (int round = 0; round < ROUNDS; round++)
		for (int64_t k = 0; k < count; k++)
			for (int64_t m = k + 1; m < count && m <= k + NEIGHBOURS && jobs[m].done - jobs[k].done < NEAR; m++) {
				struct job *one = &jobs[k], *other = &jobs[m];
				if (!changed_places(work, one, other, calls) || !lies_within(work, one, calls, other->server) ||
					!lies_within(work, other, calls, one->server))
					continue;
				const int64_t server = one->server;
				one->server = other->server;
				other->server = server;
			}
}

/* Whether a job that began after another was for a request that came in after the other's, as a queue would have it. A
 * job began between the hand-back before it and its first call. */
static bool in_order(const struct attribution *work, const struct job *jobs, int64_t count, const int64_t *calls)
{
	int64_t compared = 0, against = 0;
	for (int64_t k = 0; k < count; k++)
		for (int64_t m = k + 1; m < count && m <= k + NEIGHBOURS; m++) {
			const struct job *one = &jobs[k], *other = &jobs[m];
			if (!one->count || !other->count)
				continue;
			const bool before = began_before(work, one, other, calls);
			if (!before && !began_before(work, other, one, calls))
				continue;
			compared++;
			against += before != (work->in->start[one->server] < work->in->start[other->server]);
		}
	return against * SELDOM <= compared;
}

/* How usual it is that a request asks for what a job did. */
static double usual(const struct jobs *jobs, const struct attribution *work, int64_t server, const struct job *job)
{
	return clew_habits_share(&jobs->habits, work->in->name[server], job->did, 0) + 0.01;
}

/* Whether `other` may have been handed back already when `one` was answered, `margin` ns more or less. */
static bool is_together(const struct attribution *work, const struct job *one, const struct job *other, int64_t margin)
{
	return other->done - margin < work->in->end[one->server];
}

/* Jobs that were handed back before the first of them was answered may be answered in any order. Most loops keep it; if
 * what the jobs did fits better the other way round, this one does not, and they stay open. */
static void look_at_batches(const struct jobs *jobs, const struct attribution *work, int64_t count)
{
	struct job *all = jobs->all;
	int64_t compared = 0, against = 0;
	for (int64_t k = 0; k < count; k++)
		for (int64_t m = k + 1; m < count && m <= k + NEIGHBOURS && is_together(work, &all[k], &all[m], 0); m++) {
			const int64_t one = all[k].server, other = all[m].server;
			const double kept = usual(jobs, work, one, &all[k]) * usual(jobs, work, other, &all[m]);
			const double exchanged = usual(jobs, work, other, &all[k]) * usual(jobs, work, one, &all[m]);
			compared += kept > CLEAR * exchanged || exchanged > CLEAR * kept;
			against += exchanged > CLEAR * kept;
		}
	if (against * SELDOM <= compared)
		return;
	for (int64_t k = 0; k < count; k++)
		for (int64_t m = k + 1; m < count && m <= k + NEIGHBOURS && is_together(work, &all[k], &all[m], SOON); m++)
			all[k].mixed = all[m].mixed = true;
}

static void pair(struct attribution *work, struct jobs *all, int64_t made)
{
	struct job *jobs = all->all;
	const int64_t *calls = all->calls;
	int64_t taken = 0, real = 0, wrong = 0;
	while (taken < made && jobs[taken].server != NONE)
		taken++;
	for (int64_t k = 0; k < taken; k++) {
		real += jobs[k].count > 0;
		wrong += jobs[k].count && !lies_within(work, &jobs[k], calls, jobs[k].server);
	}
	if (!real || wrong * TRUSTED > real)
		return;
	settle(work, jobs, taken, calls);
	if (!in_order(work, jobs, taken, calls))
		return;
	look_at_batches(all, work, taken);
	for (int64_t k = 0; k < taken; k++)
		if (!jobs[k].mixed && lies_within(work, &jobs[k], calls, jobs[k].server))
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
	struct jobs jobs = {.all = malloc((size_t)hand_backs * sizeof *jobs.all),
						.calls = malloc((size_t)sent * sizeof *jobs.calls)};
	int64_t result = -ENOMEM;
	if (jobs.all && jobs.calls && list_jobs(&jobs, work, steps)) {
		pair(work, &jobs, jobs.count);
		result = 0;
	}
	free(jobs.all);
	free(jobs.calls);
	free(jobs.habits.slots);
	return result;
}
