/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Wrappers of GnuTLS's functions that move clear text.
 */
#include "tls.h"

typedef struct gnutls_session_int *gnutls_session_t;
ssize_t gnutls_record_recv(gnutls_session_t session, void *buffer, size_t size);
ssize_t gnutls_record_send(gnutls_session_t session, const void *buffer, size_t size);

#define GNUTLS_E_AGAIN (-28)
#define GNUTLS_E_INTERRUPTED (-52)

/* The transport pointer is a descriptor, unless the program brings functions of its own: then it may be an address. */
static int descriptor(const struct tls_library *library, gnutls_session_t session, enum io_direction direction)
{
	void (*get)(gnutls_session_t, void **, void **) =
		TLS_CALL(library, GNUTLS_GET_PTRS, void (*)(gnutls_session_t, void **, void **));
	void *in = NULL, *out = NULL;
	if (!get)
		return -1;
	get(session, &in, &out);
	const uintptr_t found = (uintptr_t)(direction == IO_IN ? in : out);
	return found < CONN_TABLE_SIZE ? (int)found : -1;
}

static void end(struct tls_call *call, const struct tls_library *library, gnutls_session_t session, ssize_t result,
				const void *buffer)
{
	if (!library || !call->core.slot)
		return;
	const int saved = errno;
	const int error = result >= 0                      ? 0
					  : result == GNUTLS_E_AGAIN       ? EAGAIN
					  : result == GNUTLS_E_INTERRUPTED ? EINTR
													   : EPROTO;
	uint64_t conn_id = 0;
	if (call->core.mode & CLEW_TRACE)
		conn_id = tls_conn(call, &(struct tls_below){descriptor(library, session, call->direction), 0});
	tls_end(call, result, error, conn_id, buffer);
	errno = saved;
}

CLEW_EXPORT ssize_t gnutls_record_recv(gnutls_session_t session, void *buffer, size_t size)
{
	TLS_REAL(GNUTLS_RECV, gnutls_record_recv, NULL);
	if (unlikely(!real))
		return -1;
	struct tls_call call = {.direction = IO_IN, .session = session};
	call_begin(&call.core);
	const ssize_t result = real(session, buffer, size);
	end(&call, library, session, result, buffer);
	return result;
}

CLEW_EXPORT ssize_t gnutls_record_send(gnutls_session_t session, const void *buffer, size_t size)
{
	TLS_REAL(GNUTLS_SEND, gnutls_record_send, NULL);
	if (unlikely(!real))
		return -1;
	struct tls_call call = {.direction = IO_OUT, .session = session};
	call_begin(&call.core);
	const ssize_t result = real(session, buffer, size);
	end(&call, library, session, result, buffer);
	return result;
}
