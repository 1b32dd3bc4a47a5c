/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief CGI's variables and its response, and conversations of one request.
 */
#include "cgi_vars.h"

void cgi_var(struct cgi_vars *vars, struct span name, struct span value)
{
	if (is_word(name, "REQUEST_METHOD"))
		vars->method = value;
	else if (is_word(name, "REQUEST_URI"))
		vars->uri = value;
	else if (is_word(name, "SCRIPT_NAME"))
		vars->script = value;
	else if (is_word(name, "PATH_INFO"))
		vars->info = value;
	else if (is_word(name, "CONTENT_LENGTH"))
		vars->has_length = number_of(value, &vars->length) || !value.size;
	else if (begins_with(name.at, name.size, "HTTP_"))
		http_id(&vars->headers, name, value);
}

void cgi_request(struct talk *talk, struct message *message, const struct cgi_vars *vars)
{
	uint8_t path[TEXT_LIMIT_BYTES];
	struct span target = vars->uri;
	if (!target.size) {
		const size_t script = vars->script.size < sizeof path ? vars->script.size : sizeof path;
		const size_t info = vars->info.size < sizeof path - script ? vars->info.size : sizeof path - script;
		if (script)
			memcpy(path, vars->script.at, script);
		if (info)
			memcpy(path + script, vars->info.at, info);
		target = (struct span){path, script + info};
	}
	if (vars->method.size || target.size)
		http_name(talk, message, vars->method, target);
	if (target.size) {
		message_text(talk, &message->summary, vars->method.at, vars->method.size);
		message_add(talk, &message->summary, " ", target.at, target.size);
	}
	http_correlation(talk, message, &vars->headers);
}

void cgi_response(struct talk *talk, struct message *message, const uint8_t *data, size_t size)
{
	struct http_headers headers;
	struct span line = {data, size}, status;
	size_t next = size;
	uint64_t code = 200;
	if (begins_with(data, size, "HTTP/1.")) {
		line_of(data, size, &line, &next);
		word_of(&line, " ");
		status = word_of(&line, " ");
	} else {
		http_read(&headers, data, size);
		status = headers.status;
	}
	if (status.size)
		number_of(status, &code);
	else if (!http_head(data, size))
		return; /* it may stand in what was not kept */
	message->error = code >= 500;
	if (status.size)
		message_text(talk, &message->status, status.at, status.size);
	else
		message_word(talk, &message->status, "200");
}

uint64_t one_shot_feed(struct talk *talk, struct one_shot *state, enum side side, const uint8_t *data, size_t size,
					   bool all, one_shot_request *began)
{
	struct message *message = &state->open[side];
	if (state->begun[side])
		return EVERYTHING;
	if (side == SERVER) {
		if (!all && !http_head(data, size) && size < WAIT_FOR)
			return 0;
		message_close(talk, &state->open[CLIENT]);
		message_begin(talk, message, SERVER, 0);
		answer(talk, message, NULL);
		cgi_response(talk, message, data, size);
		state->begun[SERVER] = true;
		return EVERYTHING;
	}
	message_begin(talk, message, CLIENT, 0);
	const uint64_t length = began(talk, message, data, size, all);
	if (!length) {
		message_drop(talk, message);
		return 0;
	}
	ask(talk, message, 0);
	message_end(talk, message, length);
	state->begun[CLIENT] = true;
	return EVERYTHING;
}

void one_shot_end(struct talk *talk, void *memory)
{
	struct one_shot *state = memory;
	message_cut(talk, &state->open[CLIENT]);
	if (talk->closed[SERVER])
		message_close(talk, &state->open[SERVER]);
	message_cut(talk, &state->open[SERVER]);
}
