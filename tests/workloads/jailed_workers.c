/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief A server that gives up what it has: chroot to an empty directory, another user, then forks workers that
 * talk. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void *echo(void *socket)
{
	char room[100];
	ssize_t size;
	while ((size = read((int)(long)socket, room, sizeof room)) > 0)
		if (write((int)(long)socket, room, (size_t)size) != size)
			_exit(1);
	return NULL;
}

int main(void)
{
	if (mkdir("jail", 0755) || chroot("jail") || chdir("/") || setgroups(0, NULL) || setgid(65534) || setuid(65534))
		return 1;
	int opened = open("/proc/self/maps", O_RDONLY);
	printf("opens %d %s\n", opened, strerror(errno));
	fflush(stdout);
	for (int worker = 0; worker < 3; worker++) {
		int pair[2], status;
		char room[100];
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
			return 2;
		pid_t pid = fork();
		if (pid == 0) {
			pthread_t thread;
			close(pair[0]);
			pthread_create(&thread, NULL, echo, (void *)(long)pair[1]);
			pthread_join(thread, NULL);
			_exit(worker);
		}
		close(pair[1]);
		for (int i = 0; i < 100; i++)
			if (write(pair[0], "who goes there", 14) != 14 || read(pair[0], room, sizeof room) != 14)
				return 3;
		close(pair[0]);
		waitpid(pid, &status, 0);
		printf("worker %d status %x uid %d\n", worker, status, (int)getuid());
		fflush(stdout);
	}
	return 0;
}
