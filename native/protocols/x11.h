/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What X11 requests, events, errors and extensions are called, and which requests are answered.
 */
#ifndef CLEW_X11_H
#define CLEW_X11_H

#include "protocol.h"

#define X11_EXTENSION 128u /* the first opcode of extensions */

/** The name of a request of the core protocol; NULL: none has this opcode. */
const char *x11_request(uint8_t opcode);
/** Whether a request of the core protocol has a reply. */
bool x11_is_answered(uint8_t opcode);
/** NULL: none of the core protocol. */
const char *x11_event(uint8_t code);
const char *x11_error(uint8_t code);

/* An extension; its requests are told apart by their second byte. */
struct x11_extension {
	const char *name;
	const uint8_t *answered; /* requests that have replies, in order */
	size_t answers;
};

/** NULL: not known here. */
const struct x11_extension *x11_extension(struct span name);
/** Whether a request of an extension has a reply; where that is not known, only the first one (its version) has. */
bool x11_extension_answers(const struct x11_extension *extension, uint8_t minor);

#endif
