/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief A preload library that only passes calls on, and one that also reads the clock twice: the floor under clew.
 *
 * Compiled with -DSTAMP it reads the CPU's counter before and after each read and write, as whoever wants begin and
 * duration must.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

static void *(*real_malloc)(size_t);
static void (*real_free)(void *);
static ssize_t (*real_read)(int, void *, size_t);
static ssize_t (*real_write)(int, const void *, size_t);
static volatile uint64_t stamps;

static __attribute__((constructor)) void resolve(void)
{
	*(void **)&real_free = dlsym(RTLD_NEXT, "free");
	*(void **)&real_read = dlsym(RTLD_NEXT, "read");
	*(void **)&real_write = dlsym(RTLD_NEXT, "write");
	*(void **)&real_malloc = dlsym(RTLD_NEXT, "malloc");
}

static inline void stamp(void)
{
#if defined(STAMP) && defined(__x86_64__)
	stamps = __rdtsc();
#endif
}

void *malloc(size_t size)
{
	if (__builtin_expect(!real_malloc, 0))
		resolve();
	return real_malloc(size);
}

void free(void *memory)
{
	if (__builtin_expect(!real_free, 0))
		resolve();
	real_free(memory);
}

ssize_t read(int fd, void *buffer, size_t size)
{
	stamp();
	ssize_t result = real_read(fd, buffer, size);
	stamp();
	return result;
}

ssize_t write(int fd, const void *buffer, size_t size)
{
	stamp();
	ssize_t result = real_write(fd, buffer, size);
	stamp();
	return result;
}
