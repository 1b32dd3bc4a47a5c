/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief A child of vfork moves descriptors about, closes them, writes, and execs; the parent's must not change.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int ends[2], status;
	char buffer[64];
	if (argc != 2)
		return 2;
	pipe(ends);
	const int file = open(argv[1], O_RDWR | O_CREAT, 0600);
	write(file, "before", 6);
	const pid_t child = vfork();
	if (child == 0) {
		dup2(ends[1], 1);
		dup2(1, file); /* the parent's file is the pipe here */
		write(file, "child ", 6);
		close(ends[0]);
		close(ends[1]);
		close(file);
		execl("/bin/echo", "echo", "program", (char *)NULL);
		_exit(127);
	}
	waitpid(child, &status, 0);
	close(ends[1]);
	write(file, "after", 5);
	ssize_t size = read(ends[0], buffer, sizeof buffer);
	printf("%d %.*s", status, (int)size, buffer);
	return 0;
}
