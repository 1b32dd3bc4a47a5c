/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Prints decoded records, one line each: for people, or as JSON for programs.
 */
#include <inttypes.h>
#include <string.h>

#include "output.h"
#include "reader.h"

static const char *const flag_names[] = {"text",      "struct", "peek",     "cut",  "inherited",
										 "cancelled", "nested", "nonblock", "names"};

static void put_flags(struct output *out, uint32_t flags, const char *quote, const char *comma)
{
	const char *before = "";
	for (unsigned i = 0; i < sizeof flag_names / sizeof *flag_names; i++)
		if (flags >> i & 1) {
			put_format(out, "%s%s%s%s", before, quote, flag_names[i], quote);
			before = comma;
		}
}

/* What a struct says, as text without quotes, in a small buffer of its own (it goes through an escape afterwards). */
static void describe_conn(struct output *out, const uint8_t *data, size_t size)
{
	struct clew_conn_info info;
	if (size < sizeof info)
		return;
	memcpy(&info, data, sizeof info);
	const uint8_t *local = data + sizeof info, *remote = local + info.local_len, *path = remote + info.remote_len;
	const char *kind = kind_name(info.kind);
	put_string(out, kind ? kind : "?");
	if ((uint64_t)info.local_len + info.remote_len + info.text > size - sizeof info)
		return;
	if (info.text) {
		put_string(out, " ");
		put_bytes(out, path, info.text);
	}
	if (info.local_len) {
		put_string(out, " local=");
		put_address(out, local, info.local_len);
	}
	if (info.remote_len) {
		put_string(out, " remote=");
		put_address(out, remote, info.remote_len);
	}
	if (info.peer_pid)
		put_format(out, " peer=%" PRIu32, info.peer_pid);
	put_format(out, " inode=%" PRIu64, info.inode);
}

static void describe_process(struct output *out, const uint8_t *data, size_t size)
{
	static const char *const hows[] = {"first", "fork", "exec", "clone"};
	struct clew_process_info info;
	if (size < sizeof info)
		return;
	memcpy(&info, data, sizeof info);
	put_format(out, "%s ppid=%" PRIu32 " uid=%" PRIu32 " ", info.how < 4 ? hows[info.how] : "?", info.ppid, info.uid);
	put_bytes(out, info.comm, strnlen(info.comm, sizeof info.comm));
	if ((uint64_t)info.exe_len + info.cmdline_len > size - sizeof info)
		return;
	put_string(out, " ");
	put_bytes(out, data + sizeof info, info.exe_len);
	put_string(out, " ");
	const uint8_t *argument = data + sizeof info + info.exe_len, *end = argument + info.cmdline_len;
	while (argument < end) { /* arguments end in NUL */
		const size_t length = strnlen((const char *)argument, (size_t)(end - argument));
		put_bytes(out, argument, length);
		argument += length + 1;
		put_string(out, argument < end ? " " : "");
	}
}

static void describe_pair(struct output *out, const uint8_t *data, size_t size)
{
	struct clew_pair pair;
	if (size < sizeof pair)
		return;
	memcpy(&pair, data, sizeof pair);
	put_format(out, "[%d, %d] conn %" PRIu64 ", %" PRIu64, pair.fd[0], pair.fd[1], pair.conn_id[0], pair.conn_id[1]);
}

static void describe_ready(struct output *out, const uint8_t *data, size_t size)
{
	struct clew_ready ready;
	for (size_t at = 0; at + sizeof ready <= size; at += sizeof ready) {
		memcpy(&ready, data + at, sizeof ready);
		put_format(out, "%sfd %d: 0x%x", at ? ", " : "", ready.fd, ready.events);
	}
}

static void describe_stack(struct output *out, const uint8_t *data, size_t size)
{
	static const char *const ends[] = {"", " cut", " broken"};
	struct clew_stack_info info;
	if (size < sizeof info)
		return;
	memcpy(&info, data, sizeof info);
	const char *name = info.op == CLEW_STACK_TICK ? "tick"
					   : info.op < CLEW_OP_LIMIT  ? op_name((uint16_t)info.op)
												  : NULL;
	put_string(out, name ? name : "?");
	if (info.call_seq)
		put_format(out, " #%" PRIu32, info.call_seq);
	put_format(out, " weight=%" PRIu64, info.weight);
	for (size_t at = sizeof info; at + sizeof(uint64_t) <= size; at += sizeof(uint64_t)) {
		uint64_t address;
		memcpy(&address, data + at, sizeof address);
		put_format(out, " 0x%" PRIx64, address);
	}
	put_string(out, info.end < 3 ? ends[info.end] : " ?");
}

