/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief Signals, jumps and cancellation that leave a call before it returns. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static sigjmp_buf back;
static int pipes[2];
static volatile sig_atomic_t handled;

static void jump(int signal)
{
	(void)signal;
	siglongjmp(back, 1);
}

static void count(int signal)
{
	(void)signal;
	handled++;
	if (write(pipes[1], "h", 1) != 1)
		abort();
}

static void cleanup(void *what)
{
	(void)what;
	if (write(pipes[1], "c", 1) != 1)
		abort();
}

static void *wait_for_input(void *unused)
{
	char byte;
	int *private = unused;
	pthread_cleanup_push(cleanup, NULL);
	read(private[0], &byte, 1);
	pthread_cleanup_pop(0);
	return NULL;
}

static void after(int microseconds, void (*handler)(int), int flags)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &(struct itimerval){.it_value.tv_usec = microseconds}, NULL);
}

int main(void)
{
	char byte, all[64] = {0};
	int private[2], silent[2];
	void *result;
	pthread_t thread;
	if (pipe(pipes) || pipe(private) || pipe(silent))
		return 1;

	for (volatile int i = 0; i < 200; i++)
		if (sigsetjmp(back, 1) == 0) {
			after(500, jump, 0);
			read(silent[0], &byte, 1); /* left by a jump, two hundred times */
			return 2;
		}
	puts("jumped");

	after(1000, count, 0);
	errno = 0;
	ssize_t got = read(silent[0], &byte, 1);
	printf("interrupted: %zd %s handled %d\n", got, strerror(errno), (int)handled);

	for (int i = 0; i < 20; i++) {
		pthread_create(&thread, NULL, wait_for_input, private);
		usleep(i % 4 * 500); /* cancelled before, in, and after it sleeps */
		pthread_cancel(thread);
		pthread_join(thread, &result);
		if (result != PTHREAD_CANCELED)
			return 3;
	}
	puts("cancelled");
	got = read(pipes[0], all, sizeof all);
	printf("pipe holds %s\n", got >= 1 && all[0] == 'h' ? "what the handlers wrote" : "something else");

	after(1000, count, SA_RESTART);
	pthread_create(&thread, NULL, wait_for_input, private);
	usleep(3000);
	if (write(private[1], "x", 1) != 1) /* restarted reads end by data */
		return 4;
	pthread_join(thread, NULL);
	printf("restarted %d\n", handled >= 1);
	return 0;
}
