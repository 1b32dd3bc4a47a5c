/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Runs the instructions of CIE and FDE up to an address: the row of rules that holds there (DWARF 5, 6.4.2).
 */
#include <elf.h>

#include "unwind.h"

#define DEEPEST 32         /* remembered states; compilers need one or two */
#define LONGEST (1u << 18) /* instructions that are run, so that a hostile file takes no time worth telling */

struct run {
	const struct image *image;
	const struct description *description;
	struct bytes bytes;
	uint64_t delta;    /* virtual address minus offset of the instructions */
	uint64_t location; /* virtual address that the row begins to hold at */
	unsigned columns, deep;
	struct row *row;
	const struct row *initial; /* NULL: these are the initial instructions themselves */
	struct row remembered[DEEPEST];
};

static void rule(struct run *run, uint64_t column, uint8_t kind, int64_t value, uint32_t length)
{
	if (column < run->columns) /* others, such as vector registers, lead to no caller */
		run->row->rules[column] = (struct rule){value, length, kind, (uint8_t)column};
}

static void restore(struct run *run, uint64_t column)
{
	if (!run->initial)
		run->bytes.failed = true;
	else if (column < run->columns)
		run->row->rules[column] = run->initial->rules[column];
}

/* The length and the place of an expression, which is passed over. */
static struct rule block(struct run *run, uint8_t kind)
{
	const uint64_t length = take_uleb(&run->bytes);
	const struct rule rule = {(int64_t)run->bytes.at, (uint32_t)length, kind, 0};
	skip(&run->bytes, length <= UINT32_MAX ? length : UINT64_MAX);
	return rule;
}

static void set_cfa(struct run *run, uint64_t column, int64_t offset)
{
	if (column >= run->columns)
		run->bytes.failed = true;
	else
		run->row->cfa = (struct rule){offset, 0, REGISTER, (uint8_t)column};
}

static int64_t factored(const struct run *run, int64_t value)
{
	return (int64_t)((uint64_t)value * (uint64_t)run->description->data_align);
}

/* Opcodes with their operand in the low 6 bits. */
static void short_instruction(struct run *run, uint8_t opcode)
{
	const uint8_t operand = opcode & 0x3f;
	switch (opcode >> 6) {
	case 1: /* advance_loc */
		run->location += operand * run->description->code_align;
		break;
	case 2: /* offset */
		rule(run, operand, OFFSET, factored(run, (int64_t)take_uleb(&run->bytes)), 0);
		break;
	case 3:
		restore(run, operand);
		break;
	}
}

static void state_instruction(struct run *run, bool remember)
{
	if (remember ? run->deep == DEEPEST : run->deep == 0)
		run->bytes.failed = true;
	else if (remember)
		run->remembered[run->deep++] = *run->row;
	else
		*run->row = run->remembered[--run->deep];
}

static void expression_instruction(struct run *run, uint8_t kind)
{
	const uint64_t column = take_uleb(&run->bytes);
	const struct rule found = block(run, kind);
	rule(run, column, kind, found.value, found.length);
}

