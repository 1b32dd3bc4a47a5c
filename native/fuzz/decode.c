/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief libFuzzer: a hostile segment through everything that reads one.
 *
 * Checksums would keep a fuzzer out, so they are made right first, unless the first byte is odd.
 */
#include <stdlib.h>
#include <string.h>

#include "checksum.h"
#include "reader.h"

#define ROOM 512
#define NOTES 64

static void make_right(uint8_t *data, size_t size)
{
	struct clew_segment_header file;
	struct clew_block_header block;
	if (size < sizeof file)
		return;
	memcpy(&file, data, sizeof file);
	file.magic = CLEW_SEGMENT_MAGIC;
	file.crc = crc32_of(0, &file, sizeof file - sizeof file.crc);
	memcpy(data, &file, sizeof file);
	for (size_t at = sizeof file; at + sizeof block <= size;) {
		memcpy(&block, data + at, sizeof block);
		const size_t left = size - at - sizeof block;
		if (block.magic != CLEW_BLOCK_MAGIC) {
			at += CLEW_ALIGN;
			continue;
		}
		block.zero = 0;
		block.zero2 = 0;
		block.nonce = file.nonce;
		block.size = block.size <= left ? block.size : (uint32_t)left;
		block.crc = crc32_of(crc32_of_header(&block), data + at + sizeof block, block.size);
		memcpy(data + at, &block, sizeof block);
		at += sizeof block + ((block.size + CLEW_ALIGN - 1) & ~(CLEW_ALIGN - 1));
	}
}

static void read_all(const uint8_t *data, size_t size)
{
	static uint64_t serial[ROOM], begin[ROOM], ticks[ROOM], conn_id[ROOM], offset[ROOM], data_at[ROOM];
	static int64_t result[ROOM], ends[ROOM];
	static uint32_t pid[ROOM], tid[ROOM], seq[ROOM], head[ROOM];
	static int32_t fd[ROOM];
	static uint16_t op[ROOM], flags[ROOM], error[ROOM], tail[ROOM];
	static struct clew_block_note notes[NOTES];
	static uint64_t lengths[ROOM];
	static char text[1 << 16];
	const struct clew_columns columns = {serial, begin, ticks, conn_id, offset, data_at, result, pid,
										 tid,    seq,   head,  fd,      op,     flags,   error,  tail};
	struct clew_decoded decoded;
	uint64_t from = 0, next;
	while (clew_decode(data, size, from, 1 << 20, &columns, ROOM, notes, NOTES, &decoded) == 0) {
		if (decoded.records > ROOM || decoded.notes > NOTES || decoded.next_offset > size || decoded.next_offset < from)
			abort();
		for (uint64_t i = 0; i < decoded.records; i++)
			lengths[i] = (uint64_t)head[i] + tail[i];
		clew_gather(data, size, data_at, lengths, decoded.records, (uint8_t *)text, sizeof text, ends);
		clew_gather_text(data, size, data_at, lengths, decoded.records, (uint8_t *)text, sizeof text, ends);
		clew_gather_addresses(data, size, data_at, lengths, decoded.records, (uint8_t *)text, sizeof text, ends);
		for (uint32_t style = 0; style < 4; style++)
			clew_expand(data, size, &columns, 0, decoded.records, style, text, sizeof text, &next);
		for (uint64_t i = 0; i < decoded.notes; i++)
			if (notes[i].data_at > size || notes[i].size > size - notes[i].data_at)
				abort();
		if (decoded.next_offset == from)
			break;
		from = decoded.next_offset;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	if (size < 1)
		return 0;
	uint8_t *data = malloc(size); /* a copy of its own, so that AddressSanitizer sees a byte too many */
	if (!data)
		return 0;
	memcpy(data, input + 1, size - 1);
	if (!(input[0] & 1))
		make_right(data, size - 1);
	uint8_t *exact = realloc(data, size - 1 ? size - 1 : 1);
	read_all(exact, size - 1);
	free(exact);
	return 0;
}
