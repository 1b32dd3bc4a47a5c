/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What the recorder writes beside records: counters, losses, what /proc says; and who is gone.
 *
 * Each pass looks at a few threads, so that thousands of them never hold up the rings.
 */
#include "drain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "checksum.h"
#include "clock.h"
#include "proc.h"

#define LEAST_LOOKS 16
#define LOOKING_NS UINT64_C(1000000) /* a pass looks at no more threads after that: rings are waiting */
#define LOOK_EVERY_NS UINT64_C(20000000)
#define SOONEST_NS UINT64_C(50000000)
#define CMDLINE 4096
#define EXE 4096

static void add_counters(struct clew_drain *drain, struct seat *seat, const struct clew_slot *slot)
{
	struct clew_counter_row rows[CLEW_OP_LIMIT];
	uint32_t count = 0;
	uint64_t mark = 0;
	for (uint32_t op = 0; op < CLEW_OP_LIMIT; op++) {
		const struct clew_counter now = slot->counter[op];
		if (!now.calls)
			continue;
		rows[count++] = (struct clew_counter_row){op, 0, now.calls, now.errors, now.bytes, now.ticks};
		mark += now.calls;
	}
	if (count && mark != seat->counters_mark)
		block_add(drain, CLEW_BLOCK_COUNTERS, seat, rows, count * sizeof *rows, NULL, 0);
	seat->counters_mark = mark;
}

static void add_loss(struct clew_drain *drain, struct seat *seat, const struct clew_slot *slot)
{
	const struct clew_loss now = {.records = slot->dropped_records,
								  .bytes = slot->dropped_bytes,
								  .waits = slot->waits,
								  .wait_ticks = slot->wait_ticks};
	if (!memcmp(&now, &seat->loss, sizeof now))
		return;
	drain->stats.lost += now.records - seat->loss.records;
	drain->stats.waits += now.waits - seat->loss.waits;
	seat->loss = now;
	block_add(drain, CLEW_BLOCK_LOSS, seat, &now, sizeof now, NULL, 0);
}

void observe_capture_loss(struct clew_drain *drain)
{
	const struct clew_loss now = {.no_slot = atomic_load(&drain->mapped.arena->lost_no_slot),
								  .threads = atomic_load(&drain->mapped.arena->lost_threads)};
	if (!memcmp(&now, &drain->loss, sizeof now))
		return;
	drain->loss = now;
	block_add(drain, CLEW_BLOCK_LOSS, NULL, &now, sizeof now, NULL, 0);
}

/* The row of a thread; program, arguments and I/O only for a process's first one. */
static void add_row(struct clew_drain *drain, struct seat *seat, bool over)
{
	char text[EXE + CMDLINE];
	struct proc_stat stat;
	struct clew_thread_row row = {.pid = seat->pid, .tid = seat->tid, .state = over};
	if (seat->foreign || !proc_stat(seat->pid, seat->tid, &stat) ||
		(seat->starttime && stat.starttime != seat->starttime))
		return;
	seat->starttime = stat.starttime;
	row.ppid = stat.ppid;
	memcpy(row.comm, stat.comm, sizeof row.comm);
	row.rchar = row.wchar = row.syscr = row.syscw = UINT64_MAX;
	if (seat->pid == seat->tid) {
		proc_io(seat->pid, &row);
		row.exe_len = (uint32_t)proc_exe(seat->pid, text, EXE);
		row.cmdline_len = (uint32_t)proc_cmdline(seat->pid, text + row.exe_len, CMDLINE);
	}
	const size_t size = row.exe_len + row.cmdline_len;
	const uint64_t mark = (uint64_t)crc32_of(crc32_of(0, &row, sizeof row), text, size) + 1;
	if (mark != seat->row_mark)
		block_add(drain, CLEW_BLOCK_THREAD, seat, &row, sizeof row, text, size);
	seat->row_mark = mark;
	if (!seat->exe_mark)
		seat->exe_mark = (uint64_t)crc32_of(0, text, row.exe_len) + 1;
}

void observe_seat(struct clew_drain *drain, uint32_t index, bool over)
{
	struct seat *seat = &drain->seats[index];
	const struct clew_slot *slot = slot_at(&drain->mapped, index);
	add_counters(drain, seat, slot);
	add_loss(drain, seat, slot);
	if (drain->post_mortem)
		return;
	add_row(drain, seat, over);
	if (!over && !seat->foreign && !seat->io_uring && seat->pid == seat->tid && proc_has_io_uring(seat->pid)) {
		const uint32_t head[2] = {CLEW_UNSEEN_IO_URING, seat->pid};
		seat->io_uring = true;
		block_add(drain, CLEW_BLOCK_UNSEEN, seat, head, sizeof head, NULL, 0);
	}
}

