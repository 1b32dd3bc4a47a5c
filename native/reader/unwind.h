/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What the parts of the unwinder share: bytes that are read with care, ELF images, rows of register rules.
 *
 * Two kinds of address: `address` is of the process, `virtual` is of the ELF file as it was linked, which its CFI
 * speaks of. Places inside a file are offsets of its image.
 */
#ifndef CLEW_READER_UNWIND_H
#define CLEW_READER_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "clew_unwind.h"

/* -- bytes (unwind_bytes.c) -- */

/* Reads past the end give 0 and set `failed`; whoever reads looks once, at the end. */
struct bytes {
	const uint8_t *base;
	uint64_t at, end; /* offsets from base */
	bool failed;
};

uint64_t take(struct bytes *bytes, unsigned size);       /* 1, 2, 4 or 8 bytes, little-endian */
int64_t take_signed(struct bytes *bytes, unsigned size); /* the same, sign-extended */
uint64_t take_uleb(struct bytes *bytes);
int64_t take_sleb(struct bytes *bytes);
void skip(struct bytes *bytes, uint64_t size);

/* -- images (unwind_elf.c) -- */

struct part {
	uint64_t offset, size, start; /* in the file; start: its virtual address */
};

/* Where functions begin, for CFI without a table of its own. */
struct index {
	struct function {
		uint64_t start, entry; /* virtual address; offset of its FDE */
	} *list;
	uint64_t count;
	bool made;
};

struct image {
	const uint8_t *bytes;
	uint64_t size;
	bool mapped; /* by us */
	struct part *loads;
	uint64_t load_count;
	struct part eh_frame_hdr, eh_frame, debug_frame; /* size 0: there is none */
	struct index eh_index, debug_index;
};

bool image_read(struct image *image, bool *no_memory); /* false: not a 64-bit little-endian ELF file, or no memory */
bool image_virtual(const struct image *image, uint64_t offset, uint64_t *virtual_address);
bool image_offset(const struct image *image, uint64_t virtual_address, uint64_t *offset);
/* The note NT_GNU_BUILD_ID; NULL: none. */
const uint8_t *image_build_id(const struct image *image, uint64_t *size);

/* -- frame description (unwind_frames.c) -- */

/* A function's FDE with what its CIE says. */
struct description {
	uint64_t start, end;          /* virtual addresses */
	struct part initial, program; /* instructions of CIE and FDE; start: virtual address of the first byte */
	uint64_t code_align;
	int64_t data_align;
	uint64_t return_column;
	uint8_t encoding; /* of addresses */
	bool augmented;   /* the FDE holds augmentation data */
	bool signal;      /* the frame of a signal handler's caller: its address is not behind a call */
};

enum found { FOUND, NOT_FOUND, BROKEN };
enum found describe(struct image *image, uint64_t virtual_address, struct description *description);
bool has_descriptions(const struct image *image);
/* A pointer as DW_EH_PE says; `bytes` are of `image`, `delta` is virtual address minus offset. */
uint64_t take_encoded(const struct image *image, struct bytes *bytes, uint8_t encoding, uint64_t delta,
					  uint64_t function);

/* -- rows (unwind_cfa.c) -- */

#define COLUMNS 33 /* registers of aarch64 and its program counter; x86-64 has 17 */

enum rule_kind { SAME, UNDEFINED, OFFSET, VALUE_OFFSET, REGISTER, EXPRESSION, VALUE_EXPRESSION };

struct rule {
	int64_t value;   /* offset from the CFA, register, or offset of the expression in the image */
	uint32_t length; /* of the expression */
	uint8_t kind, column;
};

struct row {
	struct rule cfa; /* kind REGISTER: register `column` plus value; or EXPRESSION */
	struct rule rules[COLUMNS];
};

/* The row of `virtual_address`; false: the program is broken. */
bool row_of(const struct image *image, const struct description *description, uint64_t virtual_address,
			unsigned columns, struct row *row);

/* -- cache (unwind_rows.c) -- */

enum answer { ROW, NO_ROW, BROKEN_ROW, NO_MEMORY };

struct cached {
	struct rule cfa;
	uint32_t first, count; /* of cache->rules, those that are not SAME */
	uint8_t return_column, answer;
	bool signal;
};

struct cache {
	struct slot_of_row {
		uint64_t virtual_address;
		uint32_t key; /* module + 1; 0: free */
		uint32_t row;
	} *slots;
	uint64_t mask, used, rule_count, rule_room, row_room, row_count;
	struct cached *rows;
	struct rule *rules;
};

/* The row of a module's address, decoded once; valid until the next call. NULL: no memory. */
const struct cached *cached_row(struct clew_unwind *unwind, uint32_t module, uint64_t virtual_address,
								unsigned columns);
void cache_free(struct cache *cache);

/* -- walking (unwind_step.c, unwind_guess.c, unwind_expression.c) -- */

/* Where the value of a register is. */
struct place_of_value {
	enum { NOWHERE, MEMORY, VALUE } kind;
	uint64_t value;
};

struct machine {
	uint8_t columns, sp, fp, pc; /* DWARF numbers; pc: our own column if it has none */
	uint8_t bits;                /* of the register mask that are known */
	const uint8_t *column;       /* of each bit; COLUMNS: of no interest */
};

struct frame {
	const struct clew_unwind_state *state;
	struct clew_unwind *unwind;
	const struct machine *machine;
	uint64_t stack_start, stack_end;
	uint64_t pc, cfa; /* cfa: the stack pointer in this frame */
	bool behind_call; /* pc is an address of return */
	bool from_signal; /* the step to here left a signal handler */
	struct place_of_value at[COLUMNS];
	struct clew_unwind_map map; /* the last one that was found */
};

bool frame_read(struct frame *frame, uint64_t address, uint64_t *value);
bool frame_value(struct frame *frame, const struct place_of_value *place, uint64_t *value);
bool frame_register(struct frame *frame, uint64_t column, uint64_t *value);
bool frame_map(struct frame *frame, uint64_t address);
static inline struct place_of_value in_memory(uint64_t address)
{
	return (struct place_of_value){address ? MEMORY : NOWHERE, address};
}

/* The value on top of the stack after the expression; `initial`: what lies on it before, NULL: nothing. */
bool evaluate(struct frame *frame, const struct image *image, const struct rule *rule, uint64_t bias,
			  const uint64_t *initial, struct place_of_value *result);
/* A step without CFI; false: the chain ends. */
bool guess(struct frame *frame);

struct clew_unwind {
	struct image *images;
	uint64_t image_count, image_room;
	struct cache cache;
};

#endif
