/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Test calls of stdio: a FILE's result is shown as its descriptor, -1 where there is none.
 */
#include "calls.h"

#include <stdlib.h>

#undef fread_unlocked
#undef fwrite_unlocked

size_t __fread_chk(void *buffer, size_t room, size_t size, size_t count, FILE *file);
size_t __fread_unlocked_chk(void *buffer, size_t room, size_t size, size_t count, FILE *file);

#define OPEN_FILE(symbol, arguments)                                                                                   \
	({                                                                                                                 \
		errno = UNTOUCHED;                                                                                             \
		FILE *made = symbol arguments;                                                                                 \
		const int error = errno;                                                                                       \
		const int fd = made ? fileno(made) : -1;                                                                       \
		say(#symbol, "fopen", fd, fd, error, NULL, 0);                                                                 \
		made;                                                                                                          \
	})

static void items(FILE *file, int fd)
{
	char buffer[64];
	CALL(fwrite, "fwrite", fd, ("0123456789", 2, 5, file), NULL, 0);
	CALL(fwrite_unlocked, "fwrite", fd, ("abc", 1, 3, file), NULL, 0);
	CALL(fwrite, "fwrite", fd, ("abc", 0, 3, file), NULL, 0);
	CALL(fflush, "fflush", fd, (file), NULL, 0);
	CALL(fflush_unlocked, "fflush", fd, (file), NULL, 0);
	rewind(file);
	CALL(fread, "fread", fd, (buffer, 3, 2, file), NULL, 0);
	CALL(fread_unlocked, "fread", fd, (buffer, 1, 1, file), NULL, 0);
	CALL(__fread_chk, "fread", fd, (buffer, sizeof buffer, 1, 2, file), NULL, 0);
	CALL(__fread_unlocked_chk, "fread", fd, (buffer, sizeof buffer, 1, 2, file), NULL, 0);
	CALL(fread, "fread", fd, (buffer, 1, 60, file), NULL, 0);
	CALL(fread, "fread", fd, (buffer, 1, 60, file), NULL, 0);
}

void calls_stdio(const char *directory)
{
	char path[512];
	snprintf(path, sizeof path, "%s/stdio", directory);
	FILE *file = OPEN_FILE(fopen, (path, "w+"));
	int fd = fileno(file);
	items(file, fd);
	CALL(fclose, "fclose", fd, (file), NULL, 0);
	file = OPEN_FILE(fopen64, (path, "re"));
	fd = fileno(file);
	file = OPEN_FILE(freopen, ("/dev/null", "r", file));
	file = OPEN_FILE(freopen64, (path, "r", file));
	CALL(fclose, "fclose", fd, (file), NULL, 0);
	OPEN_FILE(fopen, ("/nowhere/at/all", "r"));
	OPEN_FILE(fopen, (path, "nonsense"));
	const int bare = MAKE(open, "open", (path, O_RDONLY));
	file = OPEN_FILE(fdopen, (bare, "r"));
	CALL(fclose, "fclose", bare, (file), NULL, 0);
	CALL(close, "close", bare, (bare), NULL, 0);
	errno = UNTOUCHED;
	file = fmemopen(path, 10, "r");
	CALL(fread, "fread", -1, (path + 100, 1, 4, file), NULL, 0);
	CALL(fclose, "fclose", -1, (file), NULL, 0);
}
