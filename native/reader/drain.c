/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Moves records from the rings to the segments.
 *
 * A pass checksums what each thread wrote since the last one where it lies, hands the kernel all of
 * it with one writev, and only then gives the ring's bytes back: nothing is copied, and whatever dies
 * when, a record is in the ring or in a segment.
 */
#include "drain.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"

#define MOST_A_PASS (UINT64_C(64) << 20) /* bytes: the heartbeat must go on */

void block_add(struct clew_drain *drain, enum clew_block_type type, const struct seat *seat, const void *data,
			   size_t size, const void *more, size_t more_size)
{
	struct block block = {.type = type, .data = {data, more}, .size = {size, more_size}};
	if (seat) {
		block.serial = seat->serial;
		block.pid = seat->pid;
		block.tid = seat->tid;
	}
	writer_add(&drain->writer, &block);
}

void clock_add(struct clew_drain *drain)
{
	struct clew_clock now = clock_read(drain->clock);
	block_add(drain, CLEW_BLOCK_CLOCK, NULL, &now, sizeof now, NULL, 0);
	drain->clock_written = now.monotonic_ns;
}

/* Pages for a thread that may not ask for its own (a sandbox, an old kernel), ahead of its need. */
static void populate_ahead(struct clew_drain *drain, struct clew_slot *slot, uint64_t write)
{
	const uint32_t ring = drain->mapped.ring_size;
	uint64_t populated = atomic_load_explicit(&slot->populated, memory_order_relaxed);
	if (populated >= ring || 2 * write < populated)
		return;
	uint64_t upto = populated < CLEW_POPULATE_STEP ? CLEW_POPULATE_STEP : 2 * populated;
	upto = upto < ring ? upto : ring;
	off_t at = (off_t)((const char *)ring_of(slot) - (const char *)drain->mapped.arena);
	/* Not posix_fallocate: where the file system cannot, that writes zeros, into records perhaps. */
	if (fallocate(drain->mapped.fd, FALLOC_FL_KEEP_SIZE, at + (off_t)populated, (off_t)(upto - populated)) != 0)
		return;
	while (populated < upto && !atomic_compare_exchange_weak(&slot->populated, &populated, upto))
		;
}

/* Records in bytes of a ring, as far as they make sense. */
static uint64_t count_records(const uint8_t *bytes, uint64_t size)
{
	uint64_t count = 0;
	for (uint64_t at = 0; at + CLEW_ALIGN <= size;) {
		struct clew_record record;
		memcpy(&record, bytes + at, CLEW_ALIGN);
		if (record.size < CLEW_ALIGN || record.size > size - at)
			break;
		count += record.op != CLEW_OP_PAD;
		at += record.size;
	}
	return count;
}

uint64_t seat_take(struct clew_drain *drain, uint32_t index)
{
	struct seat *seat = &drain->seats[index];
	struct clew_slot *slot = slot_at(&drain->mapped, index);
	const uint32_t ring = drain->mapped.ring_size;
	const uint64_t write = atomic_load_explicit(&slot->write, memory_order_acquire);
	const uint64_t size = write - seat->taken;
	if (slot->mode & ~(uint32_t)(CLEW_COUNT | CLEW_ALLOC_COUNT)) /* something is written to the ring */
		populate_ahead(drain, slot, write);
	if (!size)
		return 0;
	if (size > ring || write % CLEW_ALIGN) { /* the program wrote over its arena: start again from here */
		drain->stats.broken += size > ring ? ring : size;
		seat->taken = write;
		atomic_store_explicit(&slot->read, write, memory_order_release);
		return 0;
	}
	const uint64_t at = seat->taken & (ring - 1), first = size < ring - at ? size : ring - at;
	struct block block = {.type = CLEW_BLOCK_RECORDS,
						  .serial = seat->serial,
						  .pid = seat->pid,
						  .tid = seat->tid,
						  .position = seat->taken,
						  .data = {ring_of(slot) + at, ring_of(slot)},
						  .size = {first, size - first},
						  .read = &slot->read,
						  .read_to = write};
	writer_add(&drain->writer, &block);
	seat->taken = write;
	if (drain->post_mortem) /* seq counts those as well that the segments have */
		drain->stats.records += count_records(block.data[0], first) + count_records(block.data[1], size - first);
	const int64_t records = (int64_t)(slot->seq - slot->dropped_records); /* wraps where a slot was overwritten */
	if (!drain->post_mortem && records > seat->counted) {
		drain->stats.records += (uint64_t)records - (uint64_t)seat->counted;
		seat->counted = records;
	}
	const uint32_t fill = (uint32_t)(size * 1000 / ring);
	if (fill > drain->stats.fill)
		drain->stats.fill = fill;
	return size;
}

