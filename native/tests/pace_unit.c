/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Tests pace.c alone, with a setpriority() that notes what it is asked, or refuses it (argument "refuse").
 */
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "check.h"
#include "pace.h"

#define FIRST (-20)
#define MINE 5

static int asked[8], asked_count, refused;

int setpriority(__priority_which_t which, id_t who, int value)
{
	CHECK(which == PRIO_PROCESS && who == 0 && asked_count < 8);
	asked[asked_count++] = value;
	errno = EACCES;
	return refused ? -1 : 0;
}

int getpriority(__priority_which_t which, id_t who)
{
	CHECK(which == PRIO_PROCESS && who == 0);
	return MINE;
}

static uint64_t now = 1000000000;

/* A pass as late as it was asked for. */
static uint64_t next(struct pace *pace, uint64_t delay, uint32_t fill)
{
	now += delay;
	return pace_delay(pace, now, fill);
}

static void seldom_while_nothing_happens(void)
{
	struct pace pace = {.last = now};
	for (int i = 0; i < 10; i++)
		CHECK(next(&pace, PACE_LONGEST_NS, 0) == PACE_LONGEST_NS);
	const uint64_t delay = next(&pace, PACE_LONGEST_NS, 500);
	CHECK(delay == PACE_LONGEST_NS / 2); /* half a ring in 4 ms is a quarter in 2 */
	CHECK(next(&pace, PACE_SHORTEST_NS, 1000) == PACE_SHORTEST_NS);
	uint64_t last = PACE_SHORTEST_NS;
	int passes = 0;
	for (; last < PACE_LONGEST_NS; passes++)
		last = next(&pace, last, 0);
	CHECK(passes > 30 && passes < 150); /* bursts are remembered for dozens of passes */
}

static void first_only_while_it_must(void)
{
	struct pace pace = {.last = now};
	next(&pace, PACE_LONGEST_NS, 400);
	CHECK(asked_count == 0);
	next(&pace, PACE_LONGEST_NS, 600);
	next(&pace, PACE_LONGEST_NS, 600);
	CHECK(asked_count == 1 && asked[0] == FIRST);
	for (int i = 0; i < 1500; i++)
		next(&pace, PACE_LONGEST_NS, 10);
	CHECK(asked_count == 2 && asked[1] == MINE);
	pace_end(&pace);
	CHECK(asked_count == 2);
	next(&pace, PACE_LONGEST_NS, 900);
	pace_end(&pace);
	CHECK(asked_count == 4 && asked[2] == FIRST && asked[3] == MINE);
}

int main(int count, char **arguments)
{
	refused = count > 1 && strcmp(arguments[1], "refuse") == 0;
	seldom_while_nothing_happens();
	asked_count = 0;
	first_only_while_it_must();
	puts("ok");
	return 0;
}
