/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What the compiler wants from libgcc_s for cleanups, without loading libgcc_s into every program.
 *
 * Whoever unwinds through our frames (thread cancellation, C++) has an unwinder loaded. These two pass
 * its questions about our frames on to it, and stand for libgcc's symbols of the same names within this library.
 * Loading libgcc_s would cost each program a fifth of the time that it takes to start.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

#define PASS_ON __attribute__((visibility("hidden"), used))

/* Declared here and not by <unwind.h>, which would export them, over the heads of all programs. */
typedef int personality_function(int version, int actions, uint64_t kind, void *exception, void *context);
PASS_ON personality_function __gcc_personality_v0;
PASS_ON void _Unwind_Resume(void *exception);

static void *unwinder(const char *name)
{
	static const char library[] = "libgcc_s.so.1";
	void *handle = dlopen(library, RTLD_NOW | RTLD_NOLOAD);
	if (!handle)
		handle = dlopen(library, RTLD_NOW);
	void *found = handle ? dlsym(handle, name) : NULL;
	if (!found)
		abort(); /* as libc does where it cannot unwind */
	return found;
}

/* Personality of frames of C, Itanium C++ ABI: Exception Handling, 1.6. */
int __gcc_personality_v0(int version, int actions, uint64_t kind, void *exception, void *context)
{
	static void *found;
	void *real = __atomic_load_n(&found, __ATOMIC_RELAXED);
	if (!real)
		__atomic_store_n(&found, real = unwinder("__gcc_personality_v0"), __ATOMIC_RELAXED);
	personality_function *personality;
	__builtin_memcpy(&personality, &real, sizeof personality);
	return personality(version, actions, kind, exception, context);
}

void _Unwind_Resume(void *exception)
{
	static void *found;
	void *real = __atomic_load_n(&found, __ATOMIC_RELAXED);
	if (!real)
		__atomic_store_n(&found, real = unwinder("_Unwind_Resume"), __ATOMIC_RELAXED);
	void (*resume)(void *);
	__builtin_memcpy(&resume, &real, sizeof resume);
	resume(exception);
	__builtin_unreachable();
}
