/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Threads that write until their very last destructor; argument 1 says how many, 2 how many at a time.
 *
 * "cancel": threads that are cancelled in what they wait for.
 */
#include <pthread.h>
#include <unistd.h>

#include "check.h"

#define WRITES 20

static pthread_key_t key;
static int ends[2];

static void put(char byte)
{
	CHECK(write(ends[1], &byte, 1) == 1);
	CHECK(read(ends[0], &byte, 1) == 1);
}

/* As often as destructors run at all: the library's own must not come before the last one. */
static void destroy(void *left)
{
	put('d');
	if ((long)left > 1)
		pthread_setspecific(key, (void *)((long)left - 1));
}

static void *work(void *argument)
{
	pthread_setspecific(key, (void *)4);
	for (int i = 0; i < WRITES; i++)
		put('w');
	if ((long)argument % 3 == 0)
		pthread_exit(argument);
	return argument;
}

static void *join(void *other)
{
	pthread_join(*(pthread_t *)other, NULL);
	return NULL;
}

static void *sleep_long(void *nothing)
{
	pause();
	return nothing;
}

/* A thread that is cancelled while it waits for another. */
static int cancel(void)
{
	pthread_t sleeper, waiter;
	void *result;
	CHECK(pthread_create(&sleeper, NULL, sleep_long, NULL) == 0);
	CHECK(pthread_create(&waiter, NULL, join, &sleeper) == 0);
	CHECK(pthread_cancel(waiter) == 0 && pthread_join(waiter, &result) == 0 && result == PTHREAD_CANCELED);
	CHECK(pthread_cancel(sleeper) == 0 && pthread_join(sleeper, &result) == 0 && result == PTHREAD_CANCELED);
	return 0;
}

int main(int count, char **arguments)
{
	if (count > 1 && !strcmp(arguments[1], "cancel"))
		return cancel();
	long threads = count > 1 ? atol(arguments[1]) : 200, together = count > 2 ? atol(arguments[2]) : threads;
	pthread_t *made = calloc((size_t)together, sizeof *made);
	CHECK(made && pipe(ends) == 0 && pthread_key_create(&key, destroy) == 0);
	for (long done = 0; done < threads; done += together) {
		for (long i = 0; i < together; i++)
			CHECK(pthread_create(&made[i], NULL, work, (void *)i) == 0);
		for (long i = 0; i < together; i++) {
			void *result;
			CHECK(pthread_join(made[i], &result) == 0 && result == (void *)i);
		}
	}
	free(made);
	return 0;
}
