/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief REAL(name): the function that a wrapper stands in front of, with its declared type.
 *
 * Each use keeps one pointer of its own in the section `clew_real`, so that real_resolve_all() can
 * look all of them up when the library starts: dlsym in a signal handler, in a child of vfork or in a
 * sandbox would not be safe. A call made before that (another library's constructor) resolves its own.
 * A function that this libc does not have answers -1 with ENOSYS, as a kernel without it would.
 *
 * For real.c (N1): call real_resolve_all() at the start, before anything else that is done there.
 */
#ifndef CLEW_REAL_H
#define CLEW_REAL_H

#include <stdatomic.h>

#include "core.h"

struct real {
	_Atomic(void *) function;
	const char *name;
	const char *version; /* NULL: the default one */
} __attribute__((aligned(16)));

/* Slow path of REAL(). */
void *real_resolve(struct real *real);
void real_resolve_all(void);

static inline void *real_function(struct real *real)
{
	void *function = atomic_load_explicit(&real->function, memory_order_relaxed);
	return likely(function) ? function : real_resolve(real);
}

#define REAL_VERSION(symbol, version)                                                                                  \
	({                                                                                                                 \
		static struct real real_##symbol __attribute__((section("clew_real"), used)) = {NULL, #symbol, version};       \
		(__typeof__(&symbol))real_function(&real_##symbol);                                                            \
	})
#define REAL(symbol) REAL_VERSION(symbol, NULL)

#endif
