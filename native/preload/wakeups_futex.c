/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Futexes of programs that bring their own locks and ask the kernel by syscall(): Rust's library, JVMs, ....
 */
#include "wakeups.h"

#include <linux/futex.h>
#include <unistd.h>

/* What the operation is recorded as; 0: it neither waits for another thread nor wakes one, or is a lock by inheritance
 * of priority. */
static enum clew_op op_of(long operation)
{
	switch (operation & FUTEX_CMD_MASK) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
		return CLEW_OP_FUTEX_WAIT;
	case FUTEX_WAKE:
	case FUTEX_WAKE_BITSET:
	case FUTEX_WAKE_OP:
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
		return CLEW_OP_FUTEX_WAKE;
	default:
		return (enum clew_op)0;
	}
}

long wakeup_futex(long number, long word, long operation, long value, long timeout, long second, long third)
{
	const enum clew_op op = op_of(operation);
	struct wakeup call = {.core = {.slot = NULL}};
	if (op)
		wakeup_begin(&call, op, (uintptr_t)word);
	const long result = REAL(syscall)(number, word, operation, value, timeout, second, third);
	wakeup_end(&call, result, result < 0 ? errno : 0);
	return result;
}
