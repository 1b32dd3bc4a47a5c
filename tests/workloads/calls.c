/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief Every call that moves bytes or makes a descriptor, with known arguments, failing ones included. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "marks.h"

static char text[8192], room[8192];
/* around what head (256) and tail (64) keep */
static const size_t sizes[] = {0, 1, 7, 8, 9, 63, 64, 65, 255, 256, 257, 300, 319, 320, 321, 1000, 4096, 5001};
#define SIZES (sizeof sizes / sizeof *sizes)

static struct iovec *parts(char *bytes, size_t size, struct iovec *vector, int count)
{
	for (int i = 0; i < count; i++) {
		size_t part = i == count - 1 ? size : size / 3;
		vector[i] = (struct iovec){bytes, part};
		bytes += part;
		size -= part;
	}
	return vector;
}

static void streams(int out, int in)
{
	struct iovec vector[5];
	for (size_t i = 0; i < SIZES; i++) {
		write(out, text + i, sizes[i]);
		if (sizes[i])
			read(in, room, sizeof room);
		writev(out, parts(text, sizes[i], vector, 5), 5);
		if (sizes[i])
			readv(in, parts(room, sizeof room, vector, 4), 4);
	}
}

static void files(void)
{
	struct iovec vector[3];
	int file = open("data", O_RDWR | O_CREAT | O_TRUNC, 0640);
	int again = openat(AT_FDCWD, "data", O_RDWR), made = creat("made", 0600), folder = open(".", O_DIRECTORY);
	int below = openat(folder, "made", O_WRONLY | O_APPEND);
	open("no such file", O_RDONLY);
	openat(folder, "no such file either", O_RDONLY);
	for (size_t i = 0; i < SIZES; i++) {
		pwrite(file, text, sizes[i], 1000 * i);
		pread(again, room, sizes[i], 1000 * i);
		pwritev(file, parts(text, sizes[i], vector, 3), 3, 500 * i);
		preadv(again, parts(room, sizes[i], vector, 3), 3, 500 * i);
		pwritev2(file, parts(text, sizes[i], vector, 3), 3, 100 * i, 0);
		preadv2(again, parts(room, sizes[i], vector, 3), 3, 100 * i, 0);
		write(below, text, sizes[i]);
	}
	lseek(file, 0, SEEK_SET);
	read(file, room, 100);
	read(made, room, 1); /* write-only: EBADF */
	read(folder, room, 1);
	off_t at = 10;
	sendfile(made, file, &at, 2000);
	loff_t from = 5, to = 7;
	copy_file_range(file, &from, made, &to, 600, 0);
	fsync(made);
	fdatasync(made);
	fsync(-1);
	int copy = dup(file), second = dup2(file, 60), third = dup3(file, 61, O_CLOEXEC);
	int fourth = fcntl(file, F_DUPFD, 70), fifth = fcntl(file, F_DUPFD_CLOEXEC, 80);
	fcntl(file, F_GETFL);
	dup2(file, file);
	dup(-1);
	for (int *fd = (int[]){copy, second, third, fourth, fifth, folder, below, made, again, -1}; *fd >= 0; fd++)
		close(*fd);
	close(file);
	close(file);
	close_range(500, 600, 0);
}

static void messages(int out, int in)
{
	struct iovec vector[3], other[3];
	char control[64];
	for (size_t i = 1; i < SIZES; i++) {
		send(out, text, sizes[i], 0);
		recv(in, room, sizeof room, MSG_PEEK);
		recv(in, room, sizeof room, 0);
		sendto(out, text, sizes[i], MSG_NOSIGNAL, NULL, 0);
		recvfrom(in, room, sizeof room, 0, NULL, NULL);
		struct msghdr message = {.msg_iov = parts(text, sizes[i], vector, 3), .msg_iovlen = 3};
		sendmsg(out, &message, 0);
		struct msghdr reply = {.msg_iov = parts(room, sizeof room, other, 3),
							   .msg_iovlen = 3,
							   .msg_control = control,
							   .msg_controllen = 64};
		recvmsg(in, &reply, 0);
	}
	recv(in, room, 10, MSG_DONTWAIT);
	struct mmsghdr many[2] = {0};
	parts(text, 700, vector, 2);
	many[0].msg_hdr = (struct msghdr){.msg_iov = vector, .msg_iovlen = 1};
	many[1].msg_hdr = (struct msghdr){.msg_iov = vector + 1, .msg_iovlen = 1};
	sendmmsg(out, many, 2, 0);
	other[0] = (struct iovec){room, 2000};
	many[0].msg_hdr = (struct msghdr){.msg_iov = other, .msg_iovlen = 1};
	recvmmsg(in, many, 1, 0, NULL);
	/* a descriptor in a message: SCM_RIGHTS */
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} rights = {0};
	struct iovec one = {text, 1};
	struct msghdr carrier = {
		.msg_iov = &one, .msg_iovlen = 1, .msg_control = rights.bytes, .msg_controllen = sizeof rights};
	struct cmsghdr *head = CMSG_FIRSTHDR(&carrier);
	*head = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
	memcpy(CMSG_DATA(head), &in, sizeof in);
	sendmsg(out, &carrier, 0);
	memset(rights.bytes, 0, sizeof rights);
	one.iov_base = room;
	recvmsg(in, &carrier, 0);
	if (CMSG_FIRSTHDR(&carrier)) {
		int passed;
		memcpy(&passed, CMSG_DATA(CMSG_FIRSTHDR(&carrier)), sizeof passed);
		write(out, "via", 3);
		read(passed, room, 3);
		close(passed);
	}
}

