/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What the recorder remembers of each thread, shared by drain.c (rings) and observe.c (the rest).
 */
#ifndef CLEW_DRAIN_H
#define CLEW_DRAIN_H

#include <stdbool.h>
#include <sys/types.h>

#include "layout.h"
#include "pace.h"
#include "reader.h"
#include "segment.h"

#define SECOND_NS UINT64_C(1000000000)

/* One slot in use, as the recorder sees it. */
struct seat {
	uint64_t serial;
	uint32_t pid, tid;
	bool used;
	bool foreign;    /* of another pid namespace: /proc says nothing */
	bool superseded; /* a later serial has the same pid and tid: this program image is gone */
	bool io_uring;   /* said so already */
	uint64_t taken;  /* ring position up to which records are in the writer's hands */
	int64_t counted; /* records in the statistics */
	/* as last written, to write only what changed */
	uint64_t counters_mark, row_mark;
	struct clew_loss loss;
	/* when, CLOCK_MONOTONIC ns */
	uint64_t since, looked, observed, ended;
	uint64_t starttime, exe_mark;
};

struct clew_drain {
	struct mapped mapped;
	dev_t device;
	ino_t inode;
	uint32_t clock;
	bool post_mortem;   /* recovering: pids may have new owners, so /proc is not asked */
	struct seat *seats; /* one for each slot */
	uint32_t *active;   /* slots in use */
	uint32_t active_count;
	uint32_t from, look_from; /* where the next pass starts in `active` */
	uint64_t clock_written, counted_processes;
	struct clew_loss loss; /* capture's, as last written */
	struct clew_drain_stats stats;
	struct pace pace;
	struct writer writer;
};

/* drain.c */
/* Gives a seat to each thread that has none. */
void find_new(struct clew_drain *drain);
/* Puts what the thread has written since in the batch; returns its size in bytes. */
uint64_t seat_take(struct clew_drain *drain, uint32_t index);
void block_add(struct clew_drain *drain, enum clew_block_type type, const struct seat *seat, const void *data,
			   size_t size, const void *more, size_t more_size);
void clock_add(struct clew_drain *drain);

/* observe.c */
/* Looks at a few threads, or at all: writes what changed, gives back the slots of those that are gone. */
void observe_some(struct clew_drain *drain, uint64_t now, bool all);
/* Writes counters and losses where they changed, and what /proc says. */
void observe_seat(struct clew_drain *drain, uint32_t index, bool over);
void observe_capture_loss(struct clew_drain *drain);
/* Distinct pids of the seats in use; returns how many. */
uint32_t live_pids(const struct clew_drain *drain, uint32_t *pids, uint32_t room);

#endif
