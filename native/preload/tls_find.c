/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Finds the TLS library that a caller meant, wherever the loader has put it.
 *
 * A library that came by dlopen (an interpreter's extension and what that needs) is in no search order that we could
 * ask for the next definition; and a program may have two copies, one of them brought along by a package. So the
 * library is asked for that holds the session's method table, then the one that the caller depends on, then the next
 * one in the program's search order. What is found is never unloaded, so it can be kept by the caller's address.
 */
#include "tls.h"

#include <dlfcn.h>
#include <link.h>

#include "internal.h"

#define LIBRARIES 8
#define SITES 256u /* call sites that are remembered; others are looked up each time */
#define PROBES 8u
#define WORDS 4 /* of a session: where OpenSSL 1.1 to 3.5 keep the pointer to its method table (ssl_local.h) */

static const char *const names[TLS_FUNCTION_COUNT] = {
#define X(NUMBER, name) name,
	TLS_FUNCTIONS(X)
#undef X
};

static struct tls_library libraries[LIBRARIES];

static struct site {
	_Atomic uintptr_t key; /* 0: free; 1: being filled; the caller's address, the function in its top bits */
	_Atomic(const struct tls_library *) library;
} sites[SITES];

static const void *base_of(const void *address, Dl_info *info)
{
	return address && dladdr(address, info) ? info->dli_fbase : NULL;
}

/* A definition that is not one of the wrappers here. */
static void *unless_ours(void *found)
{
	Dl_info info;
	const void *ours = base_of(&process_page, &info);
	return base_of(found, &info) == ours ? NULL : found;
}

/* What the library in the file of that name, or those it depends on, define. It is loaded already, or not asked. */
static void *in_file(const char *path, const char *name)
{
	void *handle = path && *path ? dlopen(path, RTLD_LAZY | RTLD_NOLOAD) : NULL;
	void *found = handle ? dlsym(handle, name) : NULL;
	if (handle)
		dlclose(handle);
	return found ? unless_ours(found) : NULL;
}

static void *by_object(const void *object, const char *name)
{
	for (int i = 0; object && i < WORDS; i++) {
		Dl_info holder, definer;
		const void *word = ((void *const *)object)[i];
		if (!base_of(word, &holder))
			continue;
		void *found = in_file(holder.dli_fname, name);
		if (found && base_of(found, &definer) == holder.dli_fbase)
			return found;
	}
	return NULL;
}

static void *by_caller(const void *caller, const char *name)
{
	Dl_info info;
	struct link_map *map = NULL;
	if (!dladdr1(caller, &info, (void **)&map, RTLD_DL_LINKMAP) || !map)
		return NULL;
	return in_file(map->l_name, name); /* "": the program itself, whose search order is everybody's */
}

struct search {
	const char *name;
	void *found;
};

static int look_in(struct dl_phdr_info *loaded, size_t size, void *context)
{
	struct search *search = context;
	(void)size;
	const char *last = loaded->dlpi_name;
	for (const char *at = last; at && *at; at++)
		last = *at == '/' ? at + 1 : last;
	if (last && (text_starts(last, "libssl") || text_starts(last, "libgnutls")))
		search->found = in_file(loaded->dlpi_name, search->name);
	return search->found != NULL;
}

static void *search(enum tls_function function, const void *caller, const void *object)
{
	struct search any = {names[function], by_object(object, names[function])};
	if (!any.found)
		any.found = by_caller(caller, any.name);
	if (!any.found)
		any.found = real_find(any.name);
	if (!any.found)
		dl_iterate_phdr(look_in, &any);
	return any.found;
}

static void fill(struct tls_library *library, const char *path)
{
	void *handle = dlopen(path, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
	for (int i = 0; i < TLS_FUNCTION_COUNT; i++) {
		void *found = handle && names[i] ? unless_ours(dlsym(handle, names[i])) : NULL;
		library->function[i] = found;
	}
}

/* NULL: no room for more. */
static const struct tls_library *library_of(const void *function)
{
	Dl_info info;
	const void *base = base_of(function, &info);
	for (int i = 0; base && i < LIBRARIES; i++) {
		struct tls_library *library = &libraries[i];
		const void *expected = NULL;
		if (atomic_load_explicit(&library->base, memory_order_acquire) == base)
			return library;
		if (atomic_compare_exchange_strong(&library->base, &expected, (const void *)library)) {
			fill(library, info.dli_fname);
			atomic_store_explicit(&library->base, base, memory_order_release);
			return library;
		}
	}
	return NULL;
}

static __attribute__((noinline)) const struct tls_library *find_anew(enum tls_function function, const void *caller,
																	 const void *object, uintptr_t key, void **real)
{
	const int saved = errno;
	*real = search(function, caller, object);
	const struct tls_library *library = library_of(*real);
	if (library && library->function[function] != *real)
		library = NULL; /* a wrapper of somebody else's, before the library */
	for (uintptr_t i = 0; library && i < PROBES; i++) {
		struct site *site = &sites[(key + i) % SITES];
		uintptr_t expected = 0;
		if (!atomic_compare_exchange_strong(&site->key, &expected, 1))
			continue;
		atomic_store_explicit(&site->library, library, memory_order_relaxed);
		atomic_store_explicit(&site->key, key, memory_order_release);
		break;
	}
	errno = saved;
	return library;
}

const struct tls_library *tls_find(enum tls_function function, const void *caller, const void *object, void **real)
{
	const uintptr_t key = ((uintptr_t)caller ^ (uintptr_t)function << 58) | 2; /* never 0 or 1 */
	for (uintptr_t i = 0; i < PROBES; i++) {
		const struct site *site = &sites[(key + i) % SITES];
		const uintptr_t at = atomic_load_explicit(&site->key, memory_order_acquire);
		if (likely(at == key)) {
			const struct tls_library *library = atomic_load_explicit(&site->library, memory_order_relaxed);
			*real = library->function[function];
			return library;
		}
		if (!at)
			break;
	}
	return find_anew(function, caller, object, key, real);
}
