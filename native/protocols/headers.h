/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief HTTP header fields, as HTTP/1 and the gateways behind it (FastCGI, SCGI, uwsgi) send them.
 */
#ifndef CLEW_HEADERS_H
#define CLEW_HEADERS_H

#include "protocol.h"

#define HTTP_IDS 8 /* fields with ids that are kept of one message */

struct http_headers {
	bool has_length, chunked, upgrade;
	bool cut; /* the rest of the head was not kept */
	uint64_t length;
	struct span status; /* of CGI: "Status: 404 Not Found" */
	uint32_t ids;
	struct span id_name[HTTP_IDS], id_value[HTTP_IDS];
};

/** Bytes of a head, its empty line included; 0: its end is not there. */
size_t http_head(const uint8_t *data, size_t size);
/** The fields of a head, from behind its start line; a last line without an end is left out. */
void http_read(struct http_headers *headers, const uint8_t *data, size_t size);
/** Takes note of a field if it is one with an id; `name` as in HTTP or as in CGI (HTTP_X_REQUEST_ID). */
void http_id(struct http_headers *headers, struct span name, struct span value);
/** Those ids as the message's correlation: traceparent=... x-request-id=... */
void http_correlation(struct talk *talk, struct message *message, const struct http_headers *headers);
/** The message is that request: its name is METHOD /path/?. Either span may be empty. */
void http_name(struct talk *talk, struct message *message, struct span method, struct span target);

#endif
