/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief A timer fires a thousand times a second; its handler does I/O while main does I/O and allocates. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define LEVELS 64
static int handler_pipe[LEVELS][2]; /* handlers interrupt handlers: one for each level */
static volatile sig_atomic_t fired, wrong, level;

static void handler(int signal)
{
	int before = errno;
	char byte = (char)signal, back;
	int *own = handler_pipe[level++ % LEVELS];
	if (write(own[1], &byte, 1) != 1 || read(own[0], &back, 1) != 1 || back != byte)
		wrong++;
	level--;
	fired++;
	errno = before;
}

int main(void)
{
	int pipes[2];
	char out[512], in[512];
	for (int i = 0; i < LEVELS; i++)
		if (pipe(handler_pipe[i]))
			return 1;
	if (pipe(pipes))
		return 1;
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART | SA_NODEFER};
	sigaction(SIGALRM, &action, NULL);
	sigaction(SIGPROF, &action, NULL);
	struct itimerval often = {{0, 500}, {0, 500}};
	setitimer(ITIMER_REAL, &often, NULL);
	setitimer(ITIMER_PROF, &often, NULL);
	for (int i = 0; fired < 2000; i++) {
		size_t size = 1 + (size_t)i % sizeof out;
		memset(out, i, size);
		char *memory = malloc(size * 7);
		if (!memory || write(pipes[1], out, size) != (ssize_t)size || read(pipes[0], in, sizeof in) != (ssize_t)size ||
			memcmp(in, out, size))
			return 2;
		free(memory);
	}
	printf("wrong %d\n", (int)wrong);
	return 0;
}
