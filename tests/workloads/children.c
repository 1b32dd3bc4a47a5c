/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief Children made in every way there is, each doing I/O, ending in its own way; the parent checks each
 * status. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static int pipes[2];

static void say(const char *text)
{
	if (write(pipes[1], text, strlen(text)) < 0)
		abort();
}

static void status_of(const char *what, pid_t pid)
{
	char said[256] = {0};
	int status = -1;
	if (waitpid(pid, &status, __WALL) != pid)
		printf("%s: waitpid %s\n", what, strerror(errno));
	fcntl(pipes[0], F_SETFL, O_NONBLOCK);
	ssize_t size = read(pipes[0], said, sizeof said - 1);
	printf("%s: status %x, %zd bytes '%s'\n", what, status, size, said);
}

static int clone_body(void *text)
{
	say(text);
	return 5;
}

static void *forking_thread(void *unused)
{
	(void)unused;
	pid_t pid = fork();
	if (pid == 0) {
		say("child of a thread");
		_exit(6);
	}
	return (void *)(long)pid;
}

static void at_fork(void)
{
	say("<atfork>");
}

static pid_t spawn(char *const *environment, const char *program)
{
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pipes[1], 1);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	char *arguments[] = {"sh", "-c", "echo spawned; exit 4", NULL};
	pid_t pid = -1;
	int error = posix_spawnp(&pid, program, &actions, NULL, arguments, environment);
	if (error)
		printf("spawn: %s\n", strerror(error));
	posix_spawn_file_actions_destroy(&actions);
	return pid;
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (pipe(pipes))
		return 1;
	pid_t pid = fork();
	if (pid == 0) {
		say("forked");
		_exit(1);
	}
	status_of("fork", pid);

	pid = vfork();
	if (pid == 0) {
		dup2(pipes[1], 1);
		execl("/bin/sh", "sh", "-c", "echo vforked; exit 2", (char *)NULL);
		_exit(127);
	}
	status_of("vfork and exec", pid);

	volatile int changed = 0;
	pid = vfork();
	if (pid == 0) {
		say("in the parent's memory");
		execl("/nonexistent", "x", (char *)NULL);
		changed = errno;
		_exit(3);
	}
	printf("child left %s\n", strerror(changed));
	status_of("vfork and failed exec", pid);

	status_of("spawn", spawn(environ, "sh"));
	char *nothing[] = {NULL};
	status_of("spawn with an empty environment", spawn(nothing, "/bin/sh"));
	status_of("spawn with no environment", spawn(NULL, "/bin/sh"));

	char *stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	status_of("clone", clone(clone_body, stack + 65536, SIGCHLD, "cloned"));
	status_of("clone CLONE_VFORK", clone(clone_body, stack + 65536, CLONE_VM | CLONE_VFORK | SIGCHLD, "shares memory"));
	status_of("clone CLONE_VM", clone(clone_body, stack + 65536, CLONE_VM | CLONE_FILES | SIGCHLD, "shares all"));

	pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0) {
		say("raw");
		_exit(7);
	}
	status_of("raw clone", pid);

	pid = (pid_t)syscall(SYS_fork);
	if (pid == 0) {
		char *arguments[] = {"sh", "-c", "echo raw and exec >&2", NULL};
		dup2(pipes[1], 2);
		execve("/bin/sh", arguments, nothing);
		_exit(127);
	}
	status_of("raw fork and exec", pid);

	pthread_t thread;
	void *result;
	pthread_create(&thread, NULL, forking_thread, NULL);
	pthread_join(thread, &result);
	status_of("fork in a thread", (pid_t)(long)result);

	pthread_atfork(at_fork, NULL, at_fork); /* in the parent after it would race with the child */
	pid = fork();
	if (pid == 0) {
		say("forked");
		raise(SIGKILL);
	}
	status_of("fork with handlers", pid);

	pid = fork();
	if (pid == 0)
		abort();
	status_of("abort", pid);

	pid = fork();
	if (pid == 0) {
		close(0);
		close(1);
		close(2);
		char *arguments[] = {"sh", "-c", "echo no descriptors; exit 9", NULL};
		execve("/bin/sh", arguments, environ);
	}
	status_of("exec without descriptors", pid);

	int shell = open("/bin/sh", O_RDONLY | O_CLOEXEC);
	pid = fork();
	if (pid == 0) {
		char *arguments[] = {"sh", "-c", "exit 8", NULL};
		fexecve(shell, arguments, environ);
	}
	status_of("fexecve", pid);
	printf("system %x\n", system("exit 11"));
	FILE *stream = popen("echo popened; exit 12", "r");
	char line[64] = {0};
	fgets(line, sizeof line, stream);
	printf("popen %s%x\n", line, pclose(stream));
	return 0;
}
