/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief User call chains from registers and a copy of the stack, by the call frame information (CFI) of ELF files.
 *
 * CFI is that of the DWARF 5 standard, section 6.4, as the Linux Standard Base puts it into .eh_frame and
 * .eh_frame_hdr. What the bytes of a file or of a stack say is never trusted: every read is checked, every walk ends.
 * An unwinder is for one thread at a time.
 */
#ifndef CLEW_UNWIND_H
#define CLEW_UNWIND_H

#include <stddef.h>
#include <stdint.h>

#define CLEW_UNWIND_API __attribute__((visibility("default")))
#define CLEW_UNWIND_MOST 127 /* addresses of a chain, unless told otherwise: what perf shows */

struct clew_unwind;

/** Returns NULL without memory. */
CLEW_UNWIND_API struct clew_unwind *clew_unwind_new(void);
CLEW_UNWIND_API void clew_unwind_free(struct clew_unwind *unwind);

/**
 * Add a module: an ELF image of `size` bytes as it lies in its file, which the caller keeps until clew_unwind_free().
 * Returns its handle (0, 1, ...), also when it has no CFI; -EINVAL: not 64-bit little-endian ELF; -ENOMEM.
 */
CLEW_UNWIND_API int32_t clew_unwind_module(struct clew_unwind *unwind, const void *image, size_t size);
/**
 * The same from a file, mapped until clew_unwind_free(); "[vdso]" is the one of this machine. `build_id` (`id_size`
 * bytes, 0: not known) must be the file's own. Returns a handle or -errno (-ESTALE: another build).
 */
CLEW_UNWIND_API int32_t clew_unwind_open(struct clew_unwind *unwind, const char *path, const uint8_t *build_id,
										 size_t id_size);

/** A mapping at the time of the sample. */
struct clew_unwind_map {
	uint64_t start, end; /* addresses [start, end) */
	uint64_t offset;     /* to add to an address, modulo 2^64, to have the offset in the module's file */
	int32_t module;      /* handle; < 0: mapped, but nothing is known of its bytes (anonymous memory, a deleted file) */
};

/** Fill *map with the mapping that holds `address`; return 0 if there is none. */
typedef int clew_unwind_find(void *context, uint64_t address, struct clew_unwind_map *map);

/** What a sample holds of a thread in user mode. */
struct clew_unwind_state {
	uint32_t machine;     /* EM_X86_64 or EM_AARCH64 (elf.h) */
	uint64_t regs_mask;   /* perf_event_attr.sample_regs_user: bits are the kernel's asm/perf_regs.h */
	const uint8_t *regs;  /* PERF_SAMPLE_REGS_USER: 8 bytes for each bit of the mask; need not be aligned */
	const uint8_t *stack; /* PERF_SAMPLE_STACK_USER: bytes from the stack pointer on */
	uint64_t stack_size;  /* its dyn_size: how many of them were copied */
	clew_unwind_find *find;
	void *context;
};

/**
 * The call chain, innermost first: at most `most` addresses into `ips`, returns how many (0: no program counter). The
 * first is the program counter. The others lie inside of their call, one byte before the address of return, except
 * behind a signal handler, where the address is that of the interrupted instruction; that is how perf tells them.
 */
CLEW_UNWIND_API size_t clew_unwind(struct clew_unwind *unwind, const struct clew_unwind_state *state, uint64_t *ips,
								   size_t most);

#endif
