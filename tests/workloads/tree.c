/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief A tree of processes made by fork, vfork, exec and posix_spawn, each doing known calls between marks of
 * its own. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "marks.h"

extern char **environ;

static void work(int pipes[2], const char *what)
{
	char room[64];
	write(pipes[1], what, strlen(what));
	read(pipes[0], room, strlen(what));
	int file = open("log", O_WRONLY | O_CREAT | O_APPEND, 0600);
	write(file, what, strlen(what));
	close(file);
}

int main(int count, char **arguments)
{
	int pipes[2], status;
	if (count == 2) { /* a program started by exec */
		mark_begin();
		int own[2];
		if (pipe(own))
			return 1;
		work(own, arguments[1]);
		write(2, "", 0);
		_exit(3);
	}
	mark_begin();
	if (pipe(pipes))
		return 1;
	work(pipes, "parent");
	for (int i = 0; i < 5; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			mark_begin();
			work(pipes, "forked");
			if (i == 4)
				execl("/proc/self/exe", arguments[0], "forked then exec", (char *)NULL);
			_exit(i);
		}
		waitpid(pid, &status, 0);
	}
	pid_t pid = vfork();
	if (pid == 0) {
		mark_begin();
		write(pipes[1], "vfork child", 11);
		execl("/no such program", arguments[0], (char *)NULL);
		execl("/proc/self/exe", arguments[0], "vforked", (char *)NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	char room[11];
	read(pipes[0], room, 11);
	char *spawned[] = {arguments[0], "spawned", NULL};
	if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, spawned, environ) == 0)
		waitpid(pid, &status, 0);
	work(pipes, "done");
	mark_end();
	return status != 0x300;
}
