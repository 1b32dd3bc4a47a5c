/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Segment to columns: one pass over whole blocks, one entry per record.
 */
#include <errno.h>
#include <string.h>

#include "blocks.h"
#include "reader.h"

static inline void store(const struct clew_columns *c, uint64_t i, const struct clew_block_header *block,
						 const struct clew_record *record, uint64_t data_at)
{
	c->serial[i] = block->serial;
	c->pid[i] = block->pid;
	c->tid[i] = block->tid;
	c->op[i] = record->op;
	c->flags[i] = record->flags;
	c->begin[i] = record->begin;
	c->ticks[i] = record->ticks;
	c->result[i] = record->result;
	c->conn_id[i] = record->conn_id;
	c->offset[i] = record->offset;
	c->fd[i] = record->fd;
	c->seq[i] = record->seq;
	c->error[i] = record->error;
	c->head[i] = record->head;
	c->tail[i] = record->tail;
	c->data_at[i] = data_at;
}

/* Returns the entries filled. What makes no sense ends the block: its rest is counted as skipped. */
static uint64_t decode_records(const struct block_walk *walk, const struct clew_columns *columns, uint64_t i,
							   uint64_t *skipped)
{
	const struct clew_block_header block = walk->header;
	const uint8_t *payload = walk->data + walk->payload_at;
	uint64_t at = 0;
	while (at + 8 <= block.size) {
		struct clew_record record;
		memcpy(&record, payload + at, 8);
		if (record.size < 8 || record.size % CLEW_ALIGN || record.size > block.size - at)
			break;
		if (record.op == CLEW_OP_PAD) { /* fills a ring's end: may be shorter than a record */
			at += record.size;
			continue;
		}
		if (record.size < sizeof record || record.op == 0 || record.op >= CLEW_OP_LIMIT)
			break;
		memcpy(&record, payload + at, sizeof record);
		if ((uint64_t)record.head + record.tail > record.size - sizeof record)
			break;
		store(columns, i++, &block, &record, walk->payload_at + at + sizeof record);
		at += record.size;
	}
	*skipped += block.size - at;
	return i;
}

int clew_decode(const uint8_t *data, uint64_t size, uint64_t offset, uint64_t max_bytes,
				const struct clew_columns *columns, uint64_t room, struct clew_block_note *notes, uint64_t notes_room,
				struct clew_decoded *decoded)
{
	struct block_walk walk;
	const struct clew_block_header *block;
	memset(decoded, 0, sizeof *decoded);
	int result = walk_begin(&walk, data, size, offset);
	if (result < 0)
		return result;
	const uint64_t start = walk.at;
	uint64_t next = walk.at, skipped = 0, inside = 0;
	while (next - start < max_bytes && (block = walk_next(&walk))) {
		if (block->type == CLEW_BLOCK_RECORDS) {
			const uint64_t most = block->size / sizeof(struct clew_record);
			if (most > room - decoded->records) {
				decoded->need_records = decoded->records ? 0 : most;
				break;
			}
			decoded->records = decode_records(&walk, columns, decoded->records, &inside);
		} else {
			if (decoded->notes == notes_room)
				break;
			notes[decoded->notes++] = (struct clew_block_note){.serial = block->serial,
															   .ticks = block->ticks,
															   .data_at = walk.payload_at,
															   .type = block->type,
															   .pid = block->pid,
															   .tid = block->tid,
															   .size = block->size};
			decoded->complete |= block->type == CLEW_BLOCK_END;
		}
		next = walk.at;
		skipped = walk.skipped;
	}
	decoded->next_offset = next;
	decoded->skipped = skipped + inside;
	decoded->pending = walk.at >= size ? 0 : size - walk.at;
	return 0;
}
