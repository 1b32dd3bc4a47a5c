/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Wrappers of the calls that move bytes from one descriptor to another inside the kernel: sendfile, splice,
 * copy_file_range. The record is the destination's; its struct clew_transfer names the source.
 */
#include "io.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <unistd.h>

/* Where the bytes came from or went to: *position before the call, which has moved it on by then; NULL = the stream. */
static uint64_t offset_before(uint64_t conn_id, bool out, const off64_t *position, int64_t result)
{
	const uint64_t bytes = result > 0 ? (uint64_t)result : 0;
	if (!position)
		return conn_advance(conn_id, out, bytes);
	return result >= 0 ? (uint64_t)*position - bytes : CLEW_NO_OFFSET;
}

struct source {
	int fd;
	uint64_t conn_id; /* before the call */
};

static struct source source_of(const struct io_call *call, int fd)
{
	return (struct source){fd, io_traced(call) ? conn_of(&call->core, fd) : 0};
}

static void transfer_end(struct io_call *call, int64_t result, const struct source *source,
						 const off64_t *from_position, const off64_t *to_position)
{
	if (!io_counted(call))
		return;
	struct end end = io_result(call, result);
	struct clew_transfer transfer = {.ends = {.fd = {source->fd, call->fd}}};
	const struct iovec data = {&transfer, sizeof transfer};
	end.bytes = result > 0 ? (uint64_t)result : 0;
	if (io_traced(call)) {
		transfer.ends.conn_id[0] = source->conn_id;
		transfer.ends.conn_id[1] = end.conn_id = io_conn(call);
		transfer.offset[0] = offset_before(transfer.ends.conn_id[0], false, from_position, result);
		transfer.offset[1] = end.offset = offset_before(end.conn_id, true, to_position, result);
		end.flags = CLEW_F_STRUCT;
		end.data = &data;
		end.data_count = 1;
		end.data_size = sizeof transfer;
	}
	io_finish(call, &end);
}

#define WRAP_SENDFILE(name, offset_t)                                                                                  \
	CLEW_EXPORT ssize_t name(int to, int from, offset_t *position, size_t size)                                        \
	{                                                                                                                  \
		IO_CALL_ON(call, SENDFILE, to);                                                                                \
		const struct source source = source_of(&call, from);                                                           \
		const ssize_t result = REAL(name)(to, from, position, size);                                                   \
		transfer_end(&call, result, &source, (const off64_t *)position, NULL);                                         \
		return result;                                                                                                 \
	}
WRAP_SENDFILE(sendfile, off_t)
WRAP_SENDFILE(sendfile64, off64_t)

CLEW_EXPORT ssize_t splice(int from, off64_t *from_position, int to, off64_t *to_position, size_t size, unsigned flags)
{
	IO_CALL_ON(call, SPLICE, to);
	const struct source source = source_of(&call, from);
	const ssize_t result = REAL(splice)(from, from_position, to, to_position, size, flags);
	transfer_end(&call, result, &source, from_position, to_position);
	return result;
}

CLEW_EXPORT ssize_t copy_file_range(int from, off64_t *from_position, int to, off64_t *to_position, size_t size,
									unsigned flags)
{
	IO_CALL_ON(call, COPY_FILE_RANGE, to);
	const struct source source = source_of(&call, from);
	const ssize_t result = REAL(copy_file_range)(from, from_position, to, to_position, size, flags);
	transfer_end(&call, result, &source, from_position, to_position);
	return result;
}
