/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief The clock of the records: the CPU's counter where the recorder says it may be used.
 *
 * No fence: the counter may be read some instructions early or late, which is a nanosecond or two,
 * where a fence costs ten.
 */
#ifndef CLEW_TICKS_H
#define CLEW_TICKS_H

#include <stdint.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

uint64_t ticks_by_system_call(void); /* the same scale, where the counter may not be read */

static inline uint64_t ticks_counter(void)
{
#if defined(__x86_64__)
	return __rdtsc();
#else
	uint64_t ticks;
	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
	return ticks;
#endif
}

#endif
