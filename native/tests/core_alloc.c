/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Allocates in every way, argument 1 times; failures and their errno must be libc's own.
 */
#include <malloc.h>
#include <stdint.h>
#include <unistd.h>

#include "check.h"

static void *volatile hidden; /* so that no call is optimised away */
static volatile size_t too_much = SIZE_MAX - 4096;

static void round_trip(void)
{
	void *memory;
	hidden = malloc(10);
	hidden = realloc(hidden, 1000);
	CHECK(hidden);
	free(hidden);
	hidden = calloc(3, 7);
	CHECK(hidden && ((char *)hidden)[20] == 0);
	free(hidden);
	hidden = realloc(NULL, 11);
	hidden = reallocarray(hidden, 5, 20);
	CHECK(hidden);
	CHECK(realloc(hidden, 0) == NULL);
	CHECK(posix_memalign(&memory, 64, 100) == 0 && (uintptr_t)memory % 64 == 0);
	free(memory);
	hidden = aligned_alloc(32, 64);
	CHECK((uintptr_t)hidden % 32 == 0);
	free(hidden);
	hidden = memalign(128, 5);
	CHECK((uintptr_t)hidden % 128 == 0);
	free(hidden);
	hidden = valloc(1);
	CHECK((uintptr_t)hidden % 4096 == 0);
	free(hidden);
	hidden = pvalloc(1);
	CHECK((uintptr_t)hidden % 4096 == 0 && malloc_usable_size(hidden) >= 4096);
	free(hidden);
	free(NULL);
	errno = 0;
	CHECK(malloc(too_much) == NULL && errno == ENOMEM);
	errno = 0;
	CHECK(calloc(too_much, 2) == NULL && errno == ENOMEM);
	errno = 0;
	CHECK(reallocarray(NULL, too_much, 3) == NULL && errno == ENOMEM);
	errno = 0;
	memory = &errno;
	CHECK(posix_memalign(&memory, 3, 8) == EINVAL && errno == 0 && memory == &errno);
}

int main(int count, char **arguments)
{
	for (int i = count > 1 ? atoi(arguments[1]) : 0; i > 0; i--)
		round_trip();
	return 0;
}
