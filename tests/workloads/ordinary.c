/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief An ordinary program, to be linked statically or made setuid: one pipe, one line. */
#define _GNU_SOURCE
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	int pipes[2];
	char room[8];
	if (pipe(pipes) || write(pipes[1], "through", 7) != 7 || read(pipes[0], room, 8) != 7)
		return 1;
	printf("uid %d %.7s\n", (int)geteuid(), room);
	return 0;
}
