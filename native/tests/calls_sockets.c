/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Test calls on sockets: unix, TCP and UDP on loopback, with peeking, truncation and passed descriptors.
 */
#include "calls.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <sys/un.h>

int __connect(int fd, const struct sockaddr *address, socklen_t size);
#if defined(__aarch64__) /* a name older than that machine's libc */
#define __send send
#else
ssize_t __send(int fd, const void *buffer, size_t size, int flags);
#endif
ssize_t __recv_chk(int fd, void *buffer, size_t size, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *buffer, size_t size, size_t room, int flags, struct sockaddr *address,
					   socklen_t *address_size);

static char buffer[256];

static void pairs(void)
{
	int ends[2], none[2];
	CALL(socketpair, "socketpair", -1, (AF_UNIX, SOCK_STREAM, 0, ends), NULL, 0);
	CALL(socketpair, "socketpair", -1, (AF_INET, SOCK_STREAM, 0, none), NULL, 0);
	const int a = ends[0], b = ends[1];
	CALL(send, "send", a, (a, "hello", 5, 0), "hello", result);
	CALL(__send, "send", a, (a, "there", 5, MSG_NOSIGNAL), "there", result);
	CALL(recv, "recv", b, (b, buffer, 3, MSG_PEEK), buffer, result);
	CALL(recv, "recv", b, (b, buffer, 3, 0), buffer, result);
	CALL(__recv_chk, "recv", b, (b, buffer, 2, sizeof buffer, 0), buffer, result);
	CALL(recvfrom, "recvfrom", b, (b, buffer, 2, 0, NULL, NULL), buffer, result);
	CALL(__recvfrom_chk, "recvfrom", b, (b, buffer, 9, sizeof buffer, 0, NULL, NULL), buffer, result);
	CALL(recv, "recv", b, (b, buffer, 9, MSG_DONTWAIT), NULL, 0);
	CALL(sendto, "sendto", a, (a, "to", 2, 0, NULL, 0), "to", result);
	CALL(read, "read", b, (b, buffer, 9), buffer, result);
	CALL(send, "send", -1, (-1, "x", 1, 0), NULL, 0);
	CALL(recv, "recv", 0, (0, buffer, 1, 0), NULL, 0);

	struct iovec out[2] = {{(void *)"one", 3}, {(void *)"two", 3}}, in[2] = {{buffer, 2}, {buffer + 2, 100}};
	struct msghdr message = {.msg_iov = out, .msg_iovlen = 2};
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	memcpy(CMSG_DATA(&control.header), &a, sizeof a);
	message.msg_control = &control;
	message.msg_controllen = sizeof control;
	CALL(sendmsg, "sendmsg", a, (a, &message, 0), "onetwo", result);
	message =
		(struct msghdr){.msg_iov = in, .msg_iovlen = 2, .msg_control = &control, .msg_controllen = sizeof control};
	CALL(recvmsg, "recvmsg", b, (b, &message, 0), buffer, result);
	int passed;
	memcpy(&passed, CMSG_DATA(&control.header), sizeof passed);
	CALL(write, "write", passed, (passed, "passed", 6), "passed", result);
	CALL(recvmsg, "recvmsg", b, (b, &(struct msghdr){.msg_iov = in, .msg_iovlen = 1}, 0), buffer, result);
	CALL(recvmsg, "recvmsg", b, (b, (struct msghdr *)16, 0), NULL, 0);
	CALL(sendmsg, "sendmsg", a, (a, (struct msghdr *)16, 0), NULL, 0);
	CALL(close, "close", passed, (passed), NULL, 0);

	/* Two messages: on a stream the first takes what there is. */
	struct mmsghdr batch[2] = {{.msg_hdr = {.msg_iov = out, .msg_iovlen = 1}},
							   {.msg_hdr = {.msg_iov = out + 1, .msg_iovlen = 1}}};
	CALL(sendmmsg, "sendmmsg", a, (a, batch, 2, 0), "one", 3);
	struct mmsghdr got[2] = {{.msg_hdr = {.msg_iov = in + 1, .msg_iovlen = 1}},
							 {.msg_hdr = {.msg_iov = in, .msg_iovlen = 1}}};
	CALL(recvmmsg, "recvmmsg", b, (b, got, 2, MSG_DONTWAIT, NULL), buffer + 2, got[0].msg_len);
	CALL(recvmmsg, "recvmmsg", b, (b, got, 2, MSG_DONTWAIT, NULL), NULL, 0);
	CALL(sendmmsg, "sendmmsg", -1, (-1, batch, 2, 0), NULL, 0);
	CALL(shutdown, "shutdown", a, (a, SHUT_WR), NULL, 0);
	CALL(shutdown, "shutdown", -1, (-1, SHUT_WR), NULL, 0);
	CALL(recv, "recv", b, (b, buffer, 9, 0), NULL, 0);
	CALL(close, "close", a, (a), NULL, 0);
	CALL(close, "close", b, (b), NULL, 0);
}

