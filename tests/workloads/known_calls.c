/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief Two threads with odd names that make as many calls as they are told, in bursts, through known
 * functions. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

/* known_calls BURSTS PAUSE_MS WRITES CLOSES POLLS: thread k (1, 2) makes k times as many calls in each burst */
static int bursts, pause_ms, writes, closes, polls, null;
static const char *names[] = {"wk,1", "wk \"2\"\n\xc3\xa9,\xff"};
static const int waits_ms[] = {1, 3, 6, 2, 12};

__attribute__((noinline)) static void close_nothing(int times)
{
	for (int i = 0; i < times; i++)
		close(-1);
}

__attribute__((noinline)) static void closes_here(int times)
{
	close_nothing(times);
	__asm__ volatile("" ::: "memory"); /* no tail call */
}

__attribute__((noinline)) static void wait_for_nothing(int times)
{
	for (int i = 0; i < times; i++)
		poll(NULL, 0, waits_ms[i % (int)(sizeof waits_ms / sizeof *waits_ms)]);
}

__attribute__((noinline)) static void waits_here(int times)
{
	wait_for_nothing(times);
	__asm__ volatile("" ::: "memory");
}

static void *work(void *which)
{
	int k = (int)(long)which;
	pthread_setname_np(pthread_self(), names[k - 1]);
	for (int burst = 0; burst < bursts; burst++) {
		for (int i = 0; i < k * writes; i++)
			if (write(null, "12345", (size_t)k) != k)
				abort();
		closes_here(k * closes);
		waits_here(k * polls);
		usleep((useconds_t)pause_ms * 1000);
	}
	return NULL;
}

int main(int count, char **given)
{
	pthread_t threads[2];
	if (count != 6 || (null = open("/dev/null", O_WRONLY)) < 0)
		return 2;
	bursts = atoi(given[1]);
	pause_ms = atoi(given[2]);
	writes = atoi(given[3]);
	closes = atoi(given[4]);
	polls = atoi(given[5]);
	for (long k = 1; k <= 2; k++)
		if (pthread_create(&threads[k - 1], NULL, work, (void *)k))
			return 1;
	for (int k = 0; k < 2; k++)
		pthread_join(threads[k], NULL);
	return 0;
}
