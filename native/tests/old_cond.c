/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief A program as linked before 2003, to the pthread_cond_* of another struct: 8 bytes, and a guard behind them.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#if defined(__x86_64__)
#define WORDS 1
__asm__(".symver pthread_cond_init, pthread_cond_init@GLIBC_2.2.5");
__asm__(".symver pthread_cond_signal, pthread_cond_signal@GLIBC_2.2.5");
__asm__(".symver pthread_cond_broadcast, pthread_cond_broadcast@GLIBC_2.2.5");
__asm__(".symver pthread_cond_timedwait, pthread_cond_timedwait@GLIBC_2.2.5");
__asm__(".symver pthread_cond_wait, pthread_cond_wait@GLIBC_2.2.5");
#else /* never had another one */
#define WORDS 6
#endif

static struct {
	void *cond[WORDS];
	unsigned char guard[64];
} old;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int flag;

static void *waker(void *nothing)
{
	pthread_mutex_lock(&mutex);
	flag = 1;
	pthread_cond_signal((pthread_cond_t *)&old);
	pthread_cond_broadcast((pthread_cond_t *)&old);
	pthread_mutex_unlock(&mutex);
	return nothing;
}

int main(void)
{
	const struct timespec past = {1, 0};
	pthread_t thread;
	memset(old.guard, 0xaa, sizeof old.guard);
	pthread_cond_init((pthread_cond_t *)&old, NULL);
	pthread_mutex_lock(&mutex);
	const int error = pthread_cond_timedwait((pthread_cond_t *)&old, &mutex, &past);
	pthread_create(&thread, NULL, waker, NULL);
	while (!flag)
		pthread_cond_wait((pthread_cond_t *)&old, &mutex);
	pthread_mutex_unlock(&mutex);
	pthread_join(thread, NULL);
	for (size_t i = 0; i < sizeof old.guard; i++)
		if (old.guard[i] != 0xaa)
			return 1;
	printf("%d\n", error);
	return 0;
}
