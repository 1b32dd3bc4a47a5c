/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Calls every wrapped I/O function, errors included: calls DIRECTORY GROUP...
 *
 * A bare sched_yield marks the begin and the end of all that in a system call trace.
 */
#include "calls.h"

int main(int argc, char **argv)
{
	syscall(SYS_sched_yield);
	for (int i = 2; i < argc; i++) {
		if (!strcmp(argv[i], "files"))
			calls_files(argv[1]);
		if (!strcmp(argv[i], "streams"))
			calls_streams(argv[1]);
		if (!strcmp(argv[i], "sockets"))
			calls_sockets(argv[1]);
		if (!strcmp(argv[i], "waits"))
			calls_waits();
		if (!strcmp(argv[i], "stdio"))
			calls_stdio(argv[1]);
		if (!strcmp(argv[i], "hidden"))
			calls_hidden(argv[1]);
		if (!strcmp(argv[i], "wakeups"))
			calls_wakeups();
		if (!strcmp(argv[i], "futexes"))
			calls_futexes();
	}
	syscall(SYS_sched_yield);
	return 0;
}