static void sit_down(struct clew_drain *drain, uint32_t index)
{
	const struct clew_slot *slot = slot_at(&drain->mapped, index);
	struct seat *seat = &drain->seats[index];
	*seat = (struct seat){.used = true,
						  .serial = slot->serial,
						  .pid = slot->pid,
						  .tid = slot->tid,
						  .foreign = slot->foreign_pid_namespace != 0,
						  .since = monotonic_ns(),
						  .taken = atomic_load_explicit(&slot->read, memory_order_relaxed)};
	for (uint32_t i = 0; i < drain->active_count; i++) {
		struct seat *other = &drain->seats[drain->active[i]];
		if (other->pid == seat->pid && other->tid == seat->tid && other->serial < seat->serial && !other->foreign)
			other->superseded = true;
	}
	drain->active[drain->active_count++] = index;
	drain->stats.threads++;
	drain->stats.processes += seat->pid == seat->tid;
}

#define STRIDE 16u /* states in a cache line: most are FREE, and there are thousands of them */

static bool all_free(const _Atomic uint32_t *states)
{
	uint32_t any = 0;
#pragma GCC unroll 16
	for (uint32_t i = 0; i < STRIDE; i++)
		any |= atomic_load_explicit(&states[i], memory_order_relaxed);
	return any == CLEW_SLOT_FREE;
}

void find_new(struct clew_drain *drain)
{
	for (uint32_t i = 0; i < drain->mapped.slot_count; i++) {
		while (i + STRIDE <= drain->mapped.slot_count && all_free(&drain->mapped.states[i]))
			i += STRIDE;
		if (i == drain->mapped.slot_count)
			break;
		uint32_t state = atomic_load_explicit(&drain->mapped.states[i], memory_order_acquire);
		if (state >= CLEW_SLOT_LIVE && !drain->seats[i].used)
			sit_down(drain, i);
	}
}

static void take_all(struct clew_drain *drain, uint64_t max_bytes)
{
	const uint32_t mode = atomic_load(&drain->mapped.arena->mode);
	uint64_t bytes = 0;
	drain->stats.fill = 0;
	for (uint32_t i = 0; i < drain->active_count && bytes < max_bytes && !drain->writer.error; i++) {
		const uint32_t index = drain->active[(drain->from + i) % drain->active_count];
		struct clew_slot *slot = slot_at(&drain->mapped, index);
		if (__atomic_load_n(&slot->mode, __ATOMIC_RELAXED) != mode)
			__atomic_store_n(&slot->mode, mode, __ATOMIC_RELAXED);
		bytes += seat_take(drain, index);
	}
	drain->from++;
	writer_flush(&drain->writer);
}

static int report(struct clew_drain *drain, struct clew_drain_stats *stats)
{
	const struct clew_arena *arena = drain->mapped.arena;
	drain->stats.bytes = drain->writer.total;
	drain->stats.segments = drain->writer.begun;
	drain->stats.live_threads = drain->active_count;
	drain->stats.lost_no_slot = atomic_load(&arena->lost_no_slot);
	drain->stats.lost_threads = atomic_load(&arena->lost_threads);
	drain->stats.unseen = atomic_load(&arena->unseen);
	drain->stats.other_user = atomic_load(&arena->other_user);
	if (stats)
		*stats = drain->stats;
	return drain->writer.error;
}

int clew_drain(struct clew_drain *drain, uint64_t max_bytes, struct clew_drain_stats *stats)
{
	const uint64_t now = monotonic_ns();
	atomic_store_explicit(&drain->mapped.arena->heartbeat_ns, now, memory_order_relaxed);
	if (drain->writer.error)
		return report(drain, stats);
	find_new(drain);
	take_all(drain, max_bytes);
	observe_some(drain, now, false);
	if (now - drain->clock_written >= SECOND_NS) {
		clock_add(drain);
		observe_capture_loss(drain);
	}
	if (now - drain->counted_processes >= SECOND_NS / 10) {
		drain->counted_processes = now;
		drain->stats.live_processes = live_pids(drain, NULL, 0);
	}
	writer_flush(&drain->writer);
	return report(drain, stats);
}

