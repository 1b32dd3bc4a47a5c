/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief Threads with the smallest stacks, coroutines, and handlers on alternate stacks, all doing I/O. */
#define _GNU_SOURCE
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

static int pipes[2];
static sigjmp_buf back;
static ucontext_t main_context, coroutine;

static void *little(void *unused)
{
	char byte;
	(void)unused;
	if (write(pipes[1], "x", 1) != 1 || read(pipes[0], &byte, 1) != 1)
		abort();
	free(malloc(100));
	return NULL;
}

static void overflowed(int signal)
{
	(void)signal;
	little(NULL);
	siglongjmp(back, 1);
}

static volatile int bottom = 1 << 30; /* never reached: the stack ends first */

static int deep(int level)
{
	volatile char room[4096];
	room[0] = (char)level;
	return level == bottom ? 0 : deep(level + 1) + room[0];
}

static void coroutine_body(void)
{
	for (int i = 0; i < 100; i++) {
		little(NULL);
		swapcontext(&coroutine, &main_context);
	}
}

int main(void)
{
	pthread_attr_t small;
	pthread_t thread;
	if (pipe(pipes) || pthread_attr_init(&small) || pthread_attr_setstacksize(&small, PTHREAD_STACK_MIN))
		return 1;
	for (int i = 0; i < 50; i++)
		if (pthread_create(&thread, &small, little, NULL) || pthread_join(thread, NULL))
			return 2;
	puts("small stacks");

	static char coroutine_stack[16384];
	getcontext(&coroutine);
	coroutine.uc_stack.ss_sp = coroutine_stack;
	coroutine.uc_stack.ss_size = sizeof coroutine_stack;
	coroutine.uc_link = &main_context;
	makecontext(&coroutine, coroutine_body, 0);
	for (int i = 0; i < 100; i++) {
		swapcontext(&main_context, &coroutine);
		little(NULL);
	}
	puts("coroutines");

	stack_t alternate = {.ss_sp = malloc(MINSIGSTKSZ + 8192), .ss_size = MINSIGSTKSZ + 8192};
	struct sigaction action = {.sa_handler = overflowed, .sa_flags = SA_ONSTACK};
	sigaltstack(&alternate, NULL);
	sigaction(SIGSEGV, &action, NULL);
	for (volatile int i = 0; i < 3; i++)
		if (sigsetjmp(back, 1) == 0)
			return deep(0);
	puts("overflowed and recovered");
	return 0;
}
