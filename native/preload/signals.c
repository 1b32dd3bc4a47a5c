/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief SIGPROF is the program's as soon as it asks for it, and while the sampler has it, nobody sees that.
 */
#include <errno.h>
#include <sys/gmon.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <unistd.h>

#include "sampler.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* programs use them all the same */

int real_sigaction(int number, const struct sigaction *action, struct sigaction *before)
{
	return REAL(sigaction)(number, action, before);
}

/* The program is about to use SIGPROF. A child of vfork has handlers of its own: ours does nothing there. */
static void wanted(void)
{
	struct clew_slot *slot = arena && arena->sample_ns ? slot_self() : NULL;
	if (slot && !in_borrowed_memory(slot))
		sampler_stand_back();
}

CLEW_EXPORT int sigaction(int number, const struct sigaction *action, struct sigaction *before)
{
	if (likely(number != SIGPROF))
		return REAL(sigaction)(number, action, before);
	if (action)
		wanted();
	int result = REAL(sigaction)(number, action, before);
	if (result == 0 && before && sampler_hides(before))
		zero_bytes(before, sizeof *before); /* SIG_DFL */
	return result;
}

#define WRAP_SIGNAL(name)                                                                                              \
	CLEW_EXPORT __sighandler_t name(int number, __sighandler_t handler)                                                \
	{                                                                                                                  \
		if (number == SIGPROF)                                                                                         \
			wanted();                                                                                                  \
		return REAL(name)(number, handler);                                                                            \
	}

__sighandler_t bsd_signal(int number, __sighandler_t handler);
__sighandler_t sysv_signal(int number, __sighandler_t handler);
__sighandler_t __sysv_signal(int number, __sighandler_t handler);
WRAP_SIGNAL(signal)
WRAP_SIGNAL(bsd_signal)
WRAP_SIGNAL(ssignal)
WRAP_SIGNAL(sysv_signal)
WRAP_SIGNAL(__sysv_signal)
WRAP_SIGNAL(sigset)

#define WRAP_NUMBER(name, ...)                                                                                         \
	if (number == SIGPROF)                                                                                             \
		wanted();                                                                                                      \
	return REAL(name)(__VA_ARGS__)

CLEW_EXPORT int sigignore(int number)
{
	WRAP_NUMBER(sigignore, number);
}

CLEW_EXPORT int siginterrupt(int number, int interrupts)
{
	WRAP_NUMBER(siginterrupt, number, interrupts);
}

/* ---- profilers of libc's own, which take SIGPROF without asking us ---- */

CLEW_EXPORT int setitimer(__itimer_which_t which, const struct itimerval *value, struct itimerval *before)
{
	if ((int)which == ITIMER_PROF && value)
		wanted();
	return REAL(setitimer)(which, value, before);
}

CLEW_EXPORT int profil(unsigned short *buffer, size_t size, size_t offset, unsigned scale)
{
	wanted();
	return REAL(profil)(buffer, size, offset, scale);
}

void __monstartup(unsigned long low, unsigned long high);

CLEW_EXPORT void __monstartup(unsigned long low, unsigned long high)
{
	wanted();
	REAL(__monstartup)(low, high);
}

CLEW_EXPORT void monstartup(unsigned long low, unsigned long high)
{
	wanted();
	REAL(monstartup)(low, high);
}

/* ---- waiting for signals: a tick that a thread has blocked is not one of them ---- */

static bool may_tick(const sigset_t *set)
{
	return arena && process->sampling == 1 && set && sigismember(set, SIGPROF) == 1;
}

CLEW_EXPORT int sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
	siginfo_t own;
	for (;;) {
		const int number = REAL(sigtimedwait)(set, info ? info : &own, timeout);
		/* It was there before the wait began: a thread that waits spends no CPU time. So the time is not used up. */
		if (number != SIGPROF || !arena || !arena->sample_ns || !sampler_owns(info ? info : &own))
			return number;
	}
}

CLEW_EXPORT int sigwaitinfo(const sigset_t *set, siginfo_t *info)
{
	return may_tick(set) ? sigtimedwait(set, info, NULL) : REAL(sigwaitinfo)(set, info);
}

CLEW_EXPORT int sigwait(const sigset_t *set, int *number)
{
	if (!may_tick(set))
		return REAL(sigwait)(set, number);
	const int saved = errno;
	int result;
	do
		result = sigtimedwait(set, NULL, NULL);
	while (result < 0 && errno == EINTR); /* as sigwait(3) does */
	const int error = result < 0 ? errno : 0;
	errno = saved;
	if (!error)
		*number = result;
	return error;
}

CLEW_EXPORT int signalfd(int fd, const sigset_t *set, int flags)
{
	if (may_tick(set))
		wanted();
	return REAL(signalfd)(fd, set, flags);
}
