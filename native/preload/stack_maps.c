/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What /proc/self/maps says of an address (proc(5)): read piece by piece, by system calls alone.
 */
#include <fcntl.h>

#include "stack.h"

#define RANGES 512u
#define PATH 7 /* the last field of a line */

struct line {
	uint64_t start, end, offset;
	bool code;
	char *path; /* as much as fits */
	size_t length, room;
};

/* Reads a line at a time; `take` says when it has seen enough. */
static void scan(struct line *line, bool (*take)(struct line *line, void *context), void *context)
{
	char buffer[512];
	long got, fd = process->sandboxed ? -1 : RAW_4(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return;
	unsigned field = 0; /* start-end perms offset device inode blanks path */
	bool over = false;
	line->start = line->end = line->offset = line->length = line->code = 0;
	while (!over && (got = own_read((int)fd, buffer, sizeof buffer, -1)) > 0) {
		for (long i = 0; i < got && !over; i++) {
			const char c = buffer[i];
			const unsigned digit = c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a' + 10);
			if (c == '\n') {
				over = take(line, context);
				line->start = line->end = line->offset = line->length = line->code = 0;
				field = 0;
			} else if (field == PATH || (field == PATH - 1 && c != ' ')) { /* a path may hold blanks */
				field = PATH;
				if (line->length < line->room)
					line->path[line->length] = c;
				line->length++;
			} else if (c == '-' && field == 0) {
				field = 1;
			} else if (c == ' ') {
				field += field < PATH - 1;
			} else if (field == 0) {
				line->start = line->start << 4 | (digit & 15);
			} else if (field == 1) {
				line->end = line->end << 4 | (digit & 15);
			} else if (field == 2) {
				line->code |= c == 'x';
			} else if (field == 3) {
				line->offset = line->offset << 4 | (digit & 15);
			}
		}
	}
	RAW_1(SYS_close, fd);
}

struct wanted {
	uint64_t address, offset;
	bool found;
};

static bool take_address(struct line *line, void *context)
{
	struct wanted *wanted = context;
	if (wanted->address < line->start || wanted->address >= line->end)
		return false;
	wanted->found = line->length && line->length < line->room && line->path[0] == '/';
	wanted->offset = line->offset;
	if (wanted->found)
		line->path[line->length] = 0;
	return true;
}

bool stack_maps_path(uint64_t address, uint64_t *offset, char *path, size_t room)
{
	struct line line = {.path = path, .room = room};
	struct wanted wanted = {.address = address};
	scan(&line, take_address, &wanted);
	*offset = wanted.offset;
	return wanted.found;
}

/* Where the dynamic loader cannot be asked: ranges of code, read again at misses 1, 2, 4, ... */
static struct {
	uint64_t start, end;
} ranges[RANGES];
static uint32_t range_count, misses, reading;

static bool take_code(struct line *line, void *context)
{
	uint32_t *count = context;
	if (line->code && line->length && *count < RANGES) {
		ranges[*count].start = line->start;
		ranges[(*count)++].end = line->end;
	}
	return false;
}

static bool look_up(uint64_t address, struct module *found)
{
	for (uint32_t i = 0; i < __atomic_load_n(&range_count, __ATOMIC_ACQUIRE); i++)
		if (address >= ranges[i].start && address < ranges[i].end) {
			*found = (struct module){ranges[i].start, ranges[i].end, NULL, NULL};
			return true;
		}
	return false;
}

bool stack_maps_find(uint64_t address, struct module *found)
{
	if (look_up(address, found))
		return true;
	const uint32_t missed = __atomic_fetch_add(&misses, 1, __ATOMIC_RELAXED);
	if ((missed & (missed - 1)) != 0 || __atomic_exchange_n(&reading, 1, __ATOMIC_ACQUIRE))
		return false;
	char path[2];
	struct line line = {.path = path, .room = sizeof path};
	uint32_t count = 0;
	scan(&line, take_code, &count);
	__atomic_store_n(&range_count, count, __ATOMIC_RELEASE);
	__atomic_store_n(&reading, 0, __ATOMIC_RELEASE);
	return look_up(address, found);
}