/* Another program, one that does not map the arena, has taken the process over. */
static bool replaced(const struct clew_drain *drain, const struct seat *seat)
{
	char exe[EXE];
	if (seat->pid != seat->tid)
		return false;
	if (!seat->ended) { /* it did not say that it would exec: another of its threads may have */
		size_t size = proc_exe(seat->pid, exe, sizeof exe);
		if (!size || !seat->exe_mark || (uint64_t)crc32_of(0, exe, size) + 1 == seat->exe_mark)
			return false;
	}
	return !proc_maps_file(seat->pid, drain->device, drain->inode);
}

/* Whether no instruction of the thread will run any more, so that its slot may go to another. */
static bool gone(const struct clew_drain *drain, struct seat *seat, bool ended, bool force, uint64_t now)
{
	struct proc_stat stat;
	if (!ended)
		seat->ended = 0;
	else if (!seat->ended)
		seat->ended = now;
	const bool long_ended = ended && now - seat->ended >= SECOND_NS;
	if (seat->foreign)
		return long_ended;
	if (seat->superseded)
		return true;
	if (syscall(SYS_tgkill, seat->pid, seat->tid, 0) != 0 && errno == ESRCH)
		return true;
	if (!ended && !force && now - seat->observed < SECOND_NS)
		return false;
	if (proc_stat(seat->pid, seat->tid, &stat) &&
		(stat.state == 'Z' || stat.state == 'X' || (seat->starttime && stat.starttime != seat->starttime)))
		return true;
	return (!ended || long_ended) && replaced(drain, seat);
}

/* Takes the last records of a thread that is gone and gives its slot back. */
static bool retire(struct clew_drain *drain, uint32_t index)
{
	struct seat *seat = &drain->seats[index];
	seat_take(drain, index);
	observe_seat(drain, index, true);
	if (writer_flush(&drain->writer) < 0)
		return false; /* the ring is the only copy: recovery may still get it */
	*seat = (struct seat){0};
	atomic_store_explicit(&drain->mapped.states[index], CLEW_SLOT_FREE, memory_order_release);
	return true;
}

/* How long what was written of a thread is good for: young ones may not live long. */
static uint64_t observe_every(const struct seat *seat, uint64_t now)
{
	const uint64_t age = now > seat->since ? now - seat->since : 0;
	return age < SOONEST_NS ? SOONEST_NS : age < SECOND_NS ? age : SECOND_NS;
}

/* Returns whether the seat is still in use. */
static bool look(struct clew_drain *drain, uint32_t index, uint64_t now, bool force)
{
	struct seat *seat = &drain->seats[index];
	const bool ended = atomic_load_explicit(&drain->mapped.states[index], memory_order_acquire) == CLEW_SLOT_ENDED;
	if (!ended && !seat->superseded && !force && seat->looked && now - seat->looked < LOOK_EVERY_NS)
		return true;
	seat->looked = now;
	if (gone(drain, seat, ended, force, now) && retire(drain, index))
		return false;
	if (now - seat->observed >= observe_every(seat, now)) {
		seat->observed = now;
		observe_seat(drain, index, false);
	}
	return true;
}

void observe_some(struct clew_drain *drain, uint64_t now, bool all)
{
	const uint32_t looks = drain->active_count;
	for (uint32_t i = 0; i < looks && drain->active_count && !drain->writer.error; i++) {
		if (!all && i >= LEAST_LOOKS && monotonic_ns() - now > LOOKING_NS)
			break;
		if (drain->look_from >= drain->active_count)
			drain->look_from = 0;
		if (look(drain, drain->active[drain->look_from], now, all))
			drain->look_from++;
		else /* the last one moves here and is looked at next */
			drain->active[drain->look_from] = drain->active[--drain->active_count];
	}
}

static int by_number(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

uint32_t live_pids(const struct clew_drain *drain, uint32_t *pids, uint32_t room)
{
	uint32_t count = 0, found = 0;
	uint32_t *all = malloc((drain->active_count + 1) * sizeof *all);
	if (!all)
		return 0;
	for (uint32_t i = 0; i < drain->active_count; i++) {
		const struct seat *seat = &drain->seats[drain->active[i]];
		if (!pids || !seat->foreign || !seat->ended) /* one that said so may still exec: waited for, not named */
			all[found++] = seat->pid;
	}
	qsort(all, found, sizeof *all, by_number);
	for (uint32_t i = 0; i < found; i++) {
		if (i && all[i] == all[i - 1])
			continue;
		if (count < room)
			pids[count] = all[i];
		count++;
	}
	free(all);
	return count;
}
