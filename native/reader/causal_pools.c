/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Which connections are in use: a request may wait for one only while all to that address are.
 */
#include "causal.h"

void clew_causal_reset_conns(struct attribution *work, int64_t group)
{
	const struct clew_spans *in = work->in;
	for (int64_t span = in->first[group]; span < in->first[group + 1]; span++) {
		work->conns[in->conn[span]] = (struct conn_state){.freed = INT64_MIN, .last_owner = NONE};
		struct pool_state *pool = &work->pools[in->pool[in->conn[span]]];
		*pool = (struct pool_state){.most = pool->most};
	}
}

void clew_causal_use(struct attribution *work, const struct step *step)
{
	const struct clew_spans *in = work->in;
	if (step->span == NONE || !in->client[step->span])
		return;
	struct conn_state *conn = &work->conns[in->conn[step->span]];
	struct pool_state *pool = &work->pools[in->pool[in->conn[step->span]]];
	if (step->kind == STEP_SENT) {
		pool->opened += !conn->opened;
		conn->opened = true;
		pool->most = pool->opened > pool->most ? pool->opened : pool->most;
		pool->busy += conn->unanswered++ == 0;
	} else if (conn->unanswered) {
		pool->busy -= --conn->unanswered == 0;
	}
}

bool clew_causal_queued(const struct attribution *work, int32_t conn, int64_t since)
{
	const struct pool_state *pool = &work->pools[work->in->pool[conn]];
	return work->conns[conn].freed != INT64_MIN && work->conns[conn].freed >= since && pool->busy >= pool->most;
}
