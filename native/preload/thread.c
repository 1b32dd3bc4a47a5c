/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief A thread's way in and out: its slot, its records of start and end, pthread_create and join.
 */
#include "io.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include "alloc.h"
#include "internal.h"
#include "sampler.h"
#include "stack.h"

__thread struct clew_slot *self;
__thread struct thread_state thread_state;

#define LARGE_STACK                                                                                                    \
	(UINT64_C(2) << 20) /* of a thread where the program has no limit; more is asked for page by page                  \
						 */

static pthread_key_t end_key;
static bool end_key_made;

/* Runs when the thread ends, at last: other destructors make calls too. */
static void thread_ends(void *round)
{
	uintptr_t next = (uintptr_t)round + 1;
	if (next <= PTHREAD_DESTRUCTOR_ITERATIONS && pthread_setspecific(end_key, (void *)next) == 0)
		return;
	struct clew_slot *slot = self;
	if (!slot || !process->live)
		return;
	note_thread_end(slot);
	thread_leave();
}

int thread_key_create(void)
{
	int error = pthread_key_create(&end_key, thread_ends);
	end_key_made = error == 0;
	return error;
}

void thread_leave(void)
{
	struct clew_slot *slot = self;
	if (!slot)
		return;
	sampler_thread_end(slot);
	conn_leave_standard();
	ring_recover(slot, 0);
	bool foreign = slot->foreign_pid_namespace;
	arena_ended(slot);
	/* The recorder sees when a thread of its own pid namespace is gone; of another it believes ENDED. */
	if (foreign) {
		self = NULL;
		thread_state.detached = 1;
	}
}

void thread_return(struct clew_slot *slot)
{
	self = arena_revive(slot) ? slot : NULL;
	thread_state.detached = 0;
	if (self)
		sampler_thread(slot);
}

void thread_forked(void)
{
	zero_bytes(&process_page.state, sizeof process_page.state);
}

/* The first thread to call in a process sets the process up, too. */
static void process_enter(void)
{
	process->sandboxed = inherited_sandboxed;
	process->no_tsc = inherited_no_tsc;
	if (!process->sandboxed)
		process->pid = (uint32_t)RAW_0(SYS_getpid);
	static bool entered; /* in this image, perhaps by a parent */
	if (!entered) {
		entered = true;
		process->how = 2;
		return;
	}
	/* A child of fork. Its thread still points to the slot of the parent's. */
	process->how = thread_state.fork_how ? thread_state.fork_how : 3;
	process->parent_tid = thread_state.fork_how ? thread_state.fork_tid : 0;
	self = NULL;
	thread_state = (struct thread_state){.entering = 1};
	own_forget();
}

