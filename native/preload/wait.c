/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Wrappers of the calls that wait for descriptors: poll, select, epoll_wait and variants, with who was ready.
 */
#include "io.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

#include "epoll.h"

#define MOST_READY 16

int __poll(struct pollfd *fds, nfds_t count, int timeout);
int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t room);
int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask, size_t room);
int __select(int limit, fd_set *readable, fd_set *writable, fd_set *other, struct timeval *timeout);

struct ready_list {
	struct clew_ready ready[MOST_READY];
	int count;
};

static void add_ready(struct ready_list *list, int fd, uint32_t events)
{
	list->ready[list->count++] = (struct clew_ready){fd, events};
}

static void waited(struct io_call *call, int result, const struct ready_list *list)
{
	io_end_struct(call, result, io_conn(call), list->ready, (size_t)list->count * sizeof list->ready[0]);
}

static void polled(struct io_call *call, int result, const struct pollfd *fds, nfds_t count)
{
	struct ready_list list;
	list.count = 0;
	if (result > 0 && io_traced(call))
		for (nfds_t i = 0; i < count && list.count < MOST_READY && list.count < result; i++)
			if (fds[i].revents)
				add_ready(&list, fds[i].fd, (uint16_t)fds[i].revents);
	waited(call, result, &list);
}

#define WRAP_POLL(name)                                                                                                \
	CLEW_EXPORT int name(struct pollfd *fds, nfds_t count, int timeout)                                                \
	{                                                                                                                  \
		IO_CALL(call, POLL, -1);                                                                                       \
		const int result = REAL(name)(fds, count, timeout);                                                            \
		polled(&call, result, fds, count);                                                                             \
		return result;                                                                                                 \
	}
WRAP_POLL(poll)
WRAP_POLL(__poll)

CLEW_EXPORT int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t room)
{
	IO_CALL(call, POLL, -1);
	const int result = REAL(__poll_chk)(fds, count, timeout, room);
	polled(&call, result, fds, count);
	return result;
}

CLEW_EXPORT int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
	IO_CALL(call, PPOLL, -1);
	const int result = REAL(ppoll)(fds, count, timeout, mask);
	polled(&call, result, fds, count);
	return result;
}

CLEW_EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask,
							size_t room)
{
	IO_CALL(call, PPOLL, -1);
	const int result = REAL(__ppoll_chk)(fds, count, timeout, mask, room);
	polled(&call, result, fds, count);
	return result;
}

static uint32_t bit_of(const fd_set *set, int word, int bit, uint32_t event)
{
	return set && (__FDS_BITS(set)[word] >> bit & 1) ? event : 0;
}

/* Word by word: a program may hand in sets of more than FD_SETSIZE descriptors, or many empty words. */
static void selected(struct io_call *call, int result, int limit, const fd_set *readable, const fd_set *writable,
					 const fd_set *other)
{
	struct ready_list list;
	list.count = 0;
	for (int word = 0; result > 0 && io_traced(call) && word * __NFDBITS < limit; word++) {
		const unsigned long any =
			(unsigned long)((readable ? __FDS_BITS(readable)[word] : 0) | (writable ? __FDS_BITS(writable)[word] : 0) |
							(other ? __FDS_BITS(other)[word] : 0));
		for (unsigned long rest = any; rest && list.count < MOST_READY; rest &= rest - 1) {
			const int bit = __builtin_ctzl(rest);
			const int fd = word * __NFDBITS + bit;
			if (fd < limit)
				add_ready(&list, fd,
						  bit_of(readable, word, bit, POLLIN) | bit_of(writable, word, bit, POLLOUT) |
							  bit_of(other, word, bit, POLLPRI));
		}
		if (list.count == MOST_READY)
			break;
	}
	waited(call, result, &list);
}

#define WRAP_SELECT(name)                                                                                              \
	CLEW_EXPORT int name(int limit, fd_set *readable, fd_set *writable, fd_set *other, struct timeval *timeout)        \
	{                                                                                                                  \
		IO_CALL(call, SELECT, -1);                                                                                     \
		const int result = REAL(name)(limit, readable, writable, other, timeout);                                      \
		selected(&call, result, limit, readable, writable, other);                                                     \
		return result;                                                                                                 \
	}
WRAP_SELECT(select)
WRAP_SELECT(__select)

CLEW_EXPORT int pselect(int limit, fd_set *readable, fd_set *writable, fd_set *other, const struct timespec *timeout,
						const sigset_t *mask)
{
	IO_CALL(call, PSELECT, -1);
	const int result = REAL(pselect)(limit, readable, writable, other, timeout, mask);
	selected(&call, result, limit, readable, writable, other);
	return result;
}

static void epolled(struct io_call *call, int result, const struct epoll_event *events)
{
	struct ready_list list;
	list.count = 0;
	if (io_traced(call))
		for (int i = 0; i < result && i < MOST_READY; i++)
			add_ready(&list, epoll_descriptor(call->fd, events[i].data.u64), events[i].events);
	waited(call, result, &list);
}

CLEW_EXPORT int epoll_wait(int fd, struct epoll_event *events, int most, int timeout)
{
	IO_CALL_ON(call, EPOLL_WAIT, fd);
	const int result = REAL(epoll_wait)(fd, events, most, timeout);
	epolled(&call, result, events);
	return result;
}

CLEW_EXPORT int epoll_pwait(int fd, struct epoll_event *events, int most, int timeout, const sigset_t *mask)
{
	IO_CALL_ON(call, EPOLL_PWAIT, fd);
	const int result = REAL(epoll_pwait)(fd, events, most, timeout, mask);
	epolled(&call, result, events);
	return result;
}

int epoll_pwait2(int fd, struct epoll_event *events, int most, const struct timespec *timeout, const sigset_t *mask);

CLEW_EXPORT int epoll_pwait2(int fd, struct epoll_event *events, int most, const struct timespec *timeout,
							 const sigset_t *mask)
{
	IO_CALL_ON(call, EPOLL_PWAIT, fd);
	const int result = REAL(epoll_pwait2)(fd, events, most, timeout, mask);
	epolled(&call, result, events);
	return result;
}
