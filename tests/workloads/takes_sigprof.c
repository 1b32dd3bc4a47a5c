/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief Uses SIGPROF for itself: asks who has it, takes it, profiles itself with ITIMER_PROF, and waits for it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t ticks;

static void tick(int number)
{
	(void)number;
	ticks++;
}

static double burn(double seconds)
{
	struct timespec now;
	double sum = 0, until;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	until = (double)now.tv_sec + (double)now.tv_nsec / 1e9 + seconds;
	do {
		for (int i = 0; i < 100000; i++)
			sum += i;
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	} while ((double)now.tv_sec + (double)now.tv_nsec / 1e9 < until);
	return sum;
}

static void *blocks_everything(void *unused)
{
	sigset_t all;
	siginfo_t info;
	(void)unused;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	burn(0.1);
	const struct timespec moment = {0, 50000000};
	const int got = sigtimedwait(&all, &info, &moment);
	printf("a thread that blocks all waits in vain: %d %d\n", got, got < 0 ? errno : 0);
	return NULL;
}

int main(void)
{
	struct sigaction before, own = {.sa_handler = tick};
	pthread_t thread;
	burn(0.05);
	if (pthread_create(&thread, NULL, blocks_everything, NULL) || pthread_join(thread, NULL))
		return 1;
	for (int i = 0; i < 5; i++) { /* nothing is cut short */
		burn(0.01);
		struct timespec pause = {0, 5000000};
		const int slept = nanosleep(&pause, NULL), polled = poll(NULL, 0, 5);
		if (slept || polled)
			printf("cut short: %d %d\n", slept, polled);
	}
	sigaction(SIGPROF, NULL, &before);
	printf("at first: %d %x\n", before.sa_handler == SIG_DFL, (unsigned)before.sa_flags);
	sigaction(SIGPROF, &own, &before);
	printf("then: %d\n", before.sa_handler == SIG_DFL);
	burn(0.1);
	printf("none came by itself: %d\n", (int)ticks);
	const struct itimerval often = {{0, 5000}, {0, 5000}}, never = {{0, 0}, {0, 0}};
	setitimer(ITIMER_PROF, &often, NULL);
	burn(0.2);
	setitimer(ITIMER_PROF, &never, NULL);
	printf("its own came: %d\n", ticks > 5);
	printf("signal() tells: %d\n", signal(SIGPROF, SIG_DFL) == tick);
	return 0;
}