static void sockets(void)
{
	struct sockaddr_in tcp = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_un local = {.sun_family = AF_UNIX, .sun_path = "socket"};
	socklen_t size = sizeof tcp;
	int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bind(listener, (struct sockaddr *)&tcp, sizeof tcp);
	listen(listener, 5);
	getsockname(listener, (struct sockaddr *)&tcp, &size);
	connect(client, (struct sockaddr *)&tcp, sizeof tcp);
	int server = accept(listener, (struct sockaddr *)&tcp, &size);
	streams(client, server);
	streams(server, client);
	messages(client, server);
	shutdown(client, SHUT_WR);
	read(server, room, 10); /* end of file */
	close(client);
	close(server);
	connect(listener, (struct sockaddr *)&tcp, sizeof tcp);
	close(listener);

	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	bind(listener, (struct sockaddr *)&local, sizeof local);
	listen(listener, 5);
	client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	connect(client, (struct sockaddr *)&local, sizeof local);
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	accept4(client, NULL, NULL, 0);
	messages(client, server);
	close(server);
	write(client, "x", 1); /* EPIPE, SIGPIPE is ignored */
	send(client, "x", 1, MSG_NOSIGNAL);
	close(client);
	close(listener);

	int pair[2];
	socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
	messages(pair[0], pair[1]);
	int udp = socket(AF_INET, SOCK_DGRAM, 0), other = socket(AF_INET, SOCK_DGRAM, 0);
	tcp.sin_port = 0;
	bind(udp, (struct sockaddr *)&tcp, sizeof tcp);
	getsockname(udp, (struct sockaddr *)&tcp, &size);
	sendto(other, text, 1000, 0, (struct sockaddr *)&tcp, sizeof tcp);
	recvfrom(udp, room, sizeof room, 0, (struct sockaddr *)&tcp, &size);
	sendto(other, text, 600, 0, (struct sockaddr *)&tcp, sizeof tcp);
	for (int *fd = (int[]){pair[0], pair[1], udp, other, -1}; *fd >= 0; fd++)
		close(*fd);
	socket(12345, 0, 0);
}

static void waits(int out, int in)
{
	struct pollfd polls[2] = {{.fd = in, .events = POLLIN}, {.fd = out, .events = POLLOUT}};
	struct timespec soon = {0, 1000000};
	struct timeval later = {0, 1000};
	struct epoll_event event = {.events = EPOLLIN, .data.fd = in}, got[4];
	sigset_t none;
	sigemptyset(&none);
	fd_set set;
	int epoll = epoll_create1(0), old = epoll_create(5), counter = eventfd(3, 0);
	epoll_ctl(epoll, EPOLL_CTL_ADD, in, &event);
	for (int ready = 0; ready < 2; ready++) {
		poll(polls, 2, 1);
		ppoll(polls, 1, &soon, NULL);
		FD_ZERO(&set);
		FD_SET(in, &set);
		select(in + 1, &set, NULL, NULL, &later);
		FD_ZERO(&set);
		FD_SET(in, &set);
		pselect(in + 1, &set, NULL, NULL, &soon, NULL);
		epoll_wait(epoll, got, 4, 1);
		epoll_pwait(epoll, got, 4, 1, &none);
		write(out, "!", 1);
	}
	read(in, room, 2);
	uint64_t number;
	read(counter, &number, 8);
	poll(NULL, 0, 1);
	epoll_wait(-1, got, 4, 0);
	close(epoll);
	close(old);
	close(counter);
}

int main(void)
{
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (char)(i * 7 + i / 256);
	signal(SIGPIPE, SIG_IGN);
	int pipes[2], more[2];
	mark_begin();
	pipe(pipes);
	pipe2(more, O_CLOEXEC);
	streams(pipes[1], pipes[0]);
	files();
	sockets();
	waits(more[1], more[0]);
	write(pipes[1], text, 500);
	splice(pipes[0], NULL, more[1], NULL, 500, 0);
	read(more[0], room, 400);
	close(more[1]);
	read(more[0], room, 400);
	read(more[0], room, 400);
	mark_end();
	return 0;
}