static void describe_map(struct output *out, const uint8_t *data, size_t size)
{
	struct clew_map_info info;
	if (size < sizeof info)
		return;
	memcpy(&info, data, sizeof info);
	put_format(out, "0x%" PRIx64 "-0x%" PRIx64 " at 0x%" PRIx64 " ", info.start, info.end, info.offset);
	if ((uint64_t)info.build_id_size + info.path_size > size - sizeof info)
		return;
	put_bytes(out, data + sizeof info + info.build_id_size, info.path_size);
	put_string(out, info.build_id_size ? " build-id=" : "");
	for (uint32_t i = 0; i < info.build_id_size; i++)
		put_format(out, "%02x", data[sizeof info + i]);
}

static void describe(struct output *out, uint32_t op, const uint8_t *data, size_t size)
{
	struct clew_thread_info thread;
	struct clew_process_io io;
	if (op == CLEW_OP_CONN) {
		describe_conn(out, data, size);
	} else if (op == CLEW_OP_STACK) {
		describe_stack(out, data, size);
	} else if (op == CLEW_OP_MAP) {
		describe_map(out, data, size);
	} else if (op == CLEW_OP_PROCESS_START) {
		describe_process(out, data, size);
	} else if (op == CLEW_OP_PIPE || op == CLEW_OP_SOCKETPAIR) {
		describe_pair(out, data, size);
	} else if (op >= CLEW_OP_POLL && op <= CLEW_OP_EPOLL_PWAIT) {
		describe_ready(out, data, size);
	} else if (op == CLEW_OP_THREAD_START && size >= sizeof thread) {
		memcpy(&thread, data, sizeof thread);
		put_format(out, "creator=%" PRIu32 " %.16s", thread.creator_tid, thread.name);
	} else if (op == CLEW_OP_PROCESS_END && size >= sizeof io) {
		memcpy(&io, data, sizeof io);
		put_format(out, "rchar=%" PRIu64 " wchar=%" PRIu64 " syscr=%" PRIu64 " syscw=%" PRIu64, io.rchar, io.wchar,
				   io.syscr, io.syscw);
	}
}

/* The record's own words: text as it is, structs described; the size of what was put in `words`. */
static size_t words_of(const uint8_t *data, const struct clew_columns *c, uint64_t i, uint8_t *words, size_t room)
{
	struct output out = {words, words + room, false};
	if (c->flags[i] & CLEW_F_TEXT)
		put_bytes(&out, data, c->head[i] < room ? c->head[i] : room);
	else if (c->flags[i] & CLEW_F_STRUCT)
		describe(&out, c->op[i], data, c->head[i]);
	return (size_t)(out.at - words);
}

