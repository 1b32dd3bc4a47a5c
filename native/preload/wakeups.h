/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Calls by which a thread waits until another one wakes it, recorded with the address of what they wait on.
 */
#ifndef CLEW_WAKEUPS_H
#define CLEW_WAKEUPS_H

#include "io.h"

/* A call that waits. Pthread cancellation unwinds the wrapper's frame, and so runs wakeup_leave(). */
struct wakeup {
	struct call core;
	enum clew_op op;
	uint16_t flags;
	uintptr_t object;
};

static inline bool wakeups_wanted(void)
{
	return arena && arena->wakeups;
}

static inline void wakeup_begin(struct wakeup *call, enum clew_op op, uintptr_t object)
{
	call->op = op;
	call->flags = 0;
	call->object = object;
	if (wakeups_wanted())
		call_begin(&call->core);
	else
		call->core.slot = NULL;
}

/* `error` is the errno value, wherever the call puts it. */
static inline void wakeup_end(struct wakeup *call, int64_t result, int error)
{
	if (!call->core.slot)
		return;
	const struct end end = {
		.op = call->op, .flags = call->flags, .fd = -1, .result = result, .error = error, .offset = call->object};
	call_end(&call->core, &end);
	call->core.slot = NULL;
}

static inline void wakeup_leave(struct wakeup *call)
{
	if (unlikely(call->core.slot != NULL)) {
		call->flags = CLEW_F_CANCELLED;
		wakeup_end(call, -1, ECANCELED);
	}
}

/* Declares `call` and starts it. */
#define WAKEUP_CALL(call, OPERATION, pointer)                                                                          \
	struct wakeup call __attribute__((cleanup(wakeup_leave)));                                                         \
	wakeup_begin(&call, CLEW_OP_##OPERATION, (uintptr_t)(pointer))

/* wakeups_futex.c: what syscall(SYS_futex, ...) becomes; its arguments are all that syscall() may have been given. */
long wakeup_futex(long number, long word, long operation, long value, long timeout, long second, long third);

#endif
