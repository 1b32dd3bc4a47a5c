/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief The short way into the ring, in line: one small piece of data, nobody else at it, and room.
 *
 * ring.c tells how records are written and has all other ways. What is here must come to the same thing.
 */
#ifndef CLEW_RING_H
#define CLEW_RING_H

#include "internal.h"

#define RING_SMALL 256u /* no limit but payload_head applies to what is not larger */
#define RING_AHEAD 512u /* bytes: more than the next record, as a rule */
#define CACHE_LINE UINT64_C(64)
/* slot->reserved := ring position / CLEW_ALIGN << UNIT_BITS | bytes not yet marked / CLEW_ALIGN */
#define UNIT_BITS 20
#define UNITS ((UINT64_C(1) << UNIT_BITS) - 1)
#define fence() atomic_signal_fence(memory_order_seq_cst)

/* How many bytes of the data to keep from its start and end. */
struct share {
	size_t head, tail;
	uint16_t cut; /* CLEW_F_CUT or 0 */
};
struct share ring_share(size_t size, uint16_t flags);

/* What ring_put() leaves undone; the caller has announced itself. Gives the record's seq; 0 = it was lost. */
uint32_t ring_put_slowly(struct clew_slot *slot, const struct clew_record *record, const void *data, size_t size,
						 uint32_t seq);
void ring_leave(struct clew_slot *slot, uint32_t depth);

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

static inline uint64_t local_load(const uint64_t *at)
{
	return __atomic_load_n(at, __ATOMIC_RELAXED);
}

static inline char *ring_of(struct clew_slot *slot)
{
	return (char *)slot + CLEW_SLOT_HEADER;
}

static inline uint64_t position_of(uint64_t reserved)
{
	return (reserved >> UNIT_BITS) * CLEW_ALIGN;
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

static inline void record_first_word(char *at, uint32_t size, uint16_t op, uint16_t flags)
{
	uint64_t word = size | (uint64_t)op << 32 | (uint64_t)flags << 48;
	fence();
	__builtin_memcpy(at, &word, sizeof word);
	fence();
}

static inline void prefetch_to_write(const char *at)
{
#if defined(__x86_64__)
	__asm__ volatile("prefetchw %0" : : "m"(*at)); /* nothing is done where a processor does not know it */
#else
	__builtin_prefetch(at, 1);
#endif
}

/*
 * The recorder had these lines: have them back by the time they are written to. A record of `total` bytes that ends at
 * `end` asks for as many further on, so that each line is asked for once.
 */
static inline void ring_prefetch(struct clew_slot *slot, uint64_t end, uint32_t total)
{
	const uint64_t mask = arena->ring_size - 1, upto = end + RING_AHEAD;
	for (uint64_t at = (upto - total + CACHE_LINE - 1) & ~(CACHE_LINE - 1); at < upto; at += CACHE_LINE)
		prefetch_to_write(ring_of(slot) + (at & mask));
}

/* All of the record but its first word, which makes it one. */
static inline void record_fill(char *to, const struct clew_record *record, uint32_t seq, uint32_t head, uint16_t tail)
{
	struct clew_record *made = (struct clew_record *)to;
	made->begin = record->begin;
	made->ticks = record->ticks;
	made->result = record->result;
	made->conn_id = record->conn_id;
	made->offset = record->offset;
	made->fd = record->fd;
	made->seq = seq;
	made->error = record->error;
	made->tail = tail;
	made->head = head;
}

/* May ring_put() write so much data? */
static inline bool ring_takes(size_t size)
{
	return likely(size <= RING_SMALL && size <= arena->payload_head);
}

/* Writes a record with `size` bytes of data, all of which are kept: see ring_takes(). Gives its seq; 0 = it was lost.
 */
static inline __attribute__((always_inline)) uint32_t ring_put(struct clew_slot *slot, const struct clew_record *record,
															   const void *data, size_t size)
{
	const uint32_t total = (uint32_t)sizeof *record + (((uint32_t)size + CLEW_ALIGN - 1) & ~(CLEW_ALIGN - 1));
	const uint64_t stack = stack_pointer();
	if (unlikely(__atomic_load_n(&slot->depth, __ATOMIC_RELAXED))) {
		const struct clew_record copy = *record; /* so that only here it has to be in memory */
		return ring_write(slot, &copy, &(struct iovec){(void *)(uintptr_t)data, size}, 1, size);
	}
	/* Announce: from here a handler is an inner writer. outer_sp twice: a handler may come in between. */
	__atomic_store_n(&slot->outer_sp, stack, __ATOMIC_RELAXED);
	__atomic_store_n(&slot->depth, 1, __ATOMIC_RELAXED);
	fence();
	__atomic_store_n(&slot->outer_sp, stack, __ATOMIC_RELAXED);
	const uint32_t seq = local_next(&slot->seq) + 1;

	const uint64_t old = local_load(&slot->reserved), at = position_of(old), end = at + total;
	const uint64_t whole = old + ((uint64_t)(total / CLEW_ALIGN) << UNIT_BITS);
	if (unlikely(end > slot->limit || old & UNITS || !local_swap(&slot->reserved, old, whole | total / CLEW_ALIGN))) {
		const struct clew_record copy = *record;
		return ring_put_slowly(slot, &copy, data, size, seq);
	}
	char *to = ring_of(slot) + (at & (arena->ring_size - 1));
	record_first_word(to, total, CLEW_OP_PAD, 0);
	local_and(&slot->reserved, ~UNITS);
	record_fill(to, record, seq, (uint32_t)size, 0);
	if (likely(size)) {
		__builtin_memset(to + total - CLEW_ALIGN, 0, CLEW_ALIGN);
		copy_bytes(to + sizeof *record, data, size);
	}
	record_first_word(to, total, record->op, record->flags);

	ring_prefetch(slot, end, total);
	if (likely(local_load(&slot->reserved) == whole)) {
		atomic_store_explicit(&slot->write, end, memory_order_release);
		__atomic_store_n(&slot->depth, 0, __ATOMIC_RELAXED);
		fence();
		if (likely(local_load(&slot->reserved) == whole))
			return seq;
		__atomic_store_n(&slot->depth, 1, __ATOMIC_RELAXED);
		fence();
	}
	ring_leave(slot, 0);
	return seq;
}

static inline void call_count(struct clew_slot *slot, enum clew_op op, uint64_t bytes, int error, uint64_t ticks)
{
	struct clew_counter *counter = &slot->counter[op];
	local_add(&counter->calls, 1);
	local_add(&counter->bytes, bytes);
	local_add(&counter->ticks, ticks);
	if (unlikely(error))
		local_add(&counter->errors, 1);
}

#endif
