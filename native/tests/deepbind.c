/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Loads libraries as the words of its command line say, lets each write, and forks a child that does so again.
 *
 * Usage: deepbind WORD=NAME ...; words: plain, deep (RTLD_DEEPBIND), look (the same, only if it is loaded). Compiled
 * with -DPLUGIN it is such a library.
 */
#include <unistd.h>

#ifdef PLUGIN
void say(void)
{
	(void)!write(1, PLUGIN "\n", sizeof PLUGIN);
}
#else
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static void load(const char *word, const char *name)
{
	const int flags = *word == 'p' ? 0 : RTLD_DEEPBIND | (*word == 'l' ? RTLD_NOLOAD : 0);
	void *library = dlopen(name, RTLD_NOW | flags);
	void (*say)(void) = NULL;
	if (library)
		*(void **)&say = dlsym(library, "say");
	if (say)
		say();
	else
		dprintf(1, "no %s\n", name);
}

int main(int count, char **words)
{
	for (int i = 1; i < count; i++)
		load(words[i], strchr(words[i], '=') + 1);
	pid_t child = fork();
	if (child == 0) {
		(void)!write(1, "child\n", 6);
		_exit(0);
	}
	int status;
	return waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
}
#endif
