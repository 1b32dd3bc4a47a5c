/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief Seccomp strict mode: only read, write, _exit and sigreturn live; anything else is SIGKILL. */
#define _GNU_SOURCE
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int count, char **arguments)
{
	int pipes[2];
	char room[16];
	if (count > 1 && strcmp(arguments[1], "early") && write(1, "before\n", 7) != 7) /* or: nothing before the sandbox */
		return 1;
	if (pipe(pipes) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
		return 2;
	for (int i = 0; i < 20000; i++) /* more than one ring of records, more than one population step */
		if (write(pipes[1], "0123456789", 10) != 10 || read(pipes[0], room, sizeof room) != 10)
			syscall(SYS_exit, 3);
	free(malloc(100));
	write(1, "inside\n", 7);
	syscall(SYS_exit, 5);
}
