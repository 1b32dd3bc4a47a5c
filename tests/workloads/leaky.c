/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Opens descriptors in every way, closes some, and prints those that are left: "FD TARGET" a line.
 *
 * leaky FILE [again]: with `again` it then becomes itself, with one descriptor more that is to survive that.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void print_open(void)
{
	char target[4096], name[64];
	for (int fd = 3; fd < 200; fd++) {
		snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
		const ssize_t size = readlink(name, target, sizeof target - 1);
		if (size > 0)
			printf("%d %.*s\n", fd, (int)size, target);
	}
	fflush(stdout);
}

static void connect_and_accept(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	const int listening = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listening, (struct sockaddr *)&address, size) || listen(listening, 5) ||
		getsockname(listening, (struct sockaddr *)&address, &size))
		exit(1);
	for (int i = 0; i < 3; i++) {
		const int asking = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(asking, (struct sockaddr *)&address, size))
			exit(1);
		const int accepted = accept(listening, NULL, NULL);
		if (i == 1)
			close(asking);
		else if (i == 2)
			close(accepted);
	}
}

int main(int count, char **argument)
{
	const char *path = argument[1];
	int pair[2], duplicate = 150;
	for (int i = 0; i < 10; i++) {
		const int fd = open(path, O_RDONLY);
		if (i % 2)
			close(fd);
	}
	close(open(path, O_RDONLY));
	if (pipe(pair) || close(pair[0]) || socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		return 1;
	duplicate = dup2(pair[0], duplicate); /* what it was is still open */
	dup2(pair[1], duplicate);             /* and this closes the copy, and is one itself */
	close(dup(pair[0]));
	const int high = fcntl(pair[0], F_DUPFD, 160); /* these two by close_range */
	dup2(pair[0], high + 5);
	close_range((unsigned)high, (unsigned)high + 5, 0);
	fclose(fopen(path, "r"));
	FILE *kept = fopen(path, "r");
	eventfd(0, 0);
	epoll_create1(0);
	connect_and_accept();
	const pid_t child = fork();
	if (child == 0) { /* its own table: the parent's stay open */
		for (int fd = 3; fd < 60; fd++)
			close(fd);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	if (count > 2) {
		execl("/proc/self/exe", argument[0], path, NULL);
		return 1;
	}
	print_open();
	return kept ? 0 : 1;
}
