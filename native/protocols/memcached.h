/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What memcached's commands, replies and opcodes are.
 */
#ifndef CLEW_MEMCACHED_H
#define CLEW_MEMCACHED_H

#include "protocol.h"

enum memcached_answer { MEMCACHED_LINE, MEMCACHED_VALUES, MEMCACHED_LINES, MEMCACHED_NONE };

/* A command of the text protocol; words are counted from 0, the command itself. */
struct memcached_command {
	const char *name;
	uint8_t key;   /* the word that is the first key; 0: none */
	uint8_t data;  /* the word that is the size of the data behind the line; 0: none */
	uint8_t reply; /* enum memcached_answer */
	bool meta;
};

/** NULL: no command is called this. */
const struct memcached_command *memcached_command(struct span word);
/** Whether it is a word as commands are, if perhaps not one of them. */
bool memcached_is_word(struct span word);
/** Whether a line of a reply begins with this word. */
bool memcached_reply(struct span word);
/** A name for every opcode. */
const char *memcached_opcode(uint8_t opcode);
/** Whether there is no reply unless something failed, or was found. */
bool memcached_is_quiet(uint8_t opcode);
/** Whether its key and value must not be shown. */
bool memcached_is_secret(uint8_t opcode);
/** A name for every status of the binary protocol. */
const char *memcached_status(unsigned status);
/** Where a request begins, as far as that can be told; `size`: nowhere. */
size_t memcached_start(const uint8_t *data, size_t size);
int memcached_recognise(const struct opening *opening);

#endif
