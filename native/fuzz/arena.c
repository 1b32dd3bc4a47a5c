/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief libFuzzer: an arena that a program has written over, through recovery.
 *
 * The input is laid over the header, the states and the first slot of a small arena.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reader.h"

static char directory[4096], arena[4200], segment[4200];
static _Alignas(64) char pristine[1 << 18];
static ssize_t pristine_size;

static void tidy(void)
{
	unlink(arena);
	unlink(segment);
	rmdir(directory);
}

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
	const struct clew_arena_options options = {.slots = 2, .conns = 64, .ring_size = 1 << 16, .mode = CLEW_COUNT};
	(void)count;
	(void)arguments;
	const char *temporary = getenv("TMPDIR");
	snprintf(directory, sizeof directory, "%s/clew-fuzz-XXXXXX", temporary ? temporary : "/tmp");
	if (!mkdtemp(directory))
		abort();
	snprintf(arena, sizeof arena, "%s/arena", directory);
	snprintf(segment, sizeof segment, "%s/seg-000001.clew", directory);
	atexit(tidy);
	if (clew_arena_create(arena, &options) < 0)
		abort();
	int fd = open(arena, O_RDONLY | O_CLOEXEC);
	pristine_size = read(fd, pristine, sizeof pristine);
	close(fd);
	if (pristine_size <= (ssize_t)sizeof(struct clew_arena))
		abort();
	const struct clew_arena *header = (const struct clew_arena *)pristine;
	memcpy(pristine + header->states_at, (uint32_t[2]){CLEW_SLOT_LIVE, CLEW_SLOT_ENDED}, 8);
	return 0;
}

/* Input: an offset in the header, and one in the first slot, then bytes for the one and the other. */
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	const struct clew_arena *header = (const struct clew_arena *)pristine;
	struct clew_drain_stats stats;
	if (size < 8)
		return 0;
	const size_t half = (size - 8) / 2;
	uint32_t header_at, slot_at;
	memcpy(&header_at, input, 4);
	memcpy(&slot_at, input + 4, 4);
	int fd = open(arena, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || pwrite(fd, pristine, (size_t)pristine_size, 0) != pristine_size)
		abort();
	if (header_at < sizeof *header) {
		const size_t room = sizeof *header - header_at, step = half < room ? half : room;
		if (pwrite(fd, input + 8, step, header_at) != (ssize_t)step)
			abort();
	}
	const off_t slot = (off_t)(header->slots_at + slot_at % CLEW_SLOT_HEADER);
	if (pwrite(fd, input + 8 + half, size - 8 - half, slot) != (ssize_t)(size - 8 - half))
		abort();
	close(fd);
	clew_recover(arena, directory, &stats);
	unlink(segment);
	return 0;
}
