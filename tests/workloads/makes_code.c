// Makes functions while it runs, one in the memory of another, moves some, and says so in a jit-PID.dump.
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define CODE 128 // bytes: more than the function that is copied has
#define ROUNDS 12

static int dump;

// It needs nothing but its registers and its own stack, so it runs wherever it is copied to.
__attribute__((noinline)) static void spin(volatile unsigned *turns)
{
	while (*turns)
		--*turns;
}

static uint64_t now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void say(uint32_t kind, const void *body, size_t size, const char *name, const void *code)
{
	const size_t more = name ? strlen(name) + 1 + CODE : 0;
	const struct {
		uint32_t kind, size;
		uint64_t time;
	} head = {kind, (uint32_t)(sizeof head + size + more), now()};
	if (write(dump, &head, sizeof head) < 0 || write(dump, body, size) < 0)
		_exit(1);
	if (name && (write(dump, name, strlen(name) + 1) < 0 || write(dump, code, CODE) < 0))
		_exit(1);
}

static void run(void *code)
{
	for (int turn = 0; turn < 20; turn++) {
		volatile unsigned turns = 1000000;
		((void (*)(volatile unsigned *))code)(&turns);
	}
}

int main(void)
{
	const uint32_t pid = (uint32_t)getpid();
	char name[64];
	snprintf(name, sizeof name, "jit-%u.dump", pid);
	dump = open(name, O_CREAT | O_TRUNC | O_RDWR, 0600);
	const struct {
		uint32_t magic, version, size, machine, unused, pid;
		uint64_t time, flags;
	} head = {0x4A695444, 1, 40, 62, 0, pid, now(), 0};
	if (dump < 0 || write(dump, &head, sizeof head) < 0)
		return 1;
	mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, dump, 0); // tells perf of the file
	char *memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (uint64_t round = 0; round < ROUNDS; round++) {
		memcpy(memory, (void *)spin, CODE);
		__builtin___clear_cache(memory, memory + CODE);
		const struct {
			uint32_t pid, tid;
			uint64_t memory, start, size, index;
		} made = {pid, pid, (uintptr_t)memory, (uintptr_t)memory, CODE, round};
		snprintf(name, sizeof name, "function_%u", (unsigned)round);
		say(0, &made, sizeof made, name, memory);
		run(memory);
		if (round % 3)
			continue;
		char *other = memory + 4096;
		memcpy(other, memory, CODE);
		__builtin___clear_cache(other, other + CODE);
		const struct {
			uint32_t pid, tid;
			uint64_t memory, from, to, size, index;
		} moved = {pid, pid, (uintptr_t)other, (uintptr_t)memory, (uintptr_t)other, CODE, round};
		say(1, &moved, sizeof moved, NULL, NULL);
		run(other);
	}
	return 0;
}
