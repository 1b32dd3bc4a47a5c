/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Wrappers of the calls that make, copy and close descriptors without a name: close, dup, fcntl, pipe, eventfd,
 * epoll.
 *
 * The table of descriptors is kept up even while nothing is recorded: what is closed then must not be
 * taken for open later.
 */
#include "io.h"

#include <fcntl.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4u
#endif

int __close(int fd);
int __dup2(int from, int to);
int __fcntl(int fd, int command, ...);
int __pipe(int fds[2]);

#define WRAP_CLOSE(name)                                                                                               \
	CLEW_EXPORT int name(int fd)                                                                                       \
	{                                                                                                                  \
		IO_CALL(call, CLOSE, fd);                                                                                      \
		const uint64_t conn_id = conn_forget(&call.core, fd);                                                          \
		const int result = REAL(name)(fd);                                                                             \
		io_end_struct(&call, result, conn_id, NULL, 0);                                                                \
		return result;                                                                                                 \
	}
WRAP_CLOSE(close)
WRAP_CLOSE(__close)

/* Refused where its flags or order are wrong: then nothing is closed and nothing may be forgotten. */
CLEW_EXPORT int close_range(unsigned first, unsigned last, int flags)
{
	IO_CALL(call, CLOSE_RANGE, (int)first);
	if (first <= last && !((unsigned)flags & ~(unsigned)CLOSE_RANGE_UNSHARE))
		conn_forget_range(&call.core, first, last);
	const int result = REAL(close_range)(first, last, flags);
	io_end_struct(&call, result, 0, NULL, 0);
	return result;
}

CLEW_EXPORT void closefrom(int first)
{
	IO_CALL(call, CLOSE_RANGE, first);
	conn_forget_range(&call.core, first < 0 ? 0 : (unsigned)first, UINT32_MAX);
	REAL(closefrom)(first);
	io_end_struct(&call, 0, 0, NULL, 0);
}

static void copied(struct io_call *call, int from, int result)
{
	uint64_t conn_id = 0;
	if (result >= 0) {
		if (result != from)
			conn_share(&call->core, from, result);
		if (io_traced(call))
			conn_id = conn_of(&call->core, result);
	}
	io_end_struct(call, result, conn_id, NULL, 0);
}

CLEW_EXPORT int dup(int from)
{
	IO_CALL(call, DUP, from);
	const int result = REAL(dup)(from);
	copied(&call, from, result);
	return result;
}

#define WRAP_DUP2(name)                                                                                                \
	CLEW_EXPORT int name(int from, int to)                                                                             \
	{                                                                                                                  \
		IO_CALL(call, DUP2, from);                                                                                     \
		conn_replaced(&call.core, to);                                                                                 \
		const int result = REAL(name)(from, to);                                                                       \
		copied(&call, from, result);                                                                                   \
		return result;                                                                                                 \
	}
WRAP_DUP2(dup2)
WRAP_DUP2(__dup2)

CLEW_EXPORT int dup3(int from, int to, int flags)
{
	IO_CALL(call, DUP3, from);
	conn_replaced(&call.core, to);
	const int result = REAL(dup3)(from, to, flags);
	copied(&call, from, result);
	return result;
}

/* All commands take one word, an int or a pointer: handed on as the kernel sees it. Only copies are recorded. */
#define WRAP_FCNTL(name)                                                                                               \
	CLEW_EXPORT int name(int fd, int command, ...)                                                                     \
	{                                                                                                                  \
		va_list rest;                                                                                                  \
		va_start(rest, command);                                                                                       \
		void *argument = va_arg(rest, void *);                                                                         \
		va_end(rest);                                                                                                  \
		if (command != F_DUPFD && command != F_DUPFD_CLOEXEC)                                                          \
			return REAL(name)(fd, command, argument);                                                                  \
		IO_CALL(call, FCNTL_DUP, fd);                                                                                  \
		const int result = REAL(name)(fd, command, argument);                                                          \
		copied(&call, fd, result);                                                                                     \
		return result;                                                                                                 \
	}
WRAP_FCNTL(fcntl)
WRAP_FCNTL(fcntl64)
WRAP_FCNTL(__fcntl)

static void piped(struct io_call *call, int result, const int fds[2])
{
	struct clew_pair pair = {{-1, -1}, {0, 0}};
	if (result == 0)
		conn_made_pair(&call->core, fds, (struct conn_origin){.kind = CLEW_KIND_PIPE}, &pair);
	io_end_struct(call, result, pair.conn_id[0], &pair, result == 0 ? sizeof pair : 0);
}

#define WRAP_PIPE(name)                                                                                                \
	CLEW_EXPORT int name(int fds[2])                                                                                   \
	{                                                                                                                  \
		IO_CALL(call, PIPE, -1);                                                                                       \
		const int result = REAL(name)(fds);                                                                            \
		piped(&call, result, fds);                                                                                     \
		return result;                                                                                                 \
	}
WRAP_PIPE(pipe)
WRAP_PIPE(__pipe)

CLEW_EXPORT int pipe2(int fds[2], int flags)
{
	IO_CALL(call, PIPE, -1);
	const int result = REAL(pipe2)(fds, flags);
	piped(&call, result, fds);
	return result;
}

static void anonymous(struct io_call *call, int result, const char *name)
{
	uint64_t conn_id = 0;
	if (result >= 0)
		conn_id = conn_made(&call->core, result,
							(struct conn_origin){.kind = CLEW_KIND_ANON, .path = name, .access = O_RDWR + 1});
	call->fd = result;
	io_end_struct(call, result, conn_id, NULL, 0);
}

CLEW_EXPORT int eventfd(unsigned value, int flags)
{
	IO_CALL(call, EVENTFD, -1);
	const int result = REAL(eventfd)(value, flags);
	anonymous(&call, result, "anon_inode:[eventfd]");
	return result;
}

CLEW_EXPORT int epoll_create(int size)
{
	IO_CALL(call, EPOLL_CREATE, -1);
	const int result = REAL(epoll_create)(size);
	tasks_loop_made();
	anonymous(&call, result, "anon_inode:[eventpoll]");
	return result;
}

CLEW_EXPORT int epoll_create1(int flags)
{
	IO_CALL(call, EPOLL_CREATE, -1);
	const int result = REAL(epoll_create1)(flags);
	tasks_loop_made();
	anonymous(&call, result, "anon_inode:[eventpoll]");
	return result;
}
