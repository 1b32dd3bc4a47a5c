/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief The ends of calls that move bytes: what is counted and recorded of each.
 *
 * The hottest code there is: what a small record needs is in line, and nothing of it goes through memory first.
 */
#include "io.h"

#include "handed_on.h"
#include "ring.h"
#include "stack.h"

__thread struct moved_last moved_last[2];

/* What a traced call says of the stream; gives the offset. */
static inline __attribute__((always_inline)) uint64_t stream_moved(const struct io_call *call,
																   enum io_direction direction, uint64_t conn_id,
																   uint64_t bytes, uint16_t flags, int64_t position)
{
	if (unlikely((unsigned)call->fd <= 2))
		io_standard_stream(call->fd, conn_id);
	const bool moves = !(flags & CLEW_F_PEEK);
	if (likely(bytes && moves))
		moved_last[direction] = (struct moved_last){conn_id, call->core.begin};
	if (unlikely(position != IO_STREAM))
		return (uint64_t)position;
	return conn_carry(call->core.slot, conn_id, direction == IO_OUT, moves ? bytes : 0);
}

void io_moved(struct io_call *call, enum io_direction direction, int64_t result, const struct iovec *data, int count,
			  size_t capacity, uint16_t flags, int64_t position)
{
	struct end end = io_result(call, result);
	end.ticks = ticks_now() - call->core.begin;
	end.bytes = result > 0 ? (uint64_t)result : 0;
	end.flags = flags;
	if (io_traced(call)) {
		tasks_tell(&call->core);
		const uint64_t entry = io_entry(call);
		end.conn_id = entry & CONN_ID;
		end.offset = stream_moved(call, direction, end.conn_id, end.bytes, flags, position);
		if (likely(end.conn_id && !(entry & CONN_NO_PAYLOAD))) {
			end.data = data;
			end.data_count = count;
			end.data_size = end.bytes < capacity ? end.bytes : capacity;
			if (direction == IO_OUT && end.data_size && handed_on(end.ticks, end.conn_id, data->iov_base)) {
				handed_on_end(&call->core, &end);
				call->core.slot = NULL;
				return;
			}
		}
	}
	io_finish(call, &end);
}

/* As io_moved() and call_end() would do it. */
static inline __attribute__((always_inline)) void moved_one(const struct io_call *call, enum io_direction direction,
															int64_t result, const void *buffer, size_t size,
															uint16_t flags, int64_t position)
{
	struct clew_slot *slot = call->core.slot;
	const uint64_t ticks = ticks_now() - call->core.begin, bytes = result > 0 ? (uint64_t)result : 0;
	const uint32_t mode = call->core.mode;
	const int error = unlikely(result < 0) ? errno : 0;
	uint32_t seq = 0;
	if (likely(mode & CLEW_COUNT))
		call_count(slot, call->op, bytes, error, ticks);
	if (likely(mode & CLEW_TRACE)) {
		tasks_tell(&call->core);
		const uint64_t entry = io_entry(call), conn_id = entry & CONN_ID;
		const struct clew_record record = {
			.op = (uint16_t)call->op,
			.flags = flags,
			.begin = call->core.begin,
			.ticks = ticks,
			.result = result,
			.conn_id = conn_id,
			.offset = stream_moved(call, direction, conn_id, bytes, flags, position),
			.fd = call->fd,
			.error = (uint16_t)error,
		};
		size_t keep = likely(conn_id && !(entry & CONN_NO_PAYLOAD)) ? bytes : 0;
		keep = keep < size ? keep : size;
		const bool gone = direction == IO_OUT && keep && handed_on(ticks, conn_id, buffer);
		if (likely(!gone) && ring_takes(keep)) {
			seq = ring_put(slot, &record, buffer, keep);
		} else {
			const struct clew_record copy = record; /* so that only here it has to be in memory */
			seq = gone ? handed_on_write(slot, &copy, buffer, keep)
					   : ring_write(slot, &copy, &(struct iovec){(void *)(uintptr_t)buffer, size}, 1, keep);
		}
	}
	if (unlikely(mode & CLEW_STACKS))
		stack_of_call(slot, call->op, seq, call->core.begin);
}

void io_moved_one(struct io_call *call, enum io_direction direction, int64_t result, const void *buffer, size_t size,
				  uint16_t flags, int64_t position)
{
	moved_one(call, direction, result, buffer, size, flags, position);
}

void io_moved_plainly(struct io_call *call, enum io_direction direction, int64_t result, const void *buffer,
					  size_t size)
{
	moved_one(call, direction, result, buffer, size, 0, IO_STREAM);
}
