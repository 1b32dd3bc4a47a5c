/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief The ends of I/O calls that are not on the hottest path: messages, structs, texts, cancellation.
 */
#include "io.h"

#include "handed_on.h"
#include "internal.h"

#define TEXT_LIMIT 4096u

/* The thread ends inside the call: there is no result and no errno. */
void io_cancelled(struct io_call *call)
{
	const struct end end = {
		.op = call->op,
		.flags = CLEW_F_CANCELLED,
		.fd = call->fd,
		.result = -1,
		.error = ECANCELED,
		.offset = CLEW_NO_OFFSET,
		.conn_id = io_conn(call),
	};
	io_finish(call, &end);
}

/* A descriptor that is seen for the first time: what that costs is not the call's. */
void io_look_closely(struct io_call *call)
{
	call->entry = conn_entry_slow(&call->core, call->fd);
	call->core.begin = ticks_now();
}

static size_t capacity_of(const struct iovec *data, size_t count)
{
	size_t capacity = 0;
	for (size_t i = 0; i < count; i++)
		capacity += data[i].iov_len;
	return capacity;
}

/* TCP throws the bytes away where MSG_TRUNC asks for them; nobody wrote to the buffers. */
static bool buffers_were_used(const struct io_call *call, int flags)
{
	if (!(flags & MSG_TRUNC))
		return true;
	const enum clew_kind kind = conn_kind(io_conn(call));
	return kind == CLEW_KIND_UDP || kind == CLEW_KIND_UNIX;
}

void io_received(struct io_call *call, int64_t result, const void *buffer, size_t size, int flags)
{
	if (!io_counted(call))
		return;
	const bool used = !io_traced(call) || result <= 0 || buffers_were_used(call, flags);
	io_moved_one(call, IO_IN, result, buffer, used ? size : 0, io_message_flags(flags), IO_STREAM);
	call->core.slot = NULL;
}

void io_moved_message(struct io_call *call, enum io_direction direction, int64_t result, const struct msghdr *message,
					  int flags)
{
	if (!io_counted(call))
		return;
	size_t capacity = 0;
	if (result > 0 && (direction == IO_OUT || !io_traced(call) || buffers_were_used(call, flags)))
		capacity = capacity_of(message->msg_iov, message->msg_iovlen);
	io_moved(call, direction, result, result > 0 ? message->msg_iov : NULL, result > 0 ? (int)message->msg_iovlen : 0,
			 capacity, io_message_flags(flags), IO_STREAM);
}

/* One record for all messages: struct clew_moved, then payload of the first. */
void io_moved_messages(struct io_call *call, enum io_direction direction, int result, const struct mmsghdr *messages,
					   int flags)
{
	if (!io_counted(call))
		return;
	struct end end = io_result(call, result);
	struct clew_moved moved = {0};
	end.flags = (uint16_t)(io_message_flags(flags) | CLEW_F_STRUCT);
	for (int i = 0; i < result; i++)
		end.bytes += messages[i].msg_len;
	struct iovec data[2] = {{&moved, sizeof moved}, {NULL, 0}};
	if (io_traced(call)) {
		end.conn_id = io_conn(call);
		end.offset = conn_advance(end.conn_id, direction == IO_OUT, end.flags & CLEW_F_PEEK ? 0 : end.bytes);
		moved.bytes = end.bytes;
		if (result > 0 && messages->msg_hdr.msg_iovlen && buffers_were_used(call, flags)) {
			data[1] = messages->msg_hdr.msg_iov[0];
			size_t room = TEXT_LIMIT - sizeof moved;
			room = room < arena->payload_head ? room : arena->payload_head;
			room = room < messages->msg_len ? room : messages->msg_len;
			data[1].iov_len = room < data[1].iov_len ? room : data[1].iov_len;
			moved.kept = (uint32_t)data[1].iov_len;
		}
		end.data = data;
		end.data_count = 2;
		end.data_size = sizeof moved + moved.kept;
		end.ticks = ticks_now() - call->core.begin;
		if (direction == IO_OUT && moved.kept && handed_on(end.ticks, end.conn_id, data[1].iov_base)) {
			handed_on_end(&call->core, &end);
			call->core.slot = NULL;
			return;
		}
	}
	io_finish(call, &end);
}

/* fread and fwrite: what goes through the FILE's buffer is counted, not kept. */
void io_moved_items(struct io_call *call, size_t items, size_t item_size)
{
	if (!io_counted(call))
		return;
	struct end end = io_result(call, (int64_t)items);
	struct clew_moved moved = {.bytes = items * item_size};
	const struct iovec data = {&moved, sizeof moved};
	end.bytes = moved.bytes;
	if (io_traced(call)) {
		end.conn_id = io_conn(call);
		conn_set_state(end.conn_id, CLEW_CONN_UNCOUNTED);
		end.flags = CLEW_F_STRUCT;
		end.data = &data;
		end.data_count = 1;
		end.data_size = sizeof moved;
	}
	io_finish(call, &end);
}

static void end_with(struct io_call *call, int64_t result, uint64_t conn_id, uint16_t flags, const void *data,
					 size_t size)
{
	struct end end = io_result(call, result);
	const struct iovec one = {(void *)(uintptr_t)data, size};
	end.conn_id = conn_id;
	if (data && size && io_traced(call)) {
		end.flags = flags;
		end.data = &one;
		end.data_count = 1;
		end.data_size = size;
	}
	io_finish(call, &end);
}

void io_end_struct(struct io_call *call, int64_t result, uint64_t conn_id, const void *data, size_t size)
{
	if (io_counted(call))
		end_with(call, result, conn_id, CLEW_F_STRUCT, data, size);
}

void io_end_text(struct io_call *call, int64_t result, uint64_t conn_id, const char *text, uint16_t flags)
{
	if (!io_counted(call))
		return;
	size_t length = 0;
	if (text && io_traced(call))
		while (length < TEXT_LIMIT && text[length])
			length++;
	end_with(call, result, conn_id, CLEW_F_TEXT | flags, text, length);
}
