/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief User stacks, taken by the thread itself: no libc, no lock, no allocation; memory is read only where it is
 * mapped.
 */
#ifndef CLEW_STACK_H
#define CLEW_STACK_H

#include "internal.h"

/* Registers by their number in the x86-64 psABI, figure 3.36; of AArch64 only fp, sp and pc are followed. */
enum { AT_FP = 6, AT_SP = 7, AT_PC = 16, REGISTERS = 17 };

/* The stack memory that may be read without asking the kernel, and the last page that it was asked about. */
struct readable {
	uint64_t low, high;
	uint64_t page;
};

/* A frame: where its thread will go on in it, and what its caller may want back. */
struct frame {
	uint64_t reg[REGISTERS];
	uint32_t known; /* bit n: reg[n] is */
	bool exact;     /* reg[AT_PC] is the next instruction, not one to return to */
	struct readable memory;
};

/* A loaded module, as the dynamic loader has it. */
struct module {
	uint64_t start, end;  /* its addresses */
	const uint8_t *index; /* its .eh_frame_hdr; NULL = none */
	const struct link_map *map;
};

/* What the walk may do with a frame that it has found the caller of. */
enum step { STEP_DONE, STEP_OUTERMOST, STEP_UNKNOWN };

/* stack_module.c */
void stack_module_start(void); /* once per program image */
bool stack_module_find(uint64_t address, struct module *found);
bool stack_module_is_ours(const struct module *module);
/* Tells once per process, in a MAP record, which file `address` of `module` comes from. */
void stack_module_tell(struct clew_slot *slot, const struct module *module, uint64_t address);
/* The part of the module's file that is mapped where `address` lies; false: none. */
struct segment {
	uint64_t start, end, offset;
};
bool stack_module_segment(const struct module *module, uint64_t address, struct segment *segment);

/* stack_maps.c: what /proc/self/maps says */
bool stack_maps_find(uint64_t address, struct module *found); /* code, from a table that is refreshed now and then */
bool stack_maps_path(uint64_t address, uint64_t *offset, char *path, size_t room); /* false: no file, or too long */

/* stack_memory.c */
void stack_memory_start(void);                          /* once per program image */
void stack_memory_known(uintptr_t low, uintptr_t high); /* the stack that this thread was started on */
void stack_memory_begin(struct readable *memory, uint64_t stack_pointer);
bool stack_read(struct readable *memory, uint64_t address, uint64_t *value);

/* stack_cfi.c: the caller of a frame by the module's call frame information */
enum step stack_cfi_step(struct frame *frame, const struct module *module);

/* stack_expression.c: a DWARF expression of `size` bytes; what it computes for `frame`, with *value pushed first if
 * `push` */
bool stack_expression(struct frame *frame, const uint8_t *at, uint64_t size, bool push, uint64_t *value);

/* stack_walk.c: at most `room` addresses, innermost first; the caller's own frames first in `frame` */
struct walked {
	uint32_t frames;
	enum clew_stack_end end;
};
struct walked stack_walk(struct clew_slot *slot, struct frame *frame, bool tick, uint64_t *addresses, uint32_t room);

/* stack.c */
void stack_start(void); /* once per program image, when the arena is there */
void stack_of_call(struct clew_slot *slot, enum clew_op op, uint32_t call_seq, uint64_t begin);
void stack_of_allocation(struct clew_slot *slot, enum clew_op op, uint64_t weight);
/* A tick of the sampler that came at `frame`; NULL: a share of time of which nothing is known. */
void stack_of_tick(struct clew_slot *slot, struct frame *frame, uint64_t ns);

#endif
