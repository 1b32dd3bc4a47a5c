/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Ends of processes: exit, _exit, abort.
 */
#include <stdlib.h>
#include <unistd.h>

#include "internal.h"

static void record_end(enum clew_op op, int status, bool last)
{
	struct call call;
	call_begin(&call);
	if (call.slot)
		call_end(&call, &(struct end){.op = op, .fd = -1, .result = status, .offset = CLEW_NO_OFFSET});
	struct clew_slot *slot = slot_self();
	if (!slot || !last || in_borrowed_memory(slot))
		return;
	note_process_end(slot);
	thread_leave();
}

CLEW_EXPORT void exit(int status)
{
	record_end(CLEW_OP_EXIT, status, false);
	REAL(exit)(status);
	__builtin_unreachable();
}

CLEW_EXPORT void _exit(int status)
{
	record_end(CLEW_OP_UNDERSCORE_EXIT, status, true);
	REAL(_exit)(status);
	__builtin_unreachable();
}

CLEW_EXPORT void _Exit(int status)
{
	record_end(CLEW_OP_UNDERSCORE_EXIT, status, true);
	REAL(_Exit)(status);
	__builtin_unreachable();
}

CLEW_EXPORT void quick_exit(int status)
{
	record_end(CLEW_OP_EXIT, status, false);
	struct clew_slot *slot = slot_self();
	if (slot)
		note_process_end(slot);
	REAL(quick_exit)(status);
	__builtin_unreachable();
}

CLEW_EXPORT void abort(void)
{
	/* A handler of SIGABRT may jump out: the process is not at its end for sure. */
	record_end(CLEW_OP_ABORT, 0, false);
	REAL(abort)();
	__builtin_unreachable();
}
