/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief Every way to pass bad memory or bad descriptors: the errno must be the kernel's, and nothing may crash.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define SAY(call)                                                                                                      \
	do {                                                                                                               \
		errno = 77;                                                                                                    \
		long result = (long)(call);                                                                                    \
		printf("%s = %ld, %s\n", #call, result, errno == 77 ? "errno kept" : strerror(errno));                         \
	} while (0)

int main(void)
{
	char *volatile hidden = (char *)16; /* what the compiler sees it warns about */
	char *bad = hidden;
	char *volatile null = NULL;
	volatile int minus_one = -1;
	long page = sysconf(_SC_PAGESIZE);
	char *edge = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(edge + page, page, PROT_NONE);
	char *last = edge + page - 10; /* ten bytes that may be touched, then none */
	memcpy(last, "/dev/null", 10);
	int file = open(last, O_RDWR), pipes[2], pair[2], zero = open("/dev/zero", O_RDONLY);
	struct iovec bad_part[2] = {{last, 10}, {bad, 10}}, *bad_list = (struct iovec *)bad;
	struct msghdr bad_message = {.msg_iov = bad_part, .msg_iovlen = 2}, bad_name = {.msg_name = bad, .msg_namelen = 16};
	struct mmsghdr many[2] = {{.msg_hdr = {.msg_iov = bad_part, .msg_iovlen = 1}},
							  {.msg_hdr = {.msg_iov = bad_list, .msg_iovlen = 1}}};
	struct timespec nothing = {0, 0};
	pid_t child;
	char *no_arguments[] = {NULL};

	SAY(pipe(pipes));
	SAY(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	SAY(fcntl(pipes[0], F_SETFL, O_NONBLOCK));
	SAY(fcntl(pair[0], F_SETFL, O_NONBLOCK));
	SAY(write(pipes[1], last, 10));
	SAY(write(pipes[1], last, 30)); /* the kernel writes what it can read, or fails */
	SAY(write(pipes[1], bad, 4));
	SAY(write(-1, "x", 1));
	SAY(write(99999, bad, 1));
	SAY(write(file, bad, 5)); /* /dev/null takes any pointer and says 5 */
	SAY(write(file, null, 0));
	SAY(writev(file, bad_part, 2));
	SAY(pwrite(file, bad, 300, 0));
	SAY(read(zero, bad, 5));
	SAY(read(zero, last, 30));
	SAY(read(pipes[0], bad, 4));
	SAY(readv(zero, bad_part, 2));
	SAY(readv(zero, bad_list, 2));
	SAY(readv(zero, bad_part, minus_one));
	SAY(writev(pipes[1], bad_part, 2));
	SAY(preadv(zero, bad_list, 1, 0));
	SAY(pwritev(file, bad_list, 1, 0));
	SAY(send(pair[0], bad, 8, 0));
	SAY(send(file, "x", 1, 0));
	SAY(recv(pair[0], bad, 8, MSG_DONTWAIT));
	SAY(sendto(pair[0], "x", 1, 0, (struct sockaddr *)bad, 16));
	SAY(sendmsg(pair[0], &bad_message, 0));
	SAY(sendmsg(pair[0], &bad_name, 0));
	SAY(sendmsg(pair[0], (struct msghdr *)bad, 0));
	SAY(recvmsg(pair[1], (struct msghdr *)bad, MSG_DONTWAIT));
	SAY(recvmsg(pair[1], &bad_message, MSG_DONTWAIT));
	SAY(sendmmsg(pair[0], many, 2, 0));
	SAY(sendmmsg(pair[0], (struct mmsghdr *)bad, 2, 0));
	SAY(recvmmsg(pair[0], (struct mmsghdr *)bad, 2, MSG_DONTWAIT, NULL));
	SAY(sendfile(file, zero, (off_t *)bad, 4));
	SAY(splice(pipes[0], (loff_t *)bad, file, NULL, 4, 0));
	SAY(copy_file_range(zero, (loff_t *)bad, file, NULL, 4, 0));
	SAY(open(bad, O_RDONLY));
	SAY(open(null, O_RDONLY));
	SAY(openat(AT_FDCWD, bad, O_RDONLY));
	SAY(creat(bad, 0600));
	SAY(pipe((int *)bad));
	SAY(pipe2((int *)bad, O_CLOEXEC));
	SAY(socketpair(AF_UNIX, SOCK_STREAM, 0, (int *)bad));
	SAY(bind(pair[0], (struct sockaddr *)bad, 16));
	SAY(connect(pair[0], (struct sockaddr *)bad, 16));
	SAY(accept(pair[0], (struct sockaddr *)bad, (socklen_t *)bad));
	SAY(poll((struct pollfd *)bad, 1, 0));
	SAY(ppoll((struct pollfd *)bad, 1, &nothing, NULL));
	SAY(select(5, (fd_set *)bad, NULL, NULL, NULL));
	SAY(epoll_wait(file, (struct epoll_event *)bad, 1, 0));
	SAY(dup(-1));
	SAY(dup2(file, -1));
	SAY(dup2(file, 1 << 30));
	SAY(dup3(file, file, 0));
	SAY(close(-1));
	SAY(close(1 << 30));
	SAY(fcntl(file, F_DUPFD, 1 << 30));
	SAY(fcntl(file, 12345, bad));
	SAY(shutdown(file, SHUT_RD));
	SAY(fsync(-1));
	SAY(execve(bad, no_arguments, no_arguments));
	SAY(execve("/nonexistent", no_arguments, no_arguments));
	SAY(execve("/dev/null", no_arguments, (char **)bad));
	SAY(execve("/dev/null", (char **)bad, no_arguments));
	SAY(execl("/nonexistent", "x", (char *)NULL));
	SAY(execvp("nonexistent-program", no_arguments));
	SAY(posix_spawn(&child, "/nonexistent", NULL, NULL, no_arguments, no_arguments));
	SAY(posix_spawnp(&child, "nonexistent-program", NULL, NULL, no_arguments, no_arguments));
	SAY(fopen("/nonexistent", "r") != NULL);
	SAY(malloc((size_t)-1 / 2) != NULL);
	SAY(write(pipes[1], "ok", 2)); /* a call that succeeds leaves errno alone */
	SAY(close(pipes[1]));
	return 0;
}
