/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Starts the library in a process: finds the arena, hides what is to be hidden, resolves functions.
 *
 * It happens at the first intercepted call after libc is ready, or in our constructor: constructors of
 * other libraries run before ours. Whatever fails leaves a library that passes everything through.
 */
#include <dlfcn.h>
#include <errno.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "clew_api.h"
#include "exec.h"
#include "handed_on.h"
#include "internal.h"
#include "sampler.h"
#include "stack.h"
#include "tasks.h"

union process_page process_page __attribute__((aligned(CLEW_PAGE)));
uint32_t inherited_mode = CLEW_MODES;
uint32_t inherited_no_tsc, inherited_sandboxed;
char library_path[4096], arena_path[4096];

static _Atomic uint32_t init_state;       /* 0 not yet, 1 a thread is at it, 2 done */
static uint64_t counter_base, clock_base; /* where the clock by system call took over from the counter */

static uint64_t clock_ns(void)
{
	struct timespec now = {0, 0};
	RAW_2(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t ticks_by_system_call(void)
{
	static uint64_t last;
	if (process->sandboxed)
		return last;
	uint64_t ns = clock_ns();
	if (arena && arena->clock != CLEW_CLOCK_MONOTONIC)
		ns = counter_base + (uint64_t)((unsigned __int128)(ns - clock_base) * arena->ticks_per_s / 1000000000u);
	__atomic_store_n(&last, ns, __ATOMIC_RELAXED);
	return ns;
}

void process_set_no_tsc(void)
{
	if (process->no_tsc || !arena)
		return;
	clock_base = clock_ns();
	counter_base = ticks_counter();
	inherited_no_tsc = process->no_tsc = 1;
	ticks_by_system_call(); /* what a sandbox without system calls goes on saying */
}

void process_keep_tsc(void)
{
	inherited_no_tsc = process->no_tsc = arena && arena->clock == CLEW_CLOCK_MONOTONIC;
}

void process_set_sandboxed(bool sandboxed)
{
	if (sandboxed) /* it may forbid the return from a signal handler */
		sampler_stand_back();
	struct clew_slot *slot = slot_self();
	if (slot && sandboxed) { /* neither can be done later */
		conn_settle(slot);
		ring_populate_all(slot);
	}
	inherited_sandboxed = process->sandboxed = sandboxed;
}

bool in_borrowed_memory(const struct clew_slot *slot)
{
	return slot->vfork_child || (!process->sandboxed && RAW_0(SYS_getpid) != process->pid);
}

static size_t copy_text(char *to, size_t room, const char *text)
{
	size_t length = text_length(text);
	if (length >= room)
		return 0;
	copy_bytes(to, text, length + 1);
	return length;
}

/* Are the program's calls bound to this copy of the library? Not if it was merely loaded by dlopen. */
static bool preloaded(void)
{
	unsigned (*abi)(void) = clew_abi;
	void *ours;
	__builtin_memcpy(&ours, &abi, sizeof ours);
	return dlsym(RTLD_DEFAULT, "clew_abi") == ours;
}

bool init_try(void)
{
	uint32_t expected = 0;
	if (!environ || atomic_load_explicit(&init_state, memory_order_relaxed) != 0 ||
		!atomic_compare_exchange_strong(&init_state, &expected, 1))
		return false;
	int saved = errno;
	const char *path = env_find("CLEW_ARENA=");
	if (path && preloaded()) {
		Dl_info info;
		unsigned (*abi)(void) = clew_abi;
		void *ours;
		__builtin_memcpy(&ours, &abi, sizeof ours);
		if (dladdr(ours, &info) && info.dli_fname)
			copy_text(library_path, sizeof library_path, info.dli_fname);
		copy_text(arena_path, sizeof arena_path, path);
		if (arena_attach(path)) {
			if (arena->clock == CLEW_CLOCK_MONOTONIC)
				inherited_no_tsc = 1;
			RAW_3(SYS_madvise, &process_page, sizeof process_page, MADV_WIPEONFORK);
			handed_on_ticks = (uint64_t)((unsigned __int128)arena->ticks_per_s * HANDED_ON_NS / 1000000000u);
			real_resolve_all();
			thread_key_create();
			stack_start();
			tasks_start();
			const char *handed = env_find("CLEW_FDS=");
			if (handed)
				conn_handover_read(handed);
		}
		env_scrub();
	}
	errno = saved;
	atomic_store(&init_state, 2);
	return arena != NULL;
}

static __attribute__((constructor)) void start(void)
{
	init_try();
	slot_self();
}

static __attribute__((destructor)) void stop(void)
{
	struct clew_slot *slot = arena ? slot_self() : NULL;
	if (slot)
		note_process_end(slot);
}
