/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief libFuzzer: a hostile module, hostile registers and a hostile stack through the unwinder.
 *
 * The first byte says which machine, the next 33 words are registers, the next STACK bytes the stack, the rest a
 * module. Program counter and stack pointer are put where something is, else a fuzzer would hardly ever get in.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "clew_unwind.h"

#define WORDS 33
#define STACK 512
#define MOST 200
#define WHERE 0x7f0000000000u

struct module {
	int32_t handle;
	uint64_t size;
};

static int find(void *context, uint64_t address, struct clew_unwind_map *map)
{
	const struct module *module = context;
	if (address - WHERE >= module->size && address >> 56) /* all of the lower half is mapped, though without bytes */
		return 0;
	*map = (struct clew_unwind_map){0, UINT64_MAX >> 8, 0 - WHERE, -1};
	if (address - WHERE < module->size)
		*map = (struct clew_unwind_map){WHERE, WHERE + module->size, 0 - WHERE, module->handle};
	return 1;
}

static void walk(const uint8_t *input, const uint8_t *stack, const uint8_t *image, size_t size)
{
	uint64_t regs[WORDS], ips[MOST];
	memcpy(regs, input + 1, sizeof regs);
	struct clew_unwind *unwind = clew_unwind_new();
	if (!unwind)
		return;
	struct module module = {clew_unwind_module(unwind, image, size), size};
	const uint32_t machine = input[0] & 1 ? EM_AARCH64 : EM_X86_64;
	uint64_t *sp = &regs[input[0] & 1 ? 31 : 7], *pc = &regs[input[0] & 1 ? 32 : 8];
	if (!(input[0] & 2))
		*sp = 0x7ffe00000000u + (*sp & 0xff8);
	for (unsigned turn = 0; turn < 8; turn++) {
		if (!(input[0] & 4))
			*pc = WHERE + (size ? (*pc + turn * 37) % size : 0);
		const struct clew_unwind_state state = {
			.machine = machine,
			.regs_mask = input[0] & 1 ? 0x1ffffffff : 0xff0fff,
			.regs = (const uint8_t *)regs,
			.stack = stack,
			.stack_size = STACK,
			.find = find,
			.context = &module,
		};
		const size_t most = turn & 1 ? MOST : CLEW_UNWIND_MOST;
		if (clew_unwind(unwind, &state, ips, most) > most)
			abort();
	}
	clew_unwind_free(unwind);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	const size_t fixed = 1 + 8 * WORDS + STACK;
	if (size < fixed)
		return 0;
	uint8_t *stack = malloc(STACK),
			*image = malloc(size - fixed + !(size - fixed)); /* so that a byte too many is seen */
	if (stack && image) {
		memcpy(stack, input + 1 + 8 * WORDS, STACK);
		memcpy(image, input + fixed, size - fixed);
		walk(input, stack, image, size - fixed);
	}
	free(stack);
	free(image);
	return 0;
}
