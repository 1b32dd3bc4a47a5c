/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Test calls that wait for descriptors: one that is ready, none that is, and wrong ones.
 */
#include "calls.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

int __poll(struct pollfd *fds, nfds_t count, int timeout);
int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t room);
int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask, size_t room);
int __select(int limit, fd_set *readable, fd_set *writable, fd_set *other, struct timeval *timeout);

/* A poll's line shows what was ready as its record does: pairs of fd and events. */
#define POLL(symbol, op, arguments)                                                                                    \
	do {                                                                                                               \
		errno = UNTOUCHED;                                                                                             \
		const long result = symbol arguments;                                                                          \
		const int error = errno;                                                                                       \
		const int32_t ready[4] = {polls[0].fd, polls[0].revents, polls[1].fd, polls[1].revents};                       \
		say(#symbol, op, -1, result, error, ready, result * 8);                                                        \
	} while (0)

static void polls_of(const int ends[2])
{
	const struct timespec now = {0, 0};
	struct pollfd polls[2] = {{ends[0], POLLIN, 0}, {ends[1], POLLOUT, 0}};
	POLL(poll, "poll", (polls, 2, 1000));
	POLL(__poll, "poll", (polls, 2, 0));
	POLL(__poll_chk, "poll", (polls, 2, 0, sizeof polls));
	POLL(ppoll, "ppoll", (polls, 2, &now, NULL));
	POLL(__ppoll_chk, "ppoll", (polls, 2, NULL, NULL, sizeof polls));
	POLL(poll, "poll", ((struct pollfd *)16, 1, 0));
	POLL(poll, "poll", (NULL, 0, 0));
	POLL(ppoll, "ppoll", (polls, 2, &(struct timespec){-1, 0}, NULL));
	polls[0].fd = -1;
	polls[1].fd = 4000;
	errno = UNTOUCHED;
	const int result = poll(polls, 2, 0);
	say("poll", "poll", -1, result, errno, (int32_t[2]){4000, POLLNVAL}, 8);
}

static void selects_of(const int ends[2])
{
	fd_set in, out;
	struct timeval now = {0, 0};
	const struct timespec nothing = {0, 0};
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(ends[0], &in);
	FD_SET(ends[1], &out);
	const int32_t ready[4] = {ends[0], POLLIN, ends[1], POLLOUT};
	const int limit = ends[1] + 1;
	CALL(select, "select", -1, (limit, &in, &out, NULL, NULL), ready, 16);
	CALL(__select, "select", -1, (limit, &in, &out, NULL, &now), ready, 16);
	CALL(pselect, "pselect", -1, (limit, &in, &out, NULL, &nothing, NULL), ready, 16);
	CALL(select, "select", -1, (limit, &in, NULL, NULL, &now), ready, 8);
	CALL(select, "select", -1, (-1, &in, NULL, NULL, &now), NULL, 0);
	CALL(select, "select", -1, (0, NULL, NULL, NULL, &now), NULL, 0);
	CALL(select, "select", -1, (limit, (fd_set *)16, NULL, NULL, &now), NULL, 0);
	FD_ZERO(&in);
	FD_SET(1000, &in);
	CALL(pselect, "pselect", -1, (1001, &in, NULL, NULL, &nothing, NULL), NULL, 0);
}

static void epolls_of(const int ends[2])
{
	const struct timespec nothing = {0, 0};
	struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = (void *)&nothing}}, got[4];
	const int32_t ready[2] = {ends[0], EPOLLIN}, unknown[4] = {-1, EPOLLIN, -1, EPOLLIN};
	const int fd = MAKE(epoll_create1, "epoll_create", (0));
	epoll_ctl(fd, EPOLL_CTL_ADD, ends[0], &event);
	CALL(epoll_wait, "epoll_wait", fd, (fd, got, 4, 1000), ready, 8);
	CALL(epoll_pwait, "epoll_pwait", fd, (fd, got, 4, 0, NULL), ready, 8);
	CALL(epoll_pwait2, "epoll_pwait", fd, (fd, got, 4, &nothing, NULL), ready, 8);
	CALL(epoll_wait, "epoll_wait", fd, (fd, got, 0, 0), NULL, 0);
	CALL(epoll_wait, "epoll_wait", ends[0], (ends[0], got, 4, 0), NULL, 0);
	CALL(epoll_wait, "epoll_wait", -1, (-1, got, 4, 0), NULL, 0);
	/* Two descriptors under one word: which of them is ready, nobody can say. */
	const int copy = (int)CALL(dup, "dup", ends[0], (ends[0]), NULL, 0);
	epoll_ctl(fd, EPOLL_CTL_ADD, copy, &event);
	CALL(epoll_wait, "epoll_wait", fd, (fd, got, 4, 0), unknown, 16);
	char byte;
	CALL(read, "read", ends[0], (ends[0], &byte, 1), &byte, result);
	CALL(epoll_wait, "epoll_wait", fd, (fd, got, 4, 0), NULL, 0);
	CALL(close, "close", copy, (copy), NULL, 0);
	CALL(close, "close", fd, (fd), NULL, 0);
}

void calls_waits(void)
{
	int ends[2];
	CALL(pipe, "pipe", -1, (ends), NULL, 0);
	CALL(write, "write", ends[1], (ends[1], "w", 1), "w", result);
	polls_of(ends);
	selects_of(ends);
	epolls_of(ends);
	CALL(close, "close", ends[0], (ends[0]), NULL, 0);
	CALL(close, "close", ends[1], (ends[1]), NULL, 0);
}
