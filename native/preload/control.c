/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What the program itself may ask of the library (clew_api.h).
 */
#include "clew_api.h"
#include "internal.h"

unsigned clew_abi(void)
{
	return CLEW_ABI;
}

static void set_mode(uint32_t mode)
{
	if (!slot_self())
		return;
	__atomic_store_n(&inherited_mode, mode, __ATOMIC_RELAXED);
	local_mode_set(mode);
}

void clew_pause(void)
{
	set_mode(0);
}

void clew_resume(void)
{
	set_mode(CLEW_MODES);
}

int clew_recording(void)
{
	struct clew_slot *slot = slot_self();
	return slot && (__atomic_load_n(&slot->mode, __ATOMIC_RELAXED) & process->local_mode) != 0;
}
