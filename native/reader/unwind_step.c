/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief From a frame to its caller's, until there is none: what perf and libunwind show, where they stop.
 *
 * Memory is the copy of the stack, else the files as they are on disk. What is mapped but cannot be read gives 0, so
 * that a chain that leaves the copied bytes ends in the address -1, as perf has it.
 */
#include <elf.h>
#include <errno.h>

#include "unwind.h"

#define AUTHENTICATION 0xffff000000000000u /* bits of a signed address of return (aarch64) that are no address */

/* Bits of asm/perf_regs.h in their order: ax bx cx dx si di bp sp ip, six of no interest, cs to gs, r8 to r15. */
static const uint8_t x86_64_column[] = {0,       3,       2,       1,       4, 5, 6,  7,  16, COLUMNS, COLUMNS, COLUMNS,
										COLUMNS, COLUMNS, COLUMNS, COLUMNS, 8, 9, 10, 11, 12, 13,      14,      15};
static const uint8_t aarch64_column[] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16,
										 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32};
static const struct machine x86_64 = {
	.columns = 17, .sp = 7, .fp = 6, .pc = 16, .bits = sizeof x86_64_column, .column = x86_64_column};
static const struct machine aarch64 = {
	.columns = 33, .sp = 31, .fp = 29, .pc = 32, .bits = sizeof aarch64_column, .column = aarch64_column};

bool frame_map(struct frame *frame, uint64_t address)
{
	const struct clew_unwind_map *map = &frame->map;
	if (address >= map->start && address < map->end)
		return true;
	if (frame->state->find(frame->state->context, address, &frame->map) && address >= map->start && address < map->end)
		return true;
	frame->map = (struct clew_unwind_map){.module = -1};
	return false;
}

static const struct image *image_of(const struct frame *frame)
{
	const int32_t module = frame->map.module;
	return module < 0 || (uint64_t)module >= frame->unwind->image_count ? NULL : &frame->unwind->images[module];
}

bool frame_read(struct frame *frame, uint64_t address, uint64_t *value)
{
	*value = 0;
	if (address > UINT64_MAX - sizeof *value)
		return false;
	if (address >= frame->stack_start && address + sizeof *value < frame->stack_end) {
		memcpy(value, frame->state->stack + (address - frame->stack_start), sizeof *value);
		return true;
	}
	const struct clew_unwind_map before = frame->map;
	const bool mapped = frame_map(frame, address);
	const struct image *image = mapped ? image_of(frame) : NULL;
	const uint64_t offset = address + frame->map.offset;
	frame->map = before; /* that of the code is asked for again */
	if (image && offset < image->size && image->size - offset >= sizeof *value)
		memcpy(value, image->bytes + offset, sizeof *value);
	return mapped;
}

bool frame_value(struct frame *frame, const struct place_of_value *place, uint64_t *value)
{
	*value = place->value;
	return place->kind == VALUE || (place->kind == MEMORY && frame_read(frame, place->value, value));
}

bool frame_register(struct frame *frame, uint64_t column, uint64_t *value)
{
	const struct machine *machine = frame->machine;
	*value = column == machine->sp ? frame->cfa : frame->pc;
	if (column == machine->sp || column == machine->pc)
		return true;
	return column < machine->columns && frame_value(frame, &frame->at[column], value);
}

static bool cfa_of(struct frame *frame, const struct image *image, const struct cached *row, uint64_t bias,
				   uint64_t *cfa)
{
	struct place_of_value place;
	if (row->cfa.kind == REGISTER) {
		if (!frame_register(frame, row->cfa.column, cfa))
			return false;
		*cfa += (uint64_t)row->cfa.value;
		return true;
	}
	if (!evaluate(frame, image, &row->cfa, bias, NULL, &place) || place.kind == VALUE)
		return false;
	*cfa = place.value;
	return true;
}

