/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Wrappers of calls that use descriptors inside libc, where no wrapper sees it. They are not recorded:
 * they keep the table of descriptors true, and take the offsets away where bytes went by uncounted.
 */
#include "io.h"

#include <dirent.h>
#include <fcntl.h>
#include <pty.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include <utmp.h>

int __dprintf_chk(int fd, int flag, const char *format, ...);
int __vdprintf_chk(int fd, int flag, const char *format, va_list rest);

CLEW_EXPORT int closedir(DIR *directory)
{
	DIR *volatile given = directory; /* NULL is EINVAL, whatever the declaration says */
	const int saved = errno;
	if (given)
		conn_unknown(dirfd(directory));
	errno = saved;
	return REAL(closedir)(directory);
}

CLEW_EXPORT int pclose(FILE *file)
{
	const int saved = errno;
	conn_unknown(fileno_unlocked(file));
	errno = saved;
	return REAL(pclose)(file);
}

/* They put other files in the place of 0, 1 and 2. */
static void standard_replaced(void)
{
	for (int fd = 0; fd <= 2; fd++)
		conn_unknown(fd);
}

CLEW_EXPORT int daemon(int stay, int keep)
{
	const int result = REAL(daemon)(stay, keep);
	if (result == 0 && !keep)
		standard_replaced();
	return result;
}

CLEW_EXPORT int login_tty(int fd)
{
	const int result = REAL(login_tty)(fd);
	if (result == 0) {
		standard_replaced();
		conn_unknown(fd);
	}
	return result;
}

CLEW_EXPORT int forkpty(int *master, char *name, const struct termios *settings, const struct winsize *size)
{
	const int result = REAL(forkpty)(master, name, settings, size);
	if (result == 0)
		standard_replaced();
	return result;
}

static void uncounted(int fd)
{
	conn_set_state(conn_peek(fd), CLEW_CONN_UNCOUNTED);
}

CLEW_EXPORT ssize_t vmsplice(int fd, const struct iovec *data, size_t count, unsigned flags)
{
	uncounted(fd);
	return REAL(vmsplice)(fd, data, count, flags);
}

CLEW_EXPORT ssize_t tee(int from, int to, size_t size, unsigned flags)
{
	uncounted(to);
	return REAL(tee)(from, to, size, flags);
}

CLEW_EXPORT int vdprintf(int fd, const char *format, va_list rest)
{
	uncounted(fd);
	return REAL(vdprintf)(fd, format, rest);
}

CLEW_EXPORT int __vdprintf_chk(int fd, int flag, const char *format, va_list rest)
{
	uncounted(fd);
	return REAL(__vdprintf_chk)(fd, flag, format, rest);
}

CLEW_EXPORT int dprintf(int fd, const char *format, ...)
{
	va_list rest;
	va_start(rest, format);
	uncounted(fd);
	const int result = REAL(vdprintf)(fd, format, rest);
	va_end(rest);
	return result;
}

CLEW_EXPORT int __dprintf_chk(int fd, int flag, const char *format, ...)
{
	va_list rest;
	va_start(rest, format);
	uncounted(fd);
	const int result = REAL(__vdprintf_chk)(fd, flag, format, rest);
	va_end(rest);
	return result;
}

/* A stream of stdio that was used has a buffer, even if one of a single byte only. */
void io_standard_stream(int fd, uint64_t conn_id)
{
	FILE *const files[] = {stdin, stdout, stderr};
	const FILE *file = files[fd];
	if (file && file->_fileno == fd && file->_IO_buf_base)
		conn_set_state(conn_id, CLEW_CONN_UNCOUNTED);
}

void conn_leave_standard(void)
{
	for (int fd = 0; fd <= 2; fd++)
		io_standard_stream(fd, conn_peek(fd));
}
