/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief A step out of code that has no CFI: entries of procedure linkage tables, else the chain of frame pointers.
 *
 * The rules are those of libunwind, which perf is built with, so that chains are the same: the frame pointer is
 * believed only if it lies at most 16 KiB above the stack pointer.
 */
#include "unwind.h"

#define FARTHEST 0x4000

/* jmp *slot(%rip); push $index; jmp first entry */
static bool in_linkage_table(struct frame *frame)
{
	uint64_t first, second;
	return frame_read(frame, frame->pc, &first) && frame_read(frame, frame->pc + 8, &second) &&
		   (first & 0xffff) == 0x25ff && (first >> 48 & 0xff) == 0x68 && (second >> 24 & 0xff) == 0xe9;
}

bool guess(struct frame *frame)
{
	const struct machine *machine = frame->machine;
	const uint64_t pc = frame->pc, cfa = frame->cfa;
	struct place_of_value back;
	uint64_t pointer, callers;
	frame->from_signal = false;
	if (machine->pc == 16 && in_linkage_table(frame)) {
		back = in_memory(cfa);
		frame->cfa += 8;
		if (frame->at[machine->fp].kind == NOWHERE)
			return false;
	} else {
		if (!frame_value(frame, &frame->at[machine->fp], &pointer) || !pointer ||
			!frame_read(frame, pointer, &callers) || pointer < cfa || pointer - cfa > FARTHEST)
			return false;
		memset(frame->at, 0, sizeof frame->at);
		frame->at[machine->fp] = in_memory(pointer);
		back = in_memory(pointer + 8);
		frame->cfa += 16;
		frame->behind_call = true;
	}
	frame->pc = 0;
	if (back.kind != NOWHERE && !frame_value(frame, &back, &frame->pc))
		return false;
	return frame->pc != pc || frame->cfa != cfa;
}
