/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Test calls that read, write and move bytes on files and pipes.
 */
#include "calls.h"

#include <sys/sendfile.h>

ssize_t __read(int fd, void *buffer, size_t size);
ssize_t __write(int fd, const void *buffer, size_t size);
ssize_t __pread64(int fd, void *buffer, size_t size, off64_t offset);
ssize_t __pwrite64(int fd, const void *buffer, size_t size, off64_t offset);
ssize_t __read_chk(int fd, void *buffer, size_t size, size_t room);
ssize_t __pread_chk(int fd, void *buffer, size_t size, off_t offset, size_t room);
ssize_t __pread64_chk(int fd, void *buffer, size_t size, off64_t offset, size_t room);

static char buffer[4096];

static void writes(int fd)
{
	struct iovec parts[3] = {{(void *)"12", 2}, {NULL, 0}, {(void *)"345", 3}};
	CALL(write, "write", fd, (fd, "hello world", 11), "hello world", result);
	CALL(__write, "write", fd, (fd, "!", 1), "!", result);
	CALL(write, "write", fd, (fd, NULL, 0), NULL, 0);
	CALL(write, "write", fd, (fd, (const void *)16, 4), NULL, 0);
	CALL(write, "write", -1, (-1, "x", 1), NULL, 0);
	CALL(write, "write", 1 << 29, (1 << 29, "x", 1), NULL, 0);
	CALL(pwrite, "pwrite", fd, (fd, "HE", 2, 0), "HE", result);
	CALL(pwrite64, "pwrite", fd, (fd, "WO", 2, 6), "WO", result);
	CALL(__pwrite64, "pwrite", fd, (fd, "??", 2, 20), "??", result);
	CALL(pwrite, "pwrite", fd, (fd, "x", 1, -1), NULL, 0);
	CALL(writev, "writev", fd, (fd, parts, 3), "12345", result);
	CALL(writev, "writev", fd, (fd, parts, -1), NULL, 0);
	CALL(writev, "writev", fd, (fd, (struct iovec *)16, 2), NULL, 0);
	CALL(pwritev, "pwritev", fd, (fd, parts, 3, 30), "12345", result);
	CALL(pwritev64, "pwritev", fd, (fd, parts, 3, 35), "12345", result);
	CALL(pwritev2, "pwritev", fd, (fd, parts, 3, 40, 0), "12345", result);
	CALL(pwritev64v2, "pwritev", fd, (fd, parts, 1, -1, 0), "12", result);
	CALL(pwritev2, "pwritev", fd, (fd, parts, 1, 0, 1 << 30), NULL, 0);
}

static void reads(int fd)
{
	char more[8];
	struct iovec parts[2] = {{buffer, 3}, {buffer + 3, 4}};
	lseek(fd, 0, SEEK_SET);
	CALL(read, "read", fd, (fd, buffer, 5), buffer, result);
	CALL(__read, "read", fd, (fd, buffer, 1), buffer, result);
	CALL(__read_chk, "read", fd, (fd, buffer, 2, sizeof buffer), buffer, result);
	CALL(read, "read", fd, (fd, NULL, 0), NULL, 0);
	CALL(read, "read", fd, (fd, (void *)16, 4), NULL, 0);
	CALL(read, "read", -3, (-3, buffer, 1), NULL, 0);
	CALL(pread, "pread", fd, (fd, buffer, 4, 1), buffer, result);
	CALL(pread64, "pread", fd, (fd, buffer, 4, 2), buffer, result);
	CALL(__pread64, "pread", fd, (fd, buffer, 4, 3), buffer, result);
	CALL(__pread_chk, "pread", fd, (fd, buffer, 4, 4, sizeof buffer), buffer, result);
	CALL(__pread64_chk, "pread", fd, (fd, buffer, 4, 5, sizeof buffer), buffer, result);
	CALL(pread, "pread", fd, (fd, buffer, 4, 1 << 20), NULL, 0);
	CALL(readv, "readv", fd, (fd, parts, 2), buffer, result);
	CALL(readv, "readv", fd, (fd, parts, 5000), NULL, 0);
	CALL(preadv, "preadv", fd, (fd, parts, 2, 8), buffer, result);
	CALL(preadv64, "preadv", fd, (fd, parts, 2, 9), buffer, result);
	CALL(preadv2, "preadv", fd, (fd, parts, 2, -1, 0), buffer, result);
	CALL(preadv64v2, "preadv", fd, (fd, parts, 2, 10, 0), buffer, result);
	CALL(preadv2, "preadv", fd, (fd, parts, 2, 10, 1 << 30), NULL, 0);
	lseek(fd, 0, SEEK_END);
	CALL(read, "read", fd, (fd, more, sizeof more), NULL, 0);
	CALL(fsync, "fsync", fd, (fd), NULL, 0);
	CALL(fdatasync, "fdatasync", fd, (fd), NULL, 0);
	CALL(fsync, "fsync", -1, (-1), NULL, 0);
	CALL(fdatasync, "fdatasync", 777, (777), NULL, 0);
}

