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
#include "stack.h"

#define RECORD_MOST (4u << 20) /* so that the size fits in UNIT_BITS */
#define TEXT_LIMIT 4096u
#define SMALL 256u        /* no limit but payload_head applies to what is not larger */
#define SIGNAL_FRAME 512u /* a handler's stack pointer is at least this far below what it interrupted */
#define FULL UINT64_MAX
#define UNIT_BITS                                                                                                      \
	20 /* slot->reserved := ring position / CLEW_ALIGN << UNIT_BITS | bytes not yet marked / CLEW_ALIGN                \
		*/
#define UNITS ((UINT64_C(1) << UNIT_BITS) - 1)
#define fence() atomic_signal_fence(memory_order_seq_cst)

/* Compare and swap against this thread's own signal handlers only: no lock prefix. */
static inline bool local_swap(uint64_t *at, uint64_t old, uint64_t new)
{
#if defined(__x86_64__)
	bool done;
	__asm__ volatile("cmpxchgq %3, %1" : "=@ccz"(done), "+m"(*at), "+a"(old) : "r"(new) : "memory");
	return done;
#else
	return __atomic_compare_exchange_n(at, &old, new, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
#endif
}

static inline void local_and(uint64_t *at, uint64_t mask)
{
#if defined(__x86_64__)
	__asm__ volatile("andq %1, %0" : "+m"(*at) : "er"(mask) : "memory");
#else
	__atomic_fetch_and(at, mask, __ATOMIC_RELAXED);
#endif
}

static inline char *ring_of(struct clew_slot *slot)
{
	return (char *)slot + CLEW_SLOT_HEADER;
}

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
	uint64_t ring_size = arena->ring_size;
	slot->read_cache = atomic_load_explicit(&slot->read, memory_order_acquire);
	if (end - slot->read_cache <= ring_size)
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
		slot->read_cache = atomic_load_explicit(&slot->read, memory_order_acquire);
		found = end - slot->read_cache <= ring_size;
	}
	slot->waits++;
	slot->wait_ticks += ticks_now() - began;
	return found;
}

static inline void record_first_word(char *at, uint32_t size, uint16_t op, uint16_t flags)
{
	uint64_t word = size | (uint64_t)op << 32 | (uint64_t)flags << 48;
	fence();
	__builtin_memcpy(at, &word, sizeof word);
	fence();
}

static inline uint64_t stack_pointer(void)
{
	uint64_t value;
#if defined(__x86_64__)
	__asm__ volatile("movq %%rsp, %0" : "=r"(value));
#else
	__asm__ volatile("mov %0, sp" : "=r"(value));
#endif
	return value;
}

static inline uint64_t position_of(uint64_t reserved)
{
	return (reserved >> UNIT_BITS) * CLEW_ALIGN;
}

