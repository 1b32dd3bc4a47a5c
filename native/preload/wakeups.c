/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Wrappers of condition variables and semaphores: who waits on what, and who wakes it.
 *
 * They look at the object before the call only: whoever is woken by it may free it at once.
 */
#include "wakeups.h"

#include <pthread.h>
#include <semaphore.h>

#include "internal.h"

/*
 * Since LinuxThreads a pthread_cond_t of x86-64 is another struct. A program of before 2003 asks for these functions by
 * an older version; it must go on with those that know its struct, so both versions are defined here, as in libc.
 */
#if defined(__x86_64__)
#define COND_VERSION "GLIBC_2.3.2"
#define OLD_VERSION "GLIBC_2.2.5"
#define OLD_COND(name, parameters, arguments)                                                                          \
	int clew_old_##name parameters;                                                                                    \
	CLEW_EXPORT int clew_old_##name parameters                                                                         \
	{                                                                                                                  \
		return REAL_VERSION(name, OLD_VERSION) arguments;                                                              \
	}                                                                                                                  \
	__asm__(".symver clew_old_" #name ", " #name "@" OLD_VERSION);                                                     \
	__asm__(".symver " #name ", " #name "@@@" COND_VERSION)

OLD_COND(pthread_cond_wait, (pthread_cond_t * cond, pthread_mutex_t *mutex), (cond, mutex));
OLD_COND(pthread_cond_timedwait, (pthread_cond_t * cond, pthread_mutex_t *mutex, const struct timespec *until),
		 (cond, mutex, until));
OLD_COND(pthread_cond_signal, (pthread_cond_t * cond), (cond));
OLD_COND(pthread_cond_broadcast, (pthread_cond_t * cond), (cond));
#else
#define COND_VERSION "GLIBC_2.17"
#endif

CLEW_EXPORT int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
	WAKEUP_CALL(call, COND_WAIT, cond);
	const int error = REAL_VERSION(pthread_cond_wait, COND_VERSION)(cond, mutex);
	wakeup_end(&call, error, error);
	return error;
}

CLEW_EXPORT int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until)
{
	WAKEUP_CALL(call, COND_WAIT, cond);
	const int error = REAL_VERSION(pthread_cond_timedwait, COND_VERSION)(cond, mutex, until);
	wakeup_end(&call, error, error);
	return error;
}

CLEW_EXPORT int pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t clock,
									   const struct timespec *until)
{
	WAKEUP_CALL(call, COND_WAIT, cond);
	const int error = REAL(pthread_cond_clockwait)(cond, mutex, clock, until);
	wakeup_end(&call, error, error);
	return error;
}

/*
 * Nobody waits, so libc does nothing at all: counted, not recorded. An interpreter's lock (CPython's) signals each time
 * it is let go. libc counts waiters in __wrefs, in units of 8 (glibc, nptl/pthread_cond_common.c); it is the 32-bit
 * word at 36 up to glibc 2.40 and at 28 later. What the other one holds then is small, or tells of waiters itself.
 */
static inline bool nobody_waits(const pthread_cond_t *cond)
{
	const uint32_t *words = (const uint32_t *)cond;
	return (__atomic_load_n(&words[7], __ATOMIC_RELAXED) | __atomic_load_n(&words[9], __ATOMIC_RELAXED)) >> 3 == 0;
}

static inline bool woke_nobody(enum clew_op op, const pthread_cond_t *cond)
{
	if (!nobody_waits(cond))
		return false;
	struct clew_slot *slot = self;
	if (slot && wakeups_wanted() && (__atomic_load_n(&slot->mode, __ATOMIC_RELAXED) & process->local_mode & CLEW_COUNT))
		local_add(&slot->counter[op].calls, 1);
	return true;
}

#define WRAP_WAKE(name, OPERATION)                                                                                     \
	CLEW_EXPORT int name(pthread_cond_t *cond)                                                                         \
	{                                                                                                                  \
		if (likely(woke_nobody(CLEW_OP_##OPERATION, cond)))                                                            \
			return REAL_VERSION(name, COND_VERSION)(cond);                                                             \
		struct wakeup call;                                                                                            \
		wakeup_begin(&call, CLEW_OP_##OPERATION, (uintptr_t)cond);                                                     \
		const int error = REAL_VERSION(name, COND_VERSION)(cond);                                                      \
		wakeup_end(&call, error, error);                                                                               \
		return error;                                                                                                  \
	}
WRAP_WAKE(pthread_cond_signal, COND_SIGNAL)
WRAP_WAKE(pthread_cond_broadcast, COND_BROADCAST)

CLEW_EXPORT int sem_wait(sem_t *semaphore)
{
	WAKEUP_CALL(call, SEM_WAIT, semaphore);
	const int result = REAL(sem_wait)(semaphore);
	wakeup_end(&call, result, result < 0 ? errno : 0);
	return result;
}

CLEW_EXPORT int sem_timedwait(sem_t *semaphore, const struct timespec *until)
{
	WAKEUP_CALL(call, SEM_WAIT, semaphore);
	const int result = REAL(sem_timedwait)(semaphore, until);
	wakeup_end(&call, result, result < 0 ? errno : 0);
	return result;
}

CLEW_EXPORT int sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *until)
{
	WAKEUP_CALL(call, SEM_WAIT, semaphore);
	const int result = REAL(sem_clockwait)(semaphore, clock, until);
	wakeup_end(&call, result, result < 0 ? errno : 0);
	return result;
}

/* Where it takes what somebody posted it is a wait that was over at once; where it takes nothing, nothing happened. */
CLEW_EXPORT int sem_trywait(sem_t *semaphore)
{
	const int result = REAL(sem_trywait)(semaphore);
	if (result == 0) {
		struct wakeup call;
		wakeup_begin(&call, CLEW_OP_SEM_WAIT, (uintptr_t)semaphore);
		call.flags = CLEW_F_NONBLOCK;
		wakeup_end(&call, result, 0);
	}
	return result;
}

CLEW_EXPORT int sem_post(sem_t *semaphore)
{
	struct wakeup call;
	wakeup_begin(&call, CLEW_OP_SEM_POST, (uintptr_t)semaphore);
	const int result = REAL(sem_post)(semaphore);
	wakeup_end(&call, result, result < 0 ? errno : 0);
	return result;
}
