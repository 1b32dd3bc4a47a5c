/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief Locks all its memory, then limits its address space to 400 MB and uses 350 of them, threads and forks
 * included. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void *work(void *unused)
{
	int pipes[2];
	char room[10];
	if (pipe(pipes))
		exit(2);
	for (int i = 0; i < 500; i++)
		if (write(pipes[1], "0123456789", 10) != 10 || read(pipes[0], room, 10) != 10)
			exit(3);
	close(pipes[0]);
	close(pipes[1]);
	return unused;
}

int main(void)
{
	pthread_t threads[3];
	pthread_attr_t small;
	struct rlimit limit = {400 << 20, 400 << 20}, seen;
	if (geteuid() == 0)
		printf("locked %d\n", mlockall(MCL_CURRENT));
	munlockall();
	work(NULL);
	printf("limited %d\n", setrlimit(RLIMIT_AS, &limit));
	getrlimit(RLIMIT_AS, &seen);
	printf("sees %lu\n", (unsigned long)seen.rlim_cur);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	printf("allocated %d\n", malloc(350 << 20) != NULL);
	int failed = 0, status = 0;
	for (int i = 0; i < 3; i++)
		failed |= pthread_create(&threads[i], &small, work, NULL);
	for (int i = 0; i < 3 && !failed; i++)
		pthread_join(threads[i], NULL);
	pid_t pid = fork();
	if (pid == 0) {
		work(NULL);
		_exit(4);
	}
	waitpid(pid, &status, 0);
	printf("threads %d, child %x\n", failed, status);
	return 0;
}
