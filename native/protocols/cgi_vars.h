/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What gateways behind a web server have in common: CGI's variables (RFC 3875) and its response.
 */
#ifndef CLEW_CGI_VARS_H
#define CLEW_CGI_VARS_H

#include "headers.h"

struct cgi_vars {
	struct span method, uri, script, info;
	uint64_t length; /* CONTENT_LENGTH; 0: none */
	bool has_length;
	struct http_headers headers;
};

/** Takes note of one variable. */
void cgi_var(struct cgi_vars *vars, struct span name, struct span value);
/** The message is that request. */
void cgi_request(struct talk *talk, struct message *message, const struct cgi_vars *vars);
/** The message is the response that begins with these bytes: "Status: 404 ..." among its fields, else 200; some
 * gateways begin with a status line as in HTTP. */
void cgi_response(struct talk *talk, struct message *message, const uint8_t *data, size_t size);

/*
 * A conversation of one request, whose response ends with the connection (SCGI, uwsgi). `began` sees the first bytes of
 * the client; returns the request's length, or 0 for more bytes (never if `all`: no more will come).
 */
struct one_shot {
	struct message open[2];
	bool begun[2];
};
typedef uint64_t one_shot_request(struct talk *talk, struct message *message, const uint8_t *data, size_t size,
								  bool all);
uint64_t one_shot_feed(struct talk *talk, struct one_shot *state, enum side side, const uint8_t *data, size_t size,
					   bool all, one_shot_request *began);
void one_shot_end(struct talk *talk, void *state);

#endif
