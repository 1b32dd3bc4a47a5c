/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief Stacks that nobody expects: swapped, unmapped above, garbage where frames should be, handlers on
 * handlers. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define ROOM 65536

static ucontext_t home, away;
static volatile int sink;

static void call(void)
{
	close(1000);
	free(malloc(10));
}

/* Without call frame information and with a frame pointer that points to nowhere. */
#if defined(__x86_64__)
void with_frame_pointer(uint64_t pointer);
__asm__(".text\n"
		"with_frame_pointer:\n"
		"pushq %rbp\n"
		"movq %rdi, %rbp\n"
		"call odd_call\n"
		"popq %rbp\n"
		"ret\n");
__attribute__((used)) void odd_call(void)
{
	call();
}
#else
static void with_frame_pointer(uint64_t pointer)
{
	(void)pointer;
	call();
}
#endif

static void body(void)
{
	for (int i = 0; i < 100; i++) {
		call();
		swapcontext(&away, &home);
	}
}

static void on_signal(int number)
{
	call();
	if (number == SIGUSR1)
		raise(SIGUSR2);
}

static void *thread(void *garbage)
{
	for (int i = 0; i < 200; i++)
		with_frame_pointer((uint64_t)(uintptr_t)garbage + (uint64_t)i * 4093);
	return NULL;
}

/* A stack whose end is not mapped, at the edge of what is. */
static void on_a_stack_at_the_edge(void)
{
	char *memory = mmap(NULL, 2 * ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED || munmap(memory + ROOM, ROOM))
		abort();
	memset(memory, 0xa5, ROOM);
	getcontext(&away);
	away.uc_stack.ss_sp = memory;
	away.uc_stack.ss_size = ROOM;
	away.uc_link = &home;
	makecontext(&away, body, 0);
	for (int i = 0; i < 50; i++)
		swapcontext(&home, &away);
	munmap(memory, ROOM);
}

static int deep(int left)
{
	volatile char room[64];
	room[0] = (char)left;
	if (left == 0)
		call();
	return left ? deep(left - 1) + room[0] : 0;
}

int main(void)
{
	static char alternate[ROOM];
	stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
	if (sigaltstack(&stack, NULL) || sigaction(SIGUSR1, &action, NULL) || sigaction(SIGUSR2, &action, NULL))
		return 1;
	for (int i = 0; i < 20; i++)
		on_a_stack_at_the_edge();
	for (int i = 0; i < 100; i++)
		raise(SIGUSR1);
	const uint64_t pointers[] = {1,
								 8,
								 4096,
								 0x7fffffffff8,
								 UINT64_MAX,
								 UINT64_MAX & ~7ull,
								 (uint64_t)(uintptr_t)&stack,
								 (uint64_t)(uintptr_t)alternate,
								 (uint64_t)(uintptr_t)main & ~7ull};
	for (size_t i = 0; i < sizeof pointers / sizeof *pointers; i++)
		with_frame_pointer(pointers[i]);
	pthread_t threads[4];
	for (int i = 0; i < 4; i++)
		if (pthread_create(&threads[i], NULL, thread, &stack))
			return 1;
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	sink = deep(20000);
	double busy = 0; /* so that ticks come, too */
	for (int i = 0; i < 30000000; i++)
		busy += i;
	printf("%.0f\n", busy);
	return 0;
}
