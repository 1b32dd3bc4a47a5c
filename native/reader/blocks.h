/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Walks the blocks of a segment that may be torn, damaged or hostile.
 */
#ifndef CLEW_BLOCKS_H
#define CLEW_BLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "clew_record.h"

struct block_walk {
	const uint8_t *data;
	uint64_t size;
	uint64_t at;    /* of the next block */
	uint64_t nonce; /* of the segment */
	bool nonce_known;
	uint64_t skipped; /* bytes of damaged blocks */
	uint64_t budget;  /* bytes that may still be checksummed in vain: a hostile file must not cost more than its size */
	struct clew_block_header header; /* of the block that walk_next returned */
	uint64_t payload_at;             /* where its payload is in data */
};

/* 0, or -EINVAL: no segment. `offset` 0 is the start, else what an earlier walk's `at` was. */
int walk_begin(struct block_walk *walk, const uint8_t *data, uint64_t size, uint64_t offset);

/* The next whole block, or NULL; then `at` is where whole blocks end, and what follows may still be written. */
const struct clew_block_header *walk_next(struct block_walk *walk);

#endif
