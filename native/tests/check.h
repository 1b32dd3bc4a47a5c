/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief CHECK(): an assertion that is never compiled out and says where and what.
 */
#ifndef CLEW_CHECK_H
#define CLEW_CHECK_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                                               \
	do {                                                                                                               \
		if (!(condition)) {                                                                                            \
			fprintf(stderr, "%s:%d: not so: %s (errno %d, %s)\n", __FILE__, __LINE__, #condition, errno,               \
					strerror(errno));                                                                                  \
			_exit(99);                                                                                                 \
		}                                                                                                              \
	} while (0)

#endif
