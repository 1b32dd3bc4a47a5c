/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Notices libraries that are loaded with RTLD_DEEPBIND: their calls go to libc directly, past every wrapper.
 *
 * The flag stays as the program gave it. Whether the library will load is not known yet: one that is named by its path
 * and is not there is passed over, of one that the loader has to search for the worst is assumed.
 */
#include <dlfcn.h>
#include <fcntl.h>

#include "internal.h"

static char bound[4096]; /* the first such library of this program image; a child of fork has it loaded, too */

static bool is_missing(const char *path)
{
	for (const char *at = path; *at; at++)
		if (*at == '/')
			return !process->sandboxed && RAW_3(SYS_faccessat, AT_FDCWD, path, 0) < 0;
	return *path == 0;
}

static void bind_deeply(const char *path)
{
	static _Atomic bool told;
	struct clew_slot *slot = slot_self();
	if (!slot || is_missing(path) || atomic_exchange(&told, true))
		return;
	const size_t length = text_length(path);
	copy_bytes(bound, path, length < sizeof bound ? length : sizeof bound - 1);
	note_deepbind(slot);
}

void note_deepbind(struct clew_slot *slot)
{
	if (bound[0])
		note_unseen(slot, CLEW_UNSEEN_DEEPBIND, process->pid, bound);
}

/* Called by dlopen() with its arguments; gives where it is to go on. */
CLEW_LOCAL void *dlopen_look(const char *path, int flags)
{
	if (arena && path && (flags & RTLD_DEEPBIND) && !(flags & RTLD_NOLOAD))
		bind_deeply(path);
	void *(*real)(const char *, int) = REAL(dlopen);
	void *address;
	__builtin_memcpy(&address, &real, sizeof address);
	return address;
}
