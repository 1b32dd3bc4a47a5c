/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief Two threads, each 100,000 calls a second for SECONDS, in bursts of 100 every millisecond; says how many
 * it made. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static long milliseconds;

static void *work(void *unused)
{
	int pipes[2];
	char byte[100];
	struct timespec next;
	(void)unused;
	if (pipe(pipes))
		exit(1);
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (long i = 0; i < milliseconds; i++) {
		for (int call = 0; call < 50; call++)
			if (write(pipes[1], "payload of some length", 22) != 22 || read(pipes[0], byte, sizeof byte) != 22)
				exit(2);
		if ((next.tv_nsec += 1000000) >= 1000000000) {
			next.tv_nsec -= 1000000000;
			next.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
	close(pipes[0]);
	close(pipes[1]);
	return NULL;
}

int main(int count, char **arguments)
{
	pthread_t threads[2];
	struct timespec begin, end;
	milliseconds = 1000 * (count > 1 ? atol(arguments[1]) : 1);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, work, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	clock_gettime(CLOCK_MONOTONIC, &end);
	double seconds = (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
	printf("%ld %ld\n", 200 * milliseconds, (long)(200 * (double)milliseconds / seconds)); /* calls, calls a second */
	return 0;
}
