/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Which connections are in use: a request may have waited for one only if all to that address were just now.
 */
#include "causal.h"

enum { OFTEN = 10 }; /* the last free one is taken once in so many times where a pool has a limit that is felt */

void clew_causal_reset_conns(struct attribution *work, int64_t group)
{
	const struct clew_spans *in = work->in;
	for (int64_t span = in->first[group]; span < in->first[group + 1]; span++) {
		work->conns[in->conn[span]] = (struct conn_state){.freed = INT64_MIN, .last_owner = NONE};
		struct pool_state *pool = &work->pools[in->pool[in->conn[span]]];
		*pool = (struct pool_state){
			.most = pool->most, .full_ns = INT64_MIN, .taken = pool->taken, .last_taken = pool->last_taken};
	}
}

void clew_causal_use(struct attribution *work, const struct step *step)
{
	const struct clew_spans *in = work->in;
	if (step->span == NONE || !in->client[step->span] || work->shared[in->conn[step->span]])
		return;
	struct conn_state *conn = &work->conns[in->conn[step->span]];
	struct pool_state *pool = &work->pools[in->pool[in->conn[step->span]]];
	if (pool->busy >= pool->most)
		pool->full_ns = step->ns;
	if (step->kind == STEP_SENT) {
		pool->opened += !conn->opened;
		conn->opened = true;
		pool->most = pool->opened > pool->most ? pool->opened : pool->most;
		const bool taken = conn->unanswered++ == 0;
		pool->busy += taken;
		pool->taken += taken;
		pool->last_taken += taken && pool->busy >= pool->most;
	} else if (conn->unanswered) {
		pool->busy -= --conn->unanswered == 0;
	}
}

bool clew_causal_queued(const struct attribution *work, int32_t conn, int64_t since)
{
	const struct pool_state *pool = &work->pools[work->in->pool[conn]];
	if (work->shared[conn])
		return false;
	if (pool->last_taken * OFTEN < pool->taken)
		return false; /* it could have grown */
	return work->conns[conn].freed != INT64_MIN && work->conns[conn].freed >= since && pool->full_ns >= since;
}
