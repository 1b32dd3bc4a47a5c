/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief After a recorder died: takes what is left in the arena, and nothing twice.
 *
 * A recorder writes a block first and gives the ring's bytes back second. If it died in between, the
 * segments hold what the ring still offers; the blocks' (serial, position) say how far they go.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blocks.h"
#include "drain.h"

static void advance_seats(struct clew_drain *drain, const struct clew_block_header *header)
{
	for (uint32_t i = 0; i < drain->active_count; i++) {
		struct seat *seat = &drain->seats[drain->active[i]];
		const struct clew_slot *slot = slot_at(&drain->mapped, drain->active[i]);
		const uint64_t write = atomic_load_explicit(&slot->write, memory_order_acquire);
		const uint64_t end = header->position + header->size;
		if (seat->serial == header->serial && end > seat->taken)
			seat->taken = end < write ? end : write;
	}
}

static void read_segment(struct clew_drain *drain, const char *name)
{
	struct stat status;
	int fd = openat(drain->writer.directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	if (fstat(fd, &status) == 0 && status.st_size > 0) {
		const size_t size = (size_t)status.st_size;
		const uint8_t *data = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
		if (data != MAP_FAILED) {
			struct block_walk walk;
			const struct clew_block_header *header;
			if (walk_begin(&walk, data, size, 0) == 0)
				while ((header = walk_next(&walk)))
					if (header->type == CLEW_BLOCK_RECORDS)
						advance_seats(drain, header);
			munmap((void *)data, size);
		}
	}
	close(fd);
}

static void read_segments(struct clew_drain *drain)
{
	int copy = openat(drain->writer.directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = copy < 0 ? NULL : fdopendir(copy);
	if (!list)
		return;
	for (struct dirent *entry; (entry = readdir(list));) {
		unsigned number;
		if (sscanf(entry->d_name, "seg-%6u.clew", &number) == 1)
			read_segment(drain, entry->d_name);
	}
	closedir(list);
}

int clew_recover(const char *arena, const char *directory, struct clew_drain_stats *stats)
{
	struct clew_drain *drain;
	int result = clew_drain_open(arena, directory, &drain);
	if (result < 0)
		return result;
	drain->post_mortem = true;
	atomic_store(&drain->mapped.arena->mode, 0);
	find_new(drain);
	read_segments(drain);
	return clew_drain_close(drain, 0, stats);
}
