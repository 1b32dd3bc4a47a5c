/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Wrappers of the calls that open files by name: open, openat, creat and variants; and of fstat.
 *
 * fstat is neither counted nor recorded: what it tells of a file just opened need not be asked again.
 */
#include "io.h"

#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>

int __open(const char *path, int flags, ...);
int __open64(const char *path, int flags, ...);
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int directory, const char *path, int flags);
int __openat64_2(int directory, const char *path, int flags);
int __fxstat(int version, int fd, struct stat *status);
int __fxstat64(int version, int fd, struct stat64 *status);

/* The third argument is there only where the flags ask for it. */
static bool has_mode(int flags)
{
	return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
}

static void opened(struct io_call *call, int result, const char *path, int flags)
{
	uint64_t conn_id = 0;
	uint16_t names = 0;
	if (result >= 0) {
		const uint32_t access = (uint32_t)(flags & O_ACCMODE) + 1;
		/* A relative path, or the directory of a nameless file, says too little: then the kernel is asked. */
		const bool says_all = io_traced(call) && path[0] == '/' && (flags & O_TMPFILE) != O_TMPFILE;
		conn_id = says_all ? conn_opened(&call->core, result, access) : 0;
		if (conn_id)
			names = CLEW_F_NAMES;
		else
			conn_id =
				conn_made(&call->core, result, (struct conn_origin){.path = says_all ? path : NULL, .access = access});
	}
	call->fd = result;
	io_end_text(call, result, conn_id, io_argument_was_read(result) ? path : NULL, names);
}

#define WRAP_OPEN(name)                                                                                                \
	CLEW_EXPORT int name(const char *path, int flags, ...)                                                             \
	{                                                                                                                  \
		mode_t mode = 0;                                                                                               \
		if (has_mode(flags)) {                                                                                         \
			va_list rest;                                                                                              \
			va_start(rest, flags);                                                                                     \
			mode = va_arg(rest, mode_t);                                                                               \
			va_end(rest);                                                                                              \
		}                                                                                                              \
		IO_CALL(call, OPEN, -1);                                                                                       \
		const int result = REAL(name)(path, flags, mode);                                                              \
		opened(&call, result, path, flags);                                                                            \
		return result;                                                                                                 \
	}
WRAP_OPEN(open)
WRAP_OPEN(open64)
WRAP_OPEN(__open)
WRAP_OPEN(__open64)

#define WRAP_OPEN_2(name)                                                                                              \
	CLEW_EXPORT int name(const char *path, int flags)                                                                  \
	{                                                                                                                  \
		IO_CALL(call, OPEN, -1);                                                                                       \
		const int result = REAL(name)(path, flags);                                                                    \
		opened(&call, result, path, flags);                                                                            \
		return result;                                                                                                 \
	}
WRAP_OPEN_2(__open_2)
WRAP_OPEN_2(__open64_2)

#define WRAP_OPENAT(name)                                                                                              \
	CLEW_EXPORT int name(int directory, const char *path, int flags, ...)                                              \
	{                                                                                                                  \
		mode_t mode = 0;                                                                                               \
		if (has_mode(flags)) {                                                                                         \
			va_list rest;                                                                                              \
			va_start(rest, flags);                                                                                     \
			mode = va_arg(rest, mode_t);                                                                               \
			va_end(rest);                                                                                              \
		}                                                                                                              \
		IO_CALL(call, OPENAT, -1);                                                                                     \
		const int result = REAL(name)(directory, path, flags, mode);                                                   \
		opened(&call, result, path, flags);                                                                            \
		return result;                                                                                                 \
	}
WRAP_OPENAT(openat)
WRAP_OPENAT(openat64)

#define WRAP_OPENAT_2(name)                                                                                            \
	CLEW_EXPORT int name(int directory, const char *path, int flags)                                                   \
	{                                                                                                                  \
		IO_CALL(call, OPENAT, -1);                                                                                     \
		const int result = REAL(name)(directory, path, flags);                                                         \
		opened(&call, result, path, flags);                                                                            \
		return result;                                                                                                 \
	}
WRAP_OPENAT_2(__openat_2)
WRAP_OPENAT_2(__openat64_2)

#define WRAP_CREAT(name)                                                                                               \
	CLEW_EXPORT int name(const char *path, mode_t mode)                                                                \
	{                                                                                                                  \
		IO_CALL(call, CREAT, -1);                                                                                      \
		const int result = REAL(name)(path, mode);                                                                     \
		opened(&call, result, path, O_WRONLY);                                                                         \
		return result;                                                                                                 \
	}
WRAP_CREAT(creat)
WRAP_CREAT(creat64)

#define WRAP_FSTAT(name, stat_t)                                                                                       \
	CLEW_EXPORT int name(int fd, struct stat_t *status)                                                                \
	{                                                                                                                  \
		const uint64_t entry = conn_unasked(fd);                                                                       \
		const int result = REAL(name)(fd, status);                                                                     \
		if (entry && result == 0)                                                                                      \
			conn_stated(fd, entry, (const struct stat *)status);                                                       \
		return result;                                                                                                 \
	}
WRAP_FSTAT(fstat, stat)
WRAP_FSTAT(fstat64, stat64)

/* What fstat is to programs made with glibc < 2.33. */
#define WRAP_FXSTAT(name, stat_t)                                                                                      \
	CLEW_EXPORT int name(int version, int fd, struct stat_t *status)                                                   \
	{                                                                                                                  \
		const uint64_t entry = conn_unasked(fd);                                                                       \
		const int result = REAL(name)(version, fd, status);                                                            \
		if (entry && result == 0)                                                                                      \
			conn_stated(fd, entry, (const struct stat *)status);                                                       \
		return result;                                                                                                 \
	}
WRAP_FXSTAT(__fxstat, stat)
WRAP_FXSTAT(__fxstat64, stat64)

_Static_assert(sizeof(struct stat) == sizeof(struct stat64), "one and the same on 64-bit machines");
