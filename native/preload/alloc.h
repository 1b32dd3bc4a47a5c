/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief The next allocator, for the core's own use: not counted.
 */
#ifndef CLEW_ALLOC_H
#define CLEW_ALLOC_H

#include <stddef.h>

void *real_malloc(size_t size);
void real_free(void *memory);

#endif
