/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief Calls of known numbers from known places: functions, threads, children, handlers, libc, deep recursion.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SITE __attribute__((noipa))                /* each stays a function of its own, also where two are alike */
#define NOT_LAST __asm__ volatile("" ::: "memory") /* else the call is a jump, and its caller is not there any more */

SITE static void first(int fd)
{
	close(fd);
	NOT_LAST;
}

SITE static void second(int fd)
{
	char room[5000]; /* a frame of another size */
	memset(room, fd, sizeof room);
	__asm__ volatile("" ::"r"(room) : "memory");
	close(fd);
	NOT_LAST;
}

SITE static void varying(int fd, int size)
{
	char *room = alloca((size_t)size); /* the stack pointer alone does not tell where its caller's frame is */
	memset(room, fd, (size_t)size);
	__asm__ volatile("" ::"r"(room) : "memory");
	close(fd);
	NOT_LAST;
}

SITE static void in_thread(void)
{
	close(dup(0));
	NOT_LAST;
}

static void *thread(void *unused)
{
	for (int i = 0; i < 50; i++)
		in_thread();
	return unused;
}

SITE static void in_child(void)
{
	close(dup(0));
	NOT_LAST;
}

SITE static void in_handler(void)
{
	close(dup(0));
	NOT_LAST;
}

static void on_signal(int number)
{
	(void)number;
	in_handler();
	NOT_LAST;
}

SITE static void interrupted(void)
{
	raise(SIGUSR1);
	NOT_LAST;
}

SITE static int compare(const void *a, const void *b)
{
	close(dup(0));
	NOT_LAST;
	return *(const char *)a - *(const char *)b;
}

SITE static int deep(int left)
{
	int result = left ? deep(left - 1) : close(dup(0));
	NOT_LAST;
	return result + 1;
}

SITE static void allocate(size_t size)
{
	void *volatile memory = malloc(size);
	NOT_LAST;
	free(memory);
	NOT_LAST;
}

SITE static void duplicate(void)
{
	char *volatile text = strdup("0123456789");
	NOT_LAST;
	free(text);
	NOT_LAST;
}

int main(void)
{
	signal(SIGUSR1, on_signal);
	for (int i = 0; i < 100; i++) {
		first(dup(0));
		first(dup(0));
		second(dup(0));
		varying(dup(0), 16 + i * 40);
		allocate(1000);
		duplicate();
	}
	pthread_t threads[3];
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, thread, NULL);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	pid_t child = fork();
	if (!child) {
		for (int i = 0; i < 30; i++)
			in_child();
		_exit(0);
	}
	waitpid(child, NULL, 0);
	for (int i = 0; i < 20; i++)
		interrupted();
	char letters[] = "bca";
	qsort(letters, 3, 1, compare);
	deep(10);
	deep(1000);
	return 0;
}
