/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Maps the arena that the recorder made, and takes a slot of it for a thread.
 *
 * Slots are mapped without access until they are taken: a stray write, mlockall() or a core dump of
 * the program does not reach them.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "internal.h"

struct clew_arena *arena;

static _Atomic uint32_t mapped_slots; /* the first so many can be used here: all, unless RLIMIT_AS is tight */

static bool sound(const struct clew_arena *header, uint64_t file_size)
{
	return header->magic == CLEW_ARENA_MAGIC && header->abi == CLEW_ABI && header->arena_size <= file_size &&
		   header->ring_size >= CLEW_POPULATE_STEP && (header->ring_size & (header->ring_size - 1)) == 0 &&
		   header->slot_size == CLEW_SLOT_HEADER + header->ring_size && header->slot_count && header->conn_count &&
		   header->slots_at % 4096 == 0 && header->states_at < header->conns_at &&
		   header->conns_at < header->slots_at &&
		   header->slots_at + (uint64_t)header->slot_count * header->slot_size <= header->arena_size;
}

/* How many slots may be mapped: all, or what fits in a quarter of the address space the program is allowed. */
static uint32_t slots_allowed(const struct clew_arena *header)
{
	struct rlimit limit;
	if (RAW_4(SYS_prlimit64, 0, RLIMIT_AS, NULL, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return header->slot_count;
	uint64_t quarter = limit.rlim_cur / 4;
	if (quarter < header->slots_at)
		return 0;
	uint64_t fit = (quarter - header->slots_at) / header->slot_size;
	return fit < header->slot_count ? (uint32_t)fit : header->slot_count;
}

static long map(long fd, uint64_t size)
{
	return raw_syscall(SYS_mmap, 0, (long)size, PROT_NONE, MAP_SHARED | MAP_NORESERVE, fd, 0);
}

bool arena_attach(const char *path)
{
	long fd = RAW_4(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0);
	if (fd < 0)
		return false;
	char *base = NULL;
	struct clew_arena header;
	struct stat file;
	if (RAW_2(SYS_fstat, fd, &file) == 0 && own_read((int)fd, &header, sizeof header, 0) == (long)sizeof header &&
		sound(&header, (uint64_t)file.st_size)) {
		mapped_slots = slots_allowed(&header);
		uint64_t size = header.slots_at + (uint64_t)mapped_slots * header.slot_size;
		long at = mapped_slots ? map(fd, size) : -1;
		if (at >= 0 || at < -4095) {
			base = (char *)at;
			RAW_3(SYS_madvise, base, size, MADV_DONTDUMP);
			RAW_3(SYS_madvise, base, size, MADV_NOHUGEPAGE); /* a thread needs 24 KiB, not 2 MiB */
			if (RAW_3(SYS_mprotect, base, (header.slots_at + CLEW_PAGE - 1) & ~(uint64_t)(CLEW_PAGE - 1),
					  PROT_READ | PROT_WRITE) < 0) {
				RAW_2(SYS_munmap, base, size);
				base = NULL;
			}
		}
	}
	RAW_1(SYS_close, fd);
	__atomic_store_n(&arena, (struct clew_arena *)base, __ATOMIC_RELEASE);
	return base != NULL;
}

static _Atomic uint32_t *states(void)
{
	return (_Atomic uint32_t *)((char *)arena + arena->states_at);
}

uint32_t arena_index(const struct clew_slot *slot)
{
	uint64_t offset = (uint64_t)((const char *)slot - (const char *)arena) - arena->slots_at;
	return (uint32_t)(offset / arena->slot_size);
}

static _Atomic uint32_t *state_of(const struct clew_slot *slot)
{
	return states() + arena_index(slot);
}

/*
 * Makes memory of the arena safe to touch: the file is sparse, its disk may be full, and then a touch
 * raises SIGBUS where a system call just fails. On Linux < 5.14 the kernel is made to write 16 bytes into the end
 * of each page, which therefore must not hold anything yet.
 */
bool arena_populate(void *memory, size_t size)
{
	uintptr_t first = (uintptr_t)memory & ~(uintptr_t)(CLEW_PAGE - 1);
	uintptr_t end = (uintptr_t)memory + size;
	long result = RAW_3(SYS_madvise, first, end - first, MADV_POPULATE_WRITE);
	if (result != -EINVAL)
		return result == 0;
	for (uintptr_t page = (uintptr_t)memory; page < end; page += 4096)
		if (RAW_2(SYS_clock_gettime, CLOCK_MONOTONIC, page + 4096 - sizeof(struct timespec)) < 0)
			return false;
	return true;
}

static bool ready(struct clew_slot *slot)
{
	uintptr_t first = (uintptr_t)slot & ~(uintptr_t)(CLEW_PAGE - 1);
	uintptr_t end = ((uintptr_t)slot + arena->slot_size + CLEW_PAGE - 1) & ~(uintptr_t)(CLEW_PAGE - 1);
	if (RAW_3(SYS_mprotect, first, end - first, PROT_READ | PROT_WRITE) < 0)
		return false;
	if (!arena_populate(slot, CLEW_SLOT_HEADER))
		return false;
	if (atomic_load(&slot->populated) >= CLEW_POPULATE_FIRST)
		return true;
	if (!arena_populate((char *)slot + CLEW_SLOT_HEADER, CLEW_POPULATE_FIRST))
		return false;
	uint64_t seen = atomic_load(&slot->populated);
	while (seen < CLEW_POPULATE_FIRST && !atomic_compare_exchange_weak(&slot->populated, &seen, CLEW_POPULATE_FIRST))
		;
	return true;
}

/* All but `populated`, which is about the file and not about the thread. */
static void clear(struct clew_slot *slot)
{
	slot->depth = 0;
	slot->reserved = 0;
	slot->limit = 0;
	slot->outer_sp = 0;
	slot->seq = 0;
	slot->vfork_child = 0;
	slot->dropped_records = slot->dropped_bytes = slot->waits = slot->wait_ticks = 0;
	for (unsigned i = 0; i < CLEW_OP_LIMIT; i++)
		slot->counter[i] = (struct clew_counter){0, 0, 0, 0};
	for (unsigned i = 0; i < CLEW_OP_LIMIT; i++)
		slot->stack_calls[i] = 0;
	slot->stack_owner = slot->sampled_ns = 0;
	atomic_store(&slot->read, 0);
	atomic_store(&slot->write, 0);
}

struct clew_slot *arena_take(void)
{
	/* From the first on: slots that were used before have their pages already. */
	for (uint32_t index = 0; index < mapped_slots; index++) {
		uint32_t expected = CLEW_SLOT_FREE;
		if (atomic_load_explicit(&states()[index], memory_order_relaxed) != CLEW_SLOT_FREE ||
			!atomic_compare_exchange_strong(&states()[index], &expected, CLEW_SLOT_TAKEN))
			continue;
		if (index >= atomic_load(&mapped_slots)) { /* arena_shrink() came in between */
			atomic_store(&states()[index], CLEW_SLOT_FREE);
			return NULL;
		}
		struct clew_slot *slot =
			(struct clew_slot *)((char *)arena + arena->slots_at + (uint64_t)index * arena->slot_size);
		if (!ready(slot)) {
			atomic_store(&states()[index], CLEW_SLOT_FREE);
			return NULL;
		}
		clear(slot);
		slot->serial = atomic_fetch_add(&arena->next_serial, 1);
		slot->mode = atomic_load(&arena->mode);
		slot->started = ticks_now();
		return slot;
	}
	return NULL;
}

void arena_shrink(uint64_t address_space)
{
	uint32_t before = atomic_load(&mapped_slots);
	uint64_t fit = address_space / 16 / arena->slot_size;
	uint32_t after = fit < before ? (uint32_t)fit : before;
	atomic_store(&mapped_slots, after);
	for (uint32_t index = before; index > after; index--) /* what a thread has stays, whoever's it is */
		if (atomic_load(&states()[index - 1]) != CLEW_SLOT_FREE)
			after = index;
	atomic_store(&mapped_slots, after);
	uintptr_t end = (uintptr_t)arena + arena->slots_at + (uint64_t)before * arena->slot_size;
	uintptr_t keep = (uintptr_t)arena + arena->slots_at + (uint64_t)after * arena->slot_size;
	keep = (keep + CLEW_PAGE - 1) & ~(uintptr_t)(CLEW_PAGE - 1);
	if (keep < end)
		RAW_2(SYS_munmap, keep, end - keep);
}

void arena_live(struct clew_slot *slot)
{
	atomic_store(state_of(slot), CLEW_SLOT_LIVE);
	/* The recorder may have switched the mode of all slots between our reading it and being LIVE. */
	__atomic_store_n(&slot->mode, atomic_load(&arena->mode), __ATOMIC_RELAXED);
}

void arena_ended(struct clew_slot *slot)
{
	uint32_t expected = CLEW_SLOT_LIVE;
	atomic_compare_exchange_strong(state_of(slot), &expected, CLEW_SLOT_ENDED);
}

bool arena_revive(struct clew_slot *slot)
{
	uint32_t expected = CLEW_SLOT_ENDED;
	return atomic_compare_exchange_strong(state_of(slot), &expected, CLEW_SLOT_LIVE);
}
