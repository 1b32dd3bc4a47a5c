/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Bytes that were written and that another thread may have unmapped by now: see handed_on.c.
 */
#ifndef CLEW_HANDED_ON_H
#define CLEW_HANDED_ON_H

#include "io.h"

#include "internal.h"
#include "ring.h"

/* A write that took less was not interrupted for long enough. As measured over pipes, nobody is there before 5 us. */
#define HANDED_ON_NS 3000u
extern CLEW_LOCAL uint64_t handed_on_ticks;

bool handed_on_may_be(uint64_t ticks, uint64_t conn_id, const void *buffer);
/* As ring_write() of one buffer; where the bytes are gone they are cut from the record. */
uint32_t handed_on_write(struct clew_slot *slot, const struct clew_record *record, const void *buffer, size_t size);
/* The same for call_end(). Where the data begin with a struct clew_moved of ours, that stays and says that nothing
 * does. */
void handed_on_end(const struct call *call, struct end *end);

/* Might the bytes of a call that took `ticks` and wrote them over conn_id be somebody else's by now? */
static inline bool handed_on(uint64_t ticks, uint64_t conn_id, const void *buffer)
{
	return unlikely(ticks > handed_on_ticks) && handed_on_may_be(ticks, conn_id, buffer);
}

#endif
