/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief For each line of its input prints the cost of one malloc/free pair or one 1-byte read or write, in ns.
 *
 * Usage: calls malloc|io THREADS [ROUNDS]. The figure is CPU time of the slowest thread. A round lasts milliseconds, so
 * that programs that are compared can take turns often, and what changes the machine's speed meets all of them. With
 * ROUNDS, so many are done at once and nobody is asked.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, PAIRS = 200000, CALLS = 10000, MOST_THREADS = 16 };

static int use_malloc;
static int rounds = 1;

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

static void transfer(const int ends[2], int calls)
{
	char byte = 'x';
	for (int done = 0; done < calls; done += 2) {
		if (write(ends[1], &byte, 1) != 1 || read(ends[0], &byte, 1) != 1)
			exit(1);
	}
}

static void *work(void *result)
{
	int ends[2];
	if (pipe(ends))
		exit(1);
	transfer(ends, CALLS / 100); /* what other programs pushed out of the caches is not of interest */
	double before = cpu_ns();
	for (int round = 0; round < rounds; round++) {
		if (use_malloc)
			allocate();
		else
			transfer(ends, CALLS);
	}
	*(double *)result = (cpu_ns() - before) / (use_malloc ? PAIRS : CALLS) / rounds;
	close(ends[0]);
	close(ends[1]);
	return NULL;
}

static void measure(int threads)
{
	pthread_t thread[MOST_THREADS];
	double cost[MOST_THREADS], slowest = 0;
	for (int i = 1; i < threads; i++) {
		if (pthread_create(&thread[i], NULL, work, &cost[i]))
			exit(1);
	}
	work(&cost[0]);
	for (int i = 0; i < threads; i++) {
		if (i > 0)
			pthread_join(thread[i], NULL);
		slowest = cost[i] > slowest ? cost[i] : slowest;
	}
	printf("%.3f\n", slowest);
	fflush(stdout);
}

int main(int count, char **arguments)
{
	if (count != 3 && count != 4)
		return 2;
	use_malloc = strcmp(arguments[1], "malloc") == 0;
	const int threads = atoi(arguments[2]);
	if (threads < 1 || threads > MOST_THREADS)
		return 2;
	if (count == 4) {
		rounds = atoi(arguments[3]);
		measure(threads);
		return 0;
	}
	while (getchar() != EOF)
		measure(threads);
	return 0;
}
