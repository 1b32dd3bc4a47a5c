/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Which calls get a stack, and the STACK record of each.
 *
 * Of every N consecutive calls of a thread one gets its stack, at a place that differs from one N to the next: a
 * program that repeats itself every N calls would show the same stack for ever otherwise.
 */
#include "stack.h"

#define FEW 48u /* frames of a stack that is taken while another one is: a handler's */

void stack_start(void)
{
	if (!arena->sample_ns && !(atomic_load(&arena->mode) & (CLEW_STACKS | CLEW_ALLOC_STACKS)))
		return;
	stack_memory_start();
	stack_module_start();
}

/* Here and now: whoever walks from it is called by the function that it is used in. */
#if defined(__x86_64__)
#define FRAME_HERE(frame)                                                                                              \
	do {                                                                                                               \
		__asm__ volatile("leaq 1f(%%rip), %%rax\n"                                                                     \
						 "1:\tmovq %%rax, 128(%0)\n\t"                                                                 \
						 "movq %%rbx, 24(%0)\n\t"                                                                      \
						 "movq %%rbp, 48(%0)\n\t"                                                                      \
						 "movq %%rsp, 56(%0)\n\t"                                                                      \
						 "movq %%r12, 96(%0)\n\t"                                                                      \
						 "movq %%r13, 104(%0)\n\t"                                                                     \
						 "movq %%r14, 112(%0)\n\t"                                                                     \
						 "movq %%r15, 120(%0)"                                                                         \
						 :                                                                                             \
						 : "r"((frame)->reg)                                                                           \
						 : "rax", "memory");                                                                           \
		(frame)->known = 0x1f0c8; /* rbx rbp rsp r12..r15 pc */                                                        \
		(frame)->exact = true;                                                                                         \
	} while (0)
#else
#define FRAME_HERE(frame)                                                                                              \
	do {                                                                                                               \
		(frame)->reg[AT_FP] = (uint64_t)(uintptr_t)__builtin_frame_address(0);                                         \
		(frame)->reg[AT_SP] = (frame)->reg[AT_FP];                                                                     \
		(frame)->reg[AT_PC] = (uint64_t)(uintptr_t)&stack_of_call;                                                     \
		(frame)->known = 1u << AT_FP | 1u << AT_SP | 1u << AT_PC;                                                      \
		(frame)->exact = true;                                                                                         \
	} while (0)
#endif

/* One of every `every`: which one, is drawn for each `every` of them. */
static bool is_due(uint32_t number, uint32_t every, uint64_t seed)
{
	if (every == 1)
		return true;
	uint64_t mixed = (number / every + seed * 0x10001u) * UINT64_C(0x9e3779b97f4a7c15);
	mixed ^= mixed >> 29;
	mixed *= UINT64_C(0xbf58476d1ce4e5b9);
	return number % every == (uint32_t)((mixed >> 32) * every >> 32);
}

static void write(struct clew_slot *slot, struct clew_stack_info *info, uint64_t begin, const uint64_t *addresses)
{
	const struct iovec data[] = {{info, sizeof *info},
								 {(void *)(uintptr_t)addresses, info->frames * sizeof *addresses}};
	const struct clew_record record = {
		.op = CLEW_OP_STACK,
		.flags = CLEW_F_STRUCT,
		.begin = begin,
		.result = info->frames,
		.offset = CLEW_NO_OFFSET,
		.fd = -1,
	};
	ring_write(slot, &record, data, 2, sizeof *info + data[1].iov_len);
}

/* In a handler that interrupted one who uses the slot's room. */
static __attribute__((noinline)) void take_few(struct clew_slot *slot, struct frame *frame,
											   struct clew_stack_info *info, uint64_t begin)
{
	uint64_t addresses[FEW];
	const struct walked walked = stack_walk(slot, frame, info->op == CLEW_STACK_TICK, addresses, FEW);
	info->frames = walked.frames;
	info->end = walked.end;
	write(slot, info, begin, addresses);
}

static void take(struct clew_slot *slot, struct frame *frame, struct clew_stack_info *info, uint64_t begin)
{
	const uint64_t here = (uint64_t)(uintptr_t)__builtin_frame_address(0);
	stack_memory_begin(&frame->memory, frame->reg[AT_SP]);
	frame->memory.page = 0;
	/* An owner whose frame lies below has been jumped out of; a tick's stack says nothing of that. */
	if (slot->stack_owner && (info->op == CLEW_STACK_TICK || slot->stack_owner > here)) {
		take_few(slot, frame, info, begin);
		return;
	}
	__atomic_store_n(&slot->stack_owner, here, __ATOMIC_RELAXED);
	atomic_signal_fence(memory_order_seq_cst);
	const struct walked walked = stack_walk(slot, frame, info->op == CLEW_STACK_TICK, slot->stack, CLEW_STACK_FRAMES);
	info->frames = walked.frames;
	info->end = walked.end;
	write(slot, info, begin, slot->stack);
	atomic_signal_fence(memory_order_seq_cst);
	__atomic_store_n(&slot->stack_owner, 0, __ATOMIC_RELAXED);
}

__attribute__((noinline)) void stack_of_call(struct clew_slot *slot, enum clew_op op, uint32_t call_seq, uint64_t begin)
{
	const uint32_t every = arena->stack_every[op];
	if (!every || !is_due(local_next(&slot->stack_calls[op]), every, slot->serial + op))
		return;
	struct frame frame;
	struct clew_stack_info info = {.op = op, .call_seq = call_seq, .weight = every};
	FRAME_HERE(&frame);
	take(slot, &frame, &info, begin);
}

__attribute__((noinline)) void stack_of_allocation(struct clew_slot *slot, enum clew_op op, uint64_t weight)
{
	const uint32_t every = arena->stack_every[op];
	if (!every || !is_due(local_next(&slot->stack_calls[op]), every, slot->serial + op))
		return;
	struct frame frame;
	struct clew_stack_info info = {.op = op, .weight = weight * every};
	FRAME_HERE(&frame);
	take(slot, &frame, &info, ticks_now());
}

void stack_of_tick(struct clew_slot *slot, struct frame *frame, uint64_t ns)
{
	struct clew_stack_info info = {.op = CLEW_STACK_TICK, .weight = ns};
	if (frame)
		take(slot, frame, &info, ticks_now());
	else
		write(slot, &info, ticks_now(), NULL);
}
