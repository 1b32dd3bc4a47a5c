/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief A library that a user preloads himself: counts what passes through its write and malloc, and says so at
 * the end. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Atomic unsigned long writes;

ssize_t write(int fd, const void *bytes, size_t size)
{
	static ssize_t (*next)(int, const void *, size_t);
	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "write");
	writes++;
	return next(fd, bytes, size);
}

__attribute__((destructor)) static void say(void)
{
	char line[64];
	int size = snprintf(line, sizeof line, "own preload: %lu writes\n", writes);
	write(2, line, (size_t)size);
}
