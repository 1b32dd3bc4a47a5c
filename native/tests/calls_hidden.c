/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Test calls on descriptors that libc made or closed inside itself, and on memory that nobody may look at.
 */
#include "calls.h"

#include <dirent.h>
#include <stdlib.h>

int __dprintf_chk(int fd, int flag, const char *format, ...);

void calls_hidden(const char *directory)
{
	char path[512], buffer[8];
	int fd = MAKE(open, "open", (directory, O_RDONLY | O_DIRECTORY));
	CALL(read, "read", fd, (fd, buffer, 1), NULL, 0);
	closedir(fdopendir(fd)); /* no wrapped close: the number's next user is another file */
	errno = UNTOUCHED;
	const int closed = closedir(NULL);
	say("closedir", "-", -1, closed, errno, NULL, 0);
	snprintf(path, sizeof path, "%s/hidden-XXXXXX", directory);
	fd = mkstemp(path);
	CALL(write, "write", fd, (fd, "made unseen", 11), "made unseen", result);
	CALL(close, "close", fd, (fd), NULL, 0);
	FILE *file = popen("echo hello", "r");
	fd = fileno(file);
	CALL(fread, "fread", fd, (buffer, 1, 5, file), NULL, 0);
	pclose(file);
	snprintf(path, sizeof path, "%s/printed", directory);
	fd = MAKE(open, "open", (path, O_RDWR | O_CREAT, 0600));
	CALL(dprintf, "-", fd, (fd, "%d %s", 7, "seven"), NULL, 0);
	CALL(__dprintf_chk, "-", fd, (fd, 1, "%d", 8), NULL, 0);
	CALL(pread, "pread", fd, (fd, buffer, 8, 0), buffer, result);
	CALL(close, "close", fd, (fd), NULL, 0);
	int ends[4];
	CALL(pipe, "pipe", -1, (ends), NULL, 0);
	CALL(pipe, "pipe", -1, (ends + 2), NULL, 0);
	CALL(write, "write", ends[1], (ends[1], "x", 1), "x", result);
	CALL(vmsplice, "-", ends[1], (ends[1], &(struct iovec){(void *)"yz", 2}, 1, 0), NULL, 0);
	CALL(tee, "-", ends[3], (ends[0], ends[3], 3, 0), NULL, 0);
	CALL(read, "read", ends[2], (ends[2], buffer, 3), buffer, result);
	CALL(read, "read", ends[0], (ends[0], buffer, 3), buffer, result);
	for (int i = 0; i < 4; i++)
		CALL(close, "close", ends[i], (ends[i]), NULL, 0);
	fd = MAKE(open, "open", ("/dev/null", O_RDWR));
	CALL(write, "write", fd, (fd, (const void *)16, 10), NULL, 0); /* /dev/null does not look at it, nor may we */
	CALL(close, "close", fd, (fd), NULL, 0);
}
