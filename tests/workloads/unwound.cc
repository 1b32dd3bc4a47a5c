// SPDX-License-Identifier: Apache-2.0
// Keeps a processor busy in calls that are hard to walk: exceptions, signal handlers on a stack of their own, alloca,
// realigned frames, longjmp, deep recursion, entries of linkage tables, code without call frame information.
#include <alloca.h>
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <string>
#include <sys/time.h>
#include <thread>
#include <time.h>
#include <vector>

#define OUTSIDE __attribute__((noinline))

static thread_local volatile unsigned long sink;
static thread_local jmp_buf back;

OUTSIDE static void spin(int turns)
{
	for (int i = 0; i < turns; i++)
		sink = sink + i * 7u;
}

OUTSIDE static int throws(int depth)
{
	volatile char room[64];
	room[depth & 63] = 1;
	if (!depth)
		throw std::runtime_error("thrown " + std::to_string(sink));
	const int got = throws(depth - 1);
	sink = sink + room[3];
	return got + 1;
}

OUTSIDE static void exceptions()
{
	for (int i = 0; i < 40; i++)
		try {
			throws(i % 40);
		} catch (const std::exception &error) {
			sink = sink + error.what()[0];
		}
}

OUTSIDE static int with_alloca(int depth, const char *before)
{
	const size_t size = depth * 37 % 500 + 16;
	char *room = static_cast<char *>(alloca(size));
	memset(room, depth, size);
	sink = sink + room[3] + (before ? before[0] : 0);
	if (depth)
		return with_alloca(depth - 1, room) + room[1];
	spin(100000);
	return 1;
}

OUTSIDE static int deep(int depth)
{
	int got = 1;
	if (depth)
		got = deep(depth - 1);
	else
		spin(100000);
	sink = sink + got; // behind the call, so that it is no loop
	return got;
}

OUTSIDE static void jumps(int depth)
{
	if (depth) {
		jumps(depth - 1);
		sink = sink + 1;
		return;
	}
	spin(20000);
	longjmp(back, 1);
}

OUTSIDE static void realigned()
{
	struct alignas(128) Room {
		volatile char bytes[512];
	} room;
	for (int i = 0; i < 20; i++) {
		room.bytes[i] = 1;
		sink = sink + room.bytes[i];
		spin(10000);
	}
}

static int by_value(const void *left, const void *right)
{
	spin(40);
	return *static_cast<const int *>(left) - *static_cast<const int *>(right);
}

OUTSIDE static void of_libraries()
{
	int numbers[500];
	char text[100];
	for (int &number : numbers)
		number = static_cast<int>(sink = sink * 1103515245u + 12345u) & 0xffff;
	qsort(numbers, 500, sizeof *numbers, by_value);
	for (int i = 0; i < 500; i++) {
		timespec now;
		clock_gettime(CLOCK_MONOTONIC, &now);
		snprintf(text, sizeof text, "%f %s %ld", i * 1.5, "text", now.tv_nsec);
		free(malloc(strtoul(text, nullptr, 10) + 1));
	}
}

OUTSIDE static void of_linkage_table()
{
	for (int i = 0; i < 100000; i++)
		sink = sink + static_cast<unsigned long>(labs(static_cast<long>(sink | 1)));
}

OUTSIDE static void functions()
{
	std::function<int(int)> chain = [](int number) {
		spin(3000);
		return number;
	};
	for (int i = 0; i < 60; i++)
		chain = [chain, i](int number) { return chain(number) + i; };
	for (int i = 0; i < 40; i++)
		sink = sink + chain(i);
}

// Without .cfi directives: one keeps a frame pointer, the other does not.
extern "C" void framed(void (*)(int), int);
extern "C" void frameless(void (*)(int), int);
asm(".text\n"
	"framed:\n push %rbp\n mov %rsp, %rbp\n mov %rdi, %rax\n mov %esi, %edi\n call *%rax\n pop %rbp\n ret\n"
	"frameless:\n sub $24, %rsp\n mov %rdi, %rax\n mov %esi, %edi\n call *%rax\n add $24, %rsp\n ret\n");

static void handler(int)
{
	spin(30000);
}

static void work(int turns)
{
	for (int i = 0; i < turns; i++) {
		exceptions();
		with_alloca(60, nullptr);
		with_alloca(200, nullptr);
		deep(10);
		deep(3000);
		for (int depth = 0; depth < 20; depth++)
			if (!setjmp(back))
				jumps(depth);
		realigned();
		of_libraries();
		of_linkage_table();
		functions();
		framed(spin, 100000);
		frameless(spin, 100000);
	}
}

int main(int, char **arguments)
{
	const int turns = atoi(arguments[1]);
	struct sigaction plain = {}, apart = {};
	stack_t stack = {};
	stack.ss_size = 65536;
	stack.ss_sp = malloc(stack.ss_size);
	sigaltstack(&stack, nullptr);
	plain.sa_handler = apart.sa_handler = handler;
	plain.sa_flags = SA_RESTART;
	apart.sa_flags = SA_RESTART | SA_ONSTACK;
	sigaction(SIGALRM, &plain, nullptr);
	sigaction(SIGVTALRM, &apart, nullptr);
	const itimerval often = {{0, 700}, {0, 700}};
	setitimer(ITIMER_REAL, &often, nullptr);
	setitimer(ITIMER_VIRTUAL, &often, nullptr);
	std::vector<std::thread> others;
	for (int i = 0; i < 2; i++)
		others.emplace_back(work, turns);
	work(turns);
	for (std::thread &other : others)
		other.join();
	printf("%lu\n", sink);
}