static struct clew_slot *enter(void)
{
	static bool foreign;
	uint32_t expected = 0;
	if (__atomic_compare_exchange_n(&process->live, &expected, 2, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
		process_enter();
		if (!process->sandboxed)
			foreign = pid_namespace_is_foreign(foreign);
		local_mode_set(inherited_mode);
		__atomic_store_n(&process->live, 1, __ATOMIC_RELEASE);
	} else if (expected == 2) {
		return NULL;
	}
	if (self || thread_state.detached || process->sandboxed || RAW_0(SYS_getpid) != process->pid)
		return self;
	struct clew_slot *slot = arena_take();
	if (!slot)
		return NULL;
	slot->pid = process->pid;
	slot->tid = (uint32_t)RAW_0(SYS_gettid);
	slot->foreign_pid_namespace = foreign;
	self = slot;
	arena_live(slot);
	if (end_key_made)
		pthread_setspecific(end_key, (void *)1);
	if (!__atomic_exchange_n(&process->announced, 1, __ATOMIC_RELAXED)) {
		if (process->how == 2 && slot->serial == 1)
			process->how = 0;
		note_process_start(slot);
		if (process->how == 0)
			conn_adopt_standard(slot);
	} else {
		note_thread_start(slot);
	}
	sampler_thread(slot);
	return slot;
}

struct clew_slot *thread_enter(void)
{
	if (thread_state.entering || (!arena && !init_try()))
		return NULL;
	if (thread_state.detached && process->live == 1)
		return NULL;
	int saved = errno;
	uint64_t all = UINT64_MAX, before;
	bool quiet = !inherited_sandboxed; /* no handler in between: it would find half a slot */
	if (quiet)
		RAW_4(SYS_rt_sigprocmask, SIG_BLOCK, &all, &before, sizeof all);
	thread_state.entering = 1;
	struct clew_slot *slot = enter();
	thread_state.entering = 0;
	if (quiet)
		RAW_4(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof all);
	errno = saved;
	return slot;
}

/*
 * The slot of a thread whose fast path found nothing. Asking for a slot costs a walk over all of them:
 * where there was none ask again at call 1, 2, 4, ... 256, 512, 768, ...
 */
struct clew_slot *slot_find(uint32_t *mode)
{
	struct clew_slot *slot = self;
	*mode = 0;
	if (!arena && !init_try())
		return NULL;
	if (!slot || process->live != 1) {
		uint64_t attempts = thread_state.attempts++;
		bool now = attempts < 256 ? (attempts & (attempts - 1)) == 0 : attempts % 256 == 0;
		slot = now || process->live != 1 ? thread_enter() : NULL;
	}
	if (slot)
		*mode = __atomic_load_n(&slot->mode, __ATOMIC_RELAXED) & process->local_mode;
	return slot;
}

struct clew_slot *call_enter(uint32_t *mode)
{
	struct clew_slot *slot = slot_find(mode);
	if (slot)
		return *mode ? slot : NULL;
	if (arena && !thread_state.entering && inherited_mode && (atomic_load(&arena->mode) & CLEW_TRACE)) {
		if (!thread_state.lost)
			atomic_fetch_add(&arena->lost_threads, 1);
		thread_state.lost = 1;
		atomic_fetch_add(&arena->lost_no_slot, 1);
	}
	return NULL;
}

struct beginning {
	void *(*routine)(void *);
	void *argument;
	size_t stack_size; /* 0 = not known */
	uint32_t creator_tid;
};

/* As pthread_create(3) has it; a default that the program has set is not asked for, as that may allocate. */
static size_t stack_size_of(const pthread_attr_t *attributes)
{
	size_t size = 0;
	if (attributes && pthread_attr_getstacksize(attributes, &size) == 0)
		return size;
	struct rlimit limit;
	if (process->sandboxed || RAW_4(SYS_prlimit64, 0, RLIMIT_STACK, NULL, &limit) < 0)
		return 0;
	return limit.rlim_cur < LARGE_STACK ? limit.rlim_cur : LARGE_STACK;
}

static void *begin_thread(void *given)
{
	struct beginning beginning = *(struct beginning *)given;
	real_free(given);
	thread_state.creator_tid = beginning.creator_tid;
	/* What the thread's own control block is in, libc puts at the end of its stack. */
	const uintptr_t end = (uintptr_t)__builtin_thread_pointer(), here = (uintptr_t)__builtin_frame_address(0);
	if (here < end && end - here < beginning.stack_size)
		stack_memory_known(end - beginning.stack_size, end);
	slot_self();
	return beginning.routine(beginning.argument);
}

CLEW_EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*routine)(void *),
							   void *argument)
{
	struct clew_slot *slot = slot_self();
	struct beginning *beginning = slot ? real_malloc(sizeof *beginning) : NULL;
	if (!beginning)
		return REAL(pthread_create)(thread, attributes, routine, argument);
	struct call call;
	call_begin(&call);
	*beginning = (struct beginning){routine, argument, stack_size_of(attributes), slot->tid};
	int error = REAL(pthread_create)(thread, attributes, begin_thread, beginning);
	if (error)
		real_free(beginning);
	if (call.slot)
		call_end(
			&call,
			&(struct end){
				.op = CLEW_OP_PTHREAD_CREATE, .fd = -1, .result = error, .error = error, .offset = CLEW_NO_OFFSET});
	return error;
}

CLEW_EXPORT int pthread_join(pthread_t thread, void **result)
{
	IO_CALL(call, PTHREAD_JOIN, -1);
	const int error = REAL(pthread_join)(thread, result);
	if (io_counted(&call))
		io_finish(&call,
				  &(struct end){
					  .op = CLEW_OP_PTHREAD_JOIN, .fd = -1, .result = error, .error = error, .offset = CLEW_NO_OFFSET});
	return error;
}
