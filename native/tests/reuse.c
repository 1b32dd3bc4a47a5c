/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Threads that open, read and close files of their own, so that descriptor numbers change hands all the time.
 *
 * reuse DIRECTORY THREADS ROUNDS: thread N reads DIRECTORY/N, which holds its own path.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *directory;
static int rounds;

static void *thread(void *number)
{
	char path[512], buffer[512];
	snprintf(path, sizeof path, "%s/%ld", directory, (long)number);
	for (int i = 0; i < rounds; i++) {
		const int fd = open(path, O_RDONLY);
		const int copy = i % 3 ? fd : dup(fd);
		const ssize_t size = read(copy, buffer, sizeof buffer - 1);
		if (size < 0 || strncmp(buffer, path, (size_t)size))
			abort();
		if (copy != fd)
			close(copy);
		close(fd);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	directory = argv[1];
	const int count = atoi(argv[2]);
	rounds = atoi(argv[3]);
	pthread_t threads[64];
	for (long i = 0; i < count; i++)
		pthread_create(&threads[i], NULL, thread, (void *)i);
	for (long i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
