/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Reads /proc (proc(5)). Everything in it may vanish between two reads; names may hold anything.
 */
#include "proc.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define DESCRIPTORS 512

static size_t slurp(const char *path, char *text, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t size = 0;
	if (fd < 0)
		return 0;
	for (ssize_t step; size < room && (step = read(fd, text + size, room - size)) > 0;)
		size += (size_t)step;
	close(fd);
	return size;
}

bool proc_stat(uint32_t pid, uint32_t tid, struct proc_stat *stat)
{
	char path[64], text[1024];
	snprintf(path, sizeof path, "/proc/%" PRIu32 "/task/%" PRIu32 "/stat", pid, tid);
	size_t size = slurp(path, text, sizeof text - 1);
	text[size] = 0;
	/* The name may hold blanks and brackets: it ends at the last one. */
	char *open = strchr(text, '('), *shut = strrchr(text, ')');
	if (!open || !shut || shut < open)
		return false;
	size_t length = (size_t)(shut - open - 1);
	memset(stat, 0, sizeof *stat);
	memcpy(stat->comm, open + 1, length < sizeof stat->comm - 1 ? length : sizeof stat->comm - 1);
	/* Fields 3 and 4 are state and ppid, field 22 is starttime. */
	return sscanf(shut + 1, " %c %" SCNu32 " %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64,
				  &stat->state, &stat->ppid, &stat->starttime) == 3;
}

size_t proc_exe(uint32_t pid, char *text, size_t room)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%" PRIu32 "/exe", pid);
	ssize_t size = readlink(path, text, room);
	return size < 0 ? 0 : (size_t)size;
}

size_t proc_cmdline(uint32_t pid, char *text, size_t room)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%" PRIu32 "/cmdline", pid);
	return slurp(path, text, room);
}

void proc_io(uint32_t pid, struct clew_thread_row *row)
{
	char path[64], text[512];
	snprintf(path, sizeof path, "/proc/%" PRIu32 "/io", pid);
	text[slurp(path, text, sizeof text - 1)] = 0;
	if (sscanf(text, "rchar: %" SCNu64 " wchar: %" SCNu64 " syscr: %" SCNu64 " syscw: %" SCNu64, &row->rchar,
			   &row->wchar, &row->syscr, &row->syscw) != 4)
		row->rchar = row->wchar = row->syscr = row->syscw = UINT64_MAX;
}

bool proc_maps_file(uint32_t pid, dev_t device, ino_t inode)
{
	char path[64], line[512];
	snprintf(path, sizeof path, "/proc/%" PRIu32 "/maps", pid);
	FILE *maps = fopen(path, "re");
	bool found = !maps;
	while (!found && fgets(line, sizeof line, maps)) {
		unsigned major, minor;
		uint64_t number;
		if (sscanf(line, "%*s %*s %*s %x:%x %" SCNu64, &major, &minor, &number) == 3)
			found = number == inode && major == major(device) && minor == minor(device);
	}
	if (maps)
		fclose(maps);
	return found;
}

bool proc_has_io_uring(uint32_t pid)
{
	char path[64], target[64];
	bool found = false;
	snprintf(path, sizeof path, "/proc/%" PRIu32 "/fd", pid);
	DIR *list = opendir(path);
	if (!list)
		return false;
	struct dirent *entry;
	for (int i = 0; !found && i < DESCRIPTORS && (entry = readdir(list)); i++) {
		ssize_t size = readlinkat(dirfd(list), entry->d_name, target, sizeof target - 1);
		target[size < 0 ? 0 : size] = 0;
		found = !strcmp(target, "anon_inode:[io_uring]");
	}
	closedir(list);
	return found;
}
