/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Says what each call of a test program gave, in lines that two runs, or a run and its records, can be compared
 * by.
 *
 * A line is: symbol, operation as recorded, descriptor, result, errno after the call, bytes moved in hex ("-" = none).
 * errno is 777 before each call, so a wrapper that touches it shows. Lines leave by a bare system call,
 * which no wrapper sees.
 */
#ifndef CALLS_H
#define CALLS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define UNTOUCHED 777

static inline void say(const char *symbol, const char *op, int fd, long result, int error, const void *moved, long size)
{
	static const char digits[] = "0123456789abcdef";
	char line[1024];
	int length = snprintf(line, sizeof line, "%s %s %d %ld %d ", symbol, op, fd, result, error);
	const unsigned char *bytes = moved;
	if (!moved || size <= 0)
		line[length++] = '-';
	for (long i = 0; moved && i < size && length < 1000; i++) {
		line[length++] = digits[bytes[i] >> 4];
		line[length++] = digits[bytes[i] & 15];
	}
	line[length++] = '\n';
	syscall(SYS_write, 1, line, length);
}

/* CALL(symbol, "operation", fd, arguments, buffer, bytes of it that moved); `result` may be used in the last. */
#define CALL(symbol, op, fd, arguments, buffer, size)                                                                  \
	({                                                                                                                 \
		errno = UNTOUCHED;                                                                                             \
		const long result = (long)symbol arguments;                                                                    \
		const int error = errno;                                                                                       \
		say(#symbol, op, fd, result, error, buffer, size);                                                             \
		result;                                                                                                        \
	})

/* A call whose descriptor is its result (open, socket). */
#define MAKE(symbol, op, arguments)                                                                                    \
	({                                                                                                                 \
		errno = UNTOUCHED;                                                                                             \
		const long result = (long)symbol arguments;                                                                    \
		const int error = errno;                                                                                       \
		say(#symbol, op, (int)result, result, error, NULL, 0);                                                         \
		(int)result;                                                                                                   \
	})

void calls_files(const char *directory);
void calls_streams(const char *directory);
void calls_sockets(const char *directory);
void calls_waits(void);
void calls_stdio(const char *directory);
void calls_hidden(const char *directory);
void calls_wakeups(void);
void calls_futexes(void);

#endif
