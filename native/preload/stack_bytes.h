/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Reads the numbers of call frame information, never past its end (DWARF 5, section 7.6).
 */
#ifndef CLEW_STACK_BYTES_H
#define CLEW_STACK_BYTES_H

#include <stdbool.h>
#include <stdint.h>

struct bytes {
	const uint8_t *at, *end;
	bool bad; /* something reached past the end: what was read is 0 */
};

/* `1 << log_size` bytes, little-endian. */
static inline uint64_t bytes_constant(struct bytes *bytes, unsigned log_size, bool is_signed)
{
	const unsigned size = 1u << log_size;
	uint64_t value = 0;
	if ((uint64_t)(bytes->end - bytes->at) < size) {
		bytes->bad = true;
		bytes->at = bytes->end;
		return 0;
	}
	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)bytes->at[i] << 8 * i;
	bytes->at += size;
	if (is_signed && size < 8 && value >> (8 * size - 1))
		value |= ~UINT64_C(0) << 8 * size;
	return value;
}

static inline uint8_t bytes_u8(struct bytes *bytes)
{
	return (uint8_t)bytes_constant(bytes, 0, false);
}

static inline uint32_t bytes_u32(struct bytes *bytes)
{
	return (uint32_t)bytes_constant(bytes, 2, false);
}

static inline uint64_t bytes_leb(struct bytes *bytes, bool is_signed)
{
	uint64_t value = 0;
	for (unsigned shift = 0; shift < 70; shift += 7) {
		const uint8_t byte = bytes_u8(bytes);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			if (is_signed && byte & 0x40 && shift + 7 < 64)
				value |= ~UINT64_C(0) << (shift + 7);
			return value;
		}
	}
	bytes->bad = true;
	return 0;
}

static inline uint64_t bytes_uleb(struct bytes *bytes)
{
	return bytes_leb(bytes, false);
}

static inline int64_t bytes_sleb(struct bytes *bytes)
{
	return (int64_t)bytes_leb(bytes, true);
}

static inline void bytes_skip(struct bytes *bytes, uint64_t size)
{
	if (size > (uint64_t)(bytes->end - bytes->at)) {
		bytes->bad = true;
		bytes->at = bytes->end;
	} else {
		bytes->at += size;
	}
}

#endif
