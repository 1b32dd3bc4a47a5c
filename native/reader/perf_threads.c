/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Who is who when a sample is taken: threads with their names, processes with their programs, as records tell.
 *
 * Threads are rows of the result as soon as something is known to have happened to them: a sample, a start, a new name.
 */
#include <errno.h>

#include "perf.h"

#define NO_TIME CLEW_PERF_NONE

static struct process *process_new(struct clew_perf *perf, uint32_t pid)
{
	bool fresh;
	uint32_t *number = table_put(&perf->by_pid, (uint64_t)pid + 1, &fresh);
	if (!number || !reserve(&perf->processes, perf->process_count, &perf->process_room, sizeof *perf->processes)) {
		perf->failed = -ENOMEM;
		return NULL;
	}
	*number = (uint32_t)perf->process_count++;
	struct process *process = &perf->processes[*number];
	*process = (struct process){.pid = (int32_t)pid, .ppid = -1, .command = ABSENT, .exe = ABSENT};
	process->version = ++perf->versions;
	return process;
}

struct process *process_of(struct clew_perf *perf, uint32_t pid)
{
	const uint32_t *number = table_get(&perf->by_pid, (uint64_t)pid + 1);
	if (number)
		return &perf->processes[*number];
	struct process *process = process_new(perf, pid);
	if (process && !(process->maps = maps_new()))
		perf->failed = -ENOMEM;
	return perf->failed ? NULL : process;
}

/* A thread that was ending has lost its number, but not its process. */
static uint64_t key_of(uint32_t pid, uint32_t tid)
{
	return tid == ABSENT ? (uint64_t)pid << 32 | tid : (uint64_t)tid + 1;
}

/* A thread of that process, in place of whoever had its number before. */
static struct thread *thread_new(struct clew_perf *perf, const struct process *process, uint32_t tid)
{
	bool fresh;
	uint32_t *number = table_put(&perf->by_tid, key_of((uint32_t)process->pid, tid), &fresh);
	if (!number || !reserve(&perf->threads, perf->thread_count, &perf->thread_room, sizeof *perf->threads)) {
		perf->failed = -ENOMEM;
		return NULL;
	}
	*number = (uint32_t)perf->thread_count++;
	struct thread *thread = &perf->threads[*number];
	*thread = (struct thread){.pid = process->pid,
							  .tid = (int32_t)tid,
							  .process = (uint32_t)(process - perf->processes),
							  .name = ABSENT,
							  .row = ABSENT,
							  .since = NO_TIME};
	if (!tid) /* the idle thread of each processor */
		thread->name = text_of(perf, (const uint8_t *)"swapper", 7);
	return thread;
}

struct thread *thread_of(struct clew_perf *perf, uint32_t pid, uint32_t tid)
{
	const uint32_t *number = table_get(&perf->by_tid, key_of(pid, tid));
	struct thread *thread = number ? &perf->threads[*number] : NULL;
	if (thread && thread->pid == (int32_t)pid)
		return thread;
	const struct process *process = process_of(perf, pid); /* of another process: its start was lost */
	return process ? thread_new(perf, process, tid) : NULL;
}

static int32_t or_none(uint32_t text)
{
	return text == ABSENT ? -1 : (int32_t)text;
}

uint32_t thread_row(struct clew_perf *perf, struct thread *thread)
{
	if (thread->row != ABSENT)
		return thread->row;
	const uint64_t row = perf->told.thread_count;
	if (!reserve(&perf->rows, row, &perf->row_room, sizeof *perf->rows)) {
		perf->failed = -ENOMEM;
		return ABSENT;
	}
	const struct process *process = &perf->processes[thread->process];
	perf->rows[row] = (struct clew_perf_thread){.start_ns = thread->since,
												.end_ns = NO_TIME,
												.pid = thread->pid,
												.tid = thread->tid,
												.ppid = process->ppid,
												.name = or_none(thread->name),
												.command = or_none(process->command),
												.exe = or_none(process->exe)};
	perf->told.thread_count++;
	return thread->row = (uint32_t)row;
}

/* What its row says is over; the next one begins at `ts`. */
static void row_ends(struct clew_perf *perf, struct thread *thread, int64_t ts)
{
	if (thread->row != ABSENT && ts != NO_TIME && perf->rows[thread->row].end_ns == NO_TIME)
		perf->rows[thread->row].end_ns = ts;
	thread->row = ABSENT;
	thread->since = ts;
}

void process_runs(struct clew_perf *perf, struct process *process)
{
	maps_free(process->before);
	process->before = NULL;
	process->version = ++perf->versions;
}

static void process_execs(struct clew_perf *perf, struct process *process)
{
	maps_free(process->before);
	process->before = process->maps;
	maps_free(process->made);
	process->made = NULL;
	process->exe = ABSENT;
	process->wants_exe = true;
	process->version = ++perf->versions;
	if (!(process->maps = maps_new()))
		perf->failed = -ENOMEM;
}

