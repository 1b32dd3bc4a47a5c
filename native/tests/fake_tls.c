/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What a TLS library looks like from outside, for programs with two of them: each SSL_read says which one it is
 * in.
 *
 * Built four times: -DLIBRARY=n, a library; -DEXTENSION=n, what a program loads and what depends on it; the program.
 */
#include <stddef.h>

typedef struct {
	const void *version;
	const void *method; /* into the library, as OpenSSL's does; NULL: an object that does not tell */
	const void *rest[6];
} SSL;
int SSL_read(SSL *ssl, void *buffer, int size);

#if defined(LIBRARY)

static const int method = LIBRARY;
static SSL telling = {NULL, &method, {NULL}}, silent;

__attribute__((visibility("default"))) SSL *SSL_new(int tells)
{
	return tells ? &telling : &silent;
}

__attribute__((visibility("default"))) int SSL_read(SSL *ssl, void *buffer, int size)
{
	(void)size;
	*(char *)buffer = '0' + LIBRARY;
	return ssl == &telling || ssl == &silent ? 1 : -1; /* another library's object */
}

#elif defined(EXTENSION)

SSL *SSL_new(int tells);

__attribute__((visibility("default"))) int extension_read(int tells, void *buffer)
{
	const int result = SSL_read(SSL_new(tells), buffer, 1);
	__asm__ volatile(""); /* not the last thing it does: the caller shows */
	return result;
}

#else

#include <dlfcn.h>
#include <stdio.h>

#pragma weak SSL_read

int main(int argc, char **argv)
{
	for (int round = 0; round < 2; round++)
		for (int i = 1; i < argc; i++)
			for (int tells = 0; tells < 2; tells++) {
				char which = '-';
				void *loaded = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);
				int (*extension_read)(int, void *) = (int (*)(int, void *))dlsym(loaded, "extension_read");
				const int result = extension_read(tells, &which);
				printf("%d%c ", result, which);
			}
	char which = '-';
	SSL none = {0};
	printf("%d\n", argc == 1 && SSL_read ? SSL_read(&none, &which, 1) : 0); /* there is no library */
	return 0;
}

#endif
