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

int SSL_write(const int *session, const void *buffer, int size); /* plain_ssl.c */

static int ends[2];

/* One message of the two parts, by the call that takes several. */
static ssize_t send_messages(struct iovec parts[2])
{
	struct mmsghdr message = {.msg_hdr = {.msg_iov = parts, .msg_iovlen = 2}};
	return sendmmsg(ends[1], &message, 1, 0) == 1 ? (ssize_t)message.msg_len : -1;
}

static ssize_t pass(int how, char *memory)
{
	struct iovec parts[2] = {{memory, 100}, {memory + 100, SIZE - 100}};
	switch (how) {
	case 0:
		return write(ends[1], memory, SIZE);
	case 1:
		return writev(ends[1], parts, 2);
	case 2:
		return send_messages(parts);
	default:
		return SSL_write(&ends[1], memory, SIZE);
	}
}

static void *sender(void *ways)
{
	for (int i = 0; i < TIMES; i++) {
		char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (memory == MAP_FAILED)
			abort();
		memset(memory, 'a' + i % 26, SIZE);
		memcpy(memory, &memory, sizeof memory);
		if (pass(i % *(const int *)ways, memory) != SIZE)
			abort();
	}
	return NULL;
}

static void hand_over(int ways)
{
	pthread_t thread;
	if (pthread_create(&thread, NULL, sender, &ways))
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
	hand_over(2);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		return 1;
	hand_over(4);
	puts("handed over");
	return 0;
}
