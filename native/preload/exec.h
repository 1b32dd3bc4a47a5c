/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What happens around starting a program: look at it, give it an environment, tidy up in it.
 */
#ifndef CLEW_EXEC_H
#define CLEW_EXEC_H

#include "core.h"

/* What is known of the program that is about to be started. */
struct exec_plan {
	enum clew_unseen reason; /* why it will not be recorded; 0 = it will */
	bool inject;             /* our library may stand in LD_PRELOAD: the loader will not complain */
	char runtime[48];        /* sanitizer runtime that insists on being loaded first; "" = none */
};

/* Looks at `path` as execveat would find it; "" means fd itself. Safe in a child of vfork. */
void exec_sniff(struct exec_plan *plan, int fd, const char *path);
/* The same for a name without a slash, searched in PATH as execvp does. */
void exec_sniff_in_path(struct exec_plan *plan, const char *name);

/* Calls then(context, environment) with what the program is to get in place of `given`. Everything lies on the stack.
 */
int exec_with_environment(const struct exec_plan *plan, char *const given[], int (*then)(void *, char *const[]),
						  void *context);

/* May path and environment be read at all? If not, the kernel's EFAULT is what the program wants to see. */
bool exec_readable(const char *path, char *const environment[]);

const char *env_find(const char *name_and_equals); /* the value in `environ`, or NULL */
void env_scrub(void);                              /* takes out of `environ` what the program should not see */

#endif
