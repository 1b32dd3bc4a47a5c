/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Tells of CPython's contexts: read where the thread state keeps them, and where copies are made.
 *
 * Nothing of the interpreter is linked to or changed but the slots that tasks_bind() fills, and none of its functions
 * is called but the one that we stand in front of, and two that need no lock: whose thread state this is, and whether
 * the interpreter ends. When it does it frees the states of threads that still run. Which field of PyThreadState holds
 * the context is another one in each version: it is the one that points to an object of that type when a copy was just
 * made.
 */
#include "tasks.h"

#include <dlfcn.h>

#include "internal.h"
#include "stack.h"
#include "wakeups.h"

#define COPY "PyContext_CopyCurrent"
#define WORDS 64u /* of PyThreadState, to look at */

/* The head of every object, as in builds with a global lock (Include/object.h). */
struct object {
	int64_t references;
	const void *type;
};

/* Python/context.c of 3.7 to 3.14: */
struct context {
	struct object head;
	const void *before, *variables, *references;
	int entered; /* 0: nothing runs in it; a thread's own, made when it first asked for a variable */
};

uint32_t tasks_context_at;
static struct object *(*real_copy)(void);
static char *(*thread_state_now)(void);
static int (*is_ending)(void);
static const void *context_type;

static __thread struct {
	const struct clew_slot *slot; /* of a forked child it is another one, whose records begin anew */
	uint64_t context;
} told;

/* 0: it is not there, or more than one field may be it. */
static uint32_t find_context(void)
{
	const char *state = thread_state_now();
	struct readable memory = {0};
	uint32_t found = 0;
	for (uint32_t at = 8; state && at < WORDS * 8; at += 8) {
		uint64_t word, type;
		if (!stack_read(&memory, (uintptr_t)state + at, &word))
			break;
		if (!word || !stack_read(&memory, word + offsetof(struct object, type), &type) ||
			type != (uintptr_t)context_type)
			continue;
		if (found)
			return 0;
		found = at;
	}
	return found;
}

static bool write_task(const struct call *call, enum clew_op op, uint64_t context)
{
	const struct clew_record record = {.op = (uint16_t)op, .begin = call->begin, .offset = context, .fd = -1};
	return ring_write(call->slot, &record, NULL, 0, 0) != 0;
}

/* The thread's state holds on to its context, so both are there. */
static uint64_t context_now(void)
{
	const char *state = is_ending() ? NULL : thread_state_now();
	const struct context *context = NULL;
	if (state)
		copy_bytes(&context, state + tasks_context_at, sizeof context);
	return context && context->entered ? (uintptr_t)context : 0;
}

void tasks_write(const struct call *call)
{
	const uint64_t context = context_now();
	if ((told.slot == call->slot ? told.context : 0) == context)
		return;
	if (write_task(call, CLEW_OP_TASK_RUN, context)) {
		told.slot = call->slot;
		told.context = context;
	}
}

static struct object *copy_and_tell(void)
{
	struct object *copy = real_copy();
	struct call call;
	call_begin(&call);
	if (!copy || !call.slot || !(call.mode & CLEW_TRACE))
		return copy;
	if (!tasks_context_at)
		tasks_context_at = find_context();
	if (tasks_context_at) {
		tasks_write(&call);
		write_task(&call, CLEW_OP_TASK_NEW, (uintptr_t)copy);
	}
	return copy;
}

static const void *address_of(struct object *(*function)(void))
{
	void *address;
	__builtin_memcpy(&address, &function, sizeof address);
	return address;
}

void tasks_loop_made(void)
{
	const int saved = errno;
	if (context_type)
		tasks_bind(COPY, address_of(real_copy), address_of(copy_and_tell));
	errno = saved;
}

void tasks_start(void)
{
	if (!wakeups_wanted())
		return;
	void *copy = dlsym(RTLD_DEFAULT, COPY);
	void *now = copy ? dlsym(RTLD_DEFAULT, "PyGILState_GetThisThreadState") : NULL;
	void *ending = now ? dlsym(RTLD_DEFAULT, "Py_IsFinalizing") : NULL;
	if (now && !ending)
		ending = dlsym(RTLD_DEFAULT, "_Py_IsFinalizing"); /* before 3.13 */
	context_type = ending ? dlsym(RTLD_DEFAULT, "PyContext_Type") : NULL;
	__builtin_memcpy(&is_ending, &ending, sizeof ending);
	__builtin_memcpy(&real_copy, &copy, sizeof copy);
	__builtin_memcpy(&thread_state_now, &now, sizeof now);
}
