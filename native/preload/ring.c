/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Writes records into a thread's ring: one producer, which its own signal handlers interrupt.
 *
 * A record is reserved by one instruction, so a handler's record lies before or after it, never in it.
 * Only the outermost writer publishes, when all inner ones are whole. A record begins as a PAD of its
 * size and becomes itself last: if a handler jumps out (siglongjmp) of a write, what stays behind is
 * skipped by readers, and the gap in `seq` and dropped_records say that it was lost.
 */
#include <signal.h>
#include <time.h>

#include "internal.h"
#include "ring.h"
#include "stack.h"

#define RECORD_MOST (4u << 20) /* so that the size fits in UNIT_BITS */
#define TEXT_LIMIT 4096u
#define SIGNAL_FRAME 512u /* a handler's stack pointer is at least this far below what it interrupted */
#define FULL UINT64_MAX

static uint64_t monotonic_ns(void)
{
	struct timespec now = {0, 0};
	RAW_2(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Asks for the ring's pages up to `end`; false: the file system is full. */
static bool populate(struct clew_slot *slot, uint64_t end)
{
	uint64_t ring_size = arena->ring_size;
	uint64_t have = atomic_load_explicit(&slot->populated, memory_order_relaxed);
	if (have < ring_size) {
		if (process->sandboxed)
			return end <= have;
		uint64_t want = (end + CLEW_POPULATE_STEP - 1) / CLEW_POPULATE_STEP * CLEW_POPULATE_STEP;
		want = want < ring_size ? want : ring_size;
		if (!arena_populate(ring_of(slot) + have, want - have))
			return false;
		have = want;
	}
	/* The recorder extends it too: only ever grow. */
	uint64_t grown = have >= ring_size ? UINT64_MAX : have;
	uint64_t seen = atomic_load_explicit(&slot->populated, memory_order_relaxed);
	while (seen < grown && !atomic_compare_exchange_weak_explicit(&slot->populated, &seen, grown, memory_order_relaxed,
																  memory_order_relaxed))
		;
	return true;
}

void ring_populate_all(struct clew_slot *slot)
{
	populate(slot, arena->ring_size);
}

/* Is there room up to `end`? With --on-full wait: waits for it while the recorder lives. */
static bool room(struct clew_slot *slot, uint64_t end)
{
	const uint64_t ring_size = arena->ring_size;
	if (end - atomic_load_explicit(&slot->read, memory_order_acquire) <= ring_size)
		return true;
	if (arena->on_full != CLEW_ON_FULL_WAIT || slot->depth != 1 || process->sandboxed)
		return false;
	uint64_t began = ticks_now();
	bool found = false;
	while (!found) {
		uint64_t beat = atomic_load_explicit(&arena->heartbeat_ns, memory_order_relaxed);
		if (monotonic_ns() > beat + 1000000000u)
			break;
		struct timespec pause = {0, 50000};
		RAW_2(SYS_nanosleep, &pause, NULL);
		found = end - atomic_load_explicit(&slot->read, memory_order_acquire) <= ring_size;
	}
	slot->waits++;
	slot->wait_ticks += ticks_now() - began;
	return found;
}

/* How far records that begin at `at` may go before somebody must look again. All it is made of only grows. */
static void set_limit(struct clew_slot *slot, uint64_t at)
{
	const uint64_t ring_size = arena->ring_size;
	uint64_t limit = (at & ~(ring_size - 1)) + ring_size;
	const uint64_t room = atomic_load_explicit(&slot->read, memory_order_acquire) + ring_size;
	const uint64_t pages = atomic_load_explicit(&slot->populated, memory_order_relaxed);
	limit = room < limit ? room : limit;
	slot->limit = pages < limit ? pages : limit;
}

/* Marks bytes as PAD, in two where they go over the ring's end. */
static void mark(struct clew_slot *slot, uint64_t at, uint64_t size)
{
	uint64_t ring_size = arena->ring_size, left = ring_size - (at & (ring_size - 1));
	if (size > left) {
		record_first_word(ring_of(slot) + (at & (ring_size - 1)), (uint32_t)left, CLEW_OP_PAD, 0);
		at += left;
		size -= left;
	}
	record_first_word(ring_of(slot) + (at & (ring_size - 1)), (uint32_t)size, CLEW_OP_PAD, 0);
}

/*
 * Reserves size contiguous bytes, a PAD for now; gives their ring position or FULL. Until the PAD is there
 * `reserved` says how long it has to be: whoever comes before that, or after we have been jumped out of, writes it.
 */
static uint64_t reserve(struct clew_slot *slot, uint32_t size)
{
	uint64_t ring_size = arena->ring_size;
	for (;;) {
		uint64_t old = local_load(&slot->reserved);
		uint64_t at = position_of(old);
		uint64_t left = ring_size - (at & (ring_size - 1));
		uint64_t skip = unlikely(size > left) ? left : 0;
		uint64_t end = at + skip + size;
		if (end > slot->limit) {
			if (end > atomic_load_explicit(&slot->populated, memory_order_relaxed) && !populate(slot, end))
				return FULL;
			if (!room(slot, end))
				return FULL;
			set_limit(slot, at + skip);
		}
		if (unlikely(old & UNITS))
			mark(slot, at - (old & UNITS) * CLEW_ALIGN, (old & UNITS) * CLEW_ALIGN);
		uint64_t new = end / CLEW_ALIGN << UNIT_BITS | (skip + size) / CLEW_ALIGN;
		if (likely(local_swap(&slot->reserved, old, new))) {
			mark(slot, at, skip + size);
			local_and(&slot->reserved, ~UNITS);
			return at + skip;
		}
	}
}

/* Publishes what is whole. A handler that comes in between does not publish: look again. */
void ring_leave(struct clew_slot *slot, uint32_t depth)
{
	fence();
	if (depth) {
		__atomic_store_n(&slot->depth, depth, __ATOMIC_RELAXED);
		return;
	}
	for (;;) {
		uint64_t whole = local_load(&slot->reserved);
		uint64_t at = position_of(whole), left = (whole & UNITS) * CLEW_ALIGN;
		if (unlikely(left)) /* by a handler that jumped out */
			mark(slot, at - left, left);
		atomic_store_explicit(&slot->write, at, memory_order_release);
		__atomic_store_n(&slot->depth, 0, __ATOMIC_RELAXED);
		fence();
		if (likely(local_load(&slot->reserved) == whole))
			return;
		__atomic_store_n(&slot->depth, 1, __ATOMIC_RELAXED);
		fence();
	}
}

void ring_recover(struct clew_slot *slot, uint32_t depth)
{
	if (slot->depth > depth) {
		slot->dropped_records += slot->depth - depth;
		ring_leave(slot, depth);
	}
}

static bool on_signal_stack(void)
{
	stack_t stack = {0};
	return process->sandboxed || RAW_2(SYS_sigaltstack, NULL, &stack) < 0 || (stack.ss_flags & SS_ONSTACK);
}

/*
 * A record is being written already: by what this handler interrupted, or by a frame that a handler jumped
 * out of. The latter where that frame is gone, or when half a ring has piled up behind it.
 */
static __attribute__((noinline)) uint32_t entered_again(struct clew_slot *slot, uint64_t stack)
{
	uint64_t pending =
		position_of(local_load(&slot->reserved)) - atomic_load_explicit(&slot->write, memory_order_relaxed);
	bool gone = stack + SIGNAL_FRAME > slot->outer_sp && !on_signal_stack();
	if (gone || pending > arena->ring_size / 2)
		ring_recover(slot, 0);
	return slot->depth;
}

/* Copies bytes [from, from + size) of what the vectors hold. */
static void gather(char *to, const struct iovec *data, int count, size_t from, size_t size)
{
	for (int i = 0; i < count && size; i++) {
		size_t length = data[i].iov_len;
		if (from >= length) {
			from -= length;
			continue;
		}
		length -= from;
		length = length < size ? length : size;
		copy_bytes(to, (const char *)data[i].iov_base + from, length);
		to += length;
		size -= length;
		from = 0;
	}
}

static __attribute__((noinline)) struct share share_of_much(size_t size, uint16_t flags)
{
	bool whole = flags & (CLEW_F_TEXT | CLEW_F_STRUCT);
	size_t limit = arena->ring_size / 4 < RECORD_MOST ? arena->ring_size / 4 : RECORD_MOST;
	size_t head = whole ? TEXT_LIMIT : arena->payload_head, tail = whole ? 0 : arena->payload_tail;
	head = head < limit ? head : limit;
	tail = tail < UINT16_MAX ? tail : UINT16_MAX;
	if (size <= head + tail && size <= limit)
		return (struct share){size, 0, 0};
	return (struct share){head, tail, CLEW_F_CUT};
}

static struct share share_of(size_t size, uint16_t flags)
{
	return ring_takes(size) ? (struct share){size, 0, 0} : share_of_much(size, flags);
}

struct share ring_share(size_t size, uint16_t flags)
{
	return share_of(size, flags);
}

/* The rest of writing a record, where the outermost writer is the depth-th under this one. */
static uint32_t put(struct clew_slot *slot, const struct clew_record *record, const struct iovec *data, int count,
					size_t size, uint32_t seq, uint32_t depth)
{
	const struct share share = share_of(size, record->flags);
	const uint16_t flags = (uint16_t)(record->flags | share.cut | (depth ? CLEW_F_NESTED : 0));
	const uint32_t kept = (uint32_t)(share.head + share.tail);
	const uint32_t total = (uint32_t)sizeof *record + ((kept + CLEW_ALIGN - 1) & ~(CLEW_ALIGN - 1));
	const uint64_t at = reserve(slot, total);
	if (unlikely(at == FULL)) {
		local_add(&slot->dropped_records, 1);
		local_add(&slot->dropped_bytes, total);
		ring_leave(slot, depth);
		return 0;
	}
	char *to = ring_of(slot) + (at & (arena->ring_size - 1));
	record_fill(to, record, seq, (uint32_t)share.head, (uint16_t)share.tail);
	if (kept) {
		__builtin_memset(to + total - CLEW_ALIGN, 0, CLEW_ALIGN);
		char *payload = to + sizeof *record;
		gather(payload, data, count, 0, share.head);
		gather(payload + share.head, data, count, size - share.tail, share.tail);
	}
	record_first_word(to, total, record->op, flags);
	ring_prefetch(slot, at + total, total);
	ring_leave(slot, depth);
	return seq;
}

uint32_t ring_put_slowly(struct clew_slot *slot, const struct clew_record *record, const void *data, size_t size,
						 uint32_t seq)
{
	return put(slot, record, &(struct iovec){(void *)(uintptr_t)data, size}, 1, size, seq, 0);
}

uint32_t ring_write(struct clew_slot *slot, const struct clew_record *record, const struct iovec *data, int count,
					size_t size)
{
	/* Announce: from here a handler is an inner writer. outer_sp twice: a handler may come in between. */
	const uint64_t stack = stack_pointer();
	uint32_t depth = __atomic_load_n(&slot->depth, __ATOMIC_RELAXED);
	if (unlikely(depth))
		depth = entered_again(slot, stack);
	if (!depth)
		__atomic_store_n(&slot->outer_sp, stack, __ATOMIC_RELAXED);
	__atomic_store_n(&slot->depth, depth + 1, __ATOMIC_RELAXED);
	fence();
	if (!depth)
		__atomic_store_n(&slot->outer_sp, stack, __ATOMIC_RELAXED);
	return put(slot, record, data, count, size, local_next(&slot->seq) + 1, depth);
}

void call_end(const struct call *call, const struct end *end)
{
	struct clew_slot *slot = call->slot;
	const uint64_t ticks = end->ticks ? end->ticks : ticks_now() - call->begin;
	if (call->mode & CLEW_COUNT)
		call_count(slot, end->op, end->bytes, end->error, ticks);
	uint32_t seq = 0;
	if (call->mode & CLEW_TRACE) {
		const struct clew_record record = {
			.op = (uint16_t)end->op,
			.flags = end->flags,
			.begin = call->begin,
			.ticks = ticks,
			.result = end->result,
			.conn_id = end->conn_id,
			.offset = end->offset,
			.fd = end->fd,
			.error = (uint16_t)end->error,
		};
		const size_t size = end->data ? end->data_size : 0;
		if ((!size || end->data_count == 1) && ring_takes(size)) {
			seq = ring_put(slot, &record, size ? end->data->iov_base : NULL, size);
		} else {
			const struct clew_record copy = record; /* so that only here it has to be in memory */
			seq = ring_write(slot, &copy, end->data, end->data_count, size);
		}
	}
	if (unlikely(call->mode & CLEW_STACKS))
		stack_of_call(slot, end->op, seq, call->begin);
}
