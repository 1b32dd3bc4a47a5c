/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Whether a request keeps a connection from one exchange to the next, or gives it back in between.
 *
 * Some replies say so: a transaction is open. For the others it is learned: what all but always follows on the same
 * connection, at once, and within the request that made the exchange before, belongs to it: what was prepared is
 * executed, a connection is reset before it is given back.
 */
#include "causal.h"

enum { FOLLOWED = 1, FAILED = 2 };
static const double ALWAYS = 0.9, SELDOM = 0.12;

static uint64_t transition(const struct conn_state *conn, uint64_t name)
{
	return clew_causal_mix(conn->last_name * 3 + name);
}

static bool goes_on(const struct attribution *work, const struct conn_state *conn, int64_t client)
{
	return conn->last_owner != NONE && work->spans[conn->last_owner].listed &&
		   clew_causal_within(work, client, conn->last_owner);
}

int64_t clew_causal_keeper(const struct attribution *work, int64_t client)
{
	const struct conn_state *conn = &work->conns[work->in->conn[client]];
	const uint64_t name = work->in->name[client];
	if (work->shared[work->in->conn[client]] || !goes_on(work, conn, client))
		return NONE;
	if (conn->held == 1)
		return conn->last_owner;
	const bool follows = clew_habits_share(&work->asking, conn->last_name, name, 0) >= ALWAYS &&
						 clew_habits_share(&work->asking, ~name, conn->last_name, 0) >= ALWAYS;
	const bool fails = clew_habits_share(&work->keeping, transition(conn, name), FAILED, 0) > SELDOM;
	return follows && !fails ? conn->last_owner : NONE;
}

bool clew_causal_learn_keeping(struct attribution *work, int64_t client)
{
	const struct clew_spans *in = work->in;
	const struct conn_state *conn = &work->conns[in->conn[client]];
	if (conn->freed == INT64_MIN || work->shared[in->conn[client]])
		return true;
	const bool at_once = conn->freed >= clew_causal_recent(clew_causal_thread(work, in->thread[client]));
	const bool kept = at_once && (conn->last_owner == NONE || goes_on(work, conn, client));
	return clew_habits_add(&work->keeping, transition(conn, in->name[client]), kept ? FOLLOWED : FAILED, 1);
}
