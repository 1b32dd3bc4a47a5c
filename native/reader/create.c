/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Makes the arena file, and flips the mode of one that is in use.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "layout.h"
#include "reader.h"

#define PAGE 4096u
#define MOST_SLOTS (1u << 16)
#define MOST_CONNS (1u << 24)
#define SMALLEST_RING (1u << 16)
#define LARGEST_RING (1u << 30)

static uint64_t round_up(uint64_t size)
{
	return (size + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

/* CLEW_COUNT and CLEW_TRACE as given, with the bits that follow from them and from the stacks the arena asks for. */
static uint32_t mode_of(const struct clew_arena *arena, uint32_t given)
{
	if (!given)
		return 0;
	uint32_t bits = given | (arena->sample_ns ? CLEW_SAMPLE : 0);
	for (uint32_t op = 0; op < CLEW_OP_LIMIT; op++)
		if (arena->stack_every[op])
			bits |= op >= CLEW_OP_MALLOC && op <= CLEW_OP_FREE ? CLEW_ALLOC_STACKS : CLEW_STACKS;
	return bits & CLEW_COUNT && !(bits & CLEW_ALLOC_STACKS) ? bits | CLEW_ALLOC_COUNT : bits;
}

static int fill(int fd, const struct clew_arena_options *options)
{
	const uint64_t states_at = PAGE;
	const uint64_t conns_at = states_at + round_up((uint64_t)options->slots * sizeof(uint32_t));
	const uint64_t slots_at = conns_at + round_up((uint64_t)options->conns * sizeof(struct clew_conn));
	const uint32_t slot_size = CLEW_SLOT_HEADER + options->ring_size;
	const uint64_t size = slots_at + (uint64_t)options->slots * slot_size;
	struct stat own;
	if (ftruncate(fd, (off_t)size) != 0)
		return -errno;
	int failed = posix_fallocate(fd, 0, (off_t)slots_at);
	if (failed)
		return -failed;
	struct clew_arena *arena = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (arena == MAP_FAILED)
		return -errno;
	arena->magic = CLEW_ARENA_MAGIC;
	arena->abi = CLEW_ABI;
	arena->clock = clock_choose();
	arena->arena_size = size;
	arena->states_at = states_at;
	arena->conns_at = conns_at;
	arena->slots_at = slots_at;
	arena->slot_count = options->slots;
	arena->conn_count = options->conns;
	arena->slot_size = slot_size;
	arena->ring_size = options->ring_size;
	arena->payload_head = options->payload_head;
	arena->payload_tail = options->payload_tail;
	arena->on_full = options->on_full;
	arena->wakeups = options->wakeups;
	arena->recorder_pid = (uint32_t)getpid();
	arena->pid_namespace = stat("/proc/self/ns/pid", &own) == 0 ? own.st_ino : 0;
	arena->ticks_per_s = clock_rate(arena->clock);
	arena->sample_ns = options->sample_ns;
	memcpy(arena->stack_every, options->stack_every, sizeof arena->stack_every);
	arena->mode = mode_of(arena, options->mode);
	arena->next_serial = 1;
	arena->next_conn = 1;
	arena->heartbeat_ns = monotonic_ns();
	munmap(arena, PAGE);
	return 0;
}

int clew_arena_create(const char *path, const struct clew_arena_options *options)
{
	const uint32_t ring = options->ring_size;
	if (!options->slots || options->slots > MOST_SLOTS || !options->conns || options->conns > MOST_CONNS ||
		ring < SMALLEST_RING || ring > LARGEST_RING || (ring & (ring - 1)))
		return -EINVAL;
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	int result = fill(fd, options);
	close(fd);
	if (result < 0)
		unlink(path);
	return result;
}

int clew_arena_set_mode(const char *path, uint32_t mode)
{
	struct mapped mapped;
	int result = arena_map(path, &mapped);
	if (result < 0)
		return result;
	atomic_store(&mapped.arena->mode, mode_of(mapped.arena, mode & (CLEW_COUNT | CLEW_TRACE)));
	arena_unmap(&mapped);
	return 0;
}

int clew_arena_mode(const char *path)
{
	struct mapped mapped;
	int result = arena_map(path, &mapped);
	if (result < 0)
		return result;
	result = (int)(atomic_load(&mapped.arena->mode) & (CLEW_COUNT | CLEW_TRACE));
	arena_unmap(&mapped);
	return result;
}
