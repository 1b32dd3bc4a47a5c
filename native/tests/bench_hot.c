/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Nanoseconds of the calls that must stay cheap: a malloc/free pair, 1-byte read and write.
 *
 * Prints the best of several rounds: run it with and without the library, the difference is what clew costs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 15

static double now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double best(void (*work)(int), int times)
{
	double least = 1e18;
	for (int round = 0; round < ROUNDS; round++) {
		double began = now_ns();
		work(times);
		double each = (now_ns() - began) / times;
		least = each < least ? each : least;
	}
	return least;
}

static int ends[2];
static void *volatile kept;

static void allocate(int times)
{
	for (int i = 0; i < times; i++) {
		kept = malloc(24);
		free(kept);
	}
}

static void transfer(int times)
{
	char byte = 'x';
	for (int i = 0; i < times; i++)
		if (write(ends[1], &byte, 1) != 1 || read(ends[0], &byte, 1) != 1)
			abort();
}

int main(void)
{
	if (pipe(ends) != 0)
		return 1;
	printf("malloc+free %.2f ns, write+read of 1 byte %.1f ns\n", best(allocate, 200000), best(transfer, 20000));
	return 0;
}
