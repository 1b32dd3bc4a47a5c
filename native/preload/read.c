/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Wrappers of the calls that read: read, pread, readv, preadv, recv and their variants.
 *
 * Each name calls its own next definition, so that another preloaded library which stands in front of,
 * say, pread64 alone is still asked. The _chk variants are what fortified programs call.
 */
#include "io.h"

#include <unistd.h>

ssize_t __read(int fd, void *buffer, size_t size);
ssize_t __pread64(int fd, void *buffer, size_t size, off64_t offset);
ssize_t __read_chk(int fd, void *buffer, size_t size, size_t room);
ssize_t __pread_chk(int fd, void *buffer, size_t size, off_t offset, size_t room);
ssize_t __pread64_chk(int fd, void *buffer, size_t size, off64_t offset, size_t room);
ssize_t __recv_chk(int fd, void *buffer, size_t size, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *buffer, size_t size, size_t room, int flags, struct sockaddr *address,
					   socklen_t *address_size);

#define WRAP_READ(name)                                                                                                \
	CLEW_EXPORT ssize_t name(int fd, void *buffer, size_t size)                                                        \
	{                                                                                                                  \
		IO_CALL_ON(call, READ, fd);                                                                                    \
		const ssize_t result = REAL(name)(fd, buffer, size);                                                           \
		io_moved_buffer(&call, IO_IN, result, buffer, size, 0, IO_STREAM);                                             \
		return result;                                                                                                 \
	}
WRAP_READ(read)
WRAP_READ(__read)

CLEW_EXPORT ssize_t __read_chk(int fd, void *buffer, size_t size, size_t room)
{
	IO_CALL_ON(call, READ, fd);
	const ssize_t result = REAL(__read_chk)(fd, buffer, size, room);
	io_moved_buffer(&call, IO_IN, result, buffer, size, 0, IO_STREAM);
	return result;
}

#define WRAP_PREAD(name, offset_t)                                                                                     \
	CLEW_EXPORT ssize_t name(int fd, void *buffer, size_t size, offset_t offset)                                       \
	{                                                                                                                  \
		IO_CALL_ON(call, PREAD, fd);                                                                                   \
		const ssize_t result = REAL(name)(fd, buffer, size, offset);                                                   \
		io_moved_buffer(&call, IO_IN, result, buffer, size, 0, offset);                                                \
		return result;                                                                                                 \
	}
WRAP_PREAD(pread, off_t)
WRAP_PREAD(pread64, off64_t)
WRAP_PREAD(__pread64, off64_t)

#define WRAP_PREAD_CHK(name, offset_t)                                                                                 \
	CLEW_EXPORT ssize_t name(int fd, void *buffer, size_t size, offset_t offset, size_t room)                          \
	{                                                                                                                  \
		IO_CALL_ON(call, PREAD, fd);                                                                                   \
		const ssize_t result = REAL(name)(fd, buffer, size, offset, room);                                             \
		io_moved_buffer(&call, IO_IN, result, buffer, size, 0, offset);                                                \
		return result;                                                                                                 \
	}
WRAP_PREAD_CHK(__pread_chk, off_t)
WRAP_PREAD_CHK(__pread64_chk, off64_t)

CLEW_EXPORT ssize_t readv(int fd, const struct iovec *data, int count)
{
	IO_CALL_ON(call, READV, fd);
	const ssize_t result = REAL(readv)(fd, data, count);
	io_moved_vector(&call, IO_IN, result, data, count, IO_STREAM);
	return result;
}

#define WRAP_PREADV(name, offset_t)                                                                                    \
	CLEW_EXPORT ssize_t name(int fd, const struct iovec *data, int count, offset_t offset)                             \
	{                                                                                                                  \
		IO_CALL_ON(call, PREADV, fd);                                                                                  \
		const ssize_t result = REAL(name)(fd, data, count, offset);                                                    \
		io_moved_vector(&call, IO_IN, result, data, count, offset);                                                    \
		return result;                                                                                                 \
	}
WRAP_PREADV(preadv, off_t)
WRAP_PREADV(preadv64, off64_t)

/* Offset -1 means the current position here: a stream's read. */
#define WRAP_PREADV2(name, offset_t)                                                                                   \
	CLEW_EXPORT ssize_t name(int fd, const struct iovec *data, int count, offset_t offset, int flags)                  \
	{                                                                                                                  \
		IO_CALL_ON(call, PREADV, fd);                                                                                  \
		const ssize_t result = REAL(name)(fd, data, count, offset, flags);                                             \
		io_moved_vector(&call, IO_IN, result, data, count, offset == -1 ? IO_STREAM : offset);                         \
		return result;                                                                                                 \
	}
WRAP_PREADV2(preadv2, off_t)
WRAP_PREADV2(preadv64v2, off64_t)

CLEW_EXPORT ssize_t recv(int fd, void *buffer, size_t size, int flags)
{
	IO_CALL_ON(call, RECV, fd);
	const ssize_t result = REAL(recv)(fd, buffer, size, flags);
	io_received(&call, result, buffer, size, flags);
	return result;
}

CLEW_EXPORT ssize_t __recv_chk(int fd, void *buffer, size_t size, size_t room, int flags)
{
	IO_CALL_ON(call, RECV, fd);
	const ssize_t result = REAL(__recv_chk)(fd, buffer, size, room, flags);
	io_received(&call, result, buffer, size, flags);
	return result;
}

CLEW_EXPORT ssize_t recvfrom(int fd, void *buffer, size_t size, int flags, struct sockaddr *address,
							 socklen_t *address_size)
{
	IO_CALL_ON(call, RECVFROM, fd);
	const ssize_t result = REAL(recvfrom)(fd, buffer, size, flags, address, address_size);
	io_received(&call, result, buffer, size, flags);
	return result;
}

CLEW_EXPORT ssize_t __recvfrom_chk(int fd, void *buffer, size_t size, size_t room, int flags, struct sockaddr *address,
								   socklen_t *address_size)
{
	IO_CALL_ON(call, RECVFROM, fd);
	const ssize_t result = REAL(__recvfrom_chk)(fd, buffer, size, room, flags, address, address_size);
	io_received(&call, result, buffer, size, flags);
	return result;
}

/* Descriptors that came along took numbers whose last use we know nothing of (closed by libc itself, say). */
static void forget_received(struct msghdr *message)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS || part->cmsg_len < CMSG_LEN(0))
			continue;
		const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		const unsigned char *at = CMSG_DATA(part);
		for (size_t i = 0; i < count; i++, at += sizeof(int)) {
			int fd;
			__builtin_memcpy(&fd, at, sizeof fd);
			conn_unknown(fd);
		}
	}
}

CLEW_EXPORT ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	IO_CALL_ON(call, RECVMSG, fd);
	const ssize_t result = REAL(recvmsg)(fd, message, flags);
	if (unlikely(result >= 0 && message->msg_controllen))
		forget_received(message);
	io_moved_message(&call, IO_IN, result, message, flags);
	return result;
}

CLEW_EXPORT int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
	IO_CALL_ON(call, RECVMMSG, fd);
	const int result = REAL(recvmmsg)(fd, messages, count, flags, timeout);
	for (int i = 0; i < result; i++)
		if (unlikely(messages[i].msg_hdr.msg_controllen))
			forget_received(&messages[i].msg_hdr);
	io_moved_messages(&call, IO_IN, result, messages, flags);
	return result;
}
