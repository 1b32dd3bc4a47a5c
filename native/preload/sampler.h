/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief The sampler and who must tell it: threads that come and go, and a program that wants SIGPROF for itself.
 */
#ifndef CLEW_SAMPLER_H
#define CLEW_SAMPLER_H

#include <signal.h>

#include "internal.h"

void sampler_thread(struct clew_slot *slot); /* this thread has its slot */
void sampler_thread_end(struct clew_slot *slot);
void sampler_rest(struct clew_slot *slot); /* tells CPU time of this thread that no tick told of, if it is much */
/* Never again in this process: its timers are gone, SIGPROF is as it was. */
void sampler_stand_back(void);
bool sampler_owns(const siginfo_t *info);           /* is that signal one of our ticks? */
bool sampler_hides(const struct sigaction *action); /* is that our handler? */

/* signals.c */
int real_sigaction(int number, const struct sigaction *action, struct sigaction *before);

#endif
