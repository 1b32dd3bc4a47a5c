/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief HTTP header fields: where a head ends, how long its body is, which ids are in it.
 */
#include "headers.h"

/* W3C Trace Context, B3 (Zipkin), and what proxies add. */
#define ID(name) {name, sizeof name - 1}
static const struct {
	const char *name;
	size_t size;
} ids[] = {ID("traceparent"),  ID("x-request-id"), ID("b3"),
		   ID("x-b3-traceid"), ID("x-b3-spanid"),  ID("x-correlation-id")};

size_t http_head(const uint8_t *data, size_t size)
{
	const uint8_t *at = data, *const end = data + size;
	while (at < end && (at = memchr(at, '\n', (size_t)(end - at)))) {
		at++;
		if (at < end && *at == '\n')
			return (size_t)(at + 1 - data);
		if (at + 1 < end && at[0] == '\r' && at[1] == '\n')
			return (size_t)(at + 2 - data);
	}
	return 0;
}

static struct span trimmed(struct span span)
{
	while (span.size && (span.at[0] == ' ' || span.at[0] == '\t')) {
		span.at++;
		span.size--;
	}
	while (span.size && (span.at[span.size - 1] == ' ' || span.at[span.size - 1] == '\t'))
		span.size--;
	return span;
}

/* Whether a field's name is `wanted`, as in HTTP or, with _ for -, as in CGI. */
static bool same_name(struct span name, const char *wanted)
{
	for (size_t i = 0; i < name.size; i++) {
		const uint8_t c = name.at[i];
		if ((c == '_' ? '-' : c >= 'A' && c <= 'Z' ? c + 32 : c) != wanted[i])
			return false;
	}
	return true;
}

void http_id(struct http_headers *headers, struct span name, struct span value)
{
	if (begins_with(name.at, name.size, "HTTP_"))
		name = (struct span){name.at + 5, name.size - 5};
	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
		if (ids[i].size != name.size || !same_name(name, ids[i].name) || headers->ids == HTTP_IDS)
			continue;
		value = trimmed(value);
		const struct span word = word_of(&value, " \t,;");
		if (word.size) {
			headers->id_name[headers->ids] = (struct span){(const uint8_t *)ids[i].name, ids[i].size};
			headers->id_value[headers->ids++] = word;
		}
	}
}

static void field(struct http_headers *headers, struct span name, struct span value)
{
	switch (name.at[0] | 0x20) {
	case 'c':
		if (is_word(name, "content-length") && !headers->has_length)
			headers->has_length = number_of(value, &headers->length);
		break;
	case 't':
		if (is_word(name, "transfer-encoding") && value.size >= 7)
			headers->chunked = is_word((struct span){value.at + value.size - 7, 7}, "chunked");
		else
			http_id(headers, name, value);
		break;
	case 'u':
		headers->upgrade |= is_word(name, "upgrade");
		break;
	case 's':
		if (is_word(name, "status"))
			headers->status = word_of(&value, " ");
		break;
	case 'x':
	case 'b':
		http_id(headers, name, value);
		break;
	default:
		break;
	}
}

void http_read(struct http_headers *headers, const uint8_t *data, size_t size)
{
	struct span line;
	size_t next;
	memset(headers, 0, sizeof *headers);
	while (line_of(data, size, &line, &next)) {
		const struct span name = word_of(&line, ":");
		if (name.size)
			field(headers, name, trimmed(line));
		data += next;
		size -= next;
	}
}

void http_correlation(struct talk *talk, struct message *message, const struct http_headers *headers)
{
	for (uint32_t i = 0; i < headers->ids; i++) {
		message_add(talk, &message->correlation, " ", headers->id_name[i].at, headers->id_name[i].size);
		message_add(talk, &message->correlation, "=", headers->id_value[i].at, headers->id_value[i].size);
	}
}

void http_name(struct talk *talk, struct message *message, struct span method, struct span target)
{
	char path[TEXT_LIMIT_BYTES];
	const size_t size = clew_normalise_path((const char *)target.at, target.size, false, path, sizeof path);
	message_text(talk, &message->kind, method.at, method.size);
	message_text(talk, &message->name, method.at, method.size);
	message_add(talk, &message->name, " ", path, size);
}
