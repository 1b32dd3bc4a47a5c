/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Wrappers of the calls that make and name sockets: socket, socketpair, bind, listen, accept, connect, shutdown.
 *
 * A CONN record with both addresses is written as soon as they are known; for a connect that goes on in
 * the background that is the first I/O on the socket after it.
 */
#include "io.h"

#include <fcntl.h>

int __connect(int fd, const struct sockaddr *address, socklen_t size);

CLEW_EXPORT int socket(int domain, int type, int protocol)
{
	IO_CALL(call, SOCKET, -1);
	const int result = REAL(socket)(domain, type, protocol);
	uint64_t conn_id = 0;
	if (result >= 0) {
		const enum clew_kind kind = conn_kind_of_socket(domain, type);
		conn_id =
			conn_made(&call.core, result, (struct conn_origin){.kind = kind, .unnamed = true, .access = O_RDWR + 1});
		if (conn_id && kind == CLEW_KIND_UDP)
			conn_pending(result);
	}
	call.fd = result;
	io_end_struct(&call, result, conn_id, NULL, 0);
	return result;
}

CLEW_EXPORT int socketpair(int domain, int type, int protocol, int fds[2])
{
	IO_CALL(call, SOCKETPAIR, -1);
	const int result = REAL(socketpair)(domain, type, protocol, fds);
	struct clew_pair pair = {{-1, -1}, {0, 0}};
	if (result == 0)
		conn_made_pair(&call.core, fds,
					   (struct conn_origin){.kind = conn_kind_of_socket(domain, type), .access = O_RDWR + 1}, &pair);
	io_end_struct(&call, result, pair.conn_id[0], &pair, result == 0 ? sizeof pair : 0);
	return result;
}

/* The address as the program gave it, where the kernel has read it: what a failed call was about. */
static void end_with_address(struct io_call *call, int result, const struct sockaddr *address, socklen_t size)
{
	if (!io_counted(call))
		return;
	const bool known = size <= sizeof(struct sockaddr_storage) && io_argument_was_read(result);
	io_end_struct(call, result, io_conn(call), address, known ? size : 0);
}

CLEW_EXPORT int bind(int fd, const struct sockaddr *address, socklen_t size)
{
	IO_CALL_ON(call, BIND, fd);
	const int result = REAL(bind)(fd, address, size);
	if (result == 0 && io_traced(&call))
		conn_describe(&call.core, fd, 0, 0);
	end_with_address(&call, result, address, size);
	return result;
}

CLEW_EXPORT int listen(int fd, int backlog)
{
	IO_CALL_ON(call, LISTEN, fd);
	const int result = REAL(listen)(fd, backlog);
	if (result == 0 && io_traced(&call))
		conn_describe(&call.core, fd, 0, 0); /* listen gives an address to a socket that has none */
	io_end(&call, result);
	return result;
}

static void accepted(struct io_call *call, int result)
{
	if (result >= 0)
		conn_made(
			&call->core, result,
			(struct conn_origin){.kind = conn_kind(io_conn(call)), .flags = CLEW_CONN_ACCEPTED, .access = O_RDWR + 1});
	io_end(call, result);
}

CLEW_EXPORT int accept(int fd, struct sockaddr *address, socklen_t *size)
{
	IO_CALL_ON(call, ACCEPT, fd);
	const int result = REAL(accept)(fd, address, size);
	accepted(&call, result);
	return result;
}

CLEW_EXPORT int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
	IO_CALL_ON(call, ACCEPT, fd);
	const int result = REAL(accept4)(fd, address, size, flags);
	accepted(&call, result);
	return result;
}

#define WRAP_CONNECT(name)                                                                                             \
	CLEW_EXPORT int name(int fd, const struct sockaddr *address, socklen_t size)                                       \
	{                                                                                                                  \
		IO_CALL_ON(call, CONNECT, fd);                                                                                 \
		const int result = REAL(name)(fd, address, size);                                                              \
		connected(&call, result, address, size);                                                                       \
		return result;                                                                                                 \
	}

static void connected(struct io_call *call, int result, const struct sockaddr *address, socklen_t size)
{
	if (!io_traced(call)) {
		io_end(call, result);
		return;
	}
	if (result == 0)
		conn_describe(&call->core, call->fd, CLEW_CONN_CONNECTED, 0);
	else if (errno == EINPROGRESS || errno == EINTR)
		conn_pending(call->fd);
	end_with_address(call, result, address, size);
}
WRAP_CONNECT(connect)
WRAP_CONNECT(__connect)

CLEW_EXPORT int shutdown(int fd, int how)
{
	IO_CALL_ON(call, SHUTDOWN, fd);
	const int result = REAL(shutdown)(fd, how);
	io_end(&call, result);
	return result;
}
