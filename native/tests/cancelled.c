/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Cancels threads that wait inside wrapped calls; prints what each left behind.
 */
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static int ends[2], sockets[2], listening, epoll;
static _Thread_local char buffer[16];
static _Atomic int tid, unwound;

static void in_read(void)
{
	read(ends[0], buffer, 1);
}
static void in_readv(void)
{
	struct iovec part = {buffer, 1};
	readv(ends[0], &part, 1);
}
static void in_recv(void)
{
	recv(sockets[0], buffer, 1, 0);
}
static void in_recvmsg(void)
{
	struct iovec part = {buffer, 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	recvmsg(sockets[0], &message, 0);
}
static void in_accept(void)
{
	accept(listening, NULL, NULL);
}
static void in_poll(void)
{
	struct pollfd one = {ends[0], POLLIN, 0};
	poll(&one, 1, -1);
}
static void in_select(void)
{
	fd_set set;
	FD_ZERO(&set);
	FD_SET(ends[0], &set);
	select(ends[0] + 1, &set, NULL, NULL, NULL);
}
static void in_epoll_wait(void)
{
	struct epoll_event event;
	epoll_wait(epoll, &event, 1, -1);
}

/* Its owner is told when it is unlocked, so that who is not shows. */
static pthread_mutex_t mutex = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t semaphore;

static void unlock(void *nothing)
{
	(void)nothing;
	printf("unlock %d\n", pthread_mutex_unlock(&mutex));
}

static void in_cond_wait(void)
{
	pthread_mutex_lock(&mutex);
	pthread_cleanup_push(unlock, NULL);
	pthread_cond_wait(&cond, &mutex);
	pthread_cleanup_pop(1);
}
static void in_cond_timedwait(void)
{
	const struct timespec until = {INT32_MAX, 0};
	pthread_mutex_lock(&mutex);
	pthread_cleanup_push(unlock, NULL);
	pthread_cond_timedwait(&cond, &mutex, &until);
	pthread_cleanup_pop(1);
}
static void in_sem_wait(void)
{
	sem_wait(&semaphore);
}

static void (*const waits[])(void) = {in_read,   in_readv,      in_recv,      in_recvmsg,        in_accept,  in_poll,
									  in_select, in_epoll_wait, in_cond_wait, in_cond_timedwait, in_sem_wait};

static void clean_up(void *nothing)
{
	(void)nothing;
	unwound++;
}

static void *thread(void *wait)
{
	pthread_cleanup_push(clean_up, NULL);
	tid = gettid();
	((void (*const *)(void))wait)[0]();
	pthread_cleanup_pop(0);
	return NULL;
}

/* Until the kernel says that the thread sleeps: it is in the call then. */
static void await_sleep(void)
{
	char path[64], line[256];
	for (;;) {
		snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
		FILE *file = tid ? fopen(path, "r") : NULL;
		const int asleep = file && fgets(line, sizeof line, file) && strstr(line, ") S ");
		if (file)
			fclose(file);
		if (asleep)
			return;
		usleep(1000);
	}
}

int main(void)
{
	pipe(ends);
	socketpair(AF_UNIX, SOCK_STREAM, 0, sockets);
	listening = socket(AF_INET, SOCK_STREAM, 0);
	listen(listening, 1);
	epoll = epoll_create1(0);
	sem_init(&semaphore, 0, 0);
	for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
		pthread_t made;
		void *result;
		tid = 0;
		pthread_create(&made, NULL, thread, (void *)&waits[i]);
		await_sleep();
		pthread_cancel(made);
		pthread_join(made, &result);
		printf("%zu %s %d\n", i, result == PTHREAD_CANCELED ? "cancelled" : "returned", unwound);
	}
	return 0;
}
