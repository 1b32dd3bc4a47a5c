/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Ticks (TSC, CNTVCT or CLOCK_MONOTONIC), how fast they run, and what the kernel's clocks say then.
 */
#include "clock.h"

#include <time.h>

#include "clew_arena.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
#endif

#define SECOND UINT64_C(1000000000)
#define TRIES 8

static uint64_t ns_of(clockid_t id)
{
	struct timespec now;
	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

uint64_t monotonic_ns(void)
{
	return ns_of(CLOCK_MONOTONIC);
}

uint32_t clock_choose(void)
{
#if defined(__x86_64__)
	unsigned a, b, c, d;
	/* Invariant TSC: Intel SDM 3 (18.17.1), AMD APM 3, both CPUID 8000_0007 EDX bit 8. */
	if (__get_cpuid(0x80000007, &a, &b, &c, &d) && d >> 8 & 1)
		return CLEW_CLOCK_TSC;
	return CLEW_CLOCK_MONOTONIC;
#elif defined(__aarch64__)
	return CLEW_CLOCK_TSC;
#else
	return CLEW_CLOCK_MONOTONIC;
#endif
}

uint64_t clock_ticks(uint32_t clock)
{
	if (clock == CLEW_CLOCK_TSC) {
#if defined(__x86_64__)
		return __rdtsc();
#elif defined(__aarch64__)
		uint64_t ticks;
		__asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(ticks)::"memory");
		return ticks;
#endif
	}
	return monotonic_ns();
}

uint64_t clock_rate(uint32_t clock)
{
	if (clock == CLEW_CLOCK_MONOTONIC)
		return SECOND;
#if defined(__aarch64__)
	uint64_t rate;
	__asm__("mrs %0, cntfrq_el0" : "=r"(rate));
	return rate;
#else
	const struct timespec pause = {.tv_nsec = 20000000};
	struct clew_clock from = clock_read(clock);
	nanosleep(&pause, NULL);
	struct clew_clock to = clock_read(clock);
	return (uint64_t)((double)(to.ticks - from.ticks) * (double)SECOND / (double)(to.monotonic_ns - from.monotonic_ns));
#endif
}

struct clew_clock clock_read(uint32_t clock)
{
	struct clew_clock best = {.uncertainty_ticks = UINT64_MAX};
	for (int i = 0; i < TRIES; i++) {
		uint64_t before = clock_ticks(clock);
		uint64_t monotonic = monotonic_ns(), realtime = ns_of(CLOCK_REALTIME);
		uint64_t width = clock_ticks(clock) - before;
		if (width < best.uncertainty_ticks)
			best = (struct clew_clock){before + width / 2, monotonic, realtime, width};
	}
	return best;
}
