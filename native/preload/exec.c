/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief The exec family. A success is told before it happens; a failure by a second record with the same begin.
 */
#include "exec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

#include "internal.h"

enum by { BY_PATH, BY_NAME, BY_FD, BY_FD_AND_PATH };

struct execution {
	enum by by;
	int fd;
	int flags;
	const char *path;
	char *const *argv;
};

static int run(void *context, char *const environment[])
{
	const struct execution *execution = context;
	switch (execution->by) {
	case BY_NAME:
		return REAL(execvpe)(execution->path, execution->argv, environment);
	case BY_FD:
		return REAL(fexecve)(execution->fd, execution->argv, environment);
	case BY_FD_AND_PATH:
		return REAL(execveat)(execution->fd, execution->path, execution->argv, environment, execution->flags);
	default:
		return REAL(execve)(execution->path, execution->argv, environment);
	}
}

static void record(struct call *call, const struct execution *execution, int result, int error)
{
	if (!call->slot)
		return;
	struct iovec data = {(void *)execution->path, text_length(execution->path)};
	call_end(call, &(struct end){.op = CLEW_OP_EXECVE,
								 .flags = CLEW_F_TEXT,
								 .fd = execution->fd >= 0 ? execution->fd : -1,
								 .result = result,
								 .error = error,
								 .offset = CLEW_NO_OFFSET,
								 .data = &data,
								 .data_count = 1,
								 .data_size = data.iov_len});
}

static int execute(const struct execution *execution, char *const environment[])
{
	struct clew_slot *slot = slot_self();
	if (!arena || !execution->path || !exec_readable(execution->path, environment))
		return run((void *)execution, environment);
	struct call call;
	call_begin(&call);
	struct exec_plan plan;
	if (execution->by == BY_NAME)
		exec_sniff_in_path(&plan, execution->path);
	else
		exec_sniff(&plan, execution->fd, execution->path);
	bool borrowed = slot && in_borrowed_memory(slot);
	if (slot && plan.reason)
		note_unseen(slot, plan.reason, borrowed ? slot->vfork_child : process->pid, execution->path);
	if (!borrowed)
		conn_settle(slot);
	record(&call, execution, 0, 0);
	if (slot && !borrowed)
		thread_leave();
	int result = exec_with_environment(&plan, environment, run, (void *)execution);
	int error = errno;
	if (slot && !borrowed)
		thread_return(slot);
	if (call.slot && (call.mode & CLEW_COUNT))
		call.slot->counter[CLEW_OP_EXECVE].calls--; /* one call, told twice */
	record(&call, execution, result, error);
	errno = error;
	return result;
}

CLEW_EXPORT int execve(const char *path, char *const argv[], char *const environment[])
{
	return execute(&(struct execution){BY_PATH, AT_FDCWD, 0, path, argv}, environment);
}

CLEW_EXPORT int execv(const char *path, char *const argv[])
{
	return execute(&(struct execution){BY_PATH, AT_FDCWD, 0, path, argv}, environ);
}

CLEW_EXPORT int execvp(const char *name, char *const argv[])
{
	return execute(&(struct execution){BY_NAME, AT_FDCWD, 0, name, argv}, environ);
}

CLEW_EXPORT int execvpe(const char *name, char *const argv[], char *const environment[])
{
	return execute(&(struct execution){BY_NAME, AT_FDCWD, 0, name, argv}, environment);
}

CLEW_EXPORT int fexecve(int fd, char *const argv[], char *const environment[])
{
	return execute(&(struct execution){BY_FD, fd, 0, "", argv}, environment);
}

CLEW_EXPORT int execveat(int fd, const char *path, char *const argv[], char *const environment[], int flags)
{
	return execute(&(struct execution){BY_FD_AND_PATH, fd, flags, path, argv}, environment);
}

/* The list of arguments of the l variants, on the stack: a child of vfork must not allocate. */
#define COUNT_ARGUMENTS(list, last, count)                                                                             \
	do {                                                                                                               \
		va_start(list, last);                                                                                          \
		while (va_arg(list, char *))                                                                                   \
			(count)++;                                                                                                 \
		va_end(list);                                                                                                  \
	} while (0)

#define COLLECT_ARGUMENTS(list, last, argv, count)                                                                     \
	do {                                                                                                               \
		(argv)[0] = (char *)(last);                                                                                    \
		va_start(list, last);                                                                                          \
		for (size_t argument = 1; argument <= (count); argument++)                                                     \
			(argv)[argument] = va_arg(list, char *);                                                                   \
	} while (0)

CLEW_EXPORT int execl(const char *path, const char *first, ...)
{
	va_list list;
	size_t count = 1;
	COUNT_ARGUMENTS(list, first, count);
	char *argv[count + 1];
	COLLECT_ARGUMENTS(list, first, argv, count);
	va_end(list);
	return execv(path, argv);
}

CLEW_EXPORT int execlp(const char *name, const char *first, ...)
{
	va_list list;
	size_t count = 1;
	COUNT_ARGUMENTS(list, first, count);
	char *argv[count + 1];
	COLLECT_ARGUMENTS(list, first, argv, count);
	va_end(list);
	return execvp(name, argv);
}

CLEW_EXPORT int execle(const char *path, const char *first, ...)
{
	va_list list;
	size_t count = 1;
	COUNT_ARGUMENTS(list, first, count);
	char *argv[count + 1];
	COLLECT_ARGUMENTS(list, first, argv, count);
	char *const *environment = va_arg(list, char *const *);
	va_end(list);
	return execve(path, argv, environment);
}
