/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief libc puts other files in the place of 0, 1 and 2: replaced daemon|forkpty|login_tty, then writes to 1.
 */
#include <fcntl.h>
#include <pty.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utmp.h>

int __vdprintf_chk(int fd, int flag, const char *format, va_list rest);

static void print(int fd, const char *format, ...)
{
	va_list rest;
	va_start(rest, format);
	vdprintf(fd, format, rest);
	va_end(rest);
	va_start(rest, format);
	__vdprintf_chk(fd, 1, format, rest);
	va_end(rest);
}

int main(int argc, char **argv)
{
	int master = -1, slave = -1;
	char buffer[16];
	if (argc != 2)
		return 2;
	write(1, "before", 6);
	if (!strcmp(argv[1], "daemon") && dup(2) > 2) /* whoever reads stderr sees the daemon's end */
		return daemon(1, 0) != 0 || write(1, "after", 5) != 5;
	if (!strcmp(argv[1], "print")) {
		print(1, "%d", 7);
		return write(1, "after", 5) != 5;
	}
	if (!strcmp(argv[1], "printf")) {
		printf("%d", 7);
		fflush(stdout);
		return write(1, "after", 5) != 5;
	}
	pid_t child;
	if (!strcmp(argv[1], "forkpty")) {
		child = forkpty(&master, NULL, NULL, NULL);
	} else {
		openpty(&master, &slave, NULL, NULL, NULL);
		child = fork();
		if (child == 0)
			login_tty(slave);
		close(slave);
	}
	if (child == 0)
		return write(1, "after", 5) != 5;
	int status = 1;
	if (read(master, buffer, sizeof buffer) != 5)
		return 1;
	waitpid(child, &status, 0);
	return status;
}
