/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief memcached's vocabulary, and how to tell it from other protocols.
 */
#include "memcached.h"

static const struct memcached_command commands[] = {
	{"get", 1, 0, MEMCACHED_VALUES, false},
	{"gets", 1, 0, MEMCACHED_VALUES, false},
	{"gat", 2, 0, MEMCACHED_VALUES, false},
	{"gats", 2, 0, MEMCACHED_VALUES, false},
	{"set", 1, 4, MEMCACHED_LINE, false},
	{"add", 1, 4, MEMCACHED_LINE, false},
	{"replace", 1, 4, MEMCACHED_LINE, false},
	{"append", 1, 4, MEMCACHED_LINE, false},
	{"prepend", 1, 4, MEMCACHED_LINE, false},
	{"cas", 1, 4, MEMCACHED_LINE, false},
	{"delete", 1, 0, MEMCACHED_LINE, false},
	{"incr", 1, 0, MEMCACHED_LINE, false},
	{"decr", 1, 0, MEMCACHED_LINE, false},
	{"touch", 1, 0, MEMCACHED_LINE, false},
	{"stats", 0, 0, MEMCACHED_LINES, false},
	{"flush_all", 0, 0, MEMCACHED_LINE, false},
	{"version", 0, 0, MEMCACHED_LINE, false},
	{"verbosity", 0, 0, MEMCACHED_LINE, false},
	{"cache_memlimit", 0, 0, MEMCACHED_LINE, false},
	{"quit", 0, 0, MEMCACHED_NONE, false},
	{"shutdown", 0, 0, MEMCACHED_NONE, false},
	{"mg", 1, 0, MEMCACHED_LINE, true},
	{"ms", 1, 2, MEMCACHED_LINE, true},
	{"md", 1, 0, MEMCACHED_LINE, true},
	{"ma", 1, 0, MEMCACHED_LINE, true},
	{"mn", 0, 0, MEMCACHED_LINE, true},
	{"me", 1, 0, MEMCACHED_LINE, true},
};

const struct memcached_command *memcached_command(struct span word)
{
	for (size_t at = 0; word.size && at < sizeof commands / sizeof *commands; at++)
		if (is_word(word, commands[at].name))
			return &commands[at];
	return NULL;
}

bool memcached_is_word(struct span word)
{
	size_t at = 0;
	while (at < word.size && ((word.at[at] >= 'a' && word.at[at] <= 'z') || word.at[at] == '_'))
		at++;
	return at && at == word.size && at < 32;
}

bool memcached_reply(struct span word)
{
	static const char *const words[] = {"VALUE",   "END",     "STORED",       "NOT_STORED",   "EXISTS", "NOT_FOUND",
										"DELETED", "TOUCHED", "OK",           "VERSION",      "STAT",   "ITEM",
										"RESET",   "ERROR",   "CLIENT_ERROR", "SERVER_ERROR", "HD",     "VA",
										"EN",      "NF",      "NS",           "EX",           "MN",     "ME"};
	uint64_t number;
	for (size_t at = 0; at < sizeof words / sizeof *words; at++)
		if (is_word(word, words[at]))
			return true;
	return number_of(word, &number); /* incr and decr */
}

static const char *const opcodes[] = {
	"Get",       "Set",       "Add",       "Replace",   "Delete",  "Increment",  "Decrement",  "Quit",
	"Flush",     "GetQ",      "Noop",      "Version",   "GetK",    "GetKQ",      "Append",     "Prepend",
	"Stat",      "SetQ",      "AddQ",      "ReplaceQ",  "DeleteQ", "IncrementQ", "DecrementQ", "QuitQ",
	"FlushQ",    "AppendQ",   "PrependQ",  "Verbosity", "Touch",   "GAT",        "GATQ",       NULL,
	"SASL list", "SASL auth", "SASL step", "GATK",      "GATKQ",
};

const char *memcached_opcode(uint8_t opcode)
{
	return opcode < sizeof opcodes / sizeof *opcodes && opcodes[opcode] ? opcodes[opcode] : "opcode";
}

bool memcached_is_quiet(uint8_t opcode)
{
	const char *name = memcached_opcode(opcode);
	return name[strlen(name) - 1] == 'Q';
}

bool memcached_is_secret(uint8_t opcode)
{
	return opcode >= 0x20 && opcode <= 0x22;
}

const char *memcached_status(unsigned status)
{
	static const char *const names[] = {"OK",      "NOT_FOUND",  "EXISTS",     "TOO_LARGE",
										"INVALID", "NOT_STORED", "NON_NUMERIC"};
	if (status < sizeof names / sizeof *names)
		return names[status];
	return status == 0x20   ? "AUTH_ERROR"
		   : status == 0x21 ? "AUTH_CONTINUE"
		   : status == 0x81 ? "UNKNOWN_COMMAND"
		   : status == 0x82 ? "OUT_OF_MEMORY"
		   : status == 0x85 ? "BUSY"
							: "ERROR";
}

/* Whether a line in the way of this protocol begins here. */
static bool is_command(const uint8_t *data, size_t size)
{
	struct span line;
	size_t next;
	if (!line_of(data, size, &line, &next) || next < 2 || data[next - 2] != '\r')
		return false;
	struct span rest = line;
	const struct span word = word_of(&rest, " ");
	for (size_t at = 0; at < line.size; at++)
		if (line.at[at] < ' ')
			return false;
	const struct memcached_command *command = memcached_command(word);
	return command && (!command->key || rest.size);
}

static bool is_binary(const uint8_t *data, size_t size, uint8_t magic)
{
	return size >= 24 && *data == magic && data[1] < sizeof opcodes / sizeof *opcodes && !data[5] &&
		   (size_t)data[4] + be16(data + 2) <= be32(data + 8);
}

size_t memcached_start(const uint8_t *data, size_t size)
{
	for (size_t at = 0; at < size; at++) {
		if (is_binary(data + at, size - at, 0x80))
			return at;
		if ((!at || data[at - 1] == '\n') && data[at] >= 'a' && data[at] <= 'z' && is_command(data + at, size - at))
			return at;
	}
	return size;
}

int memcached_recognise(const struct opening *opening)
{
	const uint8_t *client = opening->data[CLIENT], *server = opening->data[SERVER];
	const size_t sent = opening->size[CLIENT], got = opening->size[SERVER];
	if (opening->datagram || !sent)
		return 0;
	if (is_binary(client, sent, 0x80))
		return got ? (is_binary(server, got, 0x81) ? 95 : 0) : 80;
	if (!is_command(client, sent))
		return 0;
	struct span line;
	size_t next;
	if (!got) { /* Redis takes lines with some of the same words */
		line = (struct span){client, sent};
		const struct span word = word_of(&line, " ");
		return is_word(word, "get") || is_word(word, "set") || is_word(word, "incr") || is_word(word, "decr") ||
					   is_word(word, "append") || is_word(word, "touch")
				   ? 0
				   : 55;
	}
	if (!line_of(server, got, &line, &next) || server[next - 1] != '\n')
		return 0;
	return memcached_reply(word_of(&line, " ")) ? 85 : 0;
}