/* Passes and sleeps in turn; signals come in the sleeps alone, with `mask`, and end them. */
static int pass_for(struct clew_drain *drain, uint64_t until, int pidfd, const sigset_t *mask,
					struct clew_drain_stats *stats)
{
	for (;;) {
		const int result = clew_drain(drain, MOST_A_PASS, stats);
		const uint64_t now = monotonic_ns();
		if (result < 0 || now >= until)
			return result;
		const uint64_t delay = pace_delay(&drain->pace, now, drain->stats.fill);
		const uint64_t left = until - now;
		const struct timespec pause = {0, (long)(delay < left ? delay : left)}; /* less than a second */
		struct pollfd ended = {.fd = pidfd, .events = POLLIN};
		if (ppoll(&ended, 1, &pause, mask) != 0) /* it has, or a signal came */
			return result;
	}
}

int clew_drain_for(struct clew_drain *drain, uint32_t ms, int pidfd, struct clew_drain_stats *stats)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* else one that comes during a pass would be heard at the end only */
	const int result = pass_for(drain, monotonic_ns() + ms * UINT64_C(1000000), pidfd, &before, stats);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return result;
}

int clew_drain_settle(struct clew_drain *drain, struct clew_drain_stats *stats)
{
	find_new(drain);
	take_all(drain, UINT64_MAX);
	observe_some(drain, monotonic_ns(), true);
	writer_flush(&drain->writer);
	drain->stats.live_processes = live_pids(drain, NULL, 0);
	return report(drain, stats);
}

void clew_drain_again(struct clew_drain *drain)
{
	for (uint32_t i = 0; i < drain->active_count; i++) {
		struct seat *seat = &drain->seats[drain->active[i]];
		seat->taken = atomic_load_explicit(&slot_at(&drain->mapped, drain->active[i])->read, memory_order_relaxed);
		seat->counters_mark = seat->row_mark = seat->observed = 0; /* said again: it may be what was not written */
		drain->stats.lost -= seat->loss.records;
		drain->stats.waits -= seat->loss.waits;
		seat->loss = (struct clew_loss){0};
		seat->io_uring = false;
	}
	drain->loss = (struct clew_loss){0};
	drain->clock_written = 0;
	drain->writer.error = 0;
}

int clew_drain_pids(struct clew_drain *drain, uint32_t *pids, uint32_t room)
{
	return (int)live_pids(drain, pids, room);
}

int clew_drain_unseen(struct clew_drain *drain, uint32_t reason, uint32_t pid, const char *text)
{
	const uint32_t head[2] = {reason, pid};
	block_add(drain, CLEW_BLOCK_UNSEEN, NULL, head, sizeof head, text, strnlen(text, 4096));
	return writer_flush(&drain->writer);
}

static void release(struct clew_drain *drain)
{
	free(drain->seats);
	free(drain->active);
	arena_unmap(&drain->mapped);
	pace_end(&drain->pace);
	free(drain);
}

int clew_drain_open(const char *arena, const char *directory, struct clew_drain **opened)
{
	struct stat status;
	struct clew_drain *drain = calloc(1, sizeof *drain);
	if (!drain)
		return -ENOMEM;
	int result = arena_map(arena, &drain->mapped);
	if (result < 0) {
		free(drain);
		return result;
	}
	drain->clock = drain->mapped.arena->clock;
	drain->seats = calloc(drain->mapped.slot_count, sizeof *drain->seats);
	drain->active = calloc(drain->mapped.slot_count, sizeof *drain->active);
	result = drain->seats && drain->active && fstat(drain->mapped.fd, &status) == 0 ? 0 : -ENOMEM;
	/* Held as long as the recorder lives: that is how recovery knows. */
	if (result == 0 && flock(drain->mapped.fd, LOCK_EX | LOCK_NB) != 0)
		result = errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (result == 0)
		result = writer_open(&drain->writer, directory, drain->clock, drain->mapped.arena->ticks_per_s);
	if (result < 0) {
		release(drain);
		return result;
	}
	drain->device = status.st_dev;
	drain->inode = status.st_ino;
	clock_add(drain);
	writer_flush(&drain->writer);
	*opened = drain;
	return 0;
}

int clew_drain_close(struct clew_drain *drain, int end, struct clew_drain_stats *stats)
{
	atomic_store(&drain->mapped.arena->mode, 0);
	find_new(drain);
	take_all(drain, UINT64_MAX);
	if (!drain->post_mortem)
		observe_some(drain, monotonic_ns(), true);
	for (uint32_t i = 0; i < drain->active_count; i++) {
		seat_take(drain, drain->active[i]);
		observe_seat(drain, drain->active[i], false);
	}
	observe_capture_loss(drain);
	clock_add(drain);
	if (end)
		block_add(drain, CLEW_BLOCK_END, NULL, NULL, 0, NULL, 0);
	writer_close(&drain->writer);
	int result = report(drain, stats);
	release(drain);
	return result;
}
