/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief A bounded output buffer, and the two ways in which bytes of a capture become text.
 */
#ifndef CLEW_OUTPUT_H
#define CLEW_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clew_record.h"

struct output {
	uint8_t *at, *end;
	bool full; /* something did not fit */
};

void put_bytes(struct output *out, const void *bytes, size_t size);
void put_string(struct output *out, const char *text);
__attribute__((format(printf, 2, 3))) void put_format(struct output *out, const char *format, ...);
/* As UTF-8: bytes that are none, and NUL, as \xNN. */
void put_utf8(struct output *out, const uint8_t *bytes, size_t size);
/* For a terminal: printable ASCII as it is, everything else as \n, \xNN ... */
void put_escaped(struct output *out, const uint8_t *bytes, size_t size);
/* The inside of a JSON string: each byte one character (Latin-1), so that nothing is lost. */
void put_json(struct output *out, const uint8_t *bytes, size_t size);
/* struct sockaddr as text; nothing where the family is not known. */
void put_address(struct output *out, const uint8_t *bytes, size_t size);

/* Names for people; NULL for a number that is not in the format. */
const char *op_name(uint32_t op);
const char *kind_name(uint32_t kind);

#endif