static inline uint64_t local_load(const uint64_t *at)
{
	return __atomic_load_n(at, __ATOMIC_RELAXED);
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
static inline uint64_t reserve(struct clew_slot *slot, uint32_t size)
{
	uint64_t ring_size = arena->ring_size;
	for (;;) {
		uint64_t old = local_load(&slot->reserved);
		uint64_t at = position_of(old);
		uint64_t left = ring_size - (at & (ring_size - 1));
		uint64_t skip = unlikely(size > left) ? left : 0;
		uint64_t end = at + skip + size;
		if (unlikely(end > atomic_load_explicit(&slot->populated, memory_order_relaxed)) && !populate(slot, end))
			return FULL;
		if (unlikely(end - slot->read_cache > ring_size) && !room(slot, end))
			return FULL;
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
static inline void leave(struct clew_slot *slot, uint32_t depth)
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
		leave(slot, depth);
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

/* How many bytes of the data to keep from its start and end. */
struct share {
	size_t head, tail;
	uint16_t cut;
};

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

static inline struct share share_of(size_t size, uint16_t flags)
{
	if (likely(size <= SMALL && size <= arena->payload_head))
		return (struct share){size, 0, 0};
	return share_of_much(size, flags);
}

/* Gives the record's seq; 0 = it was lost. */
static inline __attribute__((always_inline)) uint32_t emit(struct clew_slot *slot, const struct clew_record *record,
														   const struct iovec *data, int count, size_t size)
{
	const struct share share = share_of(size, record->flags);
	uint16_t flags = record->flags | share.cut;
	uint32_t kept = (uint32_t)(share.head + share.tail);
	uint32_t total = (uint32_t)sizeof *record + ((kept + CLEW_ALIGN - 1) & ~(CLEW_ALIGN - 1));

	/* Announce: from here a handler is an inner writer. outer_sp twice: a handler may come in between. */
	uint64_t stack = stack_pointer();
	uint32_t depth = __atomic_load_n(&slot->depth, __ATOMIC_RELAXED);
	if (unlikely(depth))
		depth = entered_again(slot, stack);
	if (!depth)
		__atomic_store_n(&slot->outer_sp, stack, __ATOMIC_RELAXED);
	__atomic_store_n(&slot->depth, depth + 1, __ATOMIC_RELAXED);
	fence();
	if (!depth)
		__atomic_store_n(&slot->outer_sp, stack, __ATOMIC_RELAXED);
	else
		flags |= CLEW_F_NESTED;

	uint32_t seq = local_next(&slot->seq) + 1;
	uint64_t at = reserve(slot, total);
	if (unlikely(at == FULL)) {
		local_add(&slot->dropped_records, 1);
		local_add(&slot->dropped_bytes, total);
		leave(slot, depth);
		return 0;
	}
	char *to = ring_of(slot) + (at & (arena->ring_size - 1));
	struct clew_record *made = (struct clew_record *)to;
	made->begin = record->begin;
	made->ticks = record->ticks;
	made->result = record->result;
	made->conn_id = record->conn_id;
	made->offset = record->offset;
	made->fd = record->fd;
	made->seq = seq;
	made->error = record->error;
	made->tail = (uint16_t)share.tail;
	made->head = (uint32_t)share.head;
	if (kept) {
		__builtin_memset(to + total - CLEW_ALIGN, 0, CLEW_ALIGN);
		char *payload = to + sizeof *record;
		if (likely(count == 1 && !share.tail)) {
			copy_bytes(payload, data->iov_base, share.head);
		} else {
			gather(payload, data, count, 0, share.head);
			gather(payload + share.head, data, count, size - share.tail, share.tail);
		}
	}
	record_first_word(to, total, record->op, flags);
	leave(slot, depth);
	/* The recorder had these lines: have them back by the next call. */
	__builtin_prefetch(to + total, 1);
	__builtin_prefetch(to + total + 64, 1);
	return seq;
}

uint32_t ring_write(struct clew_slot *slot, const struct clew_record *record, const struct iovec *data, int count,
					size_t size)
{
	return emit(slot, record, data, count, size);
}

void call_end(const struct call *call, const struct end *end)
{
	struct clew_slot *slot = call->slot;
	uint64_t ticks = ticks_now() - call->begin;
	if (call->mode & CLEW_COUNT) {
		struct clew_counter *counter = &slot->counter[end->op];
		local_add(&counter->calls, 1);
		local_add(&counter->bytes, end->bytes);
		local_add(&counter->ticks, ticks);
		if (unlikely(end->error))
			local_add(&counter->errors, 1);
	}
	if (!(call->mode & (CLEW_TRACE | CLEW_STACKS)))
		return;
	if (unlikely(!(call->mode & CLEW_TRACE))) {
		stack_of_call(slot, end->op, 0, call->begin);
		return;
	}
	struct clew_record record = {
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
	const uint32_t seq = emit(slot, &record, end->data, end->data_count, end->data ? end->data_size : 0);
	if (unlikely(call->mode & CLEW_STACKS))
		stack_of_call(slot, end->op, seq, call->begin);
}
