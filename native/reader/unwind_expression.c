/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief DWARF expressions as CFI has them (DWARF 5, sections 2.5 and 6.4.2): a stack of 64-bit numbers.
 */
#include "unwind.h"

#define DEEPEST 64
#define LONGEST 256 /* operations that are run: a branch may go back for ever; compilers write some ten */

struct machine_stack {
	uint64_t values[DEEPEST];
	unsigned depth;
	bool failed;
};

static uint64_t pop(struct machine_stack *stack)
{
	if (!stack->depth) {
		stack->failed = true;
		return 0;
	}
	return stack->values[--stack->depth];
}

static void push(struct machine_stack *stack, uint64_t value)
{
	if (stack->depth == DEEPEST)
		stack->failed = true;
	else
		stack->values[stack->depth++] = value;
}

static uint64_t peek(struct machine_stack *stack, uint64_t below)
{
	if (below >= stack->depth) {
		stack->failed = true;
		return 0;
	}
	return stack->values[stack->depth - 1 - below];
}

/* Division by 0 has no meaning; INT64_MIN / -1 would trap. */
static uint64_t divide(struct machine_stack *stack, int64_t left, int64_t right)
{
	if (right == -1)
		return 0 - (uint64_t)left;
	stack->failed |= right == 0;
	return right ? (uint64_t)(left / right) : 0;
}

static uint64_t shifted(uint8_t opcode, uint64_t left, uint64_t right)
{
	if (opcode == 0x26) /* shra */
		return (uint64_t)((int64_t)left >> (right < 63 ? right : 63));
	if (right > 63)
		return 0;
	return opcode == 0x24 ? left << right : left >> right;
}

/* Operations that take two numbers and give one. */
static uint64_t binary(struct machine_stack *stack, uint8_t opcode)
{
	const uint64_t right = pop(stack), left = pop(stack);
	const int64_t a = (int64_t)left, b = (int64_t)right;
	switch (opcode) {
	case 0x1a:
		return left & right;
	case 0x1b:
		return divide(stack, a, b);
	case 0x1c:
		return left - right;
	case 0x1d: /* mod */
		stack->failed |= right == 0;
		return right ? left % right : 0;
	case 0x1e:
		return left * right;
	case 0x21:
		return left | right;
	case 0x22:
		return left + right;
	case 0x24: /* shl, shr, shra */
	case 0x25:
	case 0x26:
		return shifted(opcode, left, right);
	case 0x27:
		return left ^ right;
	case 0x29:
		return a == b;
	case 0x2a:
		return a >= b;
	case 0x2b:
		return a > b;
	case 0x2c:
		return a <= b;
	case 0x2d:
		return a < b;
	case 0x2e:
		return a != b;
	}
	stack->failed = true;
	return 0;
}

static void rearrange(struct machine_stack *stack, uint8_t opcode, struct bytes *bytes)
{
	uint64_t first, second, third;
	switch (opcode) {
	case 0x12: /* dup */
		push(stack, peek(stack, 0));
		break;
	case 0x13: /* drop */
		pop(stack);
		break;
	case 0x14: /* over */
		push(stack, peek(stack, 1));
		break;
	case 0x15: /* pick */
		push(stack, peek(stack, take(bytes, 1)));
		break;
	case 0x16: /* swap */
		first = pop(stack), second = pop(stack);
		push(stack, first);
		push(stack, second);
		break;
	case 0x17: /* rot */
		first = pop(stack), second = pop(stack), third = pop(stack);
		push(stack, first);
		push(stack, third);
		push(stack, second);
		break;
	}
}

/* DW_OP_const1u to DW_OP_consts. */
static uint64_t constant(struct bytes *bytes, uint8_t opcode)
{
	if (opcode == 0x10)
		return take_uleb(bytes);
	if (opcode == 0x11)
		return (uint64_t)take_sleb(bytes);
	const unsigned size = 1u << ((opcode - 0x08) / 2);
	return opcode & 1 ? (uint64_t)take_signed(bytes, size) : take(bytes, size);
}

static void dereference(struct frame *frame, struct machine_stack *stack, uint64_t size)
{
	uint64_t value = 0;
	stack->failed |= size < 1 || size > 8 || !frame_read(frame, pop(stack), &value);
	push(stack, size < 8 ? value & ((1ull << (8 * (size & 7))) - 1) : value);
}

