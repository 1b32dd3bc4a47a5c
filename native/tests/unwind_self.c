/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Unwinds itself, out of calls of many kinds, and compares with who is known to have called.
 *
 * Each function notes its own address of return; the chain must hold them all, in order, and end where threads begin.
 */
#include <alloca.h>
#include <elf.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "check.h"
#include "clew_unwind.h"

#define MOST 2000
#define OUTSIDE __attribute__((noinline))

static struct {
	struct clew_unwind_map map;
	char path[512];
} mappings[512];
static unsigned mapping_count;
static struct clew_unwind *unwind;
static int memory;
static __thread uint64_t callers[MOST]; /* outermost first */
static __thread unsigned depth;
static __thread unsigned chains;
static __thread volatile int sink;
static __thread uint64_t begin, end; /* of the code where a thread's chain ends */

#define ENTER() (callers[depth++] = (uint64_t)(uintptr_t)__builtin_return_address(0))
#define LEAVE() (depth--)

static void read_maps(void)
{
	FILE *file = fopen("/proc/self/maps", "r");
	char line[1024];
	CHECK(file);
	while (fgets(line, sizeof line, file)) {
		struct clew_unwind_map *map = &mappings[mapping_count].map;
		char *path = mappings[mapping_count].path;
		uint64_t offset;
		path[0] = 0;
		CHECK(sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %*s %*s %511s", &map->start, &map->end, &offset,
					 path) >= 3);
		map->offset = offset - map->start;
		map->module = -1;
		for (unsigned i = 0; i < mapping_count; i++)
			if (path[0] && !strcmp(mappings[i].path, path))
				map->module = mappings[i].map.module;
		if (map->module < 0 && (path[0] == '/' || !strcmp(path, "[vdso]")))
			map->module = clew_unwind_open(unwind, path, NULL, 0);
		CHECK(++mapping_count < 512);
	}
	fclose(file);
}

static int find(void *context, uint64_t address, struct clew_unwind_map *map)
{
	(void)context;
	for (unsigned i = 0; i < mapping_count; i++)
		if (address >= mappings[i].map.start && address < mappings[i].map.end) {
			*map = mappings[i].map;
			return 1;
		}
	return 0;
}

