/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Threads that wander through deep call trees of 256 functions, to be sampled.
 *
 * Usage: deep THREADS SECONDS. Stacks are 4 to 30 frames deep, 15 as a rule, and a third of them occur only once in
 * some 250,000 samples. Compile with -fno-omit-frame-pointer.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef uint64_t step(uint64_t way, unsigned depth);
static step *const functions[256];
static double until;

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static uint64_t next(uint64_t way)
{
	way ^= way << 13;
	way ^= way >> 7;
	return way ^ way << 17;
}

static uint64_t spin(uint64_t way)
{
	for (int i = 0; i < 300; i++)
		way = next(way);
	return way;
}

/* Each function calls one of two others; now and then it works itself. */
#define FUNCTION(N)                                                                                                    \
	static __attribute__((noinline)) uint64_t walk_##N(uint64_t way, unsigned depth)                                   \
	{                                                                                                                  \
		const unsigned to = ((0x##N * 2 + (unsigned)(way & 1)) * 37 + 11) & 255;                                       \
		if (depth == 0)                                                                                                \
			way = spin(way | 1);                                                                                       \
		else                                                                                                           \
			way = functions[to](way >> 1, depth - 1) + 1;                                                              \
		__asm__ volatile("" : "+r"(way));                                                                              \
		return way;                                                                                                    \
	}
/* The formatter finds no end with rows of calls of a macro. */
/* clang-format off */
#define ROW(F, R) \
	F(R##0) F(R##1) F(R##2) F(R##3) F(R##4) F(R##5) F(R##6) F(R##7) \
	F(R##8) F(R##9) F(R##a) F(R##b) F(R##c) F(R##d) F(R##e) F(R##f)
#define ALL(F) \
	ROW(F, 0) ROW(F, 1) ROW(F, 2) ROW(F, 3) ROW(F, 4) ROW(F, 5) ROW(F, 6) ROW(F, 7) \
	ROW(F, 8) ROW(F, 9) ROW(F, a) ROW(F, b) ROW(F, c) ROW(F, d) ROW(F, e) ROW(F, f)
/* clang-format on */
ALL(FUNCTION)
#define NAME(N) walk_##N,
static step *const functions[256] = {ALL(NAME)};

static void *work(void *argument)
{
	uint64_t way = 0x9e3779b97f4a7c15u * ((uint64_t)(uintptr_t)argument + 1), sum = 0;
	while (now() < until)
		for (int i = 0; i < 100; i++) {
			way = next(way);
			const uint64_t path = (way & 0xffff) >> (way >> 20 & 15); /* some ways are taken often, some once */
			const unsigned depth = 4 + (unsigned)(next(path + 1) % 8) + (unsigned)((way >> 50) % 8);
			sum += functions[way >> 30 & 3](path, depth);
		}
	return (void *)(uintptr_t)sum;
}

int main(int count, char **arguments)
{
	const int threads = count > 1 ? atoi(arguments[1]) : 4;
	pthread_t thread[64];
	until = now() + (count > 2 ? atof(arguments[2]) : 1);
	for (int i = 0; i < threads && i < 64; i++)
		if (pthread_create(&thread[i], NULL, work, (void *)(intptr_t)i))
			return 1;
	for (int i = 0; i < threads && i < 64; i++)
		pthread_join(thread[i], NULL);
	return 0;
}
