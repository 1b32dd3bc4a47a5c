/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief The name of a Redis command: what it is called, and the pattern of its first key.
 *
 * Where the first key stands: the command reference of redis.io (key specifications).
 */
#include <stdlib.h>

#include "normalise_text.h"

#define LONGEST_VERB 32
#define LONGEST_KEY 256 /* bytes of a key that are looked at */

enum trait {                /* without any: its first key stands behind it */
			 CONTAINER = 1, /* the second word belongs to its name */
			 NO_KEY = 2,
			 KEY_2 = 4,        /* NAME what key, NAME number-of-keys key ... */
			 KEY_3 = 8,        /* NAME what number-of-keys key ... */
			 KEY_STREAMS = 16, /* behind the word STREAMS */
			 SECRET = 32
};

static const struct command {
	const char *name;
	unsigned traits;
} commands[] = {/* in order */
				{"acl", CONTAINER | NO_KEY | SECRET},
				{"asking", NO_KEY},
				{"auth", NO_KEY | SECRET},
				{"bgrewriteaof", NO_KEY},
				{"bgsave", NO_KEY},
				{"bitop", KEY_2},
				{"blmpop", KEY_3},
				{"bzmpop", KEY_3},
				{"client", CONTAINER | NO_KEY},
				{"cluster", CONTAINER | NO_KEY},
				{"command", CONTAINER | NO_KEY},
				{"config", CONTAINER | NO_KEY},
				{"dbsize", NO_KEY},
				{"debug", CONTAINER | NO_KEY},
				{"discard", NO_KEY},
				{"echo", NO_KEY},
				{"eval", KEY_3},
				{"eval_ro", KEY_3},
				{"evalsha", KEY_3},
				{"evalsha_ro", KEY_3},
				{"exec", NO_KEY},
				{"failover", NO_KEY},
				{"fcall", KEY_3},
				{"fcall_ro", KEY_3},
				{"flushall", NO_KEY},
				{"flushdb", NO_KEY},
				{"function", CONTAINER | NO_KEY},
				{"hello", NO_KEY | SECRET},
				{"info", NO_KEY},
				{"keys", NO_KEY},
				{"lastsave", NO_KEY},
				{"latency", CONTAINER | NO_KEY},
				{"lmpop", KEY_2},
				{"lolwut", NO_KEY},
				{"memory", CONTAINER | KEY_2},
				{"migrate", NO_KEY | SECRET},
				{"module", CONTAINER | NO_KEY},
				{"monitor", NO_KEY},
				{"multi", NO_KEY},
				{"object", CONTAINER | KEY_2},
				{"ping", NO_KEY},
				{"psync", NO_KEY},
				{"pubsub", CONTAINER | NO_KEY},
				{"quit", NO_KEY},
				{"randomkey", NO_KEY},
				{"readonly", NO_KEY},
				{"readwrite", NO_KEY},
				{"replconf", NO_KEY},
				{"replicaof", NO_KEY},
				{"reset", NO_KEY},
				{"role", NO_KEY},
				{"save", NO_KEY},
				{"scan", NO_KEY},
				{"script", CONTAINER | NO_KEY},
				{"select", NO_KEY},
				{"sentinel", CONTAINER | NO_KEY},
				{"shutdown", NO_KEY},
				{"sintercard", KEY_2},
				{"slaveof", NO_KEY},
				{"slowlog", CONTAINER | NO_KEY},
				{"swapdb", NO_KEY},
				{"sync", NO_KEY},
				{"time", NO_KEY},
				{"unwatch", NO_KEY},
				{"wait", NO_KEY},
				{"waitaof", NO_KEY},
				{"xgroup", CONTAINER | KEY_2},
				{"xinfo", CONTAINER | KEY_2},
				{"xread", KEY_STREAMS},
				{"xreadgroup", KEY_STREAMS},
				{"zdiff", KEY_2},
				{"zinter", KEY_2},
				{"zintercard", KEY_2},
				{"zmpop", KEY_2},
				{"zunion", KEY_2}};

static bool is(const struct clew_word *word, const char *name)
{
	return !word->cut && same_word(word->text, word->size, name);
}

static int by_name(const void *key, const void *entry)
{
	const struct clew_word *word = key;
	const char *name = ((const struct command *)entry)->name;
	for (size_t at = 0; at < word->size; at++) {
		if (!name[at])
			return 1; /* the word goes on, maybe with a NUL of its own */
		if (lower(word->text[at]) != name[at])
			return (uint8_t)lower(word->text[at]) < (uint8_t)name[at] ? -1 : 1;
	}
	return name[word->size] ? -1 : 0;
}

static unsigned traits_of(const struct clew_word *word)
{
	const struct command *found =
		word->cut ? NULL : bsearch(word, commands, sizeof commands / sizeof *commands, sizeof *commands, by_name);
	return found ? found->traits : 0;
}

static void put_verb(struct writer *to, const struct clew_word *word)
{
	for (size_t at = 0; at < word->size && at < LONGEST_VERB; at++) {
		const char c = word->text[at];
		write_byte(to, is_blank(c) || (uint8_t)c >= 128 ? '_' : (char)(c >= 'a' && c <= 'z' ? c - 32 : c));
	}
}

/* The place of the first key; 0: none. */
static size_t key_of(const struct clew_word *words, size_t count, unsigned traits)
{
	if (!(traits & KEY_STREAMS))
		return traits & NO_KEY ? 0 : traits & KEY_2 ? 2 : traits & KEY_3 ? 3 : 1;
	for (size_t at = 1; at + 1 < count && at < 12; at++)
		if (is(words + at, "streams"))
			return at + 1;
	return 0;
}

size_t clew_normalise_redis(const struct clew_word *words, size_t count, char *out, size_t room, bool *secret)
{
	struct writer to = {out, room, 0, false};
	const unsigned traits = count ? traits_of(words) : 0;
	if (secret)
		*secret = traits & SECRET || (count > 1 && is(words, "config") && is(words + 1, "set"));
	if (!count)
		return 0;
	put_verb(&to, words);
	if (count > 1 && traits & CONTAINER) {
		write_byte(&to, ' ');
		put_verb(&to, words + 1);
	}
	const size_t key = key_of(words, count, traits);
	if (key && key < count && words[key].size && to.used + 1 < room) {
		write_byte(&to, ' ');
		const size_t size = words[key].size < LONGEST_KEY ? words[key].size : LONGEST_KEY;
		to.used += clew_normalise_key(words[key].text, size, words[key].cut || size < words[key].size, to.out + to.used,
									  room - to.used);
	}
	return write_end(&to, false);
}
