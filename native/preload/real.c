/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Finds the functions that the wrappers stand in front of.
 */
#include <dlfcn.h>
#include <errno.h>

#include "internal.h"

/* The linker makes these: the bounds of the section that REAL() fills. */
extern struct real real_first[] __asm__("__start_clew_real") __attribute__((visibility("hidden")));
extern struct real real_end[] __asm__("__stop_clew_real") __attribute__((visibility("hidden")));

static long real_missing(void)
{
	errno = ENOSYS;
	return -1;
}

void *real_find(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

void *real_resolve(struct real *real)
{
	int saved = errno;
	void *function = real->version ? dlvsym(RTLD_NEXT, real->name, real->version) : NULL;
	if (!function)
		function = real_find(real->name);
	if (!function) {
		long (*missing)(void) = real_missing;
		__builtin_memcpy(&function, &missing, sizeof function);
	}
	atomic_store_explicit(&real->function, function, memory_order_relaxed);
	errno = saved;
	return function;
}

void real_resolve_all(void)
{
	for (struct real *real = real_first; real < real_end; real++)
		if (!atomic_load_explicit(&real->function, memory_order_relaxed))
			real_resolve(real);
}
