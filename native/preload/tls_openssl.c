/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Wrappers of OpenSSL's functions that move clear text, and of its handshake, which shows what a session is on.
 *
 * A program asks OpenSSL why a call failed, by errno and the thread's error queue: neither is touched.
 */
#include "tls.h"

#include "internal.h"

typedef struct ssl_st SSL;
typedef struct bio_st BIO;
int SSL_read(SSL *ssl, void *buffer, int size);
int SSL_read_ex(SSL *ssl, void *buffer, size_t size, size_t *moved);
int SSL_write(SSL *ssl, const void *buffer, int size);
int SSL_write_ex(SSL *ssl, const void *buffer, size_t size, size_t *moved);
ssize_t SSL_sendfile(SSL *ssl, int fd, off_t offset, size_t size, int flags);
int SSL_do_handshake(SSL *ssl);
int SSL_connect(SSL *ssl);
int SSL_accept(SSL *ssl);

#define SSL_NOTHING 1           /* SSL_want(3): it does not wait for more from below */
#define SSL_RECEIVED_SHUTDOWN 2 /* SSL_get_shutdown(3): the other end has said that it will send no more */

/*
 * What the session says of itself. A session without a BIO is not asked for its descriptor: that would leave an error
 * in the queue.
 */
static struct tls_below below(const struct tls_library *library, const SSL *ssl, enum io_direction direction)
{
	BIO *(*get_rbio)(const SSL *) = TLS_CALL(library, SSL_GET_RBIO, BIO * (*)(const SSL *));
	uint64_t (*number_read)(BIO *) = TLS_CALL(library, BIO_NUMBER_READ, uint64_t (*)(BIO *));
	int (*get_fd)(const SSL *) = direction == IO_IN ? TLS_CALL(library, SSL_GET_RFD, int (*)(const SSL *))
													: TLS_CALL(library, SSL_GET_WFD, int (*)(const SSL *));
	BIO *bio = get_rbio && number_read && get_fd ? get_rbio(ssl) : NULL;
	return bio ? (struct tls_below){get_fd(ssl), number_read(bio)} : (struct tls_below){-1, 0};
}

static void begin(struct tls_call *call, const struct tls_library *library, const SSL *ssl, enum io_direction direction)
{
	call_begin(&call->core);
	call->direction = direction;
	call->session = ssl;
	if (!library || !ssl)
		call->core.slot = NULL;
	if (call->core.slot && (call->core.mode & CLEW_TRACE))
		call->taken = below(library, ssl, IO_IN).taken;
}

static bool waits(const struct tls_library *library, const SSL *ssl)
{
	int (*want)(const SSL *) = TLS_CALL(library, SSL_WANT, int (*)(const SSL *));
	return want && want(ssl) != SSL_NOTHING;
}

static bool was_shut(const struct tls_library *library, const SSL *ssl)
{
	int (*shutdown)(const SSL *) = TLS_CALL(library, SSL_GET_SHUTDOWN, int (*)(const SSL *));
	return shutdown && (shutdown(ssl) & SSL_RECEIVED_SHUTDOWN);
}

/* `moved` bytes of clear text; 0 or -1: the end, a failure, or it has to be called again. */
static void end(struct tls_call *call, const struct tls_library *library, const SSL *ssl, int64_t moved,
				const void *buffer)
{
	if (!call->core.slot)
		return;
	const int saved = errno;
	int error = 0;
	if (moved <= 0) {
		const bool again = waits(library, ssl);
		moved = !again && call->direction == IO_IN && was_shut(library, ssl) ? 0 : -1;
		error = !moved ? 0 : again ? EAGAIN : saved ? saved : EPROTO;
	}
	uint64_t conn_id = 0;
	if (call->core.mode & CLEW_TRACE) {
		const struct tls_below now = below(library, ssl, moved > 0 ? call->direction : IO_IN);
		conn_id = tls_conn(call, &now);
	}
	tls_end(call, moved, error, conn_id, buffer);
	errno = saved;
}

CLEW_EXPORT int SSL_read(SSL *ssl, void *buffer, int size)
{
	TLS_REAL(SSL_READ, SSL_read, ssl);
	if (unlikely(!real))
		return -1;
	struct tls_call call;
	begin(&call, library, ssl, IO_IN);
	const int result = real(ssl, buffer, size);
	end(&call, library, ssl, result, buffer);
	return result;
}

CLEW_EXPORT int SSL_read_ex(SSL *ssl, void *buffer, size_t size, size_t *moved)
{
	TLS_REAL(SSL_READ_EX, SSL_read_ex, ssl);
	if (unlikely(!real))
		return 0;
	struct tls_call call;
	begin(&call, library, ssl, IO_IN);
	const int result = real(ssl, buffer, size, moved);
	end(&call, library, ssl, result > 0 ? (int64_t)*moved : -1, buffer);
	return result;
}

CLEW_EXPORT int SSL_write(SSL *ssl, const void *buffer, int size)
{
	TLS_REAL(SSL_WRITE, SSL_write, ssl);
	if (unlikely(!real))
		return -1;
	struct tls_call call;
	begin(&call, library, ssl, IO_OUT);
	const int result = real(ssl, buffer, size);
	end(&call, library, ssl, result, buffer);
	return result;
}

CLEW_EXPORT int SSL_write_ex(SSL *ssl, const void *buffer, size_t size, size_t *moved)
{
	TLS_REAL(SSL_WRITE_EX, SSL_write_ex, ssl);
	if (unlikely(!real))
		return 0;
	struct tls_call call;
	begin(&call, library, ssl, IO_OUT);
	const int result = real(ssl, buffer, size, moved);
	end(&call, library, ssl, result > 0 ? (int64_t)*moved : -1, buffer);
	return result;
}

CLEW_EXPORT ssize_t SSL_sendfile(SSL *ssl, int fd, off_t offset, size_t size, int flags)
{
	TLS_REAL(SSL_SENDFILE, SSL_sendfile, ssl);
	if (unlikely(!real))
		return -1;
	struct tls_call call;
	begin(&call, library, ssl, IO_OUT);
	const ssize_t result = real(ssl, fd, offset, size, flags);
	end(&call, library, ssl, result, NULL);
	return result;
}

static void handshaken(struct tls_call *call, const struct tls_library *library, const SSL *ssl)
{
	const int saved = errno;
	if (call->core.slot && (call->core.mode & CLEW_TRACE)) {
		const struct tls_below now = below(library, ssl, IO_IN);
		tls_conn(call, &now);
	}
	errno = saved;
}

/* No record: only what the session is on is looked at. */
#define WRAP_HANDSHAKE(FUNCTION, name)                                                                                 \
	CLEW_EXPORT int name(SSL *ssl)                                                                                     \
	{                                                                                                                  \
		TLS_REAL(FUNCTION, name, ssl);                                                                                 \
		if (unlikely(!real))                                                                                           \
			return -1;                                                                                                 \
		struct tls_call call;                                                                                          \
		begin(&call, library, ssl, IO_IN);                                                                             \
		const int result = real(ssl);                                                                                  \
		handshaken(&call, library, ssl);                                                                               \
		return result;                                                                                                 \
	}
WRAP_HANDSHAKE(SSL_DO_HANDSHAKE, SSL_do_handshake)
WRAP_HANDSHAKE(SSL_CONNECT, SSL_connect)
WRAP_HANDSHAKE(SSL_ACCEPT, SSL_accept)
