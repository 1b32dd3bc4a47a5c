/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief The arena's clock as the recorder reads it, and its ties to the clocks of the kernel.
 */
#ifndef CLEW_CLOCK_H
#define CLEW_CLOCK_H

#include <stdint.h>

#include "clew_record.h"

uint64_t monotonic_ns(void);
/* CLEW_CLOCK_TSC where every core's counter runs at one rate and never stops, else CLEW_CLOCK_MONOTONIC. */
uint32_t clock_choose(void);
uint64_t clock_ticks(uint32_t clock);
/* Ticks per second, measured over about 20 ms. */
uint64_t clock_rate(uint32_t clock);
/* All three clocks at one moment, the best of a few tries. */
struct clew_clock clock_read(uint32_t clock);

#endif
