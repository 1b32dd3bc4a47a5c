/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Programs started as children by one call: posix_spawn, system, popen.
 */
#include "io.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "exec.h"
#include "internal.h"

struct spawning {
	bool in_path;
	pid_t pid;
	const char *path;
	const posix_spawn_file_actions_t *actions;
	const posix_spawnattr_t *attributes;
	char *const *argv;
};

static int run(void *context, char *const environment[])
{
	struct spawning *it = context;
	if (it->in_path)
		return REAL(posix_spawnp)(&it->pid, it->path, it->actions, it->attributes, it->argv, environment);
	return REAL(posix_spawn)(&it->pid, it->path, it->actions, it->attributes, it->argv, environment);
}

static int spawn(struct spawning *it, pid_t *pid, char *const environment[])
{
	struct call call;
	struct exec_plan plan;
	call_begin(&call);
	int saved = errno;
	if (it->in_path)
		exec_sniff_in_path(&plan, it->path);
	else
		exec_sniff(&plan, AT_FDCWD, it->path);
	errno = saved;
	conn_settle(call.slot);
	int error = exec_with_environment(&plan, environment, run, it);
	if (error == 0 && pid)
		*pid = it->pid;
	struct clew_slot *slot = slot_self();
	if (slot && plan.reason && error == 0)
		note_unseen(slot, plan.reason, (uint32_t)it->pid, it->path);
	if (call.slot) {
		struct iovec data = {(void *)it->path, text_length(it->path)};
		call_end(&call, &(struct end){.op = CLEW_OP_POSIX_SPAWN,
									  .flags = CLEW_F_TEXT,
									  .fd = -1,
									  .result = error ? -1 : it->pid,
									  .error = error,
									  .offset = CLEW_NO_OFFSET,
									  .data = &data,
									  .data_count = 1,
									  .data_size = data.iov_len});
	}
	return error;
}

CLEW_EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
							const posix_spawnattr_t *attributes, char *const argv[], char *const environment[])
{
	if (!slot_self() || !exec_readable(path, environment))
		return REAL(posix_spawn)(pid, path, actions, attributes, argv, environment);
	struct spawning it = {false, 0, path, actions, attributes, argv};
	return spawn(&it, pid, environment);
}

CLEW_EXPORT int posix_spawnp(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
							 const posix_spawnattr_t *attributes, char *const argv[], char *const environment[])
{
	if (!slot_self() || !exec_readable(path, environment))
		return REAL(posix_spawnp)(pid, path, actions, attributes, argv, environment);
	struct spawning it = {true, 0, path, actions, attributes, argv};
	return spawn(&it, pid, environment);
}

static void record_shell(struct io_call *call, int fd, long result, int error, const char *command)
{
	if (!io_counted(call))
		return;
	/* libc starts the shell with `environ`: where we are hidden from that, nothing brings us into the shell. */
	if (command && !error && !env_find("CLEW_ARENA="))
		note_unseen(call->core.slot, CLEW_UNSEEN_NO_ARENA, 0, "/bin/sh");
	const struct iovec data = {(void *)(uintptr_t)command, command ? text_length(command) : 0};
	io_finish(call, &(struct end){.op = call->op,
								  .flags = CLEW_F_TEXT,
								  .fd = fd,
								  .result = result,
								  .error = error,
								  .offset = CLEW_NO_OFFSET,
								  .data = &data,
								  .data_count = 1,
								  .data_size = data.iov_len});
}

CLEW_EXPORT int system(const char *command)
{
	IO_CALL(call, SYSTEM, -1);
	const int status = REAL(system)(command), error = errno;
	record_shell(&call, -1, status, status == -1 ? error : 0, command);
	errno = error;
	return status;
}

CLEW_EXPORT FILE *popen(const char *command, const char *mode)
{
	IO_CALL(call, POPEN, -1);
	FILE *stream = REAL(popen)(command, mode);
	const int error = errno, fd = stream ? fileno(stream) : -1;
	if (io_counted(&call) && fd >= 0)
		conn_new(&call.core, fd, CLEW_KIND_PIPE);
	record_shell(&call, fd, fd, stream ? 0 : error, command);
	errno = error;
	return stream;
}
