/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Which task of an interpreter a thread works for: it tells more than the thread where a loop runs many of them.
 *
 * CPython runs each task of asyncio, and each callback, in a context (PEP 567). A new one is a copy of the context it
 * was asked for in, so the copies tell who started whom. TASK_RUN says which context the thread is in, before the first
 * call that it makes there; TASK_NEW that a copy was made of that.
 */
#ifndef CLEW_TASKS_H
#define CLEW_TASKS_H

#include "core.h"

/* Where PyThreadState has its context; 0 = not known (yet): nothing to tell. */
extern CLEW_LOCAL uint32_t tasks_context_at;

void tasks_start(void);
/* A loop is made, after all that it is made of was loaded. */
void tasks_loop_made(void);
void tasks_write(const struct call *call);

/* Called before the record of a traced call is written. */
static inline void tasks_tell(const struct call *call)
{
	if (unlikely(tasks_context_at))
		tasks_write(call);
}

/* tasks_bind.c: lets every module that calls `name` call `ours` in place of `real`. */
void tasks_bind(const char *name, const void *real, const void *ours);

#endif
