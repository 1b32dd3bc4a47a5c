/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Switches its own recording off and on: "paused" must not be found in the capture.
 */
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static void say(const char *text)
{
	CHECK(write(STDOUT_FILENO, text, strlen(text)) > 0);
}

int main(void)
{
	void (*pause_recording)(void), (*resume_recording)(void);
	int (*recording)(void);
	*(void **)&pause_recording = dlsym(RTLD_DEFAULT, "clew_pause");
	*(void **)&resume_recording = dlsym(RTLD_DEFAULT, "clew_resume");
	*(void **)&recording = dlsym(RTLD_DEFAULT, "clew_recording");
	CHECK(pause_recording && resume_recording && recording);
	CHECK(recording() == 1);
	say("before");
	pause_recording();
	CHECK(recording() == 0);
	say("paused");
	if (fork() == 0) {
		say("paused child");
		CHECK(recording() == 0);
		_exit(0);
	}
	wait(NULL);
	resume_recording();
	CHECK(recording() == 1);
	say("after");
	return 0;
}
