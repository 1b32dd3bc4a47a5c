/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief Says everything a program can list about itself: descriptors, threads, signal handling, limits,
 * children. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static void list(const char *path, int links)
{
	DIR *folder = opendir(path);
	for (struct dirent *entry; folder && (entry = readdir(folder));) {
		char name[300], target[300] = {0};
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
		if (links && readlink(name, target, sizeof target - 1) > 0) {
			char *number = strchr(target, ':');
			if (number)
				*number = 0; /* pipe:[inode] */
			printf("%s -> %s\n", entry->d_name, strncmp(target, "/proc/", 6) ? target : "its own listing");
		} else {
			puts("an entry");
		}
	}
	closedir(folder);
}

int main(void)
{
	char line[256];
	static const char *const same[] = {
		"Threads:", "SigQ:", "SigBlk:", "SigIgn:", "SigCgt:", "Seccomp:", "NoNewPrivs:", "Umask:", "Uid:", "Groups:"};
	puts("descriptors");
	list("/proc/self/fd", 1);
	puts("threads");
	list("/proc/self/task", 0);
	FILE *status = fopen("/proc/self/status", "r");
	while (fgets(line, sizeof line, status))
		for (size_t i = 0; i < sizeof same / sizeof *same; i++)
			if (strncmp(line, same[i], strlen(same[i])) == 0 && i != 1)
				fputs(line, stdout);
	printf("stream is descriptor %d\n", fileno(status));
	fclose(status);
	for (int signal = 1; signal < 65; signal++) {
		struct sigaction action;
		if (sigaction(signal, NULL, &action) == 0 && action.sa_handler != SIG_DFL)
			printf("signal %d %s\n", signal, action.sa_handler == SIG_IGN ? "ignored" : "handled");
	}
	for (int what = 0; what < RLIM_NLIMITS; what++) {
		struct rlimit limit;
		getrlimit((__rlimit_resource_t)what, &limit);
		printf("limit %d %lu %lu\n", what, (unsigned long)limit.rlim_cur, (unsigned long)limit.rlim_max);
	}
	char comm[16];
	prctl(PR_GET_NAME, comm);
	printf("name %.5s dumpable %d death signal %d next descriptor %d\n", comm, prctl(PR_GET_DUMPABLE),
		   prctl(PR_GET_CHILD_SUBREAPER, 0), open("/dev/null", O_RDONLY));
	printf("group leader %d, session of its parent %d, parent alive %d\n", getpgrp() == getpid(),
		   getsid(0) == getsid(getppid()), getppid() > 1);
	return 0;
}
