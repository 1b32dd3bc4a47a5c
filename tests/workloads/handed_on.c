/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief Bytes whose arrival is the sign that their memory can go: who reads them unmaps what they were written
 * from, while the thread that wrote them has not come out of its call: both are on one processor, and the reader first.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define TIMES 2000
#define SIZE 600u

static int ends[2];

static void *sender(void *unused)
{
	for (int i = 0; i < TIMES; i++) {
		char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (memory == MAP_FAILED)
			abort();
		memset(memory, 'a' + i % 26, SIZE);
		memcpy(memory, &memory, sizeof memory);
		struct iovec parts[2] = {{memory, 100}, {memory + 100, SIZE - 100}};
		if ((i % 2 ? writev(ends[1], parts, 2) : write(ends[1], memory, SIZE)) != SIZE)
			abort();
	}
	return unused;
}

static void hand_over(void)
{
	pthread_t thread;
	if (pthread_create(&thread, NULL, sender, NULL))
		abort();
	for (int i = 0; i < TIMES; i++) {
		char room[SIZE], *memory;
		for (size_t have = 0; have < SIZE;) {
			const ssize_t got = read(ends[0], room + have, SIZE - have);
			if (got <= 0)
				abort();
			have += (size_t)got;
		}
		memcpy(&memory, room, sizeof memory);
		if (munmap(memory, SIZE))
			abort();
	}
	pthread_join(thread, NULL);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	cpu_set_t here;
	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	const struct sched_param first = {.sched_priority = 1};
	if (sched_setaffinity(0, sizeof here, &here) || sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &first))
		return 1;
	if (pipe(ends))
		return 1;
	hand_over();
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		return 1;
	hand_over();
	puts("handed over");
	return 0;
}
