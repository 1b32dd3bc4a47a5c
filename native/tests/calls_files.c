/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Test calls that make, copy and close descriptors.
 */
#include "calls.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

int __open(const char *path, int flags, ...);
int __open64(const char *path, int flags, ...);
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int directory, const char *path, int flags);
int __openat64_2(int directory, const char *path, int flags);
int __close(int fd);
int __dup2(int from, int to);
int __fcntl(int fd, int command, ...);
int __pipe(int fds[2]);

static void opens(const char *directory)
{
	char path[512];
	snprintf(path, sizeof path, "%s/made", directory);
	int fd = MAKE(open, "open", (path, O_RDWR | O_CREAT | O_EXCL, 0640));
	CALL(close, "close", fd, (fd), NULL, 0);
	MAKE(open, "open", (path, O_RDWR | O_CREAT | O_EXCL, 0640));
	MAKE(open, "open", ("/nowhere/at/all", O_RDONLY));
	MAKE(open, "open", ((const char *)16, O_RDONLY));
	MAKE(open, "open", (path, O_RDONLY | O_DIRECTORY));
	fd = MAKE(open64, "open", (path, O_RDONLY));
	CALL(__close, "close", fd, (fd), NULL, 0);
	fd = MAKE(__open, "open", (path, O_RDONLY | O_CLOEXEC));
	CALL(close, "close", fd, (fd), NULL, 0);
	fd = MAKE(__open64, "open", (path, O_RDONLY | O_CREAT, 0600));
	CALL(close, "close", fd, (fd), NULL, 0);
	fd = MAKE(__open_2, "open", (path, O_RDONLY));
	CALL(close, "close", fd, (fd), NULL, 0);
	fd = MAKE(__open64_2, "open", (path, O_WRONLY));
	CALL(close, "close", fd, (fd), NULL, 0);
	fd = MAKE(open, "open", (directory, O_RDWR | O_TMPFILE, 0600));
	CALL(close, "close", fd, (fd), NULL, 0);
	int at = MAKE(open, "open", (directory, O_RDONLY | O_DIRECTORY));
	fd = MAKE(openat, "openat", (at, "relative", O_RDWR | O_CREAT, 0600));
	CALL(close, "close", fd, (fd), NULL, 0);
	fd = MAKE(openat64, "openat", (at, "relative", O_RDWR));
	CALL(close, "close", fd, (fd), NULL, 0);
	fd = MAKE(__openat_2, "openat", (at, "relative", O_RDWR));
	CALL(close, "close", fd, (fd), NULL, 0);
	fd = MAKE(__openat64_2, "openat", (at, "relative", O_RDWR));
	CALL(close, "close", fd, (fd), NULL, 0);
	MAKE(openat, "openat", (-5, "relative", O_RDWR));
	snprintf(path, sizeof path, "%s/created", directory);
	fd = MAKE(creat, "creat", (path, 0600));
	CALL(close, "close", fd, (fd), NULL, 0);
	fd = MAKE(creat64, "creat", (path, 0600));
	CALL(close, "close", fd, (fd), NULL, 0);
	CALL(close, "close", fd, (fd), NULL, 0);
	CALL(close, "close", -1, (-1), NULL, 0);
	CALL(close, "close", 1 << 30, (1 << 30), NULL, 0);
	CALL(close, "close", at, (at), NULL, 0);
}

