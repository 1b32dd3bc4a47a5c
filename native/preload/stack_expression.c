/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief The few DWARF expressions that call frame information uses: PLT entries, signal frames, realigned stacks.
 *
 * DWARF 5, section 2.5 and 7.7.1. What is not known here makes the walk go on by the frame pointer.
 */
#include "stack.h"

#include "stack_bytes.h"

#define DEPTH 8

enum {
	OP_DEREF = 0x06,
	OP_CONST1U = 0x08,
	OP_CONST8S = 0x0f,
	OP_CONSTU = 0x10,
	OP_CONSTS = 0x11,
	OP_DUP = 0x12,
	OP_AND = 0x1a,
	OP_MINUS = 0x1c,
	OP_MUL = 0x1e,
	OP_OR = 0x21,
	OP_PLUS = 0x22,
	OP_PLUS_UCONST = 0x23,
	OP_SHL = 0x24,
	OP_SHR = 0x25,
	OP_EQ = 0x29,
	OP_NE = 0x2e,
	OP_LIT0 = 0x30,
	OP_LIT31 = 0x4f,
	OP_BREG0 = 0x70,
	OP_BREG31 = 0x8f,
};

/* Operations on the two values on top: `a` was pushed first. */
static bool combine(uint8_t op, uint64_t a, uint64_t b, uint64_t *result)
{
	const int64_t x = (int64_t)a, y = (int64_t)b;
	switch (op) {
	case OP_AND:
		*result = a & b;
		return true;
	case OP_MINUS:
		*result = a - b;
		return true;
	case OP_MUL:
		*result = a * b;
		return true;
	case OP_OR:
		*result = a | b;
		return true;
	case OP_PLUS:
		*result = a + b;
		return true;
	case OP_SHL:
		*result = b < 64 ? a << b : 0;
		return true;
	case OP_SHR:
		*result = b < 64 ? a >> b : 0;
		return true;
	default: /* eq, ge, gt, le, lt, ne */
		if (op < OP_EQ || op > OP_NE)
			return false;
		*result = (const bool[]){x == y, x >= y, x > y, x <= y, x < y, x != y}[op - OP_EQ];
		return true;
	}
}

bool stack_expression(struct frame *frame, const uint8_t *at, uint64_t size, bool push, uint64_t *value)
{
	struct bytes bytes = {at, at + size, false};
	uint64_t stack[DEPTH];
	unsigned depth = 0;
	if (push)
		stack[depth++] = *value;
	while (bytes.at < bytes.end) {
		const uint8_t op = bytes_u8(&bytes);
		uint64_t made;
		if (op >= OP_BREG0 && op <= OP_BREG31) {
			const unsigned reg = op - OP_BREG0;
			if (reg >= REGISTERS || !(frame->known >> reg & 1))
				return false;
			made = frame->reg[reg] + (uint64_t)bytes_sleb(&bytes);
		} else if (op >= OP_LIT0 && op <= OP_LIT31) {
			made = op - OP_LIT0;
		} else if (op >= OP_CONST1U && op <= OP_CONST8S) {
			made = bytes_constant(&bytes, (op - OP_CONST1U) / 2, (op - OP_CONST1U) & 1);
		} else if (op == OP_CONSTU) {
			made = bytes_uleb(&bytes);
		} else if (op == OP_CONSTS) {
			made = (uint64_t)bytes_sleb(&bytes);
		} else if (!depth) {
			return false;
		} else if (op == OP_DUP) {
			made = stack[depth - 1];
		} else if (op == OP_DEREF) {
			if (!stack_read(&frame->memory, stack[--depth], &made))
				return false;
		} else if (op == OP_PLUS_UCONST) {
			made = stack[--depth] + bytes_uleb(&bytes);
		} else {
			if (depth < 2 || !combine(op, stack[depth - 2], stack[depth - 1], &made))
				return false;
			depth -= 2;
		}
		if (bytes.bad || depth == DEPTH)
			return false;
		stack[depth++] = made;
	}
	if (!depth || bytes.bad)
		return false;
	*value = stack[depth - 1];
	return true;
}
