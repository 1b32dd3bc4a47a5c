/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief A storm of SIGALRM whose handlers write, on a stack of their own, some of them jumping out.
 *
 * Prints how many writes were made: that many records there must be.
 */
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include "check.h"

static int ends[2];
static volatile sig_atomic_t writes, may_jump;
static sigjmp_buf back;

static void put(void)
{
	char byte = 'x';
	sigset_t all, before;
	sigfillset(&all);
	ssize_t done = write(ends[1], &byte, 1);
	/* Counted together with the read that keeps the pipe empty. */
	sigprocmask(SIG_BLOCK, &all, &before);
	if (done == 1)
		writes++;
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static void on_alarm(int number)
{
	(void)number;
	int saved = errno;
	put();
	errno = saved;
	if (may_jump)
		siglongjmp(back, 1);
}

int main(int count, char **arguments)
{
	int jump = count > 1 && !strcmp(arguments[1], "jump");
	static char alternate[16384], rubbish[65536];
	stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
	CHECK(sigaltstack(&stack, NULL) == 0 && pipe(ends) == 0);
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_ONSTACK | SA_RESTART};
	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	struct itimerval every = {{0, 150}, {0, 150}};
	CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
	for (volatile int i = 0; i < 20000; i++) {
		if (jump && sigsetjmp(back, 1) == 0)
			may_jump = i % 10 == 0;
		errno = 1234;
		put();
		CHECK(errno == 1234);
		may_jump = 0;
		if (i % 500 == 0)
			while (read(ends[0], rubbish, sizeof rubbish) == (ssize_t)sizeof rubbish)
				;
	}
	every = (struct itimerval){{0, 0}, {0, 0}};
	CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
	printf("%d\n", (int)writes);
	return 0;
}
