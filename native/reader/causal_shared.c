/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Connections that several requests use at a time, each sending whenever it likes: such a connection belongs to
 * nobody, and nobody waits for it.
 *
 * It is told by calls that go out while an earlier one has no reply, after something else came in at the thread: a
 * request that sends several at once sends them without that.
 */
#include <errno.h>
#include <stdlib.h>

#include "causal.h"

enum { SELDOM = 50 /* of so many calls one may overlap another, and the connection is still taken for one's own */ };

struct use {
	int64_t calls, overlapping, unanswered;
	int64_t came_in; /* things that had come in at its thread when the last call went out */
};

int64_t clew_causal_share_conns(struct attribution *work, int64_t steps, int64_t group)
{
	const struct clew_spans *in = work->in;
	struct use *uses = calloc((size_t)in->conns + 1, sizeof *uses);
	if (!uses)
		return -ENOMEM;
	for (int64_t i = 0; i < steps; i++) {
		const struct step *step = &work->steps[i];
		if (step->span == NONE)
			continue;
		struct thread_state *thread = clew_causal_thread(work, step->thread);
		struct use *use = &uses[in->conn[step->span]];
		thread->came_in += step->kind == STEP_REPLIED || step->kind == STEP_RECEIVED;
		if (step->kind == STEP_REPLIED && use->unanswered)
			use->unanswered--;
		if (step->kind != STEP_SENT)
			continue;
		use->calls++;
		use->overlapping += use->unanswered && use->came_in != thread->came_in;
		use->unanswered += in->end[step->span] != CLEW_NEVER;
		use->came_in = thread->came_in;
	}
	for (int64_t span = in->first[group]; span < in->first[group + 1]; span++) {
		const struct use *use = &uses[in->conn[span]];
		work->shared[in->conn[span]] = in->client[span] && use->overlapping * SELDOM > use->calls;
	}
	free(uses);
	return 0;
}
