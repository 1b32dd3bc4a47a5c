/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief Writes numbered lines to a pipe for ever; tells the kernel, in a file mapped MAP_SHARED, how many
 * writes returned. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* FILE COUNT: survives kill -9 as the page cache does; paced to about 50,000 writes a second, ends after COUNT */
int main(int count, char **arguments)
{
	int pipes[2], file = count == 3 ? open(arguments[1], O_RDWR | O_CREAT | O_TRUNC, 0600) : -1;
	if (file < 0 || pipe(pipes) || ftruncate(file, 4096))
		return 1;
	volatile long *returned = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	long end = atol(arguments[2]);
	char line[32], room[32];
	for (long i = 0; i < end; i++) {
		int size = snprintf(line, sizeof line, "number %ld", i);
		if (write(pipes[1], line, (size_t)size) != size || read(pipes[0], room, sizeof room) != size)
			return 2;
		*returned = i + 1;
		if (i % 50 == 49)
			nanosleep(&(struct timespec){0, 1000000}, NULL);
	}
	return 0;
}
