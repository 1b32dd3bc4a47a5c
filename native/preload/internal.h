/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What the files of the core share with each other and not with the wrappers.
 */
#ifndef CLEW_INTERNAL_H
#define CLEW_INTERNAL_H

#include "core.h"
#include "real.h"

/* TLS of a thread beside `self`. In a child of vfork it is the parent's. */
struct thread_state {
	uint64_t attempts;    /* calls that found no slot */
	uint32_t lost;        /* it is counted in lost_threads */
	uint64_t vfork_begin; /* ticks */
	uint32_t entering;    /* in thread_enter(): a nested call passes through */
	uint32_t detached;    /* another thread of control uses this TLS, or the slot was given up: pass through */
	uint32_t fork_how;    /* what PROCESS_START of a child made now will say; 0 = nobody told */
	uint32_t fork_tid;    /* who makes it */
	uint32_t creator_tid; /* who made this thread; 0 = not known */
	uint32_t vfork_depth; /* slot->depth when vfork was called */
};
extern __thread struct thread_state thread_state;

/* init.c: true when `arena` is there. Harmless to call at any time. */
bool init_try(void);
extern uint32_t inherited_mode, inherited_no_tsc, inherited_sandboxed; /* process page's content, kept over a fork */
extern char library_path[], arena_path[];                              /* "" = not known */
void process_set_sandboxed(bool sandboxed);
void process_set_no_tsc(void);
void process_keep_tsc(void);                           /* takes that back */
bool in_borrowed_memory(const struct clew_slot *slot); /* in a child that shares its parent's memory (vfork) */

/* arena.c */
bool arena_attach(const char *path);
struct clew_slot *arena_take(void); /* TAKEN and cleared; NULL = none */
/* Keep to a small part of the address space the program allows itself, but for the slots in use. */
void arena_shrink(uint64_t address_space);
bool arena_populate(void *memory, size_t size);
void arena_live(struct clew_slot *slot);
void arena_ended(struct clew_slot *slot);
uint32_t arena_index(const struct clew_slot *slot);
bool arena_revive(struct clew_slot *slot); /* undo arena_ended(); false: it was given away */

/* ring.c */
/* Gives the record's seq; 0 = it was lost. */
uint32_t ring_write(struct clew_slot *slot, const struct clew_record *record, const struct iovec *data, int count,
					size_t size);
void ring_recover(struct clew_slot *slot, uint32_t depth); /* give up what is being written above `depth` */
void ring_populate_all(struct clew_slot *slot);

/* Adds one so that a signal handler between load and store loses nothing; gives the value before. */
static inline uint32_t local_next(uint32_t *at)
{
#if defined(__x86_64__)
	uint32_t value = 1;
	__asm__ volatile("xaddl %0, %1" : "+r"(value), "+m"(*at) : : "memory");
	return value;
#else
	return __atomic_fetch_add(at, 1, __ATOMIC_RELAXED);
#endif
}

/* thread.c */
int thread_key_create(void);
struct clew_slot *slot_find(uint32_t *mode); /* slow path of both call_begin() and counting allocations */
void thread_forked(void);                    /* a child of fork, first thing */
void thread_leave(void);                     /* give the slot up: the thread or the process image ends */
void thread_return(struct clew_slot *slot);  /* it did not: exec failed */

/* process_info.c */
/* False: it was lost. */
bool note_write(struct clew_slot *slot, enum clew_op op, int64_t result, int fd, uint16_t flags,
				const struct iovec *data, int count);
void note_process_start(struct clew_slot *slot);
void note_process_end(struct clew_slot *slot);
void note_cgi(struct clew_slot *slot); /* process_cgi.c: a program that was started as a CGI program */
void note_thread_start(struct clew_slot *slot);
void note_thread_end(struct clew_slot *slot);
void note_unseen(struct clew_slot *slot, enum clew_unseen reason, uint32_t pid, const char *path);
void note_deepbind(struct clew_slot *slot); /* deepbind.c: libraries were loaded whose calls are not seen */
void own_forget(void);                      /* in a child of fork: the kernel counts from 0 */
bool pid_namespace_is_foreign(bool unless_known);
long own_read(int fd, void *buffer, size_t size,
			  int64_t offset); /* pread, or read if offset < 0; PROCESS_END leaves it out */

/* Adds so that a signal handler between load and store loses nothing. */
static inline void local_add(uint64_t *at, uint64_t value)
{
#if defined(__x86_64__)
	__asm__ volatile("addq %1, %0" : "+m"(*at) : "er"(value));
#else
	__atomic_fetch_add(at, value, __ATOMIC_RELAXED);
#endif
}

static inline size_t text_length(const char *text)
{
	size_t length = 0;
	while (text[length]) {
		length++;
		__asm__ volatile(""); /* else the compiler makes a call of strlen of the loop */
	}
	return length;
}

static inline bool text_starts(const char *text, const char *prefix)
{
	while (*prefix)
		if (*text++ != *prefix++)
			return false;
	return true;
}

static inline bool text_equal(const char *a, const char *b)
{
	return text_starts(a, b) && a[text_length(b)] == 0;
}

/* Copies size bytes without libc: a sanitizer's memcpy would look at them. The last pieces of a size overlap. */
static inline void copy_bytes(void *to, const void *from, size_t size)
{
	char *target = to;
	const char *source = from;
	if (likely(size < 16)) {
		if (size >= 8) {
			uint64_t first, last;
			__builtin_memcpy(&first, source, 8);
			__builtin_memcpy(&last, source + size - 8, 8);
			__builtin_memcpy(target, &first, 8);
			__builtin_memcpy(target + size - 8, &last, 8);
		} else if (size >= 4) {
			uint32_t first, last;
			__builtin_memcpy(&first, source, 4);
			__builtin_memcpy(&last, source + size - 4, 4);
			__builtin_memcpy(target, &first, 4);
			__builtin_memcpy(target + size - 4, &last, 4);
		} else if (size) {
			target[0] = source[0];
			target[size / 2] = source[size / 2];
			target[size - 1] = source[size - 1];
		}
		return;
	}
	for (size_t at = 0; at + 16 <= size; at += 16) {
		__builtin_memcpy(target + at, source + at, 16);
		__asm__ volatile("" ::: "memory"); /* else the compiler makes a call of memcpy of the loop */
	}
	__builtin_memcpy(target + size - 16, source + size - 16, 16);
}

static inline void zero_bytes(void *at, size_t size)
{
	char *target = at;
	const uint64_t zeros[2] = {0, 0};
	for (; size >= 16; size -= 16, target += 16) {
		__builtin_memcpy(target, zeros, 16);
		__asm__ volatile("" ::: "memory"); /* else the compiler makes a call of memset of the loop */
	}
	for (; size; size--) {
		*target++ = 0;
		__asm__ volatile("" ::: "memory");
	}
}

#endif