void thread_exe(struct clew_perf *perf, struct process *process, uint32_t name)
{
	if (!process->wants_exe)
		return;
	process->wants_exe = false;
	process->exe = name;
	const uint32_t *number = table_get(&perf->by_tid, key_of((uint32_t)process->pid, (uint32_t)process->pid));
	const struct thread *main = number ? &perf->threads[*number] : NULL;
	if (main && main->pid == process->pid && main->row != ABSENT)
		perf->rows[main->row].exe = (int32_t)name;
}

void comm_event(struct clew_perf *perf, const struct record *record)
{
	if (record->end < record->body + 9) {
		perf->told.broken++;
		return;
	}
	const uint8_t *text = record->body + 8, *nul = memchr(text, 0, (size_t)(record->end - text));
	const uint32_t name = text_of(perf, text, (uint64_t)((nul ? nul : record->end) - text));
	struct thread *thread = thread_of(perf, load32(record->body), load32(record->body + 4));
	if (!thread || perf->failed)
		return;
	struct process *process = &perf->processes[thread->process];
	const bool exec = record->misc & PERF_RECORD_MISC_COMM_EXEC;
	const bool is_main = thread->tid == thread->pid;
	if (exec && record->ts != NO_TIME)
		process_execs(perf, process);
	else if (is_main && process->exe == ABSENT && !process->maps->count)
		process->wants_exe = true; /* perf tells of what ran already: its mappings come next */
	if (exec || (is_main && process->command == ABSENT))
		process->command = name;
	if (thread->name != name || exec)
		row_ends(perf, thread, record->ts);
	thread->name = name;
	if (record->ts != NO_TIME && !perf->failed)
		thread_row(perf, thread);
}

void fork_event(struct clew_perf *perf, const struct record *record)
{
	if (record->end < record->body + 16) {
		perf->told.broken++;
		return;
	}
	const uint32_t pid = load32(record->body), ppid = load32(record->body + 4);
	const uint32_t tid = load32(record->body + 8), ptid = load32(record->body + 12);
	struct thread *parent = thread_of(perf, ppid, ptid);
	if (!parent)
		return;
	const uint32_t name = parent->name, of = parent->process;
	const uint32_t *old = table_get(&perf->by_tid, key_of(pid, tid));
	if (old)
		row_ends(perf, &perf->threads[*old], record->ts);
	struct process *process = pid == ppid ? &perf->processes[of] : NULL;
	if (!process && tid != pid) {
		process = process_of(perf, pid); /* perf tells of a thread that ran already */
	} else if (!process && (process = process_new(perf, pid))) {
		const struct process *from = &perf->processes[of]; /* where it is now */
		process->ppid = (int32_t)ppid;
		if (record->misc & PERF_RECORD_MISC_FORK_EXEC) { /* told of what ran already: it maps what it has itself */
			process->maps = maps_new();
		} else {
			process->command = from->command;
			process->exe = from->exe;
			process->wants_exe = from->wants_exe;
			process->maps = from->maps;
			process->before = from->before;
			process->version = from->version;
			process->maps->references++;
			process->made = from->made;
			if (process->before)
				process->before->references++;
			if (process->made)
				process->made->references++;
		}
		if (!process->maps)
			perf->failed = -ENOMEM;
	}
	struct thread *thread = process && !perf->failed ? thread_new(perf, process, tid) : NULL;
	if (!thread || perf->failed)
		return;
	thread->name = record->misc & PERF_RECORD_MISC_FORK_EXEC ? ABSENT : name;
	thread->since = record->ts;
	if (record->ts != NO_TIME)
		thread_row(perf, thread);
}

void exit_event(struct clew_perf *perf, const struct record *record)
{
	if (record->end < record->body + 16) {
		perf->told.broken++;
		return;
	}
	const uint32_t *number = table_get(&perf->by_tid, key_of(load32(record->body), load32(record->body + 8)));
	const struct thread *thread = number ? &perf->threads[*number] : NULL;
	if (thread && thread->row != ABSENT && record->ts != NO_TIME)
		perf->rows[thread->row].end_ns = record->ts;
}

void switch_event(struct clew_perf *perf, const struct record *record)
{
	const uint64_t row = perf->told.switch_count;
	if (record->tid == ABSENT || record->ts == NO_TIME)
		return;
	if (!reserve(&perf->switches, row, &perf->switch_room, sizeof *perf->switches)) {
		perf->failed = -ENOMEM;
		return;
	}
	const bool out = record->misc & PERF_RECORD_MISC_SWITCH_OUT;
	perf->switches[row] = (struct clew_perf_switch){record->ts, (int32_t)record->tid, out};
	perf->told.switch_count++;
}
