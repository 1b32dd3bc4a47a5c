/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Makers of processes: fork, vfork, clone.
 */
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <unistd.h>

#include "internal.h"

pid_t _Fork(void); /* since glibc 2.34 */

static void record_made(struct call *call, enum clew_op op, long result)
{
	if (call->slot)
		call_end(call, &(struct end){.op = op,
									 .fd = -1,
									 .result = result < 0 ? -1 : result,
									 .error = result < 0 ? (int)-result : 0,
									 .offset = CLEW_NO_OFFSET});
}

/* So that a child's first call, perhaps in an atfork handler, knows who made it and how. */
static void expect_child(const struct call *call)
{
	thread_state.fork_how = 1;
	thread_state.fork_tid = call->slot ? call->slot->tid : 0;
}

static pid_t forked(struct call *call, pid_t pid)
{
	if (pid == 0) {
		/* The kernel has wiped the process page, unless it is older than 4.14. */
		if (process->pid && process->pid != (uint32_t)RAW_0(SYS_getpid))
			thread_forked();
		slot_self();
		return 0;
	}
	thread_state.fork_how = 0;
	record_made(call, CLEW_OP_FORK, pid < 0 ? -(long)errno : pid);
	return pid;
}

CLEW_EXPORT pid_t fork(void)
{
	struct call call;
	call_begin(&call);
	expect_child(&call);
	return forked(&call, REAL(fork)());
}

CLEW_EXPORT pid_t _Fork(void)
{
	struct call call;
	call_begin(&call);
	expect_child(&call);
	return forked(&call, REAL(_Fork)());
}

/* ---- vfork: the child runs on this thread's stack, TLS and slot until it execs or exits ---- */

static void borrow_begin(struct clew_slot *slot)
{
	/* In a sandbox nobody may be asked; the parent's own record tells the pid afterwards. */
	uint32_t pid = process->sandboxed ? 0 : (uint32_t)RAW_0(SYS_getpid);
	slot->vfork_child = pid ? pid : UINT32_MAX;
	note_write(slot, CLEW_OP_VFORK_CHILD, pid, -1, 0, NULL, 0);
}

/* The child is gone, perhaps in the middle of a record. */
static void borrow_end(struct clew_slot *slot, uint32_t depth)
{
	ring_recover(slot, depth);
	uint32_t pid = process->sandboxed ? process->pid : (uint32_t)RAW_0(SYS_getpid);
	slot->vfork_child = pid == process->pid ? 0 : pid;
}

__attribute__((visibility("hidden"))) void vfork_before(void)
{
	struct call call;
	call_begin(&call);
	thread_state.vfork_begin = call.slot ? call.begin : 0;
	thread_state.vfork_depth = call.slot ? call.slot->depth : 0;
	conn_settle(call.slot); /* the child cannot */
}

__attribute__((visibility("hidden"))) pid_t vfork_after(long result)
{
	struct clew_slot *slot = self;
	if (slot) {
		if (result == 0)
			borrow_begin(slot);
		else if (result > 0)
			borrow_end(slot, thread_state.vfork_depth);
	}
	if (result != 0 && slot && thread_state.vfork_begin) {
		struct call call = {slot, thread_state.vfork_begin,
							__atomic_load_n(&slot->mode, __ATOMIC_RELAXED) & process->local_mode};
		record_made(&call, CLEW_OP_VFORK, result);
	}
	if (result >= 0)
		return (pid_t)result;
	errno = (int)-result;
	return -1;
}

/* ---- clone ---- */

struct clone_start {
	int (*routine)(void *);
	void *argument;
	struct clew_slot *slot; /* of the parent, which waits: CLONE_VM | CLONE_VFORK */
};

static int clone_begin(void *given)
{
	struct clone_start *start = given;
	if (start->slot)
		borrow_begin(start->slot);
	else
		slot_self();
	return start->routine(start->argument);
}

CLEW_EXPORT int clone(int (*routine)(void *), void *stack, int flags, void *argument, ...)
{
	va_list more;
	va_start(more, argument);
	pid_t *parent_tid = va_arg(more, pid_t *);
	void *tls = va_arg(more, void *);
	pid_t *child_tid = va_arg(more, pid_t *);
	va_end(more);
	struct call call;
	call_begin(&call);
	struct clew_slot *slot = call.slot;
	bool copies = !(flags & CLONE_VM);
	bool borrows = (flags & CLONE_VM) && (flags & CLONE_VFORK) && !(flags & CLONE_SETTLS);
	if (!slot || !routine || !stack || (!copies && !borrows)) {
		/* Two threads of control with one TLS from then on: neither may write to the slot. */
		bool shares = slot && !copies && !(flags & (CLONE_SETTLS | CLONE_VFORK));
		thread_state.detached |= shares;
		self = shares ? NULL : self;
		int pid = REAL(clone)(routine, stack, flags, argument, parent_tid, tls, child_tid);
		int error = errno;
		if (shares && pid < 0) {
			thread_state.detached = 0;
			self = slot;
		}
		record_made(&call, CLEW_OP_CLONE, pid < 0 ? -(long)error : pid);
		errno = error;
		return pid;
	}
	/* The child sees this frame: its own copy of it, or the parent's, which waits in it. */
	struct clone_start start = {routine, argument, borrows ? slot : NULL};
	uint32_t depth = slot->depth;
	if (copies)
		expect_child(&call);
	else
		conn_settle(slot);
	int pid = REAL(clone)(clone_begin, stack, flags, &start, parent_tid, tls, child_tid);
	thread_state.fork_how = 0;
	if (borrows && pid > 0)
		borrow_end(slot, depth);
	record_made(&call, CLEW_OP_CLONE, pid < 0 ? -(long)errno : pid);
	return pid;
}