static void copies(void)
{
	int ends[2];
	CALL(pipe, "pipe", -1, (ends), NULL, 0);
	const int copy = (int)CALL(dup, "dup", ends[0], (ends[0]), NULL, 0);
	CALL(dup, "dup", -1, (-1), NULL, 0);
	CALL(write, "write", ends[1], (ends[1], "abcd", 4), "abcd", result);
	char buffer[8];
	CALL(read, "read", copy, (copy, buffer, 2), buffer, result);
	CALL(read, "read", ends[0], (ends[0], buffer, 2), buffer, result);
	CALL(dup2, "dup2", ends[1], (ends[1], 100), NULL, 0);
	CALL(dup2, "dup2", ends[1], (ends[1], ends[1]), NULL, 0);
	CALL(dup2, "dup2", 99, (99, 101), NULL, 0);
	CALL(dup2, "dup2", ends[1], (ends[1], -1), NULL, 0);
	CALL(__dup2, "dup2", ends[0], (ends[0], 102), NULL, 0);
	CALL(dup3, "dup3", ends[0], (ends[0], 103, O_CLOEXEC), NULL, 0);
	CALL(dup3, "dup3", ends[0], (ends[0], ends[0], 0), NULL, 0);
	CALL(fcntl, "fcntl", ends[0], (ends[0], F_DUPFD, 104), NULL, 0);
	CALL(fcntl, "fcntl", ends[0], (ends[0], F_DUPFD_CLOEXEC, 104), NULL, 0);
	CALL(fcntl64, "fcntl", ends[0], (ends[0], F_DUPFD, 106), NULL, 0);
	CALL(__fcntl, "fcntl", 999, (999, F_DUPFD, 106), NULL, 0);
	/* Other commands are handed on, whatever they take: none, an int, a pointer. */
	struct flock lock = {.l_type = F_WRLCK};
	errno = UNTOUCHED;
	if (fcntl(ends[0], F_GETFD) != 0 || fcntl(103, F_GETFD) != FD_CLOEXEC || fcntl(103, F_SETFD, 0) != 0 ||
		fcntl(103, F_GETFD) != 0 || fcntl(ends[0], F_GETLK, &lock) != 0 || lock.l_type != F_UNLCK)
		say("fcntl", "broken", -1, 0, errno, NULL, 0);
	CALL(close_range, "close_range", 100, (100, 103, 0), NULL, 0);
	CALL(close_range, "close_range", 104, (104, 103, 0), NULL, 0);
	CALL(close_range, "close_range", 104, (104, ~0u, CLOSE_RANGE_CLOEXEC), NULL, 0);
	CALL(read, "read", 103, (103, buffer, 1), NULL, 0);
	CALL(write, "write", ends[1], (ends[1], "ef", 2), "ef", result);
	CALL(read, "read", 104, (104, buffer, 1), buffer, result);
	errno = UNTOUCHED;
	closefrom(ends[0]);
	say("closefrom", "close_range", ends[0], 0, errno, NULL, 0);
	CALL(__pipe, "pipe", -1, (ends), NULL, 0);
	CALL(close, "close", ends[0], (ends[0]), NULL, 0);
	CALL(close, "close", ends[1], (ends[1]), NULL, 0);
	CALL(pipe2, "pipe", -1, (ends, O_NONBLOCK), NULL, 0);
	CALL(read, "read", ends[0], (ends[0], buffer, 1), NULL, 0);
	CALL(close, "close", ends[0], (ends[0]), NULL, 0);
	CALL(close, "close", ends[1], (ends[1]), NULL, 0);
	CALL(pipe2, "pipe", -1, (ends, 12345), NULL, 0);
}

static void counters(void)
{
	int fd = MAKE(eventfd, "eventfd", (3, 0));
	uint64_t value = 0;
	CALL(read, "read", fd, (fd, &value, sizeof value), &value, result);
	CALL(close, "close", fd, (fd), NULL, 0);
	MAKE(eventfd, "eventfd", (3, -1));
	fd = MAKE(epoll_create, "epoll_create", (1));
	CALL(close, "close", fd, (fd), NULL, 0);
	MAKE(epoll_create, "epoll_create", (0));
	fd = MAKE(epoll_create1, "epoll_create", (EPOLL_CLOEXEC));
	CALL(close, "close", fd, (fd), NULL, 0);
	MAKE(epoll_create1, "epoll_create", (1));
}

void calls_files(const char *directory)
{
	opens(directory);
	copies();
	counters();
}
