/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief From an epoll event's word back to its descriptor.
 */
#ifndef CLEW_EPOLL_H
#define CLEW_EPOLL_H

#include <stdint.h>

/* The descriptor registered with `epoll` under that word; -1: not known, or more than one. */
int epoll_descriptor(int epoll, uint64_t word);

#endif
