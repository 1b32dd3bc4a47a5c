/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief Seccomp filters that kill on all but a few calls, set up as libraries do it, in a process, a thread and
 * a forked worker. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const int allowed[] = {SYS_read,  SYS_write,        SYS_exit,  SYS_exit_group,
							  SYS_close, SYS_rt_sigreturn, SYS_futex, SYS_brk};
#define ALLOWED (sizeof allowed / sizeof *allowed)

static int sandbox(int way)
{
	struct sock_filter code[ALLOWED + 3];
	size_t n = 0;
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < ALLOWED; i++)
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)allowed[i],
												 (unsigned char)(ALLOWED - i), 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = {(unsigned short)n, code};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	if (way == 0)
		return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, way == 2 ? SECCOMP_FILTER_FLAG_TSYNC : 0, &program);
}

static int talk(int rounds)
{
	static int pipes[2];
	char room[16];
	if (rounds < 0)
		return pipe(pipes);
	for (int i = 0; i < rounds; i++)
		if (write(pipes[1], "0123456789", 10) != 10 || read(pipes[0], room, 10) != 10)
			return -1;
	return 0;
}

static pthread_barrier_t ready;

static void *busy(void *unused)
{
	(void)unused;
	pthread_barrier_wait(&ready); /* the thread has started ... */
	pthread_barrier_wait(&ready); /* ... and is in the sandbox: only now comes its first call */
	for (;;)
		if (talk(100))
			_exit(9);
	return NULL;
}

int main(int count, char **arguments)
{
	int way = count > 1 ? atoi(arguments[1])
						: 0; /* 0 prctl, 1 seccomp(2) by syscall(), 2 with threads synchronised, 3 forked worker */
	pthread_t thread;
	setvbuf(stdout, NULL, _IONBF, 0);
	if (talk(-1))
		return 1;
	if (way == 3) {
		pid_t pid = fork();
		if (pid == 0) {
			if (sandbox(0) || talk(20000))
				_exit(2);
			write(1, "worker\n", 7);
			_exit(0);
		}
		int status;
		waitpid(pid, &status, 0);
		printf("worker %x\n", status);
		return talk(10);
	}
	if (way == 2) {
		pthread_barrier_init(&ready, NULL, 2);
		pthread_create(&thread, NULL, busy, NULL);
		pthread_barrier_wait(&ready);
	}
	if (sandbox(way))
		return 2;
	if (way == 2)
		pthread_barrier_wait(&ready);
	if (talk(20000))
		return 3;
	free(malloc(1000));
	write(1, "inside\n", 7);
	_exit(6);
}
