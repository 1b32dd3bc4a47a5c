/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Which memory a walk over a stack may read: the thread's own stack, and elsewhere what the kernel says is
 * mapped.
 *
 * Between the stack pointer and the end of the stack that it points into everything is mapped. Whoever switched to
 * another stack (signal handlers, coroutines) costs a system call for each page.
 */
#include <dlfcn.h>
#include <errno.h>
#include <sys/resource.h>

#include "stack.h"

#define MOST (UINT64_C(1) << 30) /* of a main thread's stack without a limit: below that the kernel is asked */
#define PAGE UINT64_C(4096)

static __thread uint64_t own_low, own_high; /* of a thread made by pthread_create */
static uint64_t main_low, main_high;

void stack_memory_start(void)
{
	void *const *end = dlsym(RTLD_DEFAULT, "__libc_stack_end"); /* where the kernel put the arguments */
	struct rlimit limit;
	if (!end || RAW_4(SYS_prlimit64, 0, RLIMIT_STACK, NULL, &limit) < 0)
		return;
	const uint64_t size = limit.rlim_cur < MOST ? limit.rlim_cur : MOST;
	main_high = (uint64_t)(uintptr_t)*end;
	main_low = main_high > size ? main_high - size : 0;
}

void stack_memory_known(uintptr_t low, uintptr_t high)
{
	own_low = low;
	own_high = high;
}

void stack_memory_begin(struct readable *memory, uint64_t stack_pointer)
{
	memory->low = memory->high = 0;
	if (stack_pointer >= main_low && stack_pointer < main_high)
		memory->high = main_high;
	else if (stack_pointer >= own_low && stack_pointer < own_high)
		memory->high = own_high;
	if (memory->high)
		memory->low = stack_pointer;
}

/* The kernel reads a mask of signals before it finds that it does not know what to do with it. */
static bool mapped(uint64_t address)
{
	return !process->sandboxed && RAW_4(SYS_rt_sigprocmask, -1, address, NULL, sizeof(uint64_t)) == -EINVAL;
}

bool stack_read(struct readable *memory, uint64_t address, uint64_t *value)
{
	if (address % sizeof *value)
		return false; /* no compiler does that */
	if (address < memory->low || address >= memory->high) {
		if ((address & ~(PAGE - 1)) != memory->page && !mapped(address))
			return false;
		memory->page = address & ~(PAGE - 1);
	}
	*value = *(const uint64_t *)(uintptr_t)address;
	return true;
}
