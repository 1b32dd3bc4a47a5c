/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief A library that tests/workloads/profiled.c opens while it is being sampled.
 */
static volatile unsigned long sink;

static __attribute__((noinline)) void plugin_inner(void)
{
	for (int i = 0; i < 1000000; i++)
		sink += (unsigned long)i * 40503u;
}

void plugin_work(int rounds)
{
	while (rounds-- > 0)
		plugin_inner();
	sink++;
}
