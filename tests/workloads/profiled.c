/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Programs to be sampled: profiled MODE [ARGUMENT ...]; they work for a fixed number of rounds, not a fixed
 * time.
 *
 *   names            threads with awkward names; prints "tid index" of each
 *   family           processes and threads that start one another; a child calls exec for "leaf"
 *   plugin FILE      opens FILE with dlopen and calls its plugin_work()
 *   gone             removes its own file, then works
 *   wait FILE        removes its own file, works until FILE exists
 *   jit [FILE]       makes a function in memory and writes /tmp/perf-PID.map, or in a shared memfd
 *   astray           works with frames that lead into memory of which none is code
 *   sleeps COUNT     sleeps 10 ms COUNT times
 *   pingpong COUNT   two threads wake each other through pipes
 *   many COUNT       COUNT short threads, one after the other, and as many processes
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

static volatile uint64_t sink;
static int pipes[2][2];

static NOINLINE void spin_inner(int rounds)
{
	for (int i = 0; i < rounds; i++)
		sink += (uint64_t)i * 2654435761u;
}

static NOINLINE void spin(int millions)
{
	while (millions-- > 0)
		spin_inner(1000000);
	sink++;
}

static const char *const names[] = {
	"two words", "a;b;c",   "#hash",   "new\nline",         "  lead", "trail  ", "\xff\xfe\x80", "x 12 34.5:",
	"sp 7/8",    "(p) [q]", "tab\tin", "\xc3\xa9t\xc3\xa9", "[k]",    "%s%n",    "-1",           "\"quoted\\",
};

static void *named(void *argument)
{
	prctl(PR_SET_NAME, names[(intptr_t)argument]);
	printf("%ld %ld\n", (long)syscall(SYS_gettid), (long)(intptr_t)argument);
	spin(12);
	return NULL;
}

static NOINLINE void *worker(void *argument)
{
	spin((int)(intptr_t)argument);
	return NULL;
}

static void threads(int count, void *(*body)(void *), int numbered)
{
	pthread_t all[64];
	for (int i = 0; i < count; i++)
		if (pthread_create(&all[i], NULL, body, (void *)(intptr_t)(numbered ? i : 8)))
			exit(1);
	for (int i = 0; i < count; i++)
		pthread_join(all[i], NULL);
}

static NOINLINE void child_work(void)
{
	spin(8);
	threads(3, worker, 0);
}

static void family(const char *self)
{
	for (int i = 0; i < 4; i++)
		if (fork() == 0) {
			child_work();
			if (i % 2)
				execl(self, "leaf", "leaf", (char *)NULL);
			_exit(0);
		}
	spin(8);
	while (wait(NULL) > 0)
		;
}

static int plugin(const char *path)
{
	void *library = dlopen(path, RTLD_NOW);
	void (*work)(int) = NULL;
	if (!library)
		return 1;
	*(void **)&work = dlsym(library, "plugin_work");
	if (!work)
		return 1;
	work(30);
	dlclose(library);
	spin(8);
	return 0;
}

/* A loop that calls nothing: counts its argument down. */
static const unsigned char loop_code[] = {
#if defined(__x86_64__)
	0x55, 0x48, 0x89, 0xe5,       /* push %rbp; mov %rsp, %rbp */
	0x48, 0xff, 0xcf, 0x75, 0xfb, /* 1: dec %rdi; jnz 1b */
	0x5d, 0xc3,                   /* pop %rbp; ret */
#elif defined(__aarch64__)
	0xfd, 0x7b, 0xbf, 0xa9, 0xfd, 0x03, 0x00, 0x91, /* stp x29, x30, [sp, #-16]!; mov x29, sp */
	0x00, 0x04, 0x00, 0xf1, 0xe1, 0xff, 0xff, 0x54, /* 1: subs x0, x0, #1; b.ne 1b */
	0xfd, 0x7b, 0xc1, 0xa8, 0xc0, 0x03, 0x5f, 0xd6, /* ldp x29, x30, [sp], #16; ret */
#endif
};