static void jump(struct bytes *bytes, uint64_t first)
{
	const int64_t distance = take_signed(bytes, 2);
	const uint64_t to = bytes->at + (uint64_t)distance;
	bytes->failed |= to < first || to > bytes->end;
	bytes->at = bytes->failed ? bytes->end : to;
}

static void with_register(struct frame *frame, struct machine_stack *stack, uint64_t column, int64_t offset)
{
	uint64_t value = 0;
	stack->failed |= !frame_register(frame, column, &value);
	push(stack, value + (uint64_t)offset);
}

/* Those whose number says it all. */
static bool ranged(struct frame *frame, struct machine_stack *stack, struct bytes *bytes, uint8_t opcode)
{
	if (opcode >= 0x30 && opcode <= 0x4f) /* lit0 .. lit31 */
		push(stack, opcode - 0x30);
	else if (opcode >= 0x70 && opcode <= 0x8f) /* breg0 .. breg31 */
		with_register(frame, stack, opcode - 0x70, take_sleb(bytes));
	else if (opcode >= 0x08 && opcode <= 0x11)
		push(stack, constant(bytes, opcode));
	else if (opcode >= 0x12 && opcode <= 0x17)
		rearrange(stack, opcode, bytes);
	else
		return false;
	return true;
}

static void operation(struct frame *frame, struct machine_stack *stack, struct bytes *bytes, uint64_t first,
					  uint64_t bias)
{
	const uint8_t opcode = (uint8_t)take(bytes, 1);
	uint64_t value;
	if (ranged(frame, stack, bytes, opcode))
		return;
	switch (opcode) {
	case 0x03: /* addr */
		push(stack, take(bytes, 8) + bias);
		break;
	case 0x06: /* deref */
		dereference(frame, stack, 8);
		break;
	case 0x94: /* deref_size */
		dereference(frame, stack, take(bytes, 1));
		break;
	case 0x19: /* abs */
		value = pop(stack);
		push(stack, (int64_t)value < 0 ? 0 - value : value);
		break;
	case 0x1f: /* neg */
		push(stack, 0 - pop(stack));
		break;
	case 0x20: /* not */
		push(stack, ~pop(stack));
		break;
	case 0x23: /* plus_uconst */
		value = pop(stack);
		push(stack, value + take_uleb(bytes));
		break;
	case 0x28: /* bra */
		if (pop(stack))
			jump(bytes, first);
		else
			skip(bytes, 2);
		break;
	case 0x2f: /* skip */
		jump(bytes, first);
		break;
	case 0x92: /* bregx */
		value = take_uleb(bytes);
		with_register(frame, stack, value, take_sleb(bytes));
		break;
	case 0x96: /* nop */
		break;
	default:
		push(stack, binary(stack, opcode));
	}
}

/* DW_OP_reg0 .. DW_OP_reg31 and DW_OP_regx alone: the register itself. */
static bool names_register(struct frame *frame, struct bytes bytes, struct place_of_value *result, bool *good)
{
	const uint64_t opcode = take(&bytes, 1);
	uint64_t column = opcode - 0x50;
	if (opcode == 0x90)
		column = take_uleb(&bytes);
	else if (opcode < 0x50 || opcode > 0x6f)
		return false;
	result->kind = VALUE;
	*good = !bytes.failed && frame_register(frame, column, &result->value);
	return true;
}

bool evaluate(struct frame *frame, const struct image *image, const struct rule *rule, uint64_t bias,
			  const uint64_t *initial, struct place_of_value *result)
{
	const uint64_t first = (uint64_t)rule->value;
	struct bytes bytes = {image->bytes, first, first + rule->length, false};
	struct machine_stack stack;
	bool good = false;
	stack.depth = 0;
	stack.failed = false;
	if (names_register(frame, bytes, result, &good))
		return good;
	if (initial)
		push(&stack, *initial);
	for (unsigned count = 0; bytes.at < bytes.end; count++) {
		operation(frame, &stack, &bytes, first, bias);
		if (stack.failed || bytes.failed || count == LONGEST)
			return false;
	}
	*result = in_memory(pop(&stack));
	return !stack.failed;
}
