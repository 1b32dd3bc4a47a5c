/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief Fills the file system of FILE to the last byte, then makes 100 threads that each do 2,000 calls. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void *work(void *unused)
{
	int pipes[2];
	char room[100];
	if (pipe(pipes))
		exit(3);
	for (int i = 0; i < 1000; i++)
		if (write(pipes[1], room, sizeof room) != sizeof room || read(pipes[0], room, sizeof room) != sizeof room)
			exit(4);
	close(pipes[0]);
	close(pipes[1]);
	return unused;
}

int main(int count, char **arguments)
{
	static char block[1 << 20];
	pthread_t threads[100];
	int file = count > 1 ? open(arguments[1], O_WRONLY | O_CREAT, 0600) : -1, status;
	if (file < 0)
		return 1;
	memset(block, 'x', sizeof block);
	for (size_t size = sizeof block; size; size /= 2) /* smaller and smaller, until not a byte fits */
		while (write(file, block, size) > 0)
			;
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 100; i++)
			if (pthread_create(&threads[i], NULL, work, NULL))
				return 2;
		for (int i = 0; i < 100; i++)
			pthread_join(threads[i], NULL);
	}
	pid_t pid = fork();
	if (pid == 0) {
		work(NULL);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	unlink(arguments[1]);
	printf("full, and alive: %x\n", status);
	return 0;
}
