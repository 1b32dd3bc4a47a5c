/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Counts allocations: calls, failures and bytes asked for. Never traced, never timed; stacks if asked for.
 *
 * A malloc of less than 64 KiB that is refused is counted as if it were not. realloc(NULL, n) counts as malloc,
 * realloc(p, 0) that frees as free, free(NULL) not at all; so malloc + calloc + memalign, without their failures, less
 * free is what is live.
 */
#include "alloc.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#include "internal.h"
#include "stack.h"

/* dlsym itself may allocate: served from here until the real functions are known. Never reused. */
#define EARLY_ROOM 65536u
static _Alignas(16) char early[EARLY_ROOM];
static _Atomic size_t early_used;

static struct {
	void *(*malloc)(size_t);
	void (*free)(void *);
	void *(*calloc)(size_t, size_t);
	void *(*realloc)(void *, size_t);
	int (*posix_memalign)(void **, size_t, size_t);
	void *(*aligned_alloc)(size_t, size_t);
	void *(*memalign)(size_t, size_t);
	void *(*valloc)(size_t);
	void *(*pvalloc)(size_t);
} next;

static inline bool is_early(const void *memory)
{
	return (uintptr_t)memory - (uintptr_t)early < EARLY_ROOM;
}

static void *early_allocate(size_t alignment, size_t size)
{
	alignment = alignment < 16 ? 16 : alignment;
	if (size > EARLY_ROOM || alignment > EARLY_ROOM) {
		errno = ENOMEM;
		return NULL;
	}
	size_t room = 16 + alignment + ((size + 15) & ~(size_t)15);
	size_t at = atomic_fetch_add(&early_used, room);
	if (at + room > EARLY_ROOM) {
		errno = ENOMEM;
		return NULL;
	}
	uintptr_t user = ((uintptr_t)early + at + 16 + alignment - 1) & ~(uintptr_t)(alignment - 1);
	((size_t *)user)[-1] = size;
	return (void *)user;
}

/*
 * What the hot paths call: functions that resolve first and know early memory, until the real ones can be called as
 * they are. So the hot paths need not ask.
 */
static struct {
	void *(*malloc)(size_t);
	void (*free)(void *);
} hot = {real_malloc, real_free};

/* False while another call of this function is at it: use early_allocate(). */
static bool resolve(void)
{
	static _Atomic int resolving;
	if (atomic_exchange(&resolving, 1))
		return __atomic_load_n(&next.malloc, __ATOMIC_ACQUIRE) != NULL;
	void *found[] = {real_find("malloc"),   real_find("free"),           real_find("calloc"),
					 real_find("realloc"),  real_find("posix_memalign"), real_find("aligned_alloc"),
					 real_find("memalign"), real_find("valloc"),         real_find("pvalloc")};
	_Static_assert(sizeof found == sizeof next, "one entry each");
	for (size_t i = sizeof found / sizeof found[0]; i-- > 0;) /* malloc last: it says that all are there */
		__atomic_store_n((void **)&next + i, found[i], __ATOMIC_RELEASE);
	if (next.malloc && next.free) {
		__atomic_store_n(&hot.malloc, next.malloc, __ATOMIC_RELAXED);
		if (!atomic_load(&early_used))
			__atomic_store_n(&hot.free, next.free, __ATOMIC_RELAXED);
	}
	return true;
}

#define HAVE(function) (likely(next.function != NULL) || (resolve() && next.function))

void *real_malloc(size_t size)
{
	return HAVE(malloc) ? next.malloc(size) : early_allocate(16, size);
}

void real_free(void *memory)
{
	if (!is_early(memory) && HAVE(free))
		next.free(memory);
}

static __attribute__((noinline)) struct clew_counter *counter_slowly(enum clew_op op)
{
	uint32_t mode;
	struct clew_slot *slot = slot_find(&mode);
	return slot && (mode & CLEW_COUNT) ? &slot->counter[op] : NULL;
}

/* To be counted, and nothing more. */
static inline bool counts(const struct clew_slot *slot)
{
	return (__atomic_load_n(&slot->mode, __ATOMIC_RELAXED) & process->local_alloc) != 0;
}

/* Are stacks of allocations wanted? Then counts() is false, and what is slow looks here. */
static inline struct clew_slot *wants_stacks(void)
{
	struct clew_slot *slot = self;
	return slot && (__atomic_load_n(&slot->mode, __ATOMIC_RELAXED) & process->local_mode & CLEW_ALLOC_STACKS) ? slot
																											  : NULL;
}

static inline void stack_wanted(enum clew_op op, uint64_t weight)
{
	struct clew_slot *slot = wants_stacks();
	if (unlikely(slot != NULL))
		stack_of_allocation(slot, op, weight);
}

static inline void count(enum clew_op op, size_t bytes)
{
	struct clew_slot *slot = self;
	struct clew_counter *counter;
	if (likely(slot && counts(slot)))
		counter = &slot->counter[op];
	else if (likely(slot && process->live && !wants_stacks()) || !(counter = counter_slowly(op)))
		return; /* switched off */
	local_add(&counter->calls, 1);
	if (!__builtin_constant_p(bytes) || bytes)
		local_add(&counter->bytes, bytes);
}

/* `bytes` as counted before: what was refused was not allocated. */
static __attribute__((noinline)) void count_failure(enum clew_op op, size_t bytes)
{
	struct clew_counter *counter = counter_slowly(op);
	if (!counter)
		return;
	local_add(&counter->errors, 1);
	local_add(&counter->bytes, 0 - (uint64_t)bytes);
}

static __attribute__((noinline)) void *malloc_slowly(size_t size)
{
	count(CLEW_OP_MALLOC, size);
	void *memory = real_malloc(size);
	if (!memory)
		count_failure(CLEW_OP_MALLOC, size);
	else
		stack_wanted(CLEW_OP_MALLOC, size);
	return memory;
}

