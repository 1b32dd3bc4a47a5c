/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief COUNT threads alive at once, each writing ten numbered messages to one socket pair; then as many again.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static pthread_barrier_t barrier;
static int pair[2];

static void *work(void *number)
{
	pthread_barrier_wait(&barrier);
	for (long i = 0; i < 10; i++) {
		long message = (long)number * 10 + i;
		if (write(pair[0], &message, sizeof message) != sizeof message)
			exit(1);
	}
	pthread_barrier_wait(&barrier);
	return NULL;
}

int main(int count, char **arguments)
{
	long threads = count > 1 ? atol(arguments[1]) : 2000, message, sum = 0;
	pthread_t *made = calloc((size_t)threads, sizeof *made);
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 65536);
	pthread_barrier_init(&barrier, NULL, (unsigned)threads);
	if (!made || socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		return 1;
	for (int round = 0; round < 2; round++) {
		for (long i = 0; i < threads; i++)
			if (pthread_create(&made[i], &attributes, work, (void *)i))
				return 2;
		for (long i = 0; i < threads * 10; i++) {
			if (read(pair[1], &message, sizeof message) != sizeof message)
				return 3;
			sum += message;
		}
		for (long i = 0; i < threads; i++)
			pthread_join(made[i], NULL);
	}
	printf("%ld threads, sum %ld\n", threads, sum);
	free(made);
	return 0;
}
