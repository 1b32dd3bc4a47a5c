/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Memory of a recording that was read: a mapped file counts as a program's own memory for as long as its pages
 * stay in its tables, so they are given back as reading goes on. They remain in the system's cache of files.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "perf.h"

#define WINDOW (64u << 20) /* bytes that are read before they are given back */

/* Only what a file backs comes back as it was. Part of a page at either end stays. */
static void give_back(const uint8_t *data, uint64_t size)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = ((uintptr_t)data + page - 1) & ~(page - 1);
	const uintptr_t to = ((uintptr_t)data + size) & ~(page - 1);
	if (from < to)
		madvise((void *)from, to - from, MADV_DONTNEED);
}

void pages_read(struct pages *pages, uint64_t size)
{
	pages->read += size;
	if (!pages->mapped || pages->read < WINDOW)
		return;
	pages->read = 0;
	give_back(pages->data, pages->size);
}
