/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Notices when the program forbids itself system calls, or the CPU's counter, before we make one too many.
 */
#include <linux/seccomp.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "wakeups.h"

#include "internal.h"

CLEW_EXPORT int prctl(int option, ...)
{
	va_list more;
	va_start(more, option);
	unsigned long second = va_arg(more, unsigned long);
	unsigned long third = va_arg(more, unsigned long);
	unsigned long fourth = va_arg(more, unsigned long);
	unsigned long fifth = va_arg(more, unsigned long);
	va_end(more);
	bool sandbox = option == PR_SET_SECCOMP && arena && !process->sandboxed;
	bool strict = sandbox && second == SECCOMP_MODE_STRICT;
	if (strict || (option == PR_SET_TSC && second == PR_TSC_SIGSEGV))
		process_set_no_tsc(); /* the strict mode forbids the counter, too */
	if (sandbox)
		process_set_sandboxed(true);
	int result = REAL(prctl)(option, second, third, fourth, fifth);
	if (sandbox && result != 0)
		process_set_sandboxed(false); /* it was only asked whether it could */
	if (strict && result != 0)
		process_keep_tsc();
	return result;
}

static long seccomp_call(long number, long operation, long flags, void *arguments)
{
	bool sandbox = operation <= SECCOMP_SET_MODE_FILTER && !process->sandboxed;
	bool strict = sandbox && operation == SECCOMP_SET_MODE_STRICT;
	if (strict)
		process_set_no_tsc();
	if (sandbox)
		process_set_sandboxed(true);
	long result = REAL(syscall)(number, operation, flags, arguments);
	if (sandbox && result < 0)
		process_set_sandboxed(false);
	if (strict && result < 0)
		process_keep_tsc();
	return result;
}

/* Called by syscall() with its first argument; gives where it is to go on. */
__attribute__((visibility("hidden"))) void *syscall_look(long number)
{
	void *address;
	if (arena && number == SYS_seccomp) {
		long (*here)(long, long, long, void *) = seccomp_call;
		__builtin_memcpy(&address, &here, sizeof address);
		return address;
	}
	if (number == SYS_futex && wakeups_wanted()) {
		long (*here)(long, long, long, long, long, long, long) = wakeup_futex;
		__builtin_memcpy(&address, &here, sizeof address);
		return address;
	}
	if (arena && number == SYS_io_uring_setup) {
		static _Atomic uint32_t told;
		struct clew_slot *slot = slot_self();
		if (slot && atomic_exchange(&told, process->pid) != process->pid)
			note_unseen(slot, CLEW_UNSEEN_IO_URING, process->pid, "io_uring");
	}
	long (*real)(long, ...) = REAL(syscall);
	__builtin_memcpy(&address, &real, sizeof address);
	return address;
}
