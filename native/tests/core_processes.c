/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Makes processes and execs in every way there is; argument 1 says which. "arrive" is where execs lead.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define OWN "/proc/self/exe"

extern char **environ;

static void say(const char *text)
{
	if (write(STDOUT_FILENO, text, strlen(text)) < 0)
		abort();
}

static int reap(pid_t pid)
{
	int status;
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 98;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The environment, and whether the auxiliary vector still follows the list that the kernel made. */
static int arrive(char **arguments, char **given)
{
	for (; *arguments; arguments++)
		say(*arguments), say(" ");
	say("\n");
	for (char **entry = environ; *entry; entry++)
		if (strncmp(*entry, "LD_PRELOAD=", 11) != 0 && strncmp(*entry, "CLEW_ARENA=", 11) != 0)
			say(*entry), say("\n");
		else if (getenv("EMPTY"))
			say("not hidden\n");
	while (*given)
		given++;
	unsigned long *vector = (unsigned long *)(given + 1);
	while (vector[0] && vector[0] != AT_PAGESZ)
		vector += 2;
	say(vector[0] == AT_PAGESZ && vector[1] == (unsigned long)sysconf(_SC_PAGESIZE) ? "vector\n" : "no vector\n");
	return 5;
}

static int child(void *text)
{
	say(text);
	return 6;
}

static char *empty[] = {"EMPTY=1", NULL};

static int do_exec(const char *how)
{
	char *self = realpath(OWN, NULL);
	char *list[] = {self, "arrive", (char *)how, NULL};
	setenv("PATH", "/bin:/usr/bin", 1);
	if (!strcmp(how, "execv"))
		execv(self, list);
	else if (!strcmp(how, "execve"))
		execve(self, list, empty);
	else if (!strcmp(how, "execvp"))
		execvp(self, list);
	else if (!strcmp(how, "execvpe"))
		execvpe(self, list, empty);
	else if (!strcmp(how, "execl"))
		execl(self, self, "arrive", how, (char *)NULL);
	else if (!strcmp(how, "execlp"))
		execlp(self, self, "arrive", how, (char *)NULL);
	else if (!strcmp(how, "execle"))
		execle(self, self, "arrive", how, (char *)NULL, empty);
	else if (!strcmp(how, "fexecve"))
		fexecve(open(self, O_RDONLY | O_CLOEXEC), list, empty);
	else if (!strcmp(how, "execveat"))
		execveat(AT_FDCWD, self, list, empty, 0);
	else if (!strcmp(how, "noenv"))
		execve(self, list, NULL);
	return 97;
}

int main(int count, char **arguments, char **given)
{
	const char *how = count > 1 ? arguments[1] : "";
	static char stack[65536] __attribute__((aligned(16)));
	char *echo[] = {"echo", "spawned", NULL};
	pid_t pid;
	if (!strcmp(how, "arrive"))
		return arrive(arguments + 1, given);
	if (!strcmp(how, "fork")) {
		if ((pid = fork()) == 0) {
			say("child\n");
			_exit(3);
		}
		return reap(pid);
	}
	if (!strcmp(how, "vfork")) {
		if ((pid = vfork()) == 0) {
			say("child\n");
			_exit(4);
		}
		say("parent\n");
		return reap(pid);
	}
	if (!strcmp(how, "vfork-exec")) {
		if ((pid = vfork()) == 0) {
			execl("/nowhere", "nowhere", (char *)NULL);
			execlp("echo", "echo", "executed", (char *)NULL);
			_exit(127);
		}
		say("parent\n");
		return reap(pid);
	}
	if (!strcmp(how, "spawn"))
		return posix_spawnp(&pid, "echo", NULL, NULL, echo, environ) ? 96 : reap(pid);
	if (!strcmp(how, "spawn-empty"))
		return posix_spawn(&pid, "/bin/echo", NULL, NULL, echo, empty) ? 96 : reap(pid);
	if (!strcmp(how, "spawn-fails"))
		return posix_spawn(&pid, "/nowhere", NULL, NULL, echo, environ);
	if (!strcmp(how, "clone"))
		return reap(clone(child, stack + sizeof stack, SIGCHLD, "child\n"));
	if (!strcmp(how, "clone-vfork"))
		return reap(clone(child, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, "child\n"));
	if (!strcmp(how, "clone-shared")) { /* two threads of control, one TLS */
		pid = clone(child, stack + sizeof stack, CLONE_VM | SIGCHLD, "child\n");
		say("parent\n");
		return reap(pid);
	}
	if (!strcmp(how, "clone-fails"))
		return clone(child, stack + sizeof stack, CLONE_VM | CLONE_THREAD, "child\n") == -1 && errno == EINVAL ? 11
																											   : 12;
	if (!strcmp(how, "raw-clone")) {
		if ((pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)) == 0) {
			say("child\n");
			_exit(3);
		}
		return reap(pid);
	}
	if (!strcmp(how, "exec-fails")) {
		errno = 0;
		int result = execl("/nowhere/at/all", "nowhere", (char *)NULL);
		printf("%d %d\n", result, errno);
		return 0;
	}
	if (!strcmp(how, "system"))
		return WEXITSTATUS(system("echo system; exit 9"));
	return do_exec(how);
}
