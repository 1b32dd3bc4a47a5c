/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Numbers out of untrusted bytes: fixed sizes and LEB128 (DWARF 5, section 7.6).
 */
#include "unwind.h"

uint64_t take(struct bytes *bytes, unsigned size)
{
	uint64_t value = 0;
	if (bytes->failed || bytes->at > bytes->end || bytes->end - bytes->at < size) {
		bytes->failed = true;
		return 0;
	}
	memcpy(&value, bytes->base + bytes->at, size);
	bytes->at += size;
	return value;
}

int64_t take_signed(struct bytes *bytes, unsigned size)
{
	const unsigned above = 64 - 8 * size;
	return (int64_t)(take(bytes, size) << above) >> above;
}

uint64_t take_uleb(struct bytes *bytes)
{
	uint64_t value = 0;
	for (unsigned shift = 0; !bytes->failed; shift += 7) {
		const uint64_t byte = take(bytes, 1);
		if (shift < 64)
			value |= (byte & 0x7f) << shift;
		if (!(byte & 0x80))
			break;
	}
	return value;
}

int64_t take_sleb(struct bytes *bytes)
{
	uint64_t value = 0, byte = 0;
	unsigned shift = 0;
	do {
		byte = take(bytes, 1);
		if (shift < 64)
			value |= (byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80 && !bytes->failed);
	if (shift < 64 && byte & 0x40)
		value |= UINT64_MAX << shift;
	return (int64_t)value;
}

void skip(struct bytes *bytes, uint64_t size)
{
	if (bytes->failed || bytes->at > bytes->end || bytes->end - bytes->at < size)
		bytes->failed = true;
	else
		bytes->at += size;
}
