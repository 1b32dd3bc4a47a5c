/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Rings fill as fast as they did lately, and should be found a quarter full; past half, the recorder comes
 * first.
 *
 * Bursts are remembered for some dozens of passes, since what did one does the next. The recorder comes first for as
 * long as need be only: to the kernel's load balancer a busy process at nice -20 weighs as much as 90 others, and it
 * moves the recorded programs to the other processors (5 % of pgbench's throughput on two of them).
 */
#include "pace.h"

#include <sys/resource.h>

#define SECOND_NS UINT64_C(1000000000)
#define FULL_ENOUGH 250u /* per mille of the fullest ring that a pass should find */
#define FADE_PERCENT 97u
#define URGENT 500u /* per mille of a ring: busy programs keep us from it */
#define CALM 1000u  /* passes in a row that found the rings as they should be */
#define FIRST (-20) /* nice value, of this thread: only root may */

void pace_end(struct pace *pace)
{
	if (pace->first)
		setpriority(PRIO_PROCESS, 0, pace->nice);
	pace->first = false;
}

static void come_first(struct pace *pace, uint32_t fill)
{
	if (fill > URGENT) {
		if (!pace->first) {
			pace->nice = getpriority(PRIO_PROCESS, 0);
			setpriority(PRIO_PROCESS, 0, FIRST);
		}
		pace->first = true;
		pace->calm = 0;
	} else if (pace->first && ++pace->calm > CALM) {
		pace_end(pace);
	}
}

uint64_t pace_delay(struct pace *pace, uint64_t now, uint32_t fill)
{
	come_first(pace, fill);
	const uint64_t since = now - pace->last;
	const uint64_t rate = fill * SECOND_NS / (since > PACE_SHORTEST_NS ? since : PACE_SHORTEST_NS);
	pace->last = now;
	pace->fastest = pace->fastest * FADE_PERCENT / 100;
	if (rate > pace->fastest)
		pace->fastest = rate;
	const uint64_t delay = pace->fastest ? FULL_ENOUGH * SECOND_NS / pace->fastest : PACE_LONGEST_NS;
	if (delay > PACE_LONGEST_NS)
		return PACE_LONGEST_NS;
	return delay > PACE_SHORTEST_NS ? delay : PACE_SHORTEST_NS;
}
