/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief A plugin whose constructor, destructor and function do I/O and allocate. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void say(const char *text, size_t size)
{
	int pipes[2];
	char room[32];
	if (pipe(pipes) || write(pipes[1], text, size) != (ssize_t)size ||
		read(pipes[0], room, sizeof room) != (ssize_t)size)
		abort();
	close(pipes[0]);
	close(pipes[1]);
	free(malloc(size));
	write(1, text, size);
}

__attribute__((constructor)) static void begin(void)
{
	say("constructor\n", 12);
}
__attribute__((destructor)) static void end(void)
{
	say("destructor\n", 11);
}
void plugin(void);
void plugin(void)
{
	say("called\n", 7);
}
