/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What Python calls by ctypes: make an arena, drain it into segments, recover, decode.
 *
 * Runs in the recorder or in an analyst's process, never in a recorded program. Functions return 0
 * or a count, and -errno on failure, unless they say otherwise; none of them prints or exits.
 * The layout of every struct here is repeated in kit/clew/native/: change both, and CLEW_ABI.
 */
#ifndef CLEW_READER_H
#define CLEW_READER_H

#include <stddef.h>
#include <stdint.h>

#include "clew_arena.h"

#define CLEW_API __attribute__((visibility("default")))

/* ---- making an arena ---- */

struct clew_arena_options {
	uint32_t slots, conns;               /* threads at a time; open files, sockets and pipe ends at a time */
	uint32_t ring_size;                  /* bytes, a power of two from 64 KiB on */
	uint32_t payload_head;               /* bytes; UINT32_MAX = full */
	uint32_t payload_tail;               /* bytes */
	uint32_t on_full;                    /* CLEW_ON_FULL_* */
	uint32_t mode;                       /* CLEW_COUNT | CLEW_TRACE; the other bits follow from what stands below */
	uint32_t wakeups;                    /* as in struct clew_arena */
	uint64_t sample_ns;                  /* as in struct clew_arena; 0 = no samples */
	uint32_t stack_every[CLEW_OP_LIMIT]; /* as in struct clew_arena */
};

/* Makes `path` (it must not exist). */
CLEW_API int clew_arena_create(const char *path, const struct clew_arena_options *options);
/* Switches a capture's counting and tracing; the recorder hands it on to the threads. */
CLEW_API int clew_arena_set_mode(const char *path, uint32_t mode);
/* The mode of a capture, or -errno. */
CLEW_API int clew_arena_mode(const char *path);

/* ---- draining ---- */

struct clew_drain_stats {    /* totals so far */
	uint64_t records;        /* taken from the rings */
	uint64_t bytes;          /* written to segments */
	uint64_t lost;           /* records dropped, rings full */
	uint64_t lost_no_slot;   /* records of threads that found no free slot */
	uint64_t lost_threads;   /* those threads */
	uint64_t waits;          /* times a call waited for room */
	uint64_t broken;         /* bytes of rings that made no sense and were not taken */
	uint64_t processes;      /* program images seen */
	uint64_t threads;        /* threads seen */
	uint32_t live_threads;   /* now */
	uint32_t live_processes; /* now, as of the last look (ten times a second) */
	uint32_t fill;           /* per mille of its ring that the fullest thread had used at this pass */
	uint32_t segments;       /* files begun */
	uint32_t unseen;         /* programs that recorded ones started and that are not recorded */
	uint32_t other_user;     /* of these, those that cannot reach the arena, as after a change of user */
};

struct clew_drain;
/* Takes the arena as its recorder; -EBUSY if it has one. Segments go to `directory`. */
CLEW_API int clew_drain_open(const char *arena, const char *directory, struct clew_drain **drain);
/* One pass over the live threads; stops early once max_bytes are written. -errno: writing failed. */
CLEW_API int clew_drain(struct clew_drain *drain, uint64_t max_bytes, struct clew_drain_stats *stats);
/*
 * Passes, as seldom as the rings can bear, until `ms` are over, `pidfd` (-1: none) tells that its process has ended, or
 * a signal came for this thread. -errno: writing failed.
 */
CLEW_API int clew_drain_for(struct clew_drain *drain, uint32_t ms, int pidfd, struct clew_drain_stats *stats);
/* Looks at every thread at once, as against a few a pass: frees those that are gone. */
CLEW_API int clew_drain_settle(struct clew_drain *drain, struct clew_drain_stats *stats);
/* After a pass that could not write: what was not written is taken from the rings again by the next one. */
CLEW_API void clew_drain_again(struct clew_drain *drain);
/* The pids of recorded processes that are alive, at most `room`; returns how many there are. */
CLEW_API int clew_drain_pids(struct clew_drain *drain, uint32_t *pids, uint32_t room);
/* Writes an UNSEEN block. */
CLEW_API int clew_drain_unseen(struct clew_drain *drain, uint32_t reason, uint32_t pid, const char *text);
/* Switches recording off, takes what is left, and, if `end`, writes END. The handle is gone afterwards. */
CLEW_API int clew_drain_close(struct clew_drain *drain, int end, struct clew_drain_stats *stats);

/*
 * Takes what is left in an arena whose recorder died into a new segment, without repeating what
 * the segments hold already. -EBUSY: its recorder is alive.
 */
CLEW_API int clew_recover(const char *arena, const char *directory, struct clew_drain_stats *stats);

/* ---- decoding ---- */

struct clew_columns { /* arrays of `room` entries */
	uint64_t *serial, *begin, *ticks, *conn_id, *offset, *data_at;
	int64_t *result;
	uint32_t *pid, *tid, *seq, *head;
	int32_t *fd;
	uint16_t *op, *flags, *error, *tail;
};

struct clew_block_note { /* a block that does not hold records */
	uint64_t serial, ticks, data_at;
	uint32_t type, pid, tid, size;
};

struct clew_decoded {
	uint64_t records, notes; /* entries filled */
	uint64_t next_offset;    /* where the next call goes on: the end of the last whole block */
	uint64_t skipped;        /* bytes of damaged blocks and records */
	uint64_t pending;        /* bytes at the end that are not a whole block (yet) */
	uint64_t need_records;   /* room that the next block needs, if it did not fit even an empty batch */
	uint32_t complete;       /* END block seen */
	uint32_t zero;
};

/*
 * Walks whole blocks of a segment from `offset` (0 = the start) until the columns, the notes or
 * max_bytes are full. Returns 0, or -EINVAL if it is no segment. Every byte of `data` may be hostile.
 */
CLEW_API int clew_decode(const uint8_t *data, uint64_t size, uint64_t offset, uint64_t max_bytes,
						 const struct clew_columns *columns, uint64_t room, struct clew_block_note *notes,
						 uint64_t notes_room, struct clew_decoded *decoded);

/* Copies `count` byte strings into `out` one after the other; ends[i] is where the i-th ends. -ERANGE: out is too
 * small. */
CLEW_API int clew_gather(const uint8_t *data, uint64_t size, const uint64_t *at, const uint64_t *lengths,
						 uint64_t count, uint8_t *out, uint64_t room, int64_t *ends);
/* The same as UTF-8: bytes that are none, and NUL, become \xNN, so `out` needs four times the room. */
CLEW_API int clew_gather_text(const uint8_t *data, uint64_t size, const uint64_t *at, const uint64_t *lengths,
							  uint64_t count, uint8_t *out, uint64_t room, int64_t *ends);
/* struct sockaddr (at most 112 bytes each) as 127.0.0.1:80, [::1]:80, /run/x.sock, @abstract; empty where unknown. */
CLEW_API int clew_gather_addresses(const uint8_t *data, uint64_t size, const uint64_t *at, const uint64_t *lengths,
								   uint64_t count, uint8_t *out, uint64_t room, int64_t *ends);

enum { CLEW_EXPAND_JSON = 1, CLEW_EXPAND_PAYLOAD = 2 };
/*
 * Prints decoded records `from` .. `to` to `out` as text or JSON lines, control characters escaped;
 * *next is the first that found no room. Returns the bytes written.
 */
CLEW_API int64_t clew_expand(const uint8_t *data, uint64_t size, const struct clew_columns *columns, uint64_t from,
							 uint64_t to, uint32_t style, char *out, uint64_t room, uint64_t *next);

#endif