static void instruction(struct run *run, uint8_t opcode)
{
	struct bytes *bytes = &run->bytes;
	const uint64_t align = run->description->code_align;
	uint64_t column;
	switch (opcode) {
	case 0x00: /* nop */
	case 0x2d: /* AARCH64_negate_ra_state: signed addresses of return are stripped anyhow */
		break;
	case 0x01: /* set_loc */
		run->location =
			take_encoded(run->image, bytes, run->description->encoding, run->delta, run->description->start);
		break;
	case 0x02: /* advance_loc1, 2, 4 */
	case 0x03:
	case 0x04:
		run->location += take(bytes, 1u << (opcode - 2)) * align;
		break;
	case 0x05: /* offset_extended */
		column = take_uleb(bytes);
		rule(run, column, OFFSET, factored(run, (int64_t)take_uleb(bytes)), 0);
		break;
	case 0x06: /* restore_extended */
		restore(run, take_uleb(bytes));
		break;
	case 0x07:
		rule(run, take_uleb(bytes), UNDEFINED, 0, 0);
		break;
	case 0x08:
		rule(run, take_uleb(bytes), SAME, 0, 0);
		break;
	case 0x09: /* register */
		column = take_uleb(bytes);
		rule(run, column, REGISTER, (int64_t)take_uleb(bytes), 0);
		break;
	case 0x0a: /* remember_state, restore_state */
	case 0x0b:
		state_instruction(run, opcode == 0x0a);
		break;
	case 0x0c: /* def_cfa */
		column = take_uleb(bytes);
		set_cfa(run, column, (int64_t)take_uleb(bytes));
		break;
	case 0x0d: /* def_cfa_register */
		set_cfa(run, take_uleb(bytes), run->row->cfa.kind == REGISTER ? run->row->cfa.value : 0);
		break;
	case 0x0e: /* def_cfa_offset */
		set_cfa(run, run->row->cfa.kind == REGISTER ? run->row->cfa.column : COLUMNS, (int64_t)take_uleb(bytes));
		break;
	case 0x0f: /* def_cfa_expression */
		run->row->cfa = block(run, EXPRESSION);
		break;
	case 0x10: /* expression */
		expression_instruction(run, EXPRESSION);
		break;
	case 0x11: /* offset_extended_sf */
		column = take_uleb(bytes);
		rule(run, column, OFFSET, factored(run, take_sleb(bytes)), 0);
		break;
	case 0x12: /* def_cfa_sf */
		column = take_uleb(bytes);
		set_cfa(run, column, factored(run, take_sleb(bytes)));
		break;
	case 0x13: /* def_cfa_offset_sf */
		set_cfa(run, run->row->cfa.kind == REGISTER ? run->row->cfa.column : COLUMNS, factored(run, take_sleb(bytes)));
		break;
	case 0x14: /* val_offset */
		column = take_uleb(bytes);
		rule(run, column, VALUE_OFFSET, factored(run, (int64_t)take_uleb(bytes)), 0);
		break;
	case 0x15: /* val_offset_sf */
		column = take_uleb(bytes);
		rule(run, column, VALUE_OFFSET, factored(run, take_sleb(bytes)), 0);
		break;
	case 0x16: /* val_expression */
		expression_instruction(run, VALUE_EXPRESSION);
		break;
	case 0x2e: /* GNU_args_size: only for landing in a handler */
		take_uleb(bytes);
		break;
	case 0x2f: /* GNU_negative_offset_extended */
		column = take_uleb(bytes);
		rule(run, column, OFFSET, factored(run, -(int64_t)(take_uleb(bytes) & INT64_MAX)), 0);
		break;
	default:
		bytes->failed = true;
	}
}

static bool run_program(struct run *run, const struct part *program, uint64_t last)
{
	run->bytes = (struct bytes){run->image->bytes, program->offset, program->offset + program->size, false};
	run->delta = program->start - program->offset;
	for (unsigned count = 0; run->bytes.at < run->bytes.end && run->location <= last && !run->bytes.failed; count++) {
		run->bytes.failed = count == LONGEST;
		const uint8_t opcode = (uint8_t)take(&run->bytes, 1);
		if (opcode >> 6)
			short_instruction(run, opcode);
		else
			instruction(run, opcode);
	}
	return !run->bytes.failed;
}

bool row_of(const struct image *image, const struct description *description, uint64_t virtual_address,
			unsigned columns, struct row *row)
{
	struct run run; /* remembered states are written before they are read */
	struct row initial;
	run.image = image;
	run.description = description;
	run.location = 0;
	run.columns = columns;
	run.deep = 0;
	run.row = row;
	run.initial = NULL;
	memset(row, 0, sizeof *row);
	for (unsigned column = 0; column < COLUMNS; column++)
		row->rules[column].column = (uint8_t)column;
	if (!run_program(&run, &description->initial, UINT64_MAX))
		return false;
	initial = *row;
	run.initial = &initial;
	run.location = description->start;
	run.deep = 0;
	return run_program(&run, &description->program, virtual_address) &&
		   (row->cfa.kind == REGISTER || row->cfa.kind == EXPRESSION);
}
