/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Bytes of a capture as text. They are hostile: nothing here trusts a length or a terminator.
 */
#include "output.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void put_bytes(struct output *out, const void *bytes, size_t size)
{
	if (out->full || size > (size_t)(out->end - out->at)) {
		out->full = true;
		return;
	}
	memcpy(out->at, bytes, size);
	out->at += size;
}

void put_string(struct output *out, const char *text)
{
	put_bytes(out, text, strlen(text));
}

void put_format(struct output *out, const char *format, ...)
{
	char text[256];
	va_list arguments;
	va_start(arguments, format);
	int size = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	put_bytes(out, text, size < 0 ? 0 : (size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
}

/* Bytes of the well-formed sequence at the start (Unicode 15, table 3-7), or 0. */
static size_t utf8_length(const uint8_t *p, size_t size)
{
	static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
	if (p[0] < 0x80)
		return p[0] ? 1 : 0;
	const size_t length = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc0 ? 2 : 0;
	if (!length || length > size)
		return 0;
	uint32_t code = p[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3fu);
	}
	return p[0] > 0xf4 || code < least[length] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : length;
}

static void put_hex(struct output *out, const char *prefix, uint8_t byte)
{
	static const char digits[] = "0123456789abcdef";
	const char text[2] = {digits[byte >> 4], digits[byte & 15]};
	put_string(out, prefix);
	put_bytes(out, text, 2);
}

void put_utf8(struct output *out, const uint8_t *bytes, size_t size)
{
	while (size && !out->full) {
		size_t length = utf8_length(bytes, size);
		if (length)
			put_bytes(out, bytes, length);
		else
			put_hex(out, "\\x", *bytes);
		length += !length;
		bytes += length;
		size -= length;
	}
}

void put_escaped(struct output *out, const uint8_t *bytes, size_t size)
{
	static const char letters[] = "\aa\bb\tt\nn\vv\ff\rr\\\\\"\"";
	for (; size && !out->full; bytes++, size--) {
		const char *letter = *bytes ? strchr(letters, *bytes) : NULL;
		if (letter && (letter - letters) % 2 == 0)
			put_bytes(out, (const char[2]){'\\', letter[1]}, 2);
		else if (*bytes >= 0x20 && *bytes < 0x7f)
			put_bytes(out, bytes, 1);
		else
			put_hex(out, "\\x", *bytes);
	}
}

void put_json(struct output *out, const uint8_t *bytes, size_t size)
{
	for (; size && !out->full; bytes++, size--) {
		if (*bytes == '"' || *bytes == '\\')
			put_bytes(out, (const char[2]){'\\', (char)*bytes}, 2);
		else if (*bytes >= 0x20 && *bytes < 0x7f)
			put_bytes(out, bytes, 1);
		else
			put_hex(out, "\\u00", *bytes);
	}
}

const char *op_name(uint32_t op)
{
	static const char *const names[CLEW_OP_LIMIT] = {
#define X(number, NAME, name, class) [number] = name,
		CLEW_OPS(X)
#undef X
	};
	return op < CLEW_OP_LIMIT ? names[op] : NULL;
}

const char *kind_name(uint32_t kind)
{
	static const char *const names[] = {"unknown", "file", "dir",    "device", "pipe",  "tcp",
										"udp",     "unix", "socket", "anon",   "listen"};
	return kind < sizeof names / sizeof *names ? names[kind] : NULL;
}
