/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Prints the cost of one malloc/free pair or one 1-byte read or write, in ns of thread CPU time.
 *
 * Usage: calls malloc|io THREADS ROUNDS. The figure is the best of ROUNDS, of the slowest thread in it: CPU time, so
 * that a busy machine disturbs it least.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, PAIRS = 400000, CALLS = 100000, MOST_THREADS = 16, MOST_ROUNDS = 64 };

static int rounds;
static int use_malloc;
static double best[MOST_THREADS][MOST_ROUNDS];

static double cpu_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Sizes vary so that the allocator's fast path is not one single bin; about 10 ns a pair with glibc. */
static void allocate(void)
{
	void *held[BATCH];
	for (int done = 0; done < PAIRS; done += BATCH) {
		for (int i = 0; i < BATCH; i++) {
			held[i] = malloc(16 + (size_t)(i * 24 % 400));
			*(volatile char *)held[i] = 1;
		}
		for (int i = 0; i < BATCH; i++)
			free(held[i]);
	}
}

static void transfer(void)
{
	int ends[2];
	char byte = 'x';
	if (pipe(ends))
		exit(1);
	for (int done = 0; done < CALLS; done += 2) {
		if (write(ends[1], &byte, 1) != 1 || read(ends[0], &byte, 1) != 1)
			exit(1);
	}
	close(ends[0]);
	close(ends[1]);
}

static void *work(void *argument)
{
	double *mine = argument;
	for (int round = 0; round < rounds; round++) {
		double before = cpu_ns();
		if (use_malloc)
			allocate();
		else
			transfer();
		mine[round] = (cpu_ns() - before) / (use_malloc ? PAIRS : CALLS);
	}
	return NULL;
}

int main(int count, char **arguments)
{
	if (count != 4)
		return 2;
	use_malloc = strcmp(arguments[1], "malloc") == 0;
	int threads = atoi(arguments[2]);
	rounds = atoi(arguments[3]);
	if (threads < 1 || threads > MOST_THREADS || rounds < 1 || rounds > MOST_ROUNDS)
		return 2;
	pthread_t thread[MOST_THREADS];
	for (int i = 0; i < threads; i++) {
		if (pthread_create(&thread[i], NULL, work, best[i]))
			return 1;
	}
	double slowest = 0;
	for (int i = 0; i < threads; i++) {
		pthread_join(thread[i], NULL);
		double least = best[i][0];
		for (int round = 1; round < rounds; round++)
			least = best[i][round] < least ? best[i][round] : least;
		slowest = least > slowest ? least : slowest;
	}
	printf("%.3f\n", slowest);
	return 0;
}
