/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What a recorded program may call in libclew.so, found by dlsym(RTLD_DEFAULT, ...) or ctypes.CDLL(None).
 */
#ifndef CLEW_API_H
#define CLEW_API_H

#ifdef __cplusplus
extern "C" {
#endif

/** CLEW_ABI of the library. */
__attribute__((visibility("default"))) unsigned clew_abi(void);
/** Stop counting and tracing in this process, and in children it makes by fork, until clew_resume(). */
__attribute__((visibility("default"))) void clew_pause(void);
/** Undo clew_pause(): what the recorder asked for holds again. */
__attribute__((visibility("default"))) void clew_resume(void);
/**
 * For the recorder, which starts the first program: the library that must stand before ours in LD_PRELOAD
 * if `path` is to start at all (a sanitizer's runtime), or "". As long as `room` allows; returns its length.
 */
__attribute__((visibility("default"))) unsigned clew_runtime_of(const char *path, char *name, unsigned room);
/** 1 if calls of this thread are being counted or traced now, else 0. */
__attribute__((visibility("default"))) int clew_recording(void);

#ifdef __cplusplus
}
#endif
#endif
