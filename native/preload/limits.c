/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Makes room when the program limits its own address space: what we have mapped must not be what it lacks.
 */
#include <errno.h>
#include <sys/resource.h>

#include "internal.h"

static void limit_follows(int resource, const struct rlimit *limit)
{
	int saved = errno;
	if (resource == RLIMIT_AS && limit && arena && !process->sandboxed && limit->rlim_cur != RLIM_INFINITY)
		arena_shrink(limit->rlim_cur);
	errno = saved;
}

#define WRAP_SETRLIMIT(name, type)                                                                                     \
	CLEW_EXPORT int name(__rlimit_resource_t resource, const type *limit)                                              \
	{                                                                                                                  \
		int result = REAL(name)(resource, limit);                                                                      \
		if (result == 0)                                                                                               \
			limit_follows((int)resource, (const struct rlimit *)limit);                                                \
		return result;                                                                                                 \
	}

WRAP_SETRLIMIT(setrlimit, struct rlimit)
WRAP_SETRLIMIT(setrlimit64, struct rlimit64)

#define WRAP_PRLIMIT(name, type)                                                                                       \
	CLEW_EXPORT int name(pid_t pid, enum __rlimit_resource resource, const type *limit, type *old)                     \
	{                                                                                                                  \
		int result = REAL(name)(pid, resource, limit, old);                                                            \
		if (result == 0 && (pid == 0 || (uint32_t)pid == process->pid))                                                \
			limit_follows((int)resource, (const struct rlimit *)limit);                                                \
		return result;                                                                                                 \
	}

WRAP_PRLIMIT(prlimit, struct rlimit)
WRAP_PRLIMIT(prlimit64, struct rlimit64)
