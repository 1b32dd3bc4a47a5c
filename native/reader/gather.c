/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Byte strings scattered over a segment, put one after the other as Arrow wants them.
 */
#include <errno.h>

#include "output.h"
#include "reader.h"

typedef void put_function(struct output *out, const uint8_t *bytes, size_t size);

static void put_raw(struct output *out, const uint8_t *bytes, size_t size)
{
	put_bytes(out, bytes, size);
}

static int gather(const uint8_t *data, uint64_t size, const uint64_t *at, const uint64_t *lengths, uint64_t count,
				  uint8_t *out, uint64_t room, int64_t *ends, put_function *put)
{
	struct output output = {out, out + room, false};
	for (uint64_t i = 0; i < count; i++) {
		if (at[i] > size || lengths[i] > size - at[i])
			return -EINVAL;
		if (lengths[i])
			put(&output, data + at[i], lengths[i]);
		if (output.full)
			return -ERANGE;
		ends[i] = output.at - out;
	}
	return 0;
}

int clew_gather(const uint8_t *data, uint64_t size, const uint64_t *at, const uint64_t *lengths, uint64_t count,
				uint8_t *out, uint64_t room, int64_t *ends)
{
	return gather(data, size, at, lengths, count, out, room, ends, put_raw);
}

int clew_gather_text(const uint8_t *data, uint64_t size, const uint64_t *at, const uint64_t *lengths, uint64_t count,
					 uint8_t *out, uint64_t room, int64_t *ends)
{
	return gather(data, size, at, lengths, count, out, room, ends, put_utf8);
}

int clew_gather_addresses(const uint8_t *data, uint64_t size, const uint64_t *at, const uint64_t *lengths,
						  uint64_t count, uint8_t *out, uint64_t room, int64_t *ends)
{
	return gather(data, size, at, lengths, count, out, room, ends, put_address);
}
