/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Wrappers of stdio: what a program asks of a FILE, not what libc reads and writes for it.
 *
 * libc opens, reads and writes for a FILE inside itself, where no wrapper sees it; so a FILE's descriptor
 * enters and leaves the table here. Bytes are those of the program's calls.
 */
#include "io.h"

#include <fcntl.h>
#include <stdio.h>

#undef fread_unlocked
#undef fwrite_unlocked

size_t __fread_chk(void *buffer, size_t room, size_t size, size_t count, FILE *file);
size_t __fread_unlocked_chk(void *buffer, size_t room, size_t size, size_t count, FILE *file);

/* -1: the FILE has none (a memory stream). Asking sets errno then, which the program must not see. */
static int descriptor_of(FILE *file)
{
	const int saved = errno;
	const int fd = file ? fileno_unlocked(file) : -1;
	errno = saved;
	return fd;
}

/* "r+", "w", "a": the letter and the plus say how the file was opened. */
static uint32_t access_of(const char *mode)
{
	for (const char *at = mode; *at && *at != ','; at++)
		if (*at == '+')
			return O_RDWR + 1;
	return (mode[0] == 'r' ? O_RDONLY : O_WRONLY) + 1;
}

static void opened(struct io_call *call, FILE *result, const char *path, const char *mode)
{
	const int fd = descriptor_of(result);
	uint64_t conn_id = 0;
	if (fd >= 0)
		conn_id =
			conn_made(&call->core, fd,
					  (struct conn_origin){.path = path && path[0] == '/' ? path : NULL, .access = access_of(mode)});
	conn_set_state(conn_id, CLEW_CONN_UNCOUNTED);
	call->fd = fd;
	io_end_text(call, result ? fd : -1, conn_id, io_argument_was_read(result ? 0 : -1) ? path : NULL, 0);
}

#define WRAP_FOPEN(name)                                                                                               \
	CLEW_EXPORT FILE *name(const char *path, const char *mode)                                                         \
	{                                                                                                                  \
		IO_CALL(call, FOPEN, -1);                                                                                      \
		FILE *result = REAL(name)(path, mode);                                                                         \
		opened(&call, result, path, mode);                                                                             \
		return result;                                                                                                 \
	}
WRAP_FOPEN(fopen)
WRAP_FOPEN(fopen64)

CLEW_EXPORT FILE *fdopen(int fd, const char *mode)
{
	IO_CALL_ON(call, FOPEN, fd);
	FILE *result = REAL(fdopen)(fd, mode);
	if (result && io_traced(&call))
		conn_set_state(io_conn(&call), CLEW_CONN_UNCOUNTED);
	io_end(&call, result ? fd : -1);
	return result;
}

/* Closes what the FILE had, whether or not the new file opens. */
#define WRAP_FREOPEN(name)                                                                                             \
	CLEW_EXPORT FILE *name(const char *path, const char *mode, FILE *file)                                             \
	{                                                                                                                  \
		IO_CALL(call, FOPEN, -1);                                                                                      \
		conn_forget(&call.core, descriptor_of(file));                                                                  \
		FILE *result = REAL(name)(path, mode, file);                                                                   \
		opened(&call, result, path, mode);                                                                             \
		return result;                                                                                                 \
	}
WRAP_FREOPEN(freopen)
WRAP_FREOPEN(freopen64)

CLEW_EXPORT int fclose(FILE *file)
{
	const int fd = descriptor_of(file);
	IO_CALL(call, FCLOSE, fd);
	const uint64_t conn_id = conn_forget(&call.core, fd);
	const int result = REAL(fclose)(file);
	io_end_struct(&call, result, conn_id, NULL, 0);
	return result;
}

#define WRAP_FREAD(name)                                                                                               \
	CLEW_EXPORT size_t name(void *buffer, size_t size, size_t count, FILE *file)                                       \
	{                                                                                                                  \
		IO_CALL_ON(call, FREAD, descriptor_of(file));                                                                  \
		const size_t result = REAL(name)(buffer, size, count, file);                                                   \
		io_moved_items(&call, result, size);                                                                           \
		return result;                                                                                                 \
	}
WRAP_FREAD(fread)
WRAP_FREAD(fread_unlocked)

#define WRAP_FREAD_CHK(name)                                                                                           \
	CLEW_EXPORT size_t name(void *buffer, size_t room, size_t size, size_t count, FILE *file)                          \
	{                                                                                                                  \
		IO_CALL_ON(call, FREAD, descriptor_of(file));                                                                  \
		const size_t result = REAL(name)(buffer, room, size, count, file);                                             \
		io_moved_items(&call, result, size);                                                                           \
		return result;                                                                                                 \
	}
WRAP_FREAD_CHK(__fread_chk)
WRAP_FREAD_CHK(__fread_unlocked_chk)

#define WRAP_FWRITE(name)                                                                                              \
	CLEW_EXPORT size_t name(const void *buffer, size_t size, size_t count, FILE *file)                                 \
	{                                                                                                                  \
		IO_CALL_ON(call, FWRITE, descriptor_of(file));                                                                 \
		const size_t result = REAL(name)(buffer, size, count, file);                                                   \
		io_moved_items(&call, result, size);                                                                           \
		return result;                                                                                                 \
	}
WRAP_FWRITE(fwrite)
WRAP_FWRITE(fwrite_unlocked)

#define WRAP_FFLUSH(name)                                                                                              \
	CLEW_EXPORT int name(FILE *file)                                                                                   \
	{                                                                                                                  \
		IO_CALL_ON(call, FFLUSH, descriptor_of(file));                                                                 \
		const int result = REAL(name)(file);                                                                           \
		io_end(&call, result);                                                                                         \
		return result;                                                                                                 \
	}
WRAP_FFLUSH(fflush)
WRAP_FFLUSH(fflush_unlocked)
