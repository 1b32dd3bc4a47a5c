/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Writes blocks to segment files: many blocks with one writev, a new file every 256 MiB.
 */
#ifndef CLEW_SEGMENT_H
#define CLEW_SEGMENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "clew_record.h"

#define SEGMENT_SIZE (UINT64_C(256) << 20)
#define BATCH_BLOCKS 240
#define BATCH_BYTES (UINT64_C(4) << 20)
#define SCRATCH (512u << 10)

/* What to do once a block is in the file: store `position` to `*read`, which gives the ring's bytes back. */
struct receipt {
	_Atomic uint64_t *read;
	uint64_t position;
	uint64_t file_end; /* bytes of this batch up to the end of the block */
};

struct writer {
	int directory, fd;
	int error; /* -errno of the write that failed; nothing is written after it */
	uint32_t clock;
	uint32_t number; /* of the segment */
	uint32_t begun;  /* segments */
	uint64_t ticks_per_s;
	uint64_t nonce;
	uint64_t size;  /* of the segment */
	uint64_t total; /* bytes written to all of them */
	/* the batch */
	uint32_t blocks, parts;
	uint64_t bytes, scratch_used;
	struct clew_block_header header[BATCH_BLOCKS];
	struct receipt receipt[BATCH_BLOCKS];
	struct iovec part[BATCH_BLOCKS * 4];
	uint8_t scratch[SCRATCH];
};

/* Starts a segment after those that `directory` holds already. -errno. */
int writer_open(struct writer *writer, const char *directory, uint32_t clock, uint64_t ticks_per_s);

/* A block to be: whose, what, and where its bytes are (two parts for a ring that wraps). */
struct block {
	enum clew_block_type type;
	uint64_t serial;
	uint32_t pid, tid;
	uint64_t position;
	const void *data[2];
	size_t size[2];
	_Atomic uint64_t *read; /* NULL: the data are copied now; else they stay where they are until they are written */
	uint64_t read_to;
};
void writer_add(struct writer *writer, const struct block *block);
/* Writes the batch. A block that did not fit is taken off the file again, and the writer has failed. */
int writer_flush(struct writer *writer);
int writer_close(struct writer *writer);

#endif
