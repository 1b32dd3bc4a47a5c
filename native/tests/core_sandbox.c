/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Forbids itself all but a few system calls, or the CPU's counter, and goes on; argument 1 says which.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

#define WRITES 3000

static void work(void)
{
	for (int i = 0; i < WRITES; i++)
		CHECK(write(STDOUT_FILENO, ".", 1) == 1);
}

int main(int count, char **arguments)
{
	const char *how = count > 1 ? arguments[1] : "";
	CHECK(write(STDOUT_FILENO, "(", 1) == 1);
	if (!strcmp(how, "strict")) {
		CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
		work();
		syscall(SYS_exit, 7);
	}
	if (!strcmp(how, "filter") || !strcmp(how, "filter-syscall")) {
		struct sock_filter code[] = {
			BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 2, 0),
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		};
		struct sock_fprog program = {sizeof code / sizeof code[0], code};
		CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
		if (!strcmp(how, "filter"))
			CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
		else
			CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0);
		work();
		_exit(7);
	}
	if (!strcmp(how, "asks")) { /* as programs do to learn whether they could */
		CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL) == -1 && errno == EFAULT);
		CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL) == -1 && errno == EFAULT);
		CHECK(syscall(SYS_getpid) == getpid());
		pid_t pid = fork();
		if (pid == 0)
			work();
		return 0;
	}
	if (!strcmp(how, "tsc")) {
		CHECK(prctl(PR_SET_TSC, PR_TSC_SIGSEGV) == 0);
		work();
		if (fork() == 0)
			CHECK(write(STDOUT_FILENO, ")", 1) == 1);
		return 0;
	}
	return 1;
}
