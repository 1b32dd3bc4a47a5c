/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief From frame to frame: by call frame information, else by the frame pointer, to where the thread began.
 */
#include "stack.h"

#define LOWEST 4096u /* nothing is mapped below */

/*
 * The caller by the chain of frame pointers: [fp] is the caller's, [fp + 8] where to return to. Code that just-in-time
 * compilers make keeps it, also where they write no call frame information.
 */
static enum step step_by_pointer(struct frame *frame)
{
	const uint64_t pointer = frame->reg[AT_FP];
	uint64_t next, back;
	if (frame->known >> AT_FP & 1 && !pointer)
		return STEP_OUTERMOST; /* as the kernel and libc begin a thread (x86-64 psABI, 3.4.1) */
	if (!(frame->known >> AT_FP & 1) || pointer < frame->reg[AT_SP] || !stack_read(&frame->memory, pointer, &next) ||
		!stack_read(&frame->memory, pointer + 8, &back))
		return STEP_UNKNOWN;
	if (back < LOWEST)
		return back || next ? STEP_UNKNOWN : STEP_OUTERMOST;
	frame->reg[AT_FP] = next;
	frame->reg[AT_SP] = pointer + 16;
	frame->reg[AT_PC] = back;
	frame->known = 1u << AT_FP | 1u << AT_SP | 1u << AT_PC; /* the others may have been saved anywhere */
	frame->exact = false;
	return STEP_DONE;
}

/* Nobody called the function of this frame: makecontext() wrote its address where one to return to is looked for. */
static bool begins_here(const struct frame *frame, const struct module *module)
{
	struct frame copy = *frame;
	copy.exact = true;
	return !frame->exact && stack_cfi_step(&copy, module) != STEP_UNKNOWN;
}

struct walked stack_walk(struct clew_slot *slot, struct frame *frame, bool tick, uint64_t *addresses, uint32_t room)
{
	struct walked walked = {0, CLEW_STACK_WHOLE};
	bool beginning = true; /* no frame but our own so far */
	for (uint32_t steps = 0; steps < room + 32; steps++) {
		const uint64_t address = frame->reg[AT_PC] - !frame->exact;
		struct module module = {0, 0, NULL, NULL};
		const bool known = stack_module_find(address, &module);
		const bool ours = known && stack_module_is_ours(&module);
		beginning &= ours;
		if (!ours || (tick && beginning)) {
			if (walked.frames == room) {
				walked.end = CLEW_STACK_CUT;
				return walked;
			}
			addresses[walked.frames++] = address;
			if (known)
				stack_module_tell(slot, &module, address);
		}
		const uint64_t before = frame->reg[AT_SP];
		enum step step = known ? stack_cfi_step(frame, &module) : STEP_UNKNOWN;
		if (step == STEP_UNKNOWN && known && !ours && begins_here(frame, &module)) {
			addresses[walked.frames - 1]++;
			return walked;
		}
		if (step == STEP_UNKNOWN)
			step = step_by_pointer(frame);
		if (step == STEP_OUTERMOST)
			return walked;
		/* A caller's frame lies above, but for the one that a signal handler interrupted, perhaps on another stack. */
		const uint64_t now = frame->reg[AT_SP];
		if (step == STEP_UNKNOWN || frame->reg[AT_PC] < LOWEST || (!frame->exact && now <= before)) {
			walked.end = frame->reg[AT_PC] == 0 && step == STEP_DONE ? CLEW_STACK_WHOLE : CLEW_STACK_BROKEN;
			return walked;
		}
		if (frame->exact)
			stack_memory_begin(&frame->memory, now);
	}
	walked.end = CLEW_STACK_CUT;
	return walked;
}
