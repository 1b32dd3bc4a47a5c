/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief The walk over blocks: every whole one is found, whatever happened to its neighbours.
 */
#include "blocks.h"

#include <errno.h>
#include <string.h>

#include "checksum.h"

#define VAIN_FACTOR 4 /* damaged blocks may cost this many times the file in checksums */
#define MOST_THREADS (UINT64_C(1) << 48)

/* Numbers as a recorder writes them. */
static bool sane(const struct clew_block_header *header)
{
	return !header->zero && !header->zero2 && header->pid <= INT32_MAX && header->tid <= INT32_MAX &&
		   header->serial < MOST_THREADS;
}

/* Is there a whole block at `at`? */
static bool whole(struct block_walk *walk, uint64_t at, struct clew_block_header *header)
{
	const uint64_t left = walk->size - at;
	if (left < sizeof *header)
		return false;
	memcpy(header, walk->data + at, sizeof *header);
	if (header->magic != CLEW_BLOCK_MAGIC || !sane(header) || (walk->nonce_known && header->nonce != walk->nonce))
		return false;
	const uint64_t padded = ((uint64_t)header->size + CLEW_ALIGN - 1) & ~(uint64_t)(CLEW_ALIGN - 1);
	if (padded > left - sizeof *header)
		return false;
	const uint8_t *payload = walk->data + at + sizeof *header;
	if (crc32_of(crc32_of_header(header), payload, header->size) == header->crc)
		return true;
	walk->budget -= walk->budget < header->size ? walk->budget : header->size;
	return false;
}

static uint64_t end_of(const struct clew_block_header *header, uint64_t at)
{
	return at + sizeof *header + (((uint64_t)header->size + CLEW_ALIGN - 1) & ~(uint64_t)(CLEW_ALIGN - 1));
}

/* The first whole block after `at`, or the end of the file. */
static uint64_t find_whole(struct block_walk *walk, uint64_t at, struct clew_block_header *header)
{
	const uint64_t last = walk->size < sizeof *header ? 0 : walk->size - sizeof *header;
	for (; at <= last && walk->budget; at += CLEW_ALIGN) {
		uint32_t magic;
		memcpy(&magic, walk->data + at, sizeof magic);
		if (magic == CLEW_BLOCK_MAGIC && whole(walk, at, header))
			return at;
	}
	return walk->size;
}

/* The nonce is in the first block and in the file's header: one of the two survives any single damage. */
static void learn_nonce(struct block_walk *walk)
{
	struct clew_segment_header file;
	struct clew_block_header header;
	memcpy(&file, walk->data, sizeof file);
	if (file.magic == CLEW_SEGMENT_MAGIC && file.crc == crc32_of(0, &file, sizeof file - sizeof file.crc))
		walk->nonce = file.nonce;
	else if (find_whole(walk, sizeof file, &header) < walk->size)
		walk->nonce = header.nonce;
	else
		return;
	walk->nonce_known = true;
}

int walk_begin(struct block_walk *walk, const uint8_t *data, uint64_t size, uint64_t offset)
{
	*walk = (struct block_walk){.data = data, .size = size, .budget = VAIN_FACTOR * size};
	if (size < sizeof(struct clew_segment_header))
		return -EINVAL;
	learn_nonce(walk);
	if (!walk->nonce_known && memcmp(data, &(uint64_t){CLEW_SEGMENT_MAGIC}, sizeof(uint64_t)) != 0)
		return -EINVAL;
	walk->at = offset < sizeof(struct clew_segment_header) ? sizeof(struct clew_segment_header) : offset;
	if (walk->at > size || walk->at % CLEW_ALIGN)
		return -EINVAL;
	return 0;
}

const struct clew_block_header *walk_next(struct block_walk *walk)
{
	uint64_t at = walk->at;
	if (at >= walk->size)
		return NULL;
	if (!whole(walk, at, &walk->header)) {
		at = find_whole(walk, at + CLEW_ALIGN, &walk->header);
		if (at >= walk->size)
			return NULL; /* nothing whole follows: a tail that is being written, or was torn */
		walk->skipped += at - walk->at;
	}
	walk->payload_at = at + sizeof walk->header;
	walk->at = end_of(&walk->header, at);
	return &walk->header;
}
