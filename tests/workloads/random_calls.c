/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief Calls in an order that a number decides, on whatever descriptors there are, failing ones included;
 * also in children and threads. Usage: random_calls NUMBER CALLS. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "marks.h"

#define MOST 40
#define ROOM 6000u

struct actor { /* a process or thread, with descriptors of its own */
	uint64_t state;
	int fds[MOST], count, depth;
	char bytes[ROOM];
};

static uint32_t below(struct actor *me, uint32_t limit)
{
	me->state ^= me->state << 13;
	me->state ^= me->state >> 7;
	me->state ^= me->state << 17;
	return (uint32_t)((me->state >> 20) % limit);
}

static int any(struct actor *me)
{
	if (!me->count || below(me, 30) == 0)
		return below(me, 2) ? -1 : 9999;
	return me->fds[below(me, (uint32_t)me->count)];
}

static void drop(struct actor *me)
{
	if (!me->count)
		return;
	const int at = (int)below(me, (uint32_t)me->count), fd = me->fds[at];
	me->fds[at] = me->fds[--me->count];
	if (below(me, 4))
		close(fd);
	else
		close_range((unsigned)fd, (unsigned)fd, 0);
}

static void keep(struct actor *me, int fd)
{
	if (fd < 0)
		return;
	if (me->count == MOST)
		drop(me);
	me->fds[me->count++] = fd;
}

static size_t some(struct actor *me)
{
	static const uint32_t limits[] = {1, 2, 10, 400, ROOM};
	const size_t size = below(me, limits[below(me, 5)]);
	memset(me->bytes, (int)('a' + below(me, 26)), size);
	return size;
}

/* Where bytes are, now and then somewhere that nobody may touch. */
static char *where(struct actor *me)
{
	return below(me, 40) ? me->bytes : (char *)(uintptr_t)(8 + below(me, 8));
}

static int parts(struct actor *me, struct iovec parts[8])
{
	const int count = (int)below(me, 9);
	size_t at = 0;
	for (int i = 0; i < count; i++) {
		parts[i] = (struct iovec){me->bytes + at, below(me, 700)};
		at += parts[i].iov_len;
	}
	return count;
}

static void move(struct actor *me)
{
	struct iovec vector[8], one[2] = {{me->bytes, some(me)}, {me->bytes, 20}};
	struct msghdr message = {.msg_iov = vector};
	struct mmsghdr two[2] = {{.msg_hdr = {.msg_iov = &one[0], .msg_iovlen = 1}},
							 {.msg_hdr = {.msg_iov = &one[1], .msg_iovlen = 1}}};
	const int fd = any(me), way = (int)below(me, 20);
	const size_t size = one[0].iov_len;
	one[0].iov_len = size < 4000 ? size : 4000; /* of several messages in one call so much is kept */
	const off_t at = (off_t)below(me, 3000) - 5;
	switch (way) {
	case 0:
	case 1:
	case 2:
		write(fd, where(me), size);
		break;
	case 3:
	case 4:
	case 5:
		read(fd, where(me), below(me, ROOM));
		break;
	case 6:
		writev(fd, vector, parts(me, vector));
		break;
	case 7:
		readv(fd, vector, parts(me, vector));
		break;
	case 8:
		pwrite(fd, where(me), size, at);
		break;
	case 9:
		pread(fd, where(me), size, at);
		break;
	case 10:
		pwritev(fd, vector, parts(me, vector), at);
		break;
	case 11:
		preadv(fd, vector, parts(me, vector), at);
		break;
	case 12:
		send(fd, where(me), size, 0);
		break;
	case 13:
		recv(fd, where(me), below(me, ROOM), below(me, 3) ? 0 : MSG_PEEK);
		break;
	case 14:
		sendto(fd, me->bytes, size, MSG_DONTWAIT, NULL, 0);
		break;
	case 15:
		recvfrom(fd, me->bytes, ROOM, 0, NULL, NULL);
		break;
	case 16:
		message.msg_iovlen = (size_t)parts(me, vector);
		sendmsg(fd, &message, MSG_NOSIGNAL);
		break;
	case 17:
		message.msg_iovlen = (size_t)parts(me, vector);
		recvmsg(fd, &message, 0);
		break;
	case 18:
		sendmmsg(fd, two, 2, 0);
		break;
	default:
		recvmmsg(fd, two, 2, MSG_DONTWAIT, NULL);
	}
}

