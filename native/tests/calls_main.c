/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Calls every wrapped I/O function, errors included: calls DIRECTORY [group].
 */
#include "calls.h"

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	const char *group = argc > 2 ? argv[2] : NULL;
	if (!group || !strcmp(group, "files"))
		calls_files(argv[1]);
	if (!group || !strcmp(group, "streams"))
		calls_streams(argv[1]);
	if (!group || !strcmp(group, "sockets"))
		calls_sockets(argv[1]);
	if (!group || !strcmp(group, "waits"))
		calls_waits();
	if (!group || !strcmp(group, "stdio"))
		calls_stdio(argv[1]);
	return 0;
}
