/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Does what it is asked to, so that a test knows every call: lines of "COUNT [THREADS]" on standard input.
 *
 * For each line: COUNT writes of one byte to /dev/null, in THREADS threads each if given, then "done" on standard
 * output. "exit N" ends it with that code; so does the end of the input, with 0. Usage: asked [payload bytes].
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int null_fd, count;
static size_t size = 1;
static char bytes[65536];

static void *work(void *nothing)
{
	for (int i = 0; i < count; i++)
		if (write(null_fd, bytes, size) != (ssize_t)size)
			abort();
	return nothing;
}

static void in_threads(int threads)
{
	pthread_t *made = calloc((size_t)threads, sizeof *made);
	for (int i = 0; made && i < threads; i++)
		if (pthread_create(&made[i], NULL, work, NULL) != 0)
			abort();
	for (int i = 0; made && i < threads; i++)
		pthread_join(made[i], NULL);
	free(made);
}

int main(int argc, char **argv)
{
	char line[128];
	if (argc > 1)
		size = (size_t)atoi(argv[1]);
	null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	while (fgets(line, sizeof line, stdin)) {
		int threads = 0, code;
		if (sscanf(line, "exit %d", &code) == 1)
			return code;
		if (sscanf(line, "%d %d", &count, &threads) == 2)
			in_threads(threads);
		else
			work(NULL);
		if (write(1, "done\n", 5) != 5)
			return 99;
	}
	return 0;
}
