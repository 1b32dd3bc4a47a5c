/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief Starts programs, and scripts of scripts, in every way from threads with the smallest of stacks. */
#define _GNU_SOURCE
#include <limits.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* script-0 is run by a shell, each of the others by the one before it. */
static void write_scripts(const char *folder)
{
	for (int i = 0; i < 4; i++) {
		char name[PATH_MAX + 16];
		snprintf(name, sizeof name, "%s/script-%d", folder, i);
		FILE *file = fopen(name, "w");
		if (!file)
			abort();
		if (i)
			fprintf(file, "#!%s/script-%d\n", folder, i - 1);
		else
			fprintf(file, "#!/bin/sh\nexit 3\n");
		fclose(file);
		chmod(name, 0755);
	}
}

static void *start(void *unused)
{
	for (volatile int way = 0; way < 6; way++) {
		char *const arguments[] = {"script-3", NULL};
		int status = -1;
		volatile int error = 0;
		pid_t child = -1;
		if (way == 4)
			error = posix_spawn(&child, "script-3", NULL, NULL, arguments, environ);
		else if (way == 5)
			error = posix_spawnp(&child, "script-3", NULL, NULL, arguments, environ);
		else
			child = way % 2 ? vfork() : fork();
		if (child == 0) {
			if (way < 2)
				execve("script-3", arguments, environ);
			else
				execlp("script-3", "script-3", (char *)NULL);
			_exit(9);
		}
		waitpid(child, &status, 0);
		printf("way %d: %d, %x\n", way, error, (unsigned)status);
	}
	return unused;
}

int main(void)
{
	char folder[PATH_MAX], path[PATH_MAX + 64];
	if (!getcwd(folder, sizeof folder))
		return 1;
	write_scripts(folder);
	snprintf(path, sizeof path, "/nonexistent:%s:/bin:/usr/bin", folder);
	setenv("PATH", path, 1);
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN);
	pthread_t thread;
	if (pthread_create(&thread, &attributes, start, NULL))
		return 2;
	pthread_join(thread, NULL);
	return 0;
}