/* Registers of a context by the bits of perf's mask. */
static uint64_t registers(const ucontext_t *context, uint64_t *regs)
{
#ifdef __x86_64__
	static const int order[] = {REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_RBP,
								REG_RSP, REG_RIP, REG_EFL, REG_EFL, REG_EFL, REG_R8,  REG_R9,
								REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
	for (unsigned i = 0; i < sizeof order / sizeof *order; i++)
		regs[i] = (uint64_t)context->uc_mcontext.gregs[order[i]];
	return 0xff0fff;
#else
	for (unsigned i = 0; i < 31; i++)
		regs[i] = context->uc_mcontext.regs[i];
	regs[31] = context->uc_mcontext.sp;
	regs[32] = context->uc_mcontext.pc;
	return 0x1ffffffff;
#endif
}

static void compare(const uint64_t *ips, size_t count)
{
	size_t at = 1;
	for (unsigned i = depth; i-- > 0; at++) {
		while (at < count && ips[at] != callers[i] - 1)
			at++; /* of libc, which notes nothing */
		if (at >= count)
			fprintf(stderr, "caller %u of %u, %#" PRIx64 ", is not in the chain of %zu\n", i, depth, callers[i], count);
		CHECK(at < count);
	}
	CHECK(ips[count - 1] >= begin && ips[count - 1] < end);
	chains++;
}

OUTSIDE static int capture(void)
{
	static __thread uint64_t regs[33], ips[MOST];
	static __thread uint8_t stack[1 << 20];
	ucontext_t context;
	ENTER();
	CHECK(getcontext(&context) == 0);
	const uint64_t mask = registers(&context, regs), sp = (uint64_t)(uintptr_t)__builtin_frame_address(0);
	struct clew_unwind_map map;
#ifdef __x86_64__
	const uint64_t from = regs[7];
#else
	const uint64_t from = regs[31];
#endif
	CHECK(from <= sp && find(NULL, sp, &map));
	const struct clew_unwind_state state = {
#ifdef __x86_64__
		.machine = EM_X86_64,
#else
		.machine = EM_AARCH64,
#endif
		.regs_mask = mask,
		.regs = (const uint8_t *)regs,
		.stack = stack,
		.stack_size = map.end - from < sizeof stack ? map.end - from : sizeof stack,
		.find = find,
	};
	const ssize_t size = (ssize_t)state.stack_size; /* by the kernel: AddressSanitizer forbids to read red zones */
	CHECK(syscall(SYS_pwrite64, memory, from, size, 0) == size && pread(memory, stack, (size_t)size, 0) == size);
	compare(ips, clew_unwind(unwind, &state, ips, MOST));
	LEAVE();
	return sink;
}

OUTSIDE static int plain(int left)
{
	ENTER();
	const int got = left ? plain(left - 1) : capture();
	LEAVE();
	return got + sink;
}

OUTSIDE static int with_alloca(int left)
{
	ENTER();
	char *room = alloca((size_t)left * 24 + 8);
	memset(room, left, (size_t)left * 24 + 8);
	const int got = left ? with_alloca(left - 1) : plain(3);
	sink += room[left];
	LEAVE();
	return got;
}

OUTSIDE static int realigned(int left)
{
	ENTER();
	_Alignas(128) volatile char room[256];
	room[left] = 1;
	const int got = left ? realigned(left - 1) : with_alloca(5);
	sink += room[left];
	LEAVE();
	return got;
}

OUTSIDE static int many_arguments(int a, int b, int c, int d, int e, int f, int g, int h, int left)
{
	ENTER();
	const int got = left ? many_arguments(b, c, d, e, f, g, h, a, left - 1) + a : realigned(4) + h;
	LEAVE();
	return got + sink;
}

static int compare_numbers(const void *left, const void *right)
{
	ENTER();
	capture();
	LEAVE();
	return *(const int *)left - *(const int *)right;
}

static void handler(int number)
{
	ENTER();
	depth--; /* it returns to libc's trampoline, which was not called */
	sink += number;
	many_arguments(1, 2, 3, 4, 5, 6, 7, 8, 3);
}

OUTSIDE static void by_signal(void)
{
	ENTER();
	CHECK(raise(SIGUSR1) == 0);
	LEAVE();
}

OUTSIDE static int all(void)
{
	int numbers[] = {5, 3, 8, 1, 9, 2};
	ENTER();
	const int got = plain(0) + with_alloca(30) + realigned(9) + many_arguments(1, 2, 3, 4, 5, 6, 7, 8, 9);
	qsort(numbers, 6, sizeof *numbers, compare_numbers);
	by_signal();
	plain(1000);
	LEAVE();
	CHECK(depth == 0 && chains > 10);
	return got + sink;
}

static void *thread(void *unused)
{
	const uint64_t here = (uint64_t)(uintptr_t)__builtin_return_address(0);
	struct clew_unwind_map libc;
	CHECK(find(NULL, here, &libc)); /* its start is libc's, too */
	begin = libc.start;
	end = libc.end;
	all();
	return unused;
}

static void *nothing(void *unused)
{
	return unused;
}

extern void _start(void);

int main(void)
{
	pthread_t other;
	const struct sigaction action = {.sa_handler = handler};
	CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
	CHECK((unwind = clew_unwind_new()) && (memory = memfd_create("stack", 0)) >= 0);
	void *room = malloc(1 << 22); /* so that what is mapped stays as it is */
	free(room);
	CHECK(pthread_create(&other, NULL, nothing, NULL) == 0 && pthread_join(other, NULL) == 0);
	read_maps();
	begin = (uint64_t)(uintptr_t)_start;
	end = begin + 64;
	all();
	CHECK(pthread_create(&other, NULL, thread, NULL) == 0 && pthread_join(other, NULL) == 0);
	clew_unwind_free(unwind);
	puts("ok");
	return 0;
}
