/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Which connection carries a TLS session? Its descriptor tells, else what its thread did in the socket calls
 * below.
 *
 * A session without a descriptor is fed by the program itself (memory BIOs: asyncio, node): bytes that the library took
 * during a call are those that the thread has received last. That is remembered in a table of fixed size.
 */
#include "tls.h"

#include "handed_on.h"

#define SESSIONS 1024u
#define PROBES 4u

static struct session {
	_Atomic(const void *) session;
	_Atomic uint64_t conn_id;
	_Atomic uint64_t taken; /* less now: another session at the same address */
} sessions[SESSIONS];

static struct session *place_of(const void *session)
{
	/* Multiplicative hashing: addresses of objects differ in their middle bits. */
	const uint32_t start = (uint32_t)(((uintptr_t)session >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 32);
	for (uint32_t i = 0; i < PROBES; i++) {
		struct session *at = &sessions[(start + i) % SESSIONS];
		const void *expected = NULL;
		if (atomic_load_explicit(&at->session, memory_order_relaxed) == session ||
			atomic_compare_exchange_strong(&at->session, &expected, session))
			return at;
	}
	/* Full here: the first gives way. */
	struct session *at = &sessions[start % SESSIONS];
	atomic_store_explicit(&at->conn_id, 0, memory_order_relaxed);
	atomic_store_explicit(&at->session, session, memory_order_relaxed);
	return at;
}

static bool is_stream(uint64_t conn_id)
{
	const enum clew_kind kind = conn_kind(conn_id);
	return kind == CLEW_KIND_TCP || kind == CLEW_KIND_UNIX || kind == CLEW_KIND_UDP || kind == CLEW_KIND_SOCKET ||
		   kind == CLEW_KIND_PIPE;
}

/* What the thread has just moved bytes over, in the call or before it. 0: nothing of the kind. */
static uint64_t just_moved(const struct tls_call *call, const struct tls_below *below)
{
	const struct moved_last *in = &moved_last[IO_IN], *out = &moved_last[IO_OUT];
	const bool received = in->begin >= call->core.begin, sent = out->begin >= call->core.begin;
	uint64_t found = 0;
	if (received && (call->direction == IO_IN || !sent))
		found = in->conn_id;
	else if (sent)
		found = out->conn_id;
	else if (below->taken > call->taken)
		found = in->conn_id;
	return found && is_stream(found) ? found : 0;
}

uint64_t tls_conn(const struct tls_call *call, const struct tls_below *below)
{
	uint64_t conn_id = below->fd >= 0 ? conn_of(&call->core, below->fd) : 0;
	if (conn_id)
		return conn_id;
	struct session *known = place_of(call->session);
	conn_id = just_moved(call, below);
	if (!conn_id && atomic_load_explicit(&known->taken, memory_order_relaxed) <= call->taken)
		conn_id = atomic_load_explicit(&known->conn_id, memory_order_relaxed);
	atomic_store_explicit(&known->conn_id, conn_id, memory_order_relaxed);
	atomic_store_explicit(&known->taken, below->taken, memory_order_relaxed);
	return conn_id;
}

void tls_end(const struct tls_call *call, int64_t moved, int error, uint64_t conn_id, const void *buffer)
{
	const struct iovec data = {(void *)(uintptr_t)buffer, moved > 0 ? (size_t)moved : 0};
	struct end end = {
		.op = call->direction == IO_IN ? CLEW_OP_TLS_READ : CLEW_OP_TLS_WRITE,
		.fd = -1,
		.result = moved,
		.error = error,
		.ticks = ticks_now() - call->core.begin,
		.bytes = moved > 0 ? (uint64_t)moved : 0,
		.conn_id = conn_id,
		.offset = CLEW_NO_OFFSET,
		.data = data.iov_len && buffer ? &data : NULL,
		.data_count = 1,
		.data_size = data.iov_len,
	};
	if (call->core.mode & CLEW_TRACE)
		tasks_tell(&call->core);
	if (call->direction == IO_OUT && end.data && handed_on(end.ticks, conn_id, buffer))
		handed_on_end(&call->core, &end);
	else
		call_end(&call->core, &end);
}
