/* SPDX-License-Identifier: Apache-2.0 */
/** @file @brief Loads a plugin given by path, in the usual and in a new namespace, from threads, and unloads it again.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *path;

static void *load(void *unused)
{
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		puts(dlerror());
		exit(1);
	}
	void (*plugin)(void);
	*(void **)&plugin = dlsym(handle, "plugin");
	plugin();
	dlclose(handle);
	return unused;
}

int main(int count, char **arguments)
{
	if (count < 2)
		return 1;
	path = arguments[1];
	setvbuf(stdout, NULL, _IONBF, 0);
	for (int i = 0; i < 3; i++) {
		pthread_t thread;
		pthread_create(&thread, NULL, load, NULL);
		pthread_join(thread, NULL);
		load(NULL);
	}
	void *other = dlmopen(LM_ID_NEWLM, path, RTLD_NOW);
	if (!other)
		puts(dlerror());
	else {
		void (*plugin)(void);
		*(void **)&plugin = dlsym(other, "plugin");
		plugin();
		dlclose(other);
	}
	ssize_t (*direct)(int, const void *, size_t);
	*(void **)&direct = dlsym(RTLD_DEFAULT, "write");
	direct(1, "direct\n", 7);
	return 0;
}
