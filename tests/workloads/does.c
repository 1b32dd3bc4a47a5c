/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Does what it is asked to, each in a function of its own: "compute MS", "rest MS", "touch PAGES", "shut CALLS".
 *
 * Usage: does WHAT AMOUNT ... [exit CODE]; "threads N" has N threads do all that follows; "read" waits for a byte.
 * It says "ready" on standard output before "read", so that somebody may attach to it.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned long sink;
static char **todo;

static double used(void)
{
	struct timespec time;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

__attribute__((noinline)) static void compute(int ms)
{
	const double until = used() + ms;
	while (used() < until)
		for (int i = 0; i < 100000; i++)
			sink += (unsigned long)i;
}

__attribute__((noinline)) static void rest(int ms)
{
	usleep((useconds_t)ms * 1000);
	sink++;
}

__attribute__((noinline)) static void touch(int pages)
{
	const size_t size = (size_t)sysconf(_SC_PAGESIZE);
	char *memory = mmap(NULL, (size_t)pages * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(memory, (size_t)pages * size, MADV_NOHUGEPAGE);
	for (int i = 0; i < pages; i++)
		memory[(size_t)i * size] = 1;
	printf("%p\n", (void *)memory);
	fflush(stdout);
}

__attribute__((noinline)) static void shut(int calls)
{
	for (int i = 0; i < calls; i++)
		close(1000 + i);
}

static void *work(void *nothing)
{
	char byte;
	for (char **word = todo; word[0] && word[1]; word += 2) {
		const int amount = atoi(word[1]);
		if (strcmp(word[0], "compute") == 0)
			compute(amount);
		else if (strcmp(word[0], "rest") == 0)
			rest(amount);
		else if (strcmp(word[0], "touch") == 0)
			touch(amount);
		else if (strcmp(word[0], "shut") == 0)
			shut(amount);
		else if (strcmp(word[0], "exit") == 0)
			exit(amount);
		else if (strcmp(word[0], "read") == 0 && (puts("ready"), fflush(stdout), read(0, &byte, 1)) < 0)
			abort();
	}
	return nothing;
}

int main(int argc, char **argv)
{
	pthread_t made[64];
	todo = argv + 1;
	if (argc < 4 || strcmp(argv[1], "threads") != 0) {
		work(NULL);
		return 0;
	}
	const int threads = atoi(argv[2]);
	todo += 2;
	for (int i = 0; i < threads && i < 64; i++)
		if (pthread_create(&made[i], NULL, work, NULL) != 0)
			abort();
	for (int i = 0; i < threads && i < 64; i++)
		pthread_join(made[i], NULL);
	return 0;
}
