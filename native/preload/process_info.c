/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Records about the process and its threads, which no call of the program makes.
 *
 * What this reads from /proc for itself is kept apart, so that PROCESS_END tells the program's I/O only.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"
#include "sampler.h"

#define EXE_ROOM 1024u
#define CMDLINE_ROOM 2048u

static _Atomic uint64_t own_bytes, own_calls; /* through own_read() by this process */

long own_read(int fd, void *buffer, size_t size, int64_t offset)
{
	long got = offset < 0 ? RAW_3(SYS_read, fd, buffer, size) : RAW_4(SYS_pread64, fd, buffer, size, offset);
	atomic_fetch_add(&own_calls, 1);
	if (got > 0)
		atomic_fetch_add(&own_bytes, (uint64_t)got);
	return got;
}

void own_forget(void)
{
	atomic_store(&own_bytes, 0);
	atomic_store(&own_calls, 0);
}

static size_t read_file(const char *path, char *buffer, size_t room)
{
	long fd = RAW_4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	size_t length = 0;
	while (length < room) {
		long got = own_read((int)fd, buffer + length, room - length, -1);
		if (got <= 0)
			break;
		length += (size_t)got;
	}
	RAW_1(SYS_close, fd);
	return length;
}

bool note_write(struct clew_slot *slot, enum clew_op op, int64_t result, int fd, uint16_t flags,
				const struct iovec *data, int count)
{
	size_t size = 0;
	for (int i = 0; i < count; i++)
		size += data[i].iov_len;
	struct clew_record record = {
		.op = (uint16_t)op, .flags = flags, .begin = ticks_now(), .result = result, .offset = CLEW_NO_OFFSET, .fd = fd};
	return ring_write(slot, &record, data, count, size) != 0;
}

bool pid_namespace_is_foreign(bool unless_known)
{
	struct stat now;
	if (RAW_4(SYS_newfstatat, AT_FDCWD, "/proc/self/ns/pid", &now, 0) < 0)
		return unless_known;
	return now.st_ino != arena->pid_namespace;
}

/* 1 if the program brings a malloc of its own that comes before ours. */
static uint32_t allocator(void)
{
	void *(*counted)(size_t) = malloc;
	void *ours, *used = dlsym(RTLD_DEFAULT, "malloc");
	__builtin_memcpy(&ours, &counted, sizeof ours);
	Dl_info first, second;
	return used && dladdr(used, &first) && dladdr((void *)&process_page, &second) &&
		   first.dli_fbase != second.dli_fbase;
}

static void write_process_start(struct clew_slot *slot, struct clew_process_info *info, char *exe, char *cmdline)
{
	struct iovec data[] = {{info, sizeof *info}, {exe, info->exe_len}, {cmdline, info->cmdline_len}};
	note_write(slot, CLEW_OP_PROCESS_START, 0, -1, CLEW_F_STRUCT, data, 3);
}

/* Apart from note_process_start(), which may be called on a small stack: a child of fork needs no buffers. */
static __attribute__((noinline)) void write_new_image(struct clew_slot *slot, struct clew_process_info *info)
{
	char exe[EXE_ROOM], cmdline[CMDLINE_ROOM];
	long length = RAW_4(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", exe, sizeof exe);
	info->exe_len = length > 0 ? (uint32_t)length : 0;
	info->cmdline_len = (uint32_t)read_file("/proc/self/cmdline", cmdline, sizeof cmdline);
	write_process_start(slot, info, exe, cmdline);
}

void note_process_start(struct clew_slot *slot)
{
	static uint32_t own_allocator;
	struct clew_process_info info = {
		.pid = slot->pid,
		.ppid = (uint32_t)RAW_0(SYS_getppid),
		.uid = (uint32_t)RAW_0(SYS_getuid),
		.how = process->how,
		.parent_tid = process->parent_tid,
	};
	bool new_image = info.how == 0 || info.how == 2;
	if (new_image)
		own_allocator = allocator();
	info.allocator = own_allocator;
	RAW_2(SYS_prctl, PR_GET_NAME, info.comm);
	if (new_image)
		write_new_image(slot, &info);
	else
		write_process_start(slot, &info, NULL, NULL);
	if (new_image)
		note_cgi(slot);
	else
		note_deepbind(slot);
}

/* The number after `name` in /proc/self/io. */
static uint64_t field(const char *text, size_t length, const char *name)
{
	size_t name_length = text_length(name);
	for (size_t i = 0; i + name_length < length; i++) {
		if ((i && text[i - 1] != '\n') || !text_starts(text + i, name))
			continue;
		uint64_t value = 0;
		for (i += name_length; i < length && text[i] >= '0' && text[i] <= '9'; i++)
			value = value * 10 + (uint64_t)(text[i] - '0');
		return value;
	}
	return UINT64_MAX;
}

void note_process_end(struct clew_slot *slot)
{
	if (__atomic_exchange_n(&process->ended, 1, __ATOMIC_RELAXED))
		return;
	sampler_rest(slot);
	conn_leave_standard();
	conn_settle(slot);
	struct clew_process_io io = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
	char text[512];
	uint64_t bytes = atomic_load(&own_bytes), calls = atomic_load(&own_calls);
	size_t length = process->sandboxed ? 0 : read_file("/proc/self/io", text, sizeof text - 1);
	text[length] = 0;
	if (length) {
		io.rchar = field(text, length, "rchar: ");
		io.wchar = field(text, length, "wchar: ");
		io.syscr = field(text, length, "syscr: ");
		io.syscw = field(text, length, "syscw: ");
		io.rchar -= bytes <= io.rchar ? bytes : 0;
		io.syscr -= calls <= io.syscr ? calls : 0;
	}
	struct iovec data = {&io, sizeof io};
	note_write(slot, CLEW_OP_PROCESS_END, 0, -1, CLEW_F_STRUCT, &data, 1);
}

void note_thread_start(struct clew_slot *slot)
{
	struct clew_thread_info info = {.tid = slot->tid, .creator_tid = thread_state.creator_tid};
	RAW_2(SYS_prctl, PR_GET_NAME, info.name);
	struct iovec data = {&info, sizeof info};
	note_write(slot, CLEW_OP_THREAD_START, 0, -1, CLEW_F_STRUCT, &data, 1);
}

void note_thread_end(struct clew_slot *slot)
{
	note_write(slot, CLEW_OP_THREAD_END, 0, -1, 0, NULL, 0);
}

void note_unseen(struct clew_slot *slot, enum clew_unseen reason, uint32_t pid, const char *path)
{
	struct iovec data = {(void *)path, text_length(path)};
	const bool partly =
		reason == CLEW_UNSEEN_IO_URING || reason == CLEW_UNSEEN_PROFILER || reason == CLEW_UNSEEN_DEEPBIND;
	if (arena && !partly) {
		atomic_fetch_add(&arena->unseen, 1);
		atomic_fetch_add(&arena->other_user, reason == CLEW_UNSEEN_NO_ARENA);
	}
	note_write(slot, CLEW_OP_UNSEEN, (int64_t)reason, (int)pid, CLEW_F_TEXT, &data, 1);
}
