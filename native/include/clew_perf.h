/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Records of perf.data as Python asks for them: samples, their stacks and threads as columns.
 *
 * Records are those of linux/perf_event.h and of perf's own documentation of perf.data (perf.data-file-format.txt).
 * Python reads the headers (attributes, ids, names) and hands on one stretch of records; what is compressed comes
 * decompressed. Every length is checked: a stretch that is cut or broken gives what stands before the break.
 */
#ifndef CLEW_PERF_H
#define CLEW_PERF_H

#include <stdint.h>

#define CLEW_PERF_API __attribute__((visibility("default")))
#define CLEW_PERF_NONE INT64_MIN /* a time that is not known */

/** What is sampled: the parts of struct perf_event_attr that say how its records are laid out. */
struct clew_perf_event {
	uint64_t sample_type, read_format, branch_type, regs_user;
	uint64_t period;        /* weight of samples that tell none */
	uint32_t sample_id_all; /* other records end with time, thread and id */
	uint32_t keep_raw;      /* say where the raw bytes of samples are */
	uint32_t build_ids;     /* were asked for: the kernel marks records when anybody did */
	uint32_t inherit;       /* each task that inherits the event counts on its own */
};

struct clew_perf_id {
	uint64_t id;
	uint64_t event; /* index of the clew_perf_event */
};

/** A record that speaks of the file, not of the program: its type and where it is. */
struct clew_perf_note {
	uint64_t at;
	uint32_t type;
	uint32_t size; /* of the record; what follows HEADER_TRACING_DATA and AUXTRACE is not counted */
};

/** Where the bytes of a module are by now. */
struct clew_perf_file {
	const char *module; /* as records name it */
	const char *path;   /* NULL: nowhere */
};

/** A function that a program made while it ran, or moved, and says so itself (jit-PID.dump). */
struct clew_perf_made {
	int64_t ts_ns;
	uint64_t start, length;
	int64_t pid;
};

struct clew_perf_input {
	const uint8_t *data;
	uint64_t size;
	uint64_t mapped; /* data is a mapped file, and not written to: its pages may leave memory once they were read */
	const struct clew_perf_event *events;
	uint64_t event_count;
	const struct clew_perf_id *ids;
	uint64_t id_count;
	uint64_t unwind; /* walk user stacks that were copied into samples (DWARF); 0: take their innermost address */
	const struct clew_perf_file *files; /* for walking; modules that are not named are where they were */
	uint64_t file_count;
	const struct clew_perf_made *made; /* in order of time */
	uint64_t made_count;
};

enum clew_perf_kind { CLEW_PERF_USER, CLEW_PERF_KERNEL, CLEW_PERF_JIT, CLEW_PERF_UNKNOWN };

struct clew_perf_sample {
	double weight;
	int64_t ts_ns; /* CLEW_PERF_NONE: not known */
	uint64_t address;
	uint64_t raw_at; /* of the event's own bytes in the data */
	uint32_t raw_size;
	int32_t stack, thread, cpu; /* -1: none, not known */
	uint32_t event;
	uint32_t mode; /* PERF_RECORD_MISC_KERNEL, ..._USER, ... */
};

/** A tree: parents stand before children, -1 above the outermost. */
struct clew_perf_stack {
	int32_t parent;
	uint32_t place;
	uint32_t child, next; /* a child of it, another child of its parent; UINT32_MAX: none, or found in other ways */
};

struct clew_perf_place {
	uint64_t address;   /* user: offset in the module's file; else the address in memory */
	int32_t module;     /* -1: none */
	int32_t pid;        /* JIT: whose memory; else -1 */
	uint32_t kind;      /* enum clew_perf_kind */
	uint32_t is_return; /* where a call returns to, behind the instruction that is meant */
	int64_t made;       /* which of the input's `made` lay there at the time of the samples; -1: not told */
};

struct clew_perf_module {
	uint32_t name;          /* text: path as the kernel told it */
	uint32_t build_id_size; /* 0: no record told it */
	int32_t pid;            /* of a process that mapped it; -1: the kernel's */
	uint8_t build_id[20];
};

/** One row for each name and program that a thread had. */
struct clew_perf_thread {
	int64_t start_ns, end_ns;
	int32_t pid, tid, ppid;
	int32_t name, command, exe; /* texts; -1: not known */
};

struct clew_perf_switch {
	int64_t ts_ns;
	int32_t tid;
	uint32_t out;
};

/** A function that the kernel was given while it ran (BPF). */
struct clew_perf_ksymbol {
	uint64_t start;
	uint32_t length;
	uint32_t name; /* text */
};

/** Valid until clew_perf_close(). Text N is text_bytes[text_ends[N], text_ends[N + 1]). */
struct clew_perf_tables {
	const struct clew_perf_sample *samples; /* in order of time */
	const struct clew_perf_stack *stacks;
	const struct clew_perf_place *places;
	const struct clew_perf_module *modules;
	const struct clew_perf_thread *threads;
	const struct clew_perf_switch *switches; /* PERF_RECORD_SWITCH, in order of time */
	const struct clew_perf_ksymbol *ksymbols;
	const uint64_t *text_ends;
	const uint8_t *text_bytes;
	uint64_t sample_count, stack_count, place_count, module_count, thread_count, switch_count, ksymbol_count,
		text_count;
	uint64_t kernel_text;  /* address of kernel_symbol when it was recorded; 0: not told */
	int64_t kernel_symbol; /* text: _text or _stext; -1: not told */
	uint64_t lost;         /* records that the kernel could not write */
	uint64_t throttled;    /* times that sampling was suspended */
	uint64_t guest;        /* samples of virtual machines, left out */
	uint64_t of_no_event;  /* samples whose event is not in the headers, left out */
	uint64_t broken;       /* records that were shorter than what they should hold, left out */
	uint64_t without_time; /* 1: no record has a time; order of the file */
	uint64_t end;          /* bytes that were read; less than the input's size: cut or broken there */
	uint64_t unwound;      /* stacks that were walked by DWARF */
};

struct clew_perf;

/**
 * Find the records of types from 64 up (attributes, features, compressed, ...) from `*at` on; at most `room` of them.
 * Returns how many; `mapped`: as in struct clew_perf_input; `*at` is where to go on, `size` or the place of a record
 * that is cut or broken at the end.
 */
CLEW_PERF_API int64_t clew_perf_notes(const uint8_t *data, uint64_t size, uint64_t mapped, uint64_t *at,
									  struct clew_perf_note *notes, uint64_t room);
/** Read all records. Returns 0 or -errno (-ENOMEM, -EINVAL: no event). */
CLEW_PERF_API int clew_perf_read(const struct clew_perf_input *input, struct clew_perf **perf,
								 struct clew_perf_tables *tables);
/**
 * Stacks of places to stacks of frames: place P is the frames first[P] .. first[P] + count[P] - 1, outermost first, at
 * least one. `last` has for each stack the row of its innermost frame. Returns the number of rows, or -ENOSPC.
 */
CLEW_PERF_API int64_t clew_perf_expand(const struct clew_perf_stack *stacks, uint64_t count, const int32_t *first,
									   const int32_t *frames, int32_t *out_parent, uint32_t *out_frame, int32_t *last,
									   uint64_t room);
CLEW_PERF_API void clew_perf_close(struct clew_perf *perf);

#endif