/* To look at the result costs as much as counting: only what is large enough to be refused is looked at. */
#define LARGE 65536u
#define HOT __attribute__((aligned(64))) /* in as few cache lines as can be: a tenth of what counting costs */

CLEW_EXPORT HOT void *malloc(size_t size)
{
	struct clew_slot *slot = self;
	if (unlikely(!slot || size >= LARGE))
		return malloc_slowly(size);
	if (likely(counts(slot))) {
		local_add(&slot->counter[CLEW_OP_MALLOC].calls, 1);
		local_add(&slot->counter[CLEW_OP_MALLOC].bytes, size);
	} else if (unlikely(!process->live || wants_stacks())) {
		return malloc_slowly(size);
	}
	return hot.malloc(size);
}

static __attribute__((noinline)) void free_slowly(void *memory)
{
	if (!memory)
		return;
	count(CLEW_OP_FREE, 0);
	stack_wanted(CLEW_OP_FREE, 1);
	real_free(memory);
}

CLEW_EXPORT HOT void free(void *memory)
{
	struct clew_slot *slot = self;
	if (unlikely(!slot || !memory)) {
		free_slowly(memory);
		return;
	}
	if (likely(counts(slot))) {
		local_add(&slot->counter[CLEW_OP_FREE].calls, 1);
	} else if (unlikely(!process->live || wants_stacks())) {
		free_slowly(memory);
		return;
	}
	hot.free(memory);
}

CLEW_EXPORT void *calloc(size_t number, size_t size)
{
	size_t bytes;
	if (__builtin_mul_overflow(number, size, &bytes))
		bytes = 0; /* the real one refuses */
	count(CLEW_OP_CALLOC, bytes);
	void *memory;
	if (HAVE(calloc))
		memory = next.calloc(number, size);
	else
		memory = early_allocate(16, number && bytes / number != size ? SIZE_MAX : bytes);
	if (unlikely(!memory))
		count_failure(CLEW_OP_CALLOC, bytes);
	else
		stack_wanted(CLEW_OP_CALLOC, bytes);
	return memory;
}

static void *reallocate_early(void *memory, size_t size)
{
	size_t had = ((size_t *)memory)[-1];
	void *moved = real_malloc(size);
	if (moved)
		copy_bytes(moved, memory, had < size ? had : size);
	return moved;
}

CLEW_EXPORT void *realloc(void *memory, size_t size)
{
	if (!memory)
		return malloc(size);
	void *moved;
	if (unlikely(is_early(memory)))
		moved = reallocate_early(memory, size);
	else
		moved = HAVE(realloc) ? next.realloc(memory, size) : NULL;
	if (unlikely(!moved && size == 0)) {
		count(CLEW_OP_FREE, 0);
		stack_wanted(CLEW_OP_FREE, 1);
		return NULL;
	}
	count(CLEW_OP_REALLOC, size);
	if (unlikely(!moved))
		count_failure(CLEW_OP_REALLOC, size);
	else
		stack_wanted(CLEW_OP_REALLOC, size);
	return moved;
}

CLEW_EXPORT void *reallocarray(void *memory, size_t number, size_t size)
{
	size_t bytes;
	if (__builtin_mul_overflow(number, size, &bytes)) {
		count(CLEW_OP_REALLOC, 0);
		count_failure(CLEW_OP_REALLOC, 0);
		errno = ENOMEM;
		return NULL;
	}
	return realloc(memory, bytes);
}

CLEW_EXPORT int posix_memalign(void **memory, size_t alignment, size_t size)
{
	int error = 0;
	count(CLEW_OP_MEMALIGN, size);
	if (HAVE(posix_memalign))
		error = next.posix_memalign(memory, alignment, size);
	else if (!(*memory = early_allocate(alignment, size)))
		error = ENOMEM;
	if (unlikely(error))
		count_failure(CLEW_OP_MEMALIGN, size);
	else
		stack_wanted(CLEW_OP_MEMALIGN, size);
	return error;
}

CLEW_EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
	count(CLEW_OP_MEMALIGN, size);
	void *memory = HAVE(aligned_alloc) ? next.aligned_alloc(alignment, size) : early_allocate(alignment, size);
	if (unlikely(!memory))
		count_failure(CLEW_OP_MEMALIGN, size);
	else
		stack_wanted(CLEW_OP_MEMALIGN, size);
	return memory;
}

CLEW_EXPORT void *memalign(size_t alignment, size_t size)
{
	count(CLEW_OP_MEMALIGN, size);
	void *memory = HAVE(memalign) ? next.memalign(alignment, size) : early_allocate(alignment, size);
	if (unlikely(!memory))
		count_failure(CLEW_OP_MEMALIGN, size);
	else
		stack_wanted(CLEW_OP_MEMALIGN, size);
	return memory;
}

CLEW_EXPORT void *valloc(size_t size)
{
	count(CLEW_OP_MEMALIGN, size);
	void *memory = HAVE(valloc) ? next.valloc(size) : early_allocate(4096, size);
	if (unlikely(!memory))
		count_failure(CLEW_OP_MEMALIGN, size);
	else
		stack_wanted(CLEW_OP_MEMALIGN, size);
	return memory;
}

CLEW_EXPORT void *pvalloc(size_t size)
{
	count(CLEW_OP_MEMALIGN, size);
	void *memory = HAVE(pvalloc) ? next.pvalloc(size) : early_allocate(4096, (size + 4095) & ~(size_t)4095);
	if (unlikely(!memory))
		count_failure(CLEW_OP_MEMALIGN, size);
	else
		stack_wanted(CLEW_OP_MEMALIGN, size);
	return memory;
}
