/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief A program with a real memory error, for AddressSanitizer to find: its report and exit code must not
 * change. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int count, char **arguments)
{
	char *block = malloc(100);
	int pipes[2];
	if (count < 2 || !block || pipe(pipes))
		return 1;
	memset(block, 'x', 100);
	if (strcmp(arguments[1], "overflow") == 0) {
		volatile size_t past = 100 + (size_t)count - 2;
		block[past] = 1;
	} else if (strcmp(arguments[1], "use-after-free") == 0) {
		char *volatile freed = block;
		free(block);
		printf("%d\n", freed[3]);
		return 0;
	} else if (strcmp(arguments[1], "write-too-much") == 0) { /* found by the sanitizer's own interceptor of write */
		volatile size_t more = 200;
		if (write(pipes[1], block, more) < 0)
			return 2;
	} else if (strcmp(arguments[1], "leak") == 0) {
		block = NULL;
		close(pipes[0]);
		return 0;
	}
	free(block);
	puts("no error");
	return 0;
}
