/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Maps an arena and refuses one whose numbers do not fit its file.
 */
#include "layout.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int check(struct mapped *mapped, uint64_t file_size)
{
	const struct clew_arena *arena = mapped->arena;
	if (arena->magic != CLEW_ARENA_MAGIC || arena->abi != CLEW_ABI || arena->arena_size != file_size)
		return -EINVAL;
	mapped->slot_count = arena->slot_count;
	mapped->slot_size = arena->slot_size;
	mapped->ring_size = arena->ring_size;
	mapped->slots_at = arena->slots_at;
	const uint64_t states_at = arena->states_at, states = (uint64_t)mapped->slot_count * sizeof(uint32_t);
	if (!mapped->ring_size || (mapped->ring_size & (mapped->ring_size - 1)) ||
		mapped->slot_size != CLEW_SLOT_HEADER + mapped->ring_size || mapped->slots_at > file_size ||
		(uint64_t)mapped->slot_count * mapped->slot_size > file_size - mapped->slots_at || states_at % 8 ||
		mapped->slots_at % 64 || states_at > mapped->slots_at || states > mapped->slots_at - states_at)
		return -EINVAL;
	mapped->states = (_Atomic uint32_t *)((char *)mapped->arena + states_at);
	return 0;
}

int arena_map(const char *path, struct mapped *mapped)
{
	struct stat status;
	memset(mapped, 0, sizeof *mapped);
	mapped->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (mapped->fd < 0)
		return -errno;
	int result = -EINVAL;
	if (fstat(mapped->fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size >= 4096) {
		mapped->size = (uint64_t)status.st_size;
		void *memory = mmap(NULL, mapped->size, PROT_READ | PROT_WRITE, MAP_SHARED, mapped->fd, 0);
		if (memory == MAP_FAILED) {
			result = -errno;
		} else {
			mapped->arena = memory;
			result = check(mapped, mapped->size);
			if (result == 0)
				return 0;
			munmap(memory, mapped->size);
		}
	}
	close(mapped->fd);
	return result;
}

void arena_unmap(struct mapped *mapped)
{
	munmap(mapped->arena, mapped->size);
	close(mapped->fd);
}