static int jit(int shared)
{
	char name[64];
	const int fd = shared ? memfd_create("jit", 0) : -1;
	if (shared && (fd < 0 || ftruncate(fd, 4096)))
		return 1;
	unsigned char *code =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, shared ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, fd, 0);
	if (code == MAP_FAILED)
		return 1;
	memcpy(code + 64, loop_code, sizeof loop_code);
	__builtin___clear_cache((char *)code, (char *)code + 4096);
	snprintf(name, sizeof name, "/tmp/perf-%d.map", (int)getpid());
	FILE *map = fopen(name, "w");
	if (!map)
		return 1;
	fprintf(map, "%lx %zx made;by a (compiler)\n", (unsigned long)(uintptr_t)(code + 64), sizeof loop_code);
	fclose(map);
	void (*made)(uint64_t) = NULL;
	unsigned char *entry = code + 64;
	memcpy(&made, &entry, sizeof made);
	made(200000000);
	printf("%d\n", (int)getpid());
	return 0;
}

/* loop(frame, rounds): counts `rounds` down while `frame` is its frame pointer. */
void astray_loop(void *frame, uint64_t rounds);
#if defined(__x86_64__)
__asm__(".text\nastray_loop:\n"
		"pushq %rbp\nmovq %rdi, %rbp\n"
		"1: decq %rsi\njnz 1b\n"
		"popq %rbp\nret\n");
#elif defined(__aarch64__)
__asm__(".text\nastray_loop:\n"
		"stp x29, x30, [sp, #-16]!\nmov x29, x0\n"
		"1: subs x1, x1, #1\nb.ne 1b\n"
		"ldp x29, x30, [sp], #16\nret\n");
#endif

/* A register that holds something else than a frame looks like this to who walks by frame pointers. */
static int astray(void)
{
	struct frame {
		struct frame *next;
		void *back;
	} *frames = malloc(3 * sizeof *frames);
	void *anonymous = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!frames || anonymous == MAP_FAILED)
		return 1;
	frames[0] = (struct frame){&frames[1], &frames[2]};
	frames[1] = (struct frame){&frames[2], &anonymous};
	frames[2] = (struct frame){NULL, (char *)anonymous + 64};
	astray_loop(frames, 200000000);
	free(frames);
	return 0;
}

static void *answer(void *argument)
{
	char byte;
	for (int i = 0; i < (int)(intptr_t)argument; i++)
		if (read(pipes[0][0], &byte, 1) != 1 || write(pipes[1][1], &byte, 1) != 1)
			exit(1);
	return NULL;
}

static int pingpong(int count)
{
	char byte = 'x';
	pthread_t other;
	prctl(PR_SET_NAME, "ping");
	if (pipe(pipes[0]) || pipe(pipes[1]) || pthread_create(&other, NULL, answer, (void *)(intptr_t)count))
		return 1;
	for (int i = 0; i < count; i++) {
		usleep(2000); /* the other one is asleep by then */
		if (write(pipes[0][1], &byte, 1) != 1 || read(pipes[1][0], &byte, 1) != 1)
			return 1;
	}
	pthread_join(other, NULL);
	return 0;
}

static void many(int count)
{
	for (int i = 0; i < count; i++) {
		threads(1, worker, 0);
		if (fork() == 0) {
			spin(4);
			_exit(0);
		}
		wait(NULL);
	}
}

int main(int count, char **arguments)
{
	const char *mode = count > 1 ? arguments[1] : "leaf";
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(mode, "names"))
		threads(sizeof names / sizeof *names, named, 1);
	else if (!strcmp(mode, "family"))
		family(arguments[0]);
	else if (!strcmp(mode, "plugin"))
		return plugin(arguments[2]);
	else if (!strcmp(mode, "gone") || !strcmp(mode, "wait")) {
		unlink(arguments[0]);
		spin(count > 2 ? 1 : 40);
		while (count > 2 && access(arguments[2], F_OK))
			spin(1);
	} else if (!strcmp(mode, "jit"))
		return jit(count > 2);
	else if (!strcmp(mode, "astray"))
		return astray();
	else if (!strcmp(mode, "sleeps"))
		for (int i = 0; i < atoi(arguments[2]); i++)
			usleep(10000);
	else if (!strcmp(mode, "pingpong"))
		return pingpong(atoi(arguments[2]));
	else if (!strcmp(mode, "many"))
		many(atoi(arguments[2]));
	else
		spin(20);
	return 0;
}
