/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What the I/O wrappers share: a call that records itself as cancelled if its thread is, and its ends.
 *
 * Include it first: it undoes what would rename or inline the functions that are defined here.
 * A wrapper touches the arguments' memory after the call only, and only what the kernel must have
 * touched too: a pointer that the kernel refused, or never looked at, must not crash the program here.
 */
#ifndef CLEW_IO_H
#define CLEW_IO_H

#undef _FORTIFY_SOURCE
#undef _FILE_OFFSET_BITS
#undef _TIME_BITS
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <sys/socket.h>

#include "connections.h"
#include "core.h"
#include "real.h"
#include "tasks.h"

/* A call of the program. Pthread cancellation unwinds the wrapper's frame, and so runs io_leave(). */
struct io_call {
	struct call core;
	enum clew_op op;
	int fd;
	uint64_t entry; /* of fd in the table of descriptors, before the call; 0: not known, or not asked for */
};

void io_cancelled(struct io_call *call);
void io_look_closely(struct io_call *call);

static inline void io_leave(struct io_call *call)
{
	if (unlikely(call->core.slot != NULL))
		io_cancelled(call);
}

/* Declares `call` and starts it. */
#define IO_CALL(call, OPERATION, descriptor)                                                                           \
	struct io_call call __attribute__((cleanup(io_leave)));                                                            \
	call.op = CLEW_OP_##OPERATION;                                                                                     \
	call.fd = (descriptor);                                                                                            \
	call.entry = 0;                                                                                                    \
	call_begin(&call.core)

/* The same for a call on what `descriptor` is now: when it returns, another thread may have closed or replaced that. */
#define IO_CALL_ON(call, OPERATION, descriptor)                                                                        \
	IO_CALL(call, OPERATION, descriptor);                                                                              \
	io_look(&call)

static inline bool io_counted(const struct io_call *call)
{
	return call->core.slot != NULL;
}

static inline bool io_traced(const struct io_call *call)
{
	return call->core.slot != NULL && (call->core.mode & CLEW_TRACE);
}

static inline void io_look(struct io_call *call)
{
	if (io_traced(call)) {
		call->entry = conn_entry_ready(&call->core, call->fd);
		if (unlikely(!call->entry))
			io_look_closely(call);
	}
}

/* What the call was on, to be asked after it. */
static inline uint64_t io_entry(const struct io_call *call)
{
	return unlikely(call->entry & CONN_PENDING) ? conn_entry_after(&call->core, call->fd, call->entry) : call->entry;
}

static inline uint64_t io_conn(const struct io_call *call)
{
	return io_entry(call) & CONN_ID;
}

/* What every record of the call says. Reads errno, so nothing that sets it may come before. */
static inline struct end io_result(const struct io_call *call, int64_t result)
{
	return (struct end){
		.op = call->op,
		.fd = call->fd,
		.result = result,
		.error = result < 0 ? errno : 0,
		.offset = CLEW_NO_OFFSET,
	};
}

static inline void io_finish(struct io_call *call, const struct end *end)
{
	call_end(&call->core, end);
	call->core.slot = NULL;
}

/* A call on call->fd that moves nothing: listen, shutdown, fsync, a wait. */
static inline void io_end(struct io_call *call, int64_t result)
{
	if (!io_counted(call))
		return;
	struct end end = io_result(call, result);
	end.conn_id = io_conn(call);
	io_finish(call, &end);
}

/* Did the kernel read the path or address it was given, although the call failed? Only then may we. */
static inline bool io_argument_was_read(int64_t result)
{
	if (result >= 0)
		return true;
	switch (errno) {
	case EFAULT:
	case EINVAL:
	case EBADF:
	case ENOTSOCK:
	case ENOSYS:
	case EPERM:
		return false;
	default:
		return true;
	}
}

/* unseen.c: stdio may have moved bytes over 0, 1 or 2, too. */
void io_standard_stream(int fd, uint64_t conn_id);

enum io_direction { IO_IN = 0, IO_OUT = 1 };

/* By direction: what this thread moved bytes over last, for whoever asks what a call above was made of. */
struct moved_last {
	uint64_t conn_id;
	uint64_t begin; /* ticks when that call was entered */
};
extern __thread struct moved_last moved_last[2];
#define IO_STREAM INT64_MIN /* position: wherever the descriptor stands */

/* ---- moved.c: calls that move bytes and are counted ---- */

/*
 * A call that moved `result` bytes between call->fd and `count` buffers that hold `capacity` bytes. A device
 * may say that it took bytes it never looked at (/dev/null), so no payload of those is kept.
 */
void io_moved(struct io_call *call, enum io_direction direction, int64_t result, const struct iovec *data, int count,
			  size_t capacity, uint16_t flags, int64_t position);
/* io_moved() of one buffer; plainly: without flags and position. */
void io_moved_one(struct io_call *call, enum io_direction direction, int64_t result, const void *buffer, size_t size,
				  uint16_t flags, int64_t position);
void io_moved_plainly(struct io_call *call, enum io_direction direction, int64_t result, const void *buffer,
					  size_t size);

static inline void io_moved_buffer(struct io_call *call, enum io_direction direction, int64_t result,
								   const void *buffer, size_t size, uint16_t flags, int64_t position)
{
	if (!io_counted(call))
		return;
	if (__builtin_constant_p(flags) && flags == 0 && position == IO_STREAM)
		io_moved_plainly(call, direction, result, buffer, size);
	else
		io_moved_one(call, direction, result, buffer, size, flags, position);
	call->core.slot = NULL;
}

/* io_moved() of readv, writev and their kin: they never move more than the buffers hold. */
static inline void io_moved_vector(struct io_call *call, enum io_direction direction, int64_t result,
								   const struct iovec *data, int count, int64_t position)
{
	if (io_counted(call))
		io_moved(call, direction, result, data, count, SIZE_MAX, 0, position);
}

/* Flags of recv- and send-like calls, as recorded. */
static inline uint16_t io_message_flags(int flags)
{
	return (uint16_t)((flags & (MSG_PEEK | MSG_ERRQUEUE) ? CLEW_F_PEEK : 0) |
					  (flags & MSG_DONTWAIT ? CLEW_F_NONBLOCK : 0));
}

/* ---- io.c: the rest of the ends; each does nothing where the call is not counted ---- */

void io_received(struct io_call *call, int64_t result, const void *buffer, size_t size, int flags);
void io_moved_message(struct io_call *call, enum io_direction direction, int64_t result, const struct msghdr *message,
					  int flags);
void io_moved_messages(struct io_call *call, enum io_direction direction, int result, const struct mmsghdr *messages,
					   int flags);
void io_moved_items(struct io_call *call, size_t items, size_t item_size);
void io_end_struct(struct io_call *call, int64_t result, uint64_t conn_id, const void *data, size_t size);
/* flags: CLEW_F_NAMES or 0. */
void io_end_text(struct io_call *call, int64_t result, uint64_t conn_id, const char *text, uint16_t flags);

#endif
