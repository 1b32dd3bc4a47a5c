/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Wrappers of the calls that write from the program's memory: write, pwrite, writev, pwritev, send and variants.
 */
#include "io.h"

#include <unistd.h>

ssize_t __write(int fd, const void *buffer, size_t size);
ssize_t __pwrite64(int fd, const void *buffer, size_t size, off64_t offset);
ssize_t __send(int fd, const void *buffer, size_t size, int flags);

#define WRAP_WRITE(name)                                                                                               \
	CLEW_EXPORT ssize_t name(int fd, const void *buffer, size_t size)                                                  \
	{                                                                                                                  \
		IO_CALL_ON(call, WRITE, fd);                                                                                   \
		const ssize_t result = REAL(name)(fd, buffer, size);                                                           \
		io_moved_buffer(&call, IO_OUT, result, buffer, size, 0, IO_STREAM);                                            \
		return result;                                                                                                 \
	}
WRAP_WRITE(write)
WRAP_WRITE(__write)

#define WRAP_PWRITE(name, offset_t)                                                                                    \
	CLEW_EXPORT ssize_t name(int fd, const void *buffer, size_t size, offset_t offset)                                 \
	{                                                                                                                  \
		IO_CALL_ON(call, PWRITE, fd);                                                                                  \
		const ssize_t result = REAL(name)(fd, buffer, size, offset);                                                   \
		io_moved_buffer(&call, IO_OUT, result, buffer, size, 0, offset);                                               \
		return result;                                                                                                 \
	}
WRAP_PWRITE(pwrite, off_t)
WRAP_PWRITE(pwrite64, off64_t)
WRAP_PWRITE(__pwrite64, off64_t)

CLEW_EXPORT ssize_t writev(int fd, const struct iovec *data, int count)
{
	IO_CALL_ON(call, WRITEV, fd);
	const ssize_t result = REAL(writev)(fd, data, count);
	io_moved_vector(&call, IO_OUT, result, data, count, IO_STREAM);
	return result;
}

#define WRAP_PWRITEV(name, offset_t)                                                                                   \
	CLEW_EXPORT ssize_t name(int fd, const struct iovec *data, int count, offset_t offset)                             \
	{                                                                                                                  \
		IO_CALL_ON(call, PWRITEV, fd);                                                                                 \
		const ssize_t result = REAL(name)(fd, data, count, offset);                                                    \
		io_moved_vector(&call, IO_OUT, result, data, count, offset);                                                   \
		return result;                                                                                                 \
	}
WRAP_PWRITEV(pwritev, off_t)
WRAP_PWRITEV(pwritev64, off64_t)

/* Offset -1 means the current position here: a stream's write. */
#define WRAP_PWRITEV2(name, offset_t)                                                                                  \
	CLEW_EXPORT ssize_t name(int fd, const struct iovec *data, int count, offset_t offset, int flags)                  \
	{                                                                                                                  \
		IO_CALL_ON(call, PWRITEV, fd);                                                                                 \
		const ssize_t result = REAL(name)(fd, data, count, offset, flags);                                             \
		io_moved_vector(&call, IO_OUT, result, data, count, offset == -1 ? IO_STREAM : offset);                        \
		return result;                                                                                                 \
	}
WRAP_PWRITEV2(pwritev2, off_t)
WRAP_PWRITEV2(pwritev64v2, off64_t)

#define WRAP_SEND(name)                                                                                                \
	CLEW_EXPORT ssize_t name(int fd, const void *buffer, size_t size, int flags)                                       \
	{                                                                                                                  \
		IO_CALL_ON(call, SEND, fd);                                                                                    \
		const ssize_t result = REAL(name)(fd, buffer, size, flags);                                                    \
		io_moved_buffer(&call, IO_OUT, result, buffer, size, io_message_flags(flags), IO_STREAM);                      \
		return result;                                                                                                 \
	}
WRAP_SEND(send)
WRAP_SEND(__send)

CLEW_EXPORT ssize_t sendto(int fd, const void *buffer, size_t size, int flags, const struct sockaddr *address,
						   socklen_t address_size)
{
	IO_CALL_ON(call, SENDTO, fd);
	const ssize_t result = REAL(sendto)(fd, buffer, size, flags, address, address_size);
	io_moved_buffer(&call, IO_OUT, result, buffer, size, io_message_flags(flags), IO_STREAM);
	return result;
}

CLEW_EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	IO_CALL_ON(call, SENDMSG, fd);
	const ssize_t result = REAL(sendmsg)(fd, message, flags);
	io_moved_message(&call, IO_OUT, result, message, flags);
	return result;
}

CLEW_EXPORT int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
	IO_CALL_ON(call, SENDMMSG, fd);
	const int result = REAL(sendmmsg)(fd, messages, count, flags);
	io_moved_messages(&call, IO_OUT, result, messages, flags);
	return result;
}
