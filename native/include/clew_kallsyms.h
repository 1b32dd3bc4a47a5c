/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Symbols of the kernel, as Python asks for them.
 */
#ifndef CLEW_KALLSYMS_H
#define CLEW_KALLSYMS_H

#include <stdint.h>

/**
 * Symbols in lines "ADDRESS TYPE NAME[\t[MODULE]]\n" of addresses with `width` (1 to 16) hexadecimal digits; other
 * lines, and other types than t, w, d and b, are passed over. Where in `text` the name and the line end: the module, if
 * there is one, stands behind the tab between them. Returns how many, at most `room`.
 */
__attribute__((visibility("default"))) int64_t clew_kallsyms(const uint8_t *text, uint64_t size, uint64_t width,
															 uint64_t *start, int64_t *name_at, int64_t *name_end,
															 int64_t *line_end, int64_t room);
#endif