static void make(struct actor *me)
{
	static const char *const names[] = {"one", "two", "missing/three", "."};
	static const int domains[] = {AF_UNIX, AF_INET, AF_INET6};
	int pair[2] = {-1, -1};
	const char *name = names[below(me, 4)];
	switch (below(me, 9)) {
	case 0:
		keep(me, open(name, O_RDWR | O_CREAT | (below(me, 3) ? 0 : O_TRUNC), 0600));
		break;
	case 1:
		keep(me, openat(AT_FDCWD, name, below(me, 2) ? O_RDONLY : O_WRONLY | O_APPEND));
		break;
	case 2:
		keep(me, creat(name, 0600));
		break;
	case 3:
		pipe2(pair, O_NONBLOCK | O_CLOEXEC);
		break;
	case 4:
		socketpair(AF_UNIX, (below(me, 2) ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, 0, pair);
		break;
	case 5:
		keep(me, socket(domains[below(me, 3)], (below(me, 2) ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, 0));
		break;
	case 6:
		keep(me, eventfd(below(me, 3), EFD_NONBLOCK));
		break;
	case 7:
		keep(me, memfd_create("memory", 0));
		break;
	default:
		keep(me, epoll_create1(0));
	}
	keep(me, pair[0]);
	keep(me, pair[1]);
}

static void copy(struct actor *me)
{
	const int fd = any(me);
	switch (below(me, 6)) {
	case 0:
		keep(me, dup(fd));
		break;
	case 1:
	case 2:
		dup2(fd, any(me));
		break;
	case 3:
		dup3(fd, any(me), below(me, 2) ? O_CLOEXEC : 12345);
		break;
	case 4:
		keep(me, fcntl(fd, F_DUPFD, below(me, 60)));
		break;
	default:
		keep(me, fcntl(fd, F_DUPFD_CLOEXEC, 5));
	}
}

static void connect_something(struct actor *me)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_un un;
	} address = {.any = {.sa_family = AF_INET}};
	socklen_t size = sizeof address.in;
	const int fd = any(me);
	address.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (below(me, 2))
		getsockname(any(me), &address.any, &size);
	switch (below(me, 6)) {
	case 0:
		bind(fd, &address.any, size);
		break;
	case 1:
		listen(fd, 5);
		break;
	case 2:
	case 3:
		connect(fd, &address.any, size);
		break;
	case 4:
		keep(me, accept4(fd, NULL, NULL, SOCK_NONBLOCK));
		break;
	default:
		shutdown(fd, (int)below(me, 4));
	}
}

static void wait_for(struct actor *me)
{
	struct pollfd polled[2] = {{.fd = any(me), .events = POLLIN}, {.fd = any(me), .events = POLLOUT}};
	struct epoll_event event = {.events = EPOLLIN}, events[4];
	struct timeval nothing = {0, 0};
	const int fd = any(me);
	fd_set set;
	FD_ZERO(&set);
	if (fd >= 0 && fd < FD_SETSIZE)
		FD_SET(fd, &set);
	switch (below(me, 4)) {
	case 0:
		poll(polled, 2, 0);
		break;
	case 1:
		select(fd + 1, &set, NULL, NULL, &nothing);
		break;
	case 2:
		epoll_ctl(fd, EPOLL_CTL_ADD, any(me), &event);
		break;
	default:
		epoll_wait(fd, events, (int)below(me, 5), 0);
	}
}

static void transfer(struct actor *me)
{
	off_t at = 3;
	switch (below(me, 4)) {
	case 0:
		sendfile(any(me), any(me), below(me, 2) ? &at : NULL, below(me, 900));
		break;
	case 1:
		splice(any(me), NULL, any(me), NULL, below(me, 900), SPLICE_F_NONBLOCK);
		break;
	case 2:
		copy_file_range(any(me), NULL, any(me), NULL, below(me, 900), 0);
		break;
	default:
		below(me, 2) ? fsync(any(me)) : fdatasync(any(me));
	}
}

static void act(struct actor *me, uint32_t calls);

static void multiply(struct actor *me)
{
	static char *const arguments[] = {"nothing", NULL};
	const bool shares = below(me, 3) == 0;
	if (me->depth == 2)
		return;
	int pair[2] = {-1, -1};
	if (shares)
		pipe2(pair, O_NONBLOCK);
	const pid_t pid = shares ? vfork() : fork();
	if (pid == 0) {
		mark_begin();
		if (shares) {
			write(pair[1], "vforked", 7);
			execve("/nonexistent", arguments, arguments);
			_exit(3);
		}
		me->depth++;
		act(me, 60);
		_exit((int)below(me, 200));
	}
	waitpid(pid, NULL, 0);
	keep(me, pair[0]);
	keep(me, pair[1]);
}

static void act(struct actor *me, uint32_t calls)
{
	while (calls--) {
		const uint32_t way = below(me, 100);
		if (way < 45)
			move(me);
		else if (way < 62)
			make(me);
		else if (way < 72)
			copy(me);
		else if (way < 82)
			connect_something(me);
		else if (way < 88)
			wait_for(me);
		else if (way < 93)
			transfer(me);
		else if (way < 99)
			drop(me);
		else
			multiply(me);
	}
}

static uint32_t calls_of_each;

static void *run(void *actor)
{
	mark_begin();
	act(actor, calls_of_each);
	mark_end();
	return NULL;
}

int main(int count, char **arguments)
{
	static struct actor actors[3];
	pthread_t threads[2];
	if (count != 3 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return 1;
	calls_of_each = (uint32_t)atoi(arguments[2]);
	for (int i = 0; i < 3; i++)
		actors[i].state = (strtoull(arguments[1], NULL, 10) * 3 + (uint64_t)i + 1) * UINT64_C(0x9e3779b97f4a7c15);
	for (int i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, run, &actors[i + 1]))
			return 2;
	run(&actors[0]);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