/* More than one ring record keeps: head, tail and what was between them. */
static void long_payload(const char *directory)
{
	char path[512];
	snprintf(path, sizeof path, "%s/long", directory);
	for (int i = 0; i < 4096; i++)
		buffer[i] = (char)(i * 7);
	const int fd = MAKE(open, "open", (path, O_RDWR | O_CREAT | O_TRUNC, 0600));
	struct iovec parts[4] = {{buffer, 100}, {buffer + 100, 200}, {buffer + 300, 1}, {buffer + 301, 3795}};
	CALL(writev, "writev", fd, (fd, parts, 4), buffer, 256);
	CALL(pread, "pread", fd, (fd, buffer, 4096, 0), buffer, 256);
	CALL(close, "close", fd, (fd), NULL, 0);
}

static void moves(int from, const char *directory)
{
	char path[512];
	int ends[2];
	off_t at = 2;
	off64_t at64 = 4, to64 = 0;
	snprintf(path, sizeof path, "%s/moved", directory);
	const int to = MAKE(open, "open", (path, O_RDWR | O_CREAT | O_TRUNC, 0600));
	CALL(pipe, "pipe", -1, (ends), NULL, 0);
	lseek(from, 0, SEEK_SET);
	CALL(sendfile, "sendfile", to, (to, from, &at, 5), NULL, 0);
	CALL(sendfile, "sendfile", to, (to, from, NULL, 5), NULL, 0);
	CALL(sendfile64, "sendfile", to, (to, from, &at64, 5), NULL, 0);
	CALL(sendfile, "sendfile", -1, (-1, from, NULL, 5), NULL, 0);
	CALL(sendfile, "sendfile", to, (to, from, (off_t *)16, 5), NULL, 0);
	CALL(splice, "splice", ends[1], (from, NULL, ends[1], NULL, 6, 0), NULL, 0);
	CALL(splice, "splice", to, (ends[0], NULL, to, &to64, 3, 0), NULL, 0);
	CALL(splice, "splice", to, (from, NULL, to, NULL, 3, 0), NULL, 0);
	CALL(copy_file_range, "copy_file_range", to, (from, &at64, to, &to64, 7, 0), NULL, 0);
	CALL(copy_file_range, "copy_file_range", to, (from, NULL, to, NULL, 2, 0), NULL, 0);
	CALL(copy_file_range, "copy_file_range", to, (from, NULL, to, NULL, 2, 99), NULL, 0);
	CALL(close, "close", ends[0], (ends[0]), NULL, 0);
	CALL(close, "close", ends[1], (ends[1]), NULL, 0);
	CALL(close, "close", to, (to), NULL, 0);
}

void calls_streams(const char *directory)
{
	char path[512];
	snprintf(path, sizeof path, "%s/stream", directory);
	const int fd = MAKE(open, "open", (path, O_RDWR | O_CREAT | O_TRUNC, 0600));
	writes(fd);
	reads(fd);
	moves(fd, directory);
	CALL(close, "close", fd, (fd), NULL, 0);
	long_payload(directory);
}