/* Where the caller's register is; false: cannot be told. */
static bool place_by(struct frame *frame, const struct image *image, const struct rule *rule, uint64_t bias,
					 uint64_t cfa, struct place_of_value *place)
{
	switch (rule->kind) {
	case OFFSET:
		*place = in_memory(cfa + (uint64_t)rule->value);
		return true;
	case VALUE_OFFSET:
		*place = (struct place_of_value){VALUE, cfa + (uint64_t)rule->value};
		return true;
	case REGISTER:
		*place = (struct place_of_value){NOWHERE, 0};
		if (rule->value >= 0 && rule->value < frame->machine->columns)
			*place = frame->at[rule->value];
		return true;
	case EXPRESSION:
		return evaluate(frame, image, rule, bias, &cfa, place);
	case VALUE_EXPRESSION:
		if (!evaluate(frame, image, rule, bias, &cfa, place))
			return false;
		place->kind = VALUE;
		return true;
	}
	*place = (struct place_of_value){NOWHERE, 0};
	return true;
}

/* To the caller by a row; false: the chain ends. */
static bool apply(struct frame *frame, const struct image *image, const struct cached *row, uint64_t bias)
{
	const struct rule *rules = frame->unwind->cache.rules + row->first;
	struct place_of_value places[COLUMNS];
	const uint64_t pc = frame->pc, before = frame->cfa;
	uint64_t cfa;
	if (!cfa_of(frame, image, row, bias, &cfa))
		return false;
	for (uint32_t i = 0; i < row->count; i++)
		if (!place_by(frame, image, &rules[i], bias, cfa, &places[i]))
			return false;
	for (uint32_t i = 0; i < row->count; i++)
		frame->at[rules[i].column] = places[i];
	frame->cfa = cfa;
	const struct place_of_value *back = &frame->at[row->return_column];
	if (back->kind == NOWHERE || !frame_value(frame, back, &frame->pc))
		return false;
	if (frame->machine == &aarch64)
		frame->pc &= ~AUTHENTICATION;
	frame->behind_call = !row->signal;
	frame->from_signal = row->signal;
	return (frame->pc != pc || cfa != before) && (frame->machine != &x86_64 || frame->at[x86_64.fp].kind != NOWHERE);
}

static bool step(struct frame *frame)
{
	const uint64_t address = frame->pc - frame->behind_call;
	const struct image *image = frame_map(frame, address) ? image_of(frame) : NULL;
	const uint64_t offset = address + frame->map.offset;
	uint64_t virtual_address;
	if (!image || !has_descriptions(image) || offset >= image->size)
		return false;
	if (!image_virtual(image, offset, &virtual_address))
		return guess(frame);
	const struct cached *row =
		cached_row(frame->unwind, (uint32_t)frame->map.module, virtual_address, frame->machine->columns);
	if (!row || row->answer == BROKEN_ROW)
		return false;
	return row->answer == ROW ? apply(frame, image, row, address - virtual_address) : guess(frame);
}

/* The registers of the sample; false: no program counter or no stack pointer. */
static bool begin(struct frame *frame)
{
	const struct clew_unwind_state *state = frame->state;
	const struct machine *machine = frame->machine;
	const uint8_t *next = state->regs;
	bool known[COLUMNS] = {false};
	for (unsigned bit = 0; bit < machine->bits; bit++) {
		if (!(state->regs_mask >> bit & 1))
			continue;
		const uint8_t column = machine->column[bit];
		if (column < COLUMNS) {
			known[column] = true;
			frame->at[column].kind = VALUE;
			memcpy(&frame->at[column].value, next, sizeof frame->at[column].value);
		}
		next += sizeof(uint64_t);
	}
	frame->pc = frame->at[machine->pc].value;
	frame->cfa = frame->stack_start = frame->at[machine->sp].value;
	frame->stack_end = frame->stack_start + state->stack_size;
	if (frame->stack_end < frame->stack_start) /* it would wrap around: none of it can be used */
		frame->stack_end = frame->stack_start;
	return known[machine->pc] && known[machine->sp];
}

size_t clew_unwind(struct clew_unwind *unwind, const struct clew_unwind_state *state, uint64_t *ips, size_t most)
{
	struct frame frame = {.state = state, .unwind = unwind, .map = {.module = -1}};
	size_t count = 0;
	frame.machine = state->machine == EM_AARCH64 ? &aarch64 : &x86_64;
	if (!most || !begin(&frame))
		return 0;
	if (frame.pc)
		ips[count++] = frame.pc;
	for (size_t steps = 1; steps < most && step(&frame); steps++) {
		const uint64_t address = frame.pc - !frame.from_signal;
		if (address)
			ips[count++] = address;
	}
	return count;
}
