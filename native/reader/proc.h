/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What /proc says of a thread: alive, since when, its name, program, arguments, I/O totals.
 */
#ifndef CLEW_PROC_H
#define CLEW_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "clew_record.h"

struct proc_stat {
	char state; /* R S D T Z X ... */
	uint32_t ppid;
	uint64_t starttime; /* clock ticks since boot: with the tid it names a thread for good */
	char comm[16];
};

/* false: gone, or hidden from us. */
bool proc_stat(uint32_t pid, uint32_t tid, struct proc_stat *stat);
/* Target of /proc/PID/exe; 0 where it cannot be read. */
size_t proc_exe(uint32_t pid, char *text, size_t room);
/* Arguments, each ended by NUL, cut to room. */
size_t proc_cmdline(uint32_t pid, char *text, size_t room);
/* Fills rchar .. syscw; ~0 where they cannot be read. */
void proc_io(uint32_t pid, struct clew_thread_row *row);
/* Whether the process maps the file; true where that cannot be read. */
bool proc_maps_file(uint32_t pid, dev_t device, ino_t inode);
/* Whether one of its first few hundred descriptors is an io_uring. */
bool proc_has_io_uring(uint32_t pid);

#endif
