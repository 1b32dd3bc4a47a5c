/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Texts that a conversation names once and refers to later (prepared statements), within a fixed size.
 *
 * The latest texts stand in a ring: what is overwritten is forgotten. All zero: nothing is remembered.
 */
#ifndef CLEW_REMEMBERED_H
#define CLEW_REMEMBERED_H

#include "protocol.h"

#define REMEMBERED_SLOTS 512u /* a power of two */
#define REMEMBERED_BYTES 65536u
#define REMEMBERED_TRIES 8u

struct remembered {
	uint64_t written; /* bytes of texts so far, and those left out at the end of the ring */
	struct {
		uint64_t key, at;
		uint32_t size; /* of the text + 1; 0: free */
		uint32_t zero;
	} slots[REMEMBERED_SLOTS];
	uint8_t texts[REMEMBERED_BYTES];
};

/** A key of a name, eight bytes at a time; `kind` tells names of different things apart. */
static inline uint64_t remembered_key(uint8_t kind, const uint8_t *name, size_t size)
{
	const uint64_t odd = 0x9e3779b97f4a7c15u; /* 2^64 divided by the golden ratio: all bits of a product depend on it */
	uint64_t hash = (size + 1) * odd ^ kind, word;
	for (size_t at = 0; at < size; at += sizeof word) {
		const size_t left = size - at;
		word = 0;
		memcpy(&word, name + at, left < sizeof word ? left : sizeof word);
		hash = (hash ^ word) * odd;
		hash ^= hash >> 29;
	}
	return hash * odd ^ hash >> 32;
}

/** The text of a key; at = NULL: not known. It holds until the next call of remember(). */
static inline struct span recall(const struct remembered *in, uint64_t key)
{
	for (uint64_t slot = key, tries = 0; tries < REMEMBERED_TRIES; tries++, slot++) {
		const uint64_t at = slot % REMEMBERED_SLOTS;
		if (in->slots[at].key == key && in->slots[at].size && in->slots[at].at + REMEMBERED_BYTES >= in->written)
			return (struct span){in->texts + in->slots[at].at % REMEMBERED_BYTES, in->slots[at].size - 1};
	}
	return (struct span){NULL, 0};
}

/** Forget a key. */
static inline void forget(struct remembered *in, uint64_t key)
{
	for (uint64_t slot = key, tries = 0; tries < REMEMBERED_TRIES; tries++, slot++)
		if (in->slots[slot % REMEMBERED_SLOTS].key == key)
			in->slots[slot % REMEMBERED_SLOTS].size = 0;
}

/** `text` (at most TEXT_LIMIT_BYTES of it) is what `key` stands for from now on. */
static inline void remember(struct remembered *in, uint64_t key, const void *text, size_t size)
{
	if (size > TEXT_LIMIT_BYTES)
		size = TEXT_LIMIT_BYTES;
	forget(in, key);
	uint64_t slot = key % REMEMBERED_SLOTS;
	for (uint64_t tries = 0; tries < REMEMBERED_TRIES; tries++) { /* a free one, else the oldest */
		const uint64_t at = (key + tries) % REMEMBERED_SLOTS;
		if (!in->slots[at].size || in->slots[at].at < in->slots[slot].at)
			slot = at;
		if (!in->slots[at].size)
			break;
	}
	if (in->written % REMEMBERED_BYTES + size > REMEMBERED_BYTES)
		in->written += REMEMBERED_BYTES - in->written % REMEMBERED_BYTES;
	in->slots[slot].key = key;
	in->slots[slot].at = in->written;
	in->slots[slot].size = (uint32_t)size + 1;
	memcpy(in->texts + in->written % REMEMBERED_BYTES, text, size);
	in->written += size;
}

#endif