static void tcp(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}}, peer;
	socklen_t size = sizeof address;
	const int server = MAKE(socket, "socket", (AF_INET, SOCK_STREAM, 0));
	MAKE(socket, "socket", (999, SOCK_STREAM, 0));
	CALL(bind, "bind", server, (server, (struct sockaddr *)&address, sizeof address), NULL, 0);
	CALL(bind, "bind", server, (server, (struct sockaddr *)&address, 3), NULL, 0);
	CALL(bind, "bind", -1, (-1, (struct sockaddr *)&address, sizeof address), NULL, 0);
	CALL(listen, "listen", server, (server, 5), NULL, 0);
	CALL(listen, "listen", 999, (999, 5), NULL, 0);
	getsockname(server, (struct sockaddr *)&address, &size);
	const int client = MAKE(socket, "socket", (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	CALL(connect, "connect", client, (client, (struct sockaddr *)&address, sizeof address), NULL, 0);
	CALL(connect, "connect", client, (client, (struct sockaddr *)&address, sizeof address), NULL, 0);
	CALL(connect, "connect", client, (client, (struct sockaddr *)16, sizeof address), NULL, 0);
	size = sizeof peer;
	const int served = (int)CALL(accept, "accept", server, (server, (struct sockaddr *)&peer, &size), NULL, 0);
	CALL(write, "write", client, (client, "request", 7), "request", result);
	CALL(recv, "recv", served, (served, NULL, 3, MSG_TRUNC), NULL, 0); /* TCP throws three bytes away */
	CALL(read, "read", served, (served, buffer, 100), buffer, result);
	CALL(recv, "recv", served, (served, buffer, 100, MSG_ERRQUEUE), NULL, 0);
	CALL(close, "close", served, (served), NULL, 0);
	CALL(read, "read", client, (client, buffer, 100), NULL, 0);
	CALL(close, "close", client, (client), NULL, 0);

	const int slow = MAKE(socket, "socket", (AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	CALL(__connect, "connect", slow, (slow, (struct sockaddr *)&address, sizeof address), NULL, 0);
	const int other = (int)CALL(accept4, "accept", server, (server, NULL, NULL, SOCK_NONBLOCK), NULL, 0);
	CALL(poll, "poll", -1, (&(struct pollfd){.fd = slow, .events = POLLOUT}, 1, 1000), NULL, 0);
	CALL(write, "write", slow, (slow, "late", 4), "late", result);
	CALL(read, "read", other, (other, buffer, 100), buffer, result);
	CALL(read, "read", other, (other, buffer, 100), NULL, 0);
	fcntl(server, F_SETFL, O_NONBLOCK);
	CALL(accept, "accept", server, (server, NULL, NULL), NULL, 0);
	CALL(accept4, "accept", server, (server, NULL, NULL, -1), NULL, 0);
	CALL(close, "close", slow, (slow), NULL, 0);
	CALL(close, "close", other, (other), NULL, 0);
	CALL(close, "close", server, (server), NULL, 0);
	const int refused = MAKE(socket, "socket", (AF_INET, SOCK_STREAM, 0));
	CALL(connect, "connect", refused, (refused, (struct sockaddr *)&address, sizeof address), NULL, 0);
	CALL(close, "close", refused, (refused), NULL, 0);
}

static void udp(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof address;
	const int server = MAKE(socket, "socket", (AF_INET, SOCK_DGRAM, 0));
	CALL(bind, "bind", server, (server, (struct sockaddr *)&address, sizeof address), NULL, 0);
	getsockname(server, (struct sockaddr *)&address, &size);
	const int client = MAKE(socket, "socket", (AF_INET, SOCK_DGRAM, 0));
	CALL(sendto, "sendto", client, (client, "datagram", 8, 0, (struct sockaddr *)&address, size), "datagram", result);
	CALL(recv, "recv", server, (server, buffer, 4, MSG_TRUNC | MSG_PEEK), buffer, 4);
	struct iovec part = {buffer, 3};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	CALL(recvmsg, "recvmsg", server, (server, &message, MSG_TRUNC), buffer, 3);
	CALL(sendto, "sendto", client, (client, "", 0, 0, (struct sockaddr *)&address, size), NULL, 0);
	CALL(recvfrom, "recvfrom", server, (server, buffer, 4, 0, NULL, NULL), NULL, 0);
	CALL(sendto, "sendto", client, (client, "x", 1, 0, (struct sockaddr *)16, size), NULL, 0);
	CALL(close, "close", client, (client), NULL, 0);
	CALL(close, "close", server, (server), NULL, 0);
}

static void local(const char *directory)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof address.sun_path, "%s/s", directory);
	const socklen_t size = sizeof address;
	const int server = MAKE(socket, "socket", (AF_UNIX, SOCK_STREAM, 0));
	CALL(bind, "bind", server, (server, (struct sockaddr *)&address, size), NULL, 0);
	CALL(listen, "listen", server, (server, 1), NULL, 0);
	const int client = MAKE(socket, "socket", (AF_UNIX, SOCK_STREAM, 0));
	CALL(connect, "connect", client, (client, (struct sockaddr *)&address, size), NULL, 0);
	const int served = (int)CALL(accept, "accept", server, (server, NULL, NULL), NULL, 0);
	CALL(write, "write", client, (client, "unix", 4), "unix", result);
	CALL(read, "read", served, (served, buffer, 4), buffer, result);
	CALL(close, "close", client, (client), NULL, 0);
	CALL(close, "close", served, (served), NULL, 0);
	CALL(close, "close", server, (server), NULL, 0);
}

void calls_sockets(const char *directory)
{
	pairs();
	tcp();
	udp();
	local(directory);
}
