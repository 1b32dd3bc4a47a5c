/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief The name of a Redis command: what it is called, and the pattern of its first key.
 *
 * Where the first key stands: the command reference of redis.io (key specifications).
 */
#include "normalise_text.h"

#define LONGEST_VERB 32
#define LONGEST_KEY 256 /* bytes of a key that are looked at */

/* The second word belongs to the name of the command. */
static const char containers[] =
	" acl client cluster command config debug function latency memory module object pubsub "
	"script sentinel slowlog xgroup xinfo ";
/* of these a key stands behind it */
static const char keyed_containers[] = " memory object xgroup xinfo ";
static const char keyless[] =
	" asking auth bgrewriteaof bgsave dbsize discard echo exec failover flushall flushdb hello info keys lastsave "
	"lolwut "
	"migrate monitor multi ping psync quit randomkey readonly readwrite replconf replicaof reset role save scan select "
	"shutdown slaveof swapdb sync time unwatch wait waitaof ";
/* NAME number-of-keys key ... */
static const char counted[] = " lmpop sintercard zdiff zinter zintercard zmpop zunion ";
/* NAME what number-of-keys key ... */
static const char scripts[] = " eval evalsha eval_ro evalsha_ro fcall fcall_ro blmpop bzmpop ";

static bool is(const struct clew_word *word, const char *words)
{
	return !word->cut && one_of(word->text, word->size, words);
}

static void put_verb(struct writer *to, const struct clew_word *word)
{
	for (size_t at = 0; at < word->size && at < LONGEST_VERB; at++) {
		const char c = word->text[at];
		write_byte(to, is_blank(c) || (uint8_t)c >= 128 ? '_' : (char)(c >= 'a' && c <= 'z' ? c - 32 : c));
	}
}

/* The place of the first key; 0: none. */
static size_t key_of(const struct clew_word *words, size_t count)
{
	if (is(words, keyless))
		return 0;
	if (is(words, containers))
		return is(words, keyed_containers) ? 2 : 0;
	if (is(words, " bitop ") || is(words, counted))
		return 2;
	if (is(words, scripts))
		return 3;
	if (is(words, " xread xreadgroup ")) {
		for (size_t at = 1; at + 1 < count && at < 12; at++)
			if (is(words + at, " streams "))
				return at + 1;
		return 0;
	}
	return 1;
}

size_t clew_normalise_redis(const struct clew_word *words, size_t count, char *out, size_t room, bool *secret)
{
	struct writer to = {out, room, 0, false};
	if (secret)
		*secret = count && (is(words, " auth hello migrate acl ") ||
							(is(words, " config ") && count > 1 && is(words + 1, " set ")));
	if (!count)
		return 0;
	put_verb(&to, words);
	if (count > 1 && is(words, containers)) {
		write_byte(&to, ' ');
		put_verb(&to, words + 1);
	}
	const size_t key = key_of(words, count);
	if (key && key < count && words[key].size && to.used + 1 < room) {
		write_byte(&to, ' ');
		const size_t size = words[key].size < LONGEST_KEY ? words[key].size : LONGEST_KEY;
		to.used += clew_normalise_key(words[key].text, size, words[key].cut || size < words[key].size, to.out + to.used,
									  room - to.used);
	}
	return write_end(&to, false);
}
