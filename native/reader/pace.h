/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief How often the recorder looks at the rings, and how urgently: no more of either than they need.
 */
#ifndef CLEW_PACE_H
#define CLEW_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_SHORTEST_NS UINT64_C(300000)
#define PACE_LONGEST_NS UINT64_C(4000000)

struct pace {
	uint64_t last;    /* when the last pass ended, ns */
	uint64_t fastest; /* per mille of a ring that filled in a second, lately */
	int nice;         /* the recorder's own, while it comes first */
	unsigned calm;    /* passes since the last urgent one */
	bool first;       /* it comes first now */
};

/* ns to the next pass, after one at `now` that found the fullest ring at `fill` per mille. */
uint64_t pace_delay(struct pace *pace, uint64_t now, uint32_t fill);
/* Gives up coming first. */
void pace_end(struct pace *pace);

#endif
