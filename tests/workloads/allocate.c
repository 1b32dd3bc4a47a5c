/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief Allocates in every way, in threads, across threads and forks; the sizes and alignments must be what was
 * asked for. */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef MODEST
#define ROUNDS 3000 /* sanitizers are slow */
#else
#define ROUNDS 20000
#endif

static void *passed[4][1000];
static __attribute__((unused)) volatile size_t opaque_size = (size_t)-1 / 2;

static int bad(const void *memory, size_t alignment)
{
	return !memory || (uintptr_t)memory % alignment;
}

static void *work(void *number)
{
	size_t wrong = 0;
	void *memory = NULL;
	for (size_t i = 0; i < ROUNDS; i++) {
		size_t size = 1 + i * 31 % 3000;
		char *block = malloc(size);
		wrong += bad(block, 8) || malloc_usable_size(block) < size;
		memset(block, 1, size);
		block = realloc(block, size * 2);
		wrong += bad(block, 8) || block[size - 1] != 1;
		char *zero = calloc(3, size);
		wrong += bad(zero, 8) || zero[0] || zero[3 * size - 1];
		free(zero);
		wrong += posix_memalign(&memory, 64, size) || bad(memory, 64);
		free(memory);
		memory = aligned_alloc(128, 128);
		wrong += bad(memory, 128);
		free(memory);
		memory = memalign(256, size);
		wrong += bad(memory, 256);
		free(memory);
		memory = reallocarray(NULL, size, 2);
		wrong += bad(memory, 8);
		free(memory);
		free(NULL);
		if (i < 1000)
			passed[(long)number][i] = block;
		else
			free(block);
	}
	memory = valloc(100);
	wrong += bad(memory, 4096);
	free(memory);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(MODEST) /* sanitizers report these */
	errno = 0;
	wrong += malloc(opaque_size) != NULL || errno != ENOMEM;
	wrong += calloc(opaque_size, 4) != NULL;
	wrong += posix_memalign(&memory, 3, 10) != EINVAL;
#endif
	return (void *)wrong;
}

int main(void)
{
	pthread_t threads[4];
	size_t wrong = 0;
	for (int round = 0; round < 3; round++) {
		for (long i = 0; i < 4; i++)
			pthread_create(&threads[i], NULL, work, (void *)i);
		for (int i = 0; i < 4; i++) {
			void *result;
			pthread_join(threads[i], &result);
			wrong += (size_t)result;
		}
		for (int i = 0; i < 4000; i++)
			free(passed[i / 1000][i % 1000]);
		pid_t pid = fork();
		if (pid == 0)
			_exit(work((void *)0) != NULL);
		int status;
		waitpid(pid, &status, 0);
		wrong += status != 0;
	}
	printf("wrong %zu\n", wrong);
	return wrong != 0;
}
