/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What the parts of the perf.data reader share. Out of memory is noted once, in perf->failed, and ends the work.
 */
#ifndef CLEW_READER_PERF_H
#define CLEW_READER_PERF_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "clew_perf.h"

#define ABSENT UINT32_MAX

/* -- containers (perf_store.c) -- */

/* From a key of 64 bits, not 0, to a number. */
struct table {
	struct slot {
		uint64_t key;
		uint32_t value;
	} *slots;
	uint64_t mask, used;
};

/* Where to put the value of `key`; *fresh: it was not there, and is 0. NULL: out of memory. */
uint32_t *table_put(struct table *table, uint64_t key, bool *fresh);
/* The value of `key`, or NULL. */
uint32_t *table_get(const struct table *table, uint64_t key);
void table_free(struct table *table);
/* Room for one element more than `count` in an array of `each` bytes per element; false: out of memory. */
bool reserve(void *array, uint64_t count, uint64_t *room, size_t each);
/* Of bytes of any number and alignment. */
uint64_t hash_bytes(const uint8_t *bytes, uint64_t size, uint64_t seed);

static inline uint64_t mix(uint64_t value, uint64_t with)
{
	const unsigned __int128 product = (unsigned __int128)(value ^ 0x9e3779b97f4a7c15u) * (with ^ 0xd1b54a32d192ed03u);
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* -- memory of the recording (perf_pages.c) -- */

struct pages {
	const uint8_t *data;
	uint64_t size, mapped; /* mapped: a file backs it */
	uint64_t read;         /* bytes, since its pages were given back */
};

/* `size` bytes more were read, wherever they are. */
void pages_read(struct pages *pages, uint64_t size);

/* -- records (perf_records.c) -- */

struct record {
	uint32_t type;
	uint16_t misc, size;
	const uint8_t *body, *end; /* after the header; end without the trailer */
	int64_t ts;                /* CLEW_PERF_NONE: not known */
	uint32_t event;            /* ABSENT: of none */
	uint32_t pid, tid, cpu;    /* of the trailer; ABSENT: not known */
};

/* What a sample holds; pointers into the data, not aligned. */
struct sample {
	uint64_t ip, address, period, regs_abi, stack_size;
	const uint8_t *chain, *raw, *regs, *stack, *counts; /* NULL: not there */
	uint32_t chain_count, raw_size;
	uint32_t count_count, count_each, count_id; /* of counters read along: bytes of each, place of its id (0: none) */
	uint32_t pid, tid, cpu;                     /* ABSENT: not known */
	bool has_ip;
};

struct entry {
	uint64_t at : 48, event : 16;
	uint64_t time; /* 0: none, stands before all others */
};

struct clew_perf;
/* Where the record at `at` ends, with what follows it; 0: it is cut or broken. */
uint64_t record_end(const uint8_t *data, uint64_t size, uint64_t at);
/* Fill perf->entries with all records that matter, in order of time. */
void records_index(struct clew_perf *perf);
struct record record_at(const struct clew_perf *perf, const struct entry *entry);
/* False: the record is shorter than its layout says. */
bool sample_read(const struct clew_perf *perf, const struct record *record, struct sample *sample);
/* Stable; `spare` has as many elements. */
void entries_sort(struct entry *entries, struct entry *spare, uint64_t count);

static inline uint64_t load64(const uint8_t *at)
{
	uint64_t value;
	memcpy(&value, at, sizeof value);
	return value;
}

static inline uint32_t load32(const uint8_t *at)
{
	uint32_t value;
	memcpy(&value, at, sizeof value);
	return value;
}

/* -- mappings (perf_maps.c) -- */

struct map {
	uint64_t start, end, offset; /* offset: to add to an address to have the place's */
	uint32_t module;
	uint8_t kind;
	int32_t pid;
};

/* Shared by processes until one of them changes it. */
struct maps {
	uint32_t references;
	uint64_t count, room;
	struct map *list; /* by start, never overlapping */
};

struct maps *maps_new(void);
void maps_free(struct maps *maps);
const struct map *maps_find(const struct maps *maps, uint64_t address);
/* Add to maps that others may share, or that are none yet (NULL); false: out of memory. */
bool maps_put(struct maps **maps, struct map map);
void map_event(struct clew_perf *perf, const struct record *record);
void ksymbol_event(struct clew_perf *perf, const struct record *record);
uint32_t text_of(struct clew_perf *perf, const uint8_t *bytes, uint64_t size);

/* -- threads (perf_threads.c) -- */

struct process {
	int32_t pid, ppid;
	uint32_t command, exe;      /* texts; ABSENT */
	bool wants_exe;             /* the next file that is mapped is the program */
	struct maps *maps, *before; /* before: of the program that called exec, until the new one runs */
	struct maps *made;          /* functions that it made, `module` says which of the input's; NULL: none so far */
	uint64_t version;           /* another one whenever an address may mean another place */
};

struct thread {
	int32_t pid, tid;
	uint32_t process, name, row; /* row: in the table of threads; ABSENT: not made yet */
	int64_t since;               /* when what the next row says began */
};

struct process *process_of(struct clew_perf *perf, uint32_t pid);
struct thread *thread_of(struct clew_perf *perf, uint32_t pid, uint32_t tid);
/* The row of the thread as it is now; ABSENT: out of memory. */
uint32_t thread_row(struct clew_perf *perf, struct thread *thread);
void comm_event(struct clew_perf *perf, const struct record *record);
void fork_event(struct clew_perf *perf, const struct record *record);
void exit_event(struct clew_perf *perf, const struct record *record);
void switch_event(struct clew_perf *perf, const struct record *record);
/* It was seen to run its new program. */
void process_runs(struct clew_perf *perf, struct process *process);
/* A file was mapped: perhaps the program itself. */
void thread_exe(struct clew_perf *perf, struct process *process, uint32_t name);

/* -- samples (perf_samples.c, perf_stacks.c) -- */

/* A call chain that was seen, known by 96 bits of hash, and its stack. */
struct chain {
	uint64_t hash; /* 0: free */
	uint32_t more;
	int32_t stack;
};

/* What an address was found to mean, while mappings stayed as they are. */
struct meaning {
	uint64_t address, version;
	uint32_t place;
};

#define MEANINGS (1u << 14)

/* One address of a stack. */
struct step {
	uint64_t address;
	bool kernel, is_return;
};

#define STEPS 8192 /* a record is shorter than 64 KiB */

/* A sample whose stack is not known yet. */
struct waiting {
	uint64_t hash, row;
	uint32_t more, process, mode;
	struct sample sample;
};

#define QUEUE 16
#define WAY 256 /* places of a stack that is followed together with others */

/* A stack on its way through the tree, outermost place first. */
struct way {
	unsigned of; /* which of the waiting */
	unsigned count, at, seen;
	int32_t parent; /* at the end, the stack */
	uint32_t last, candidate;
	uint32_t places[WAY];
};

/* Functions that were made until then lie in memory. */
void made_until(struct clew_perf *perf, int64_t ts);
void sample_event(struct clew_perf *perf, const struct record *record);
/* Find out the stack of sample `row` and put it there, now or later. */
void stack_of(struct clew_perf *perf, const struct process *process, const struct sample *sample, uint32_t event,
			  unsigned mode, uint64_t row);
/* Do what was left for later: before a mapping changes. */
void stacks_done(struct clew_perf *perf);
/* The place that an address means at present; ABSENT: out of memory. */
uint32_t place_at(struct clew_perf *perf, const struct process *process, const struct step *step);
/* The node of `place` below `parent` (-1: outermost), made if there is none; -1: out of memory. */
int32_t child_of(struct clew_perf *perf, int32_t parent, uint32_t place);
/* Find the nodes of many stacks. */
void follow(struct clew_perf *perf, struct way *ways, unsigned count);

/* The chain of a sample with registers and stack, behind the `count` steps that there are; returns how many. */
unsigned unwind_steps(struct clew_perf *perf, const struct process *process, const struct sample *sample,
					  uint32_t event, unsigned count);

/* -- all of it -- */

struct clew_perf {
	struct clew_perf_input input;
	int failed; /* -ENOMEM */
	struct table ids;
	struct entry *entries;
	uint64_t entry_count, entry_room;

	struct process *processes;
	struct thread *threads;
	uint64_t process_count, process_room, thread_count, thread_room;
	struct table by_pid, by_tid;

	struct maps *kernel;
	uint64_t versions; /* of mappings, given out so far */
	uint64_t kernel_version;
	uint64_t lost_samples; /* as PERF_RECORD_LOST_SAMPLES tell */
	uint64_t made_done;    /* of the input's functions that programs made */

	struct table counter_table; /* from an id to a number of counters */
	uint64_t *counters;         /* as they stood in the last sample */
	uint64_t counter_count, counter_room;
	struct table text_table, module_table, place_table, stack_table;
	struct chain *chains;
	uint64_t chain_used, chain_mask;
	struct meaning meanings[MEANINGS];
	uint32_t root;            /* a stack of one frame; the others are its siblings */
	struct step steps[STEPS]; /* of the stack at hand, innermost first */
	struct waiting waiting[QUEUE];
	unsigned waiting_count;
	struct way ways[QUEUE];

	struct clew_unwind *unwind; /* NULL: not needed so far */
	int32_t *handles;           /* the unwinder's, of modules */
	uint64_t handle_room;

	struct clew_perf_sample *samples;
	struct clew_perf_stack *stacks;
	struct clew_perf_place *places;
	struct clew_perf_module *modules;
	struct clew_perf_thread *rows;
	struct clew_perf_switch *switches;
	struct clew_perf_ksymbol *ksymbols;
	uint64_t *text_ends;
	uint8_t *text_bytes;
	uint64_t sample_room, stack_room, place_room, module_room, row_room, switch_room, ksymbol_room, text_room,
		text_bytes_room;
	struct clew_perf_tables told; /* counts of the columns above, and the counters */
};

#endif