static void put_line(struct output *out, const uint8_t *data, const struct clew_columns *c, uint64_t i, uint32_t style)
{
	uint8_t words[8192];
	const size_t size = words_of(data, c, i, words, sizeof words);
	put_format(out, "%" PRIu64 ".%09" PRIu64 " %9.3f us  %7" PRIu32 "/%-7" PRIu32 " #%-7" PRIu32 " %-14s",
			   c->begin[i] / 1000000000, c->begin[i] % 1000000000, (double)c->ticks[i] / 1000.0, c->pid[i], c->tid[i],
			   c->seq[i], op_name(c->op[i]) ? op_name(c->op[i]) : "?");
	if (c->fd[i] >= 0)
		put_format(out, " fd=%" PRId32, c->fd[i]);
	put_format(out, " = %" PRId64, c->result[i]);
	if (c->error[i])
		put_format(out, " errno=%u", c->error[i]);
	if (c->conn_id[i])
		put_format(out, " conn=%" PRIu64, c->conn_id[i]);
	if (c->op[i] >= CLEW_OP_COND_WAIT && c->op[i] <= CLEW_OP_FUTEX_WAKE)
		put_format(out, " on=0x%" PRIx64, c->offset[i]);
	else if (c->offset[i] != CLEW_NO_OFFSET && c->conn_id[i])
		put_format(out, " at=%" PRIu64, c->offset[i]);
	const uint32_t shown = c->flags[i] & ~(uint32_t)(CLEW_F_TEXT | CLEW_F_STRUCT);
	if (shown) {
		put_string(out, " [");
		put_flags(out, shown, "", " ");
		put_string(out, "]");
	}
	if (size) {
		put_string(out, " ");
		put_escaped(out, words, size);
	}
	if (style & CLEW_EXPAND_PAYLOAD && !(c->flags[i] & (CLEW_F_TEXT | CLEW_F_STRUCT)) && c->head[i]) {
		put_string(out, " \"");
		put_escaped(out, data, c->head[i]);
		put_string(out, c->flags[i] & CLEW_F_CUT ? "\"...\"" : c->tail[i] ? "\"\"" : "");
		put_escaped(out, data + c->head[i], c->tail[i]);
		put_string(out, "\"");
	}
	put_string(out, "\n");
}

static void put_json_line(struct output *out, const uint8_t *data, const struct clew_columns *c, uint64_t i,
						  uint32_t style)
{
	uint8_t words[8192];
	const size_t size = words_of(data, c, i, words, sizeof words);
	put_format(out, "{\"serial\":%" PRIu64 ",\"pid\":%" PRIu32 ",\"tid\":%" PRIu32 ",\"seq\":%" PRIu32 ",\"op\":\"%s\"",
			   c->serial[i], c->pid[i], c->tid[i], c->seq[i], op_name(c->op[i]) ? op_name(c->op[i]) : "?");
	put_format(out, ",\"begin_ns\":%" PRIu64 ",\"dur_ns\":%" PRIu64 ",\"fd\":", c->begin[i], c->ticks[i]);
	c->fd[i] < 0 ? put_string(out, "null") : put_format(out, "%" PRId32, c->fd[i]);
	put_format(out, ",\"result\":%" PRId64 ",\"errno\":%u,\"conn_id\":", c->result[i], c->error[i]);
	c->conn_id[i] ? put_format(out, "%" PRIu64, c->conn_id[i]) : put_string(out, "null");
	put_string(out, ",\"offset\":");
	c->offset[i] == CLEW_NO_OFFSET ? put_string(out, "null") : put_format(out, "%" PRIu64, c->offset[i]);
	put_string(out, ",\"flags\":[");
	put_flags(out, c->flags[i], "\"", ",");
	put_format(out, "],\"head_bytes\":%" PRIu32 ",\"tail_bytes\":%u", c->head[i], c->tail[i]);
	if (size) {
		put_string(out, ",\"text\":\"");
		put_json(out, words, size);
		put_string(out, "\"");
	}
	if (style & CLEW_EXPAND_PAYLOAD && !(c->flags[i] & (CLEW_F_TEXT | CLEW_F_STRUCT))) {
		put_string(out, ",\"head\":\"");
		put_json(out, data, c->head[i]);
		put_string(out, "\",\"tail\":\"");
		put_json(out, data + c->head[i], c->tail[i]);
		put_string(out, "\"");
	}
	put_string(out, "}\n");
}

int64_t clew_expand(const uint8_t *data, uint64_t size, const struct clew_columns *columns, uint64_t from, uint64_t to,
					uint32_t style, char *text, uint64_t room, uint64_t *next)
{
	struct output out = {(uint8_t *)text, (uint8_t *)text + room, false};
	uint64_t i = from;
	for (; i < to; i++) {
		uint8_t *line = out.at;
		const uint64_t at = columns->data_at[i];
		if (at > size || (uint64_t)columns->head[i] + columns->tail[i] > size - at)
			break;
		if (style & CLEW_EXPAND_JSON)
			put_json_line(&out, data + at, columns, i, style);
		else
			put_line(&out, data + at, columns, i, style);
		if (out.full) {
			out.at = line;
			break;
		}
	}
	*next = i;
	return out.at - (uint8_t *)text;
}
