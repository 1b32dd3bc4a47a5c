/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief Spends CPU time in known shares: heavy three parts, light one; in threads, in a child, with SIGPROF
 * blocked. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SITE __attribute__((noipa)) /* each stays a function of its own */

static volatile double sink;

SITE static void turn(long times)
{
	double x = 1;
	for (long i = 0; i < times; i++)
		x = x * 1.0000001 + 0.5;
	sink = x;
}

SITE static void heavy(long times)
{
	turn(3 * times);
	__asm__ volatile("" ::: "memory");
}

SITE static void light(long times)
{
	turn(times);
	__asm__ volatile("" ::: "memory");
}

SITE static void both(int rounds)
{
	for (int i = 0; i < rounds; i++) {
		heavy(300000);
		light(300000);
	}
}

static void *thread(void *rounds)
{
	both(*(int *)rounds);
	return NULL;
}

static void *blocked(void *rounds)
{
	sigset_t all;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	return thread(rounds);
}

int main(int count, char **arguments)
{
	const char *how = count > 1 ? arguments[1] : "alone";
	int rounds = count > 2 ? atoi(arguments[2]) : 300;
	pthread_t threads[3];
	if (strcmp(how, "threads") == 0 || strcmp(how, "blocked") == 0) {
		for (int i = 0; i < 3; i++)
			pthread_create(&threads[i], NULL, *how == 'b' ? blocked : thread, &rounds);
		for (int i = 0; i < 3; i++)
			pthread_join(threads[i], NULL);
	} else if (strcmp(how, "fork") == 0) {
		if (fork() == 0) {
			both(rounds);
			_exit(0);
		}
		wait(NULL);
	} else {
		both(rounds);
	}
	struct rusage own, child;
	getrusage(RUSAGE_SELF, &own);
	getrusage(RUSAGE_CHILDREN, &child);
	printf("%.3f\n",
		   (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec + child.ru_utime.tv_sec + child.ru_stime.tv_sec) +
			   (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec + child.ru_utime.tv_usec + child.ru_stime.tv_usec) /
				   1e6);
	return 0;
}
