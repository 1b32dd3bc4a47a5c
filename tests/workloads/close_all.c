/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief Closes every descriptor in each of the known ways, and goes on with new ones; writes what it saw to the
 * file . */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void go_on(const char *how)
{
	char line[128], again[128] = {0};
	int pipes[2];
	int file = open("said", O_WRONLY | O_CREAT | O_APPEND, 0600);
	int made = pipe(pipes);
	int size = snprintf(line, sizeof line, "%s: file %d pipe %d %d %d\n", how, file, made, pipes[0], pipes[1]);
	if (write(pipes[1], line, (size_t)size) != size || read(pipes[0], again, sizeof again) != size)
		_exit(1);
	if (write(file, again, (size_t)size) != size)
		_exit(2);
	close(file);
	pid_t pid = fork();
	if (pid == 0)
		_exit(write(pipes[1], "child", 5) == 5 ? 0 : 3);
	int status;
	waitpid(pid, &status, 0);
	if (status || read(pipes[0], again, sizeof again) != 5)
		_exit(4);
	close(pipes[0]);
	close(pipes[1]);
}

int main(void)
{
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	for (int fd = (int)limit.rlim_cur - 1; fd >= 0; fd--)
		close(fd);
	go_on("close in a loop");
	for (int i = 0; i < 20; i++)
		open("/dev/null", O_RDWR);
	if (close_range(0, ~0U, 0))
		return 1;
	go_on("close_range");
	open("/dev/null", O_RDWR);
	closefrom(0);
	go_on("closefrom");
	DIR *folder = opendir("/proc/self/fd");
	for (struct dirent *entry; folder && (entry = readdir(folder));)
		if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(folder))
			close(atoi(entry->d_name));
	closedir(folder);
	go_on("what /proc lists");
	return 7;
}
