/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Clear text of encrypted connections: what the wrappers of OpenSSL's and GnuTLS's functions share.
 *
 * Nothing is linked to these libraries: their functions are looked up when a program calls a wrapper, in the library
 * that it would have called. Both libraries' interfaces are those of their manuals (SSL_read(3),
 * gnutls_record_recv(3)).
 */
#ifndef CLEW_TLS_H
#define CLEW_TLS_H

#include "io.h"

/* What is needed of a library; those before TLS_WRAPPED have wrappers here. X(NUMBER, name). */
#define TLS_FUNCTIONS(X)                                                                                               \
	X(SSL_READ, "SSL_read")                                                                                            \
	X(SSL_READ_EX, "SSL_read_ex")                                                                                      \
	X(SSL_WRITE, "SSL_write")                                                                                          \
	X(SSL_WRITE_EX, "SSL_write_ex")                                                                                    \
	X(SSL_SENDFILE, "SSL_sendfile")                                                                                    \
	X(SSL_DO_HANDSHAKE, "SSL_do_handshake")                                                                            \
	X(SSL_CONNECT, "SSL_connect")                                                                                      \
	X(SSL_ACCEPT, "SSL_accept")                                                                                        \
	X(GNUTLS_RECV, "gnutls_record_recv")                                                                               \
	X(GNUTLS_SEND, "gnutls_record_send")                                                                               \
	X(WRAPPED, NULL)                                                                                                   \
	X(SSL_GET_RBIO, "SSL_get_rbio")                                                                                    \
	X(SSL_GET_RFD, "SSL_get_rfd")                                                                                      \
	X(SSL_GET_WFD, "SSL_get_wfd")                                                                                      \
	X(SSL_WANT, "SSL_want")                                                                                            \
	X(BIO_NUMBER_READ, "BIO_number_read")                                                                              \
	X(SSL_GET_SHUTDOWN, "SSL_get_shutdown")                                                                            \
	X(GNUTLS_GET_PTRS, "gnutls_transport_get_ptr2")

enum tls_function {
#define X(NUMBER, name) TLS_##NUMBER,
	TLS_FUNCTIONS(X)
#undef X
		TLS_FUNCTION_COUNT
};

/* One loaded copy of a library; a program may have several. */
struct tls_library {
	_Atomic(const void *) base; /* NULL: free; itself: being filled */
	void *function[TLS_FUNCTION_COUNT];
};

/* ---- tls_find.c ---- */

/*
 * The library whose `function` the code at `caller` would have reached, and that function. `object` is what the
 * function is about (an SSL), or NULL where the type does not lead to its library. NULL: there is none; *real may be
 * there all the same.
 */
const struct tls_library *tls_find(enum tls_function function, const void *caller, const void *object, void **real);

/* Declares `library`, and `real` with the type of `name`. */
#define TLS_REAL(FUNCTION, name, object)                                                                               \
	void *found_##name;                                                                                                \
	const struct tls_library *library = tls_find(TLS_##FUNCTION, __builtin_return_address(0), object, &found_##name);  \
	__typeof__(&name) real = (__typeof__(&name))found_##name

#define TLS_CALL(library, FUNCTION, type) ((type)(library)->function[TLS_##FUNCTION])

/* ---- tls_conn.c: which connection is below? ---- */

/* A call on a session (SSL, gnutls_session_t). */
struct tls_call {
	struct call core;
	enum io_direction direction;
	const void *session;
	uint64_t taken; /* bytes that the library had read from below before the call, where it counts them */
};

/* What a library says of a session after the call. */
struct tls_below {
	int fd;         /* -1: not known, or there is none */
	uint64_t taken; /* as in struct tls_call, now */
};

/* Its conn_id, 0: not known. It is remembered for the session. Changes neither errno nor the library's error queue. */
uint64_t tls_conn(const struct tls_call *call, const struct tls_below *below);
/* Writes the record: `moved` bytes of clear text in `buffer` (NULL: not seen); -1: none, `error` says why. */
void tls_end(const struct tls_call *call, int64_t moved, int error, uint64_t conn_id, const void *buffer);

#endif
