/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief Forks COUNT times; each child writes its number to a pipe and exits; the parent says the sum. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int count, char **arguments)
{
	long forks = count > 1 ? atol(arguments[1]) : 10000, sum = 0, number;
	int pipes[2], status;
	if (pipe(pipes))
		return 1;
	for (long i = 0; i < forks; i++) {
		pid_t pid = fork();
		if (pid < 0)
			return 2;
		if (pid == 0) {
			if (write(pipes[1], &i, sizeof i) != sizeof i)
				_exit(1);
			_exit(0);
		}
		if (read(pipes[0], &number, sizeof number) != sizeof number || number != i)
			return 3;
		sum += number;
		if (waitpid(pid, &status, 0) != pid || status)
			return 4;
	}
	printf("%ld forks, sum %ld\n", forks, sum);
	return 0;
}
