/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief Four threads, each with its own pipe and a file, known calls; marks around each thread's work. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "marks.h"

static void *work(void *number)
{
	int pipes[2];
	char name[16], block[700];
	memset(block, 'a' + (int)(long)number, sizeof block);
	snprintf(name, sizeof name, "file-%ld", (long)number);
	mark_begin();
	if (pipe(pipes))
		return number;
	int file = open(name, O_RDWR | O_CREAT, 0600);
	for (size_t i = 0; i < 500; i++) {
		size_t size = 1 + (i * 37 + (size_t)number * 11) % sizeof block;
		write(pipes[1], block, size);
		read(pipes[0], block, sizeof block);
		pwrite(file, block, size, 10 * i);
	}
	close(file);
	close(pipes[0]);
	write(pipes[1], "x", 1); /* EPIPE */
	close(pipes[1]);
	mark_end();
	return NULL;
}

int main(void)
{
	pthread_t threads[4];
	int failed = 0;
	signal(SIGPIPE, SIG_IGN);
	for (long i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, work, (void *)i);
	for (int i = 0; i < 4; i++) {
		void *result;
		pthread_join(threads[i], &result);
		failed |= result != NULL;
	}
	return failed;
}
