/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief The environment by which the library follows into a started program, and its removal there.
 *
 * CLEW_FDS tells the connections behind the inherited descriptors. CLEW_HIDE says what the caller's
 * environment did not hold: bit 0, our library in LD_PRELOAD and CLEW_ARENA; bit 1, a sanitizer's
 * runtime at the head of LD_PRELOAD. What we add stands first, so that the new image takes it out by moving
 * `environ` up: the list still ends where the kernel put its end, before the auxiliary vector.
 */
#include <errno.h>
#include <unistd.h>

#include "exec.h"
#include "internal.h"

#define FDS_ROOM 4096u
enum { HIDE_US = 1, HIDE_RUNTIME = 2 };

static const char preload_name[] = "LD_PRELOAD=";
static const char arena_name[] = "CLEW_ARENA=";
static const char fds_name[] = "CLEW_FDS=";
static const char hide_name[] = "CLEW_HIDE=";

struct text {
	char *at;
};

static void add(struct text *text, const char *more)
{
	size_t length = text_length(more);
	copy_bytes(text->at, more, length);
	text->at += length;
}

static char *entry(struct text *text, const char *name, const char *value)
{
	char *start = text->at;
	add(text, name);
	add(text, value);
	*text->at++ = 0;
	return start;
}

/* Where our library stands in a list of LD_PRELOAD, or NULL. */
static const char *our_place(const char *list)
{
	size_t length = text_length(library_path);
	while (length && *list) {
		if (text_starts(list, library_path) && (!list[length] || list[length] == ':' || list[length] == ' '))
			return list;
		while (*list && *list != ':' && *list != ' ')
			list++;
		while (*list == ':' || *list == ' ')
			list++;
	}
	return NULL;
}

/* Takes one entry, at `place`, out of a list in place. True if something is left. */
static bool take_out(char *list, char *place)
{
	char *end = place;
	while (*end && *end != ':' && *end != ' ')
		end++;
	if (*end)
		end++;
	else if (place > list)
		place--; /* the separator before it */
	while ((*place++ = *end++))
		;
	return *list != 0;
}

struct given {
	size_t count;
	const char *preload; /* value; NULL = none */
	bool arena;
};

static struct given look(char *const list[])
{
	struct given given = {0, NULL, false};
	for (; list && list[given.count]; given.count++) {
		const char *text = list[given.count];
		if (text_starts(text, preload_name))
			given.preload = text + sizeof preload_name - 1;
		else if (text_starts(text, arena_name))
			given.arena = true;
	}
	return given;
}

/* The given list without our own variables, LD_PRELOAD replaced; a NULL replacement drops it. */
static size_t copy_list(char **to, char *const list[], char *preload, bool keep_arena)
{
	size_t count = 0;
	for (; list && *list; list++) {
		if (text_starts(*list, fds_name) || text_starts(*list, hide_name))
			continue;
		if (text_starts(*list, arena_name) && !keep_arena)
			continue;
		if (!text_starts(*list, preload_name))
			to[count++] = *list;
		else if (preload) {
			to[count++] = preload;
			preload = NULL;
		}
	}
	to[count] = NULL;
	return count;
}

int exec_with_environment(const struct exec_plan *plan, char *const list[], int (*then)(void *, char *const[]),
						  void *context)
{
	struct given given = look(list);
	const char *users = given.preload ? given.preload : "";
	bool has_us = our_place(users) != NULL;
	bool visible = has_us && given.arena;
	if (!arena || (!plan->inject && !has_us) || (plan->reason == CLEW_UNSEEN_STATIC && !visible))
		return then(context, list);

	char buffer[FDS_ROOM + 256 + text_length(users) + text_length(library_path) + text_length(arena_path)];
	char *made[given.count + 8];
	struct text text = {buffer};
	size_t first = 0;
	char *preload;
	if (!plan->inject) {
		preload = entry(&text, preload_name, users);
		char *value = preload + sizeof preload_name - 1;
		bool left = take_out(value, value + (our_place(users) - users));
		copy_list(made, list, left ? preload : NULL, true);
		return then(context, made);
	}

	char *fds = entry(&text, fds_name, "");
	size_t length = conn_handover_write(text.at - 1, FDS_ROOM);
	if (length) {
		text.at += length;
		text.at[-1] = 0;
		made[first++] = fds;
	}
	int hide = (visible ? 0 : HIDE_US) | (plan->runtime[0] ? HIDE_RUNTIME : 0);
	if (hide) {
		char digit[2] = {(char)('0' + hide), 0};
		made[first++] = entry(&text, hide_name, digit);
	}
	if (!visible)
		made[first++] = entry(&text, arena_name, arena_path);
	preload = text.at;
	add(&text, preload_name);
	add(&text, plan->runtime);
	add(&text, plan->runtime[0] ? ":" : "");
	add(&text, has_us ? "" : library_path);
	add(&text, !has_us && *users ? ":" : "");
	entry(&text, users, "");
	if (!given.preload)
		made[first++] = preload;
	copy_list(made + first, list, preload, visible);
	int result = then(context, made);
	if (result == -1 && errno == E2BIG)
		result = then(context, list); /* it may have been ours that was too much */
	return result;
}

const char *env_find(const char *name)
{
	for (char **at = environ; at && *at; at++)
		if (text_starts(*at, name))
			return *at + text_length(name);
	return NULL;
}

static void remove_entry(const char *name)
{
	for (char **at = environ; *at; at++) {
		if (!text_starts(*at, name))
			continue;
		for (; at > environ; at--)
			at[0] = at[-1];
		environ++;
		return;
	}
}

void env_scrub(void)
{
	const char *mode = env_find(hide_name);
	int hide = mode ? *mode - '0' : 0;
	char *preload = (char *)env_find(preload_name);
	if (hide && preload) {
		bool left = true;
		if (hide & HIDE_RUNTIME)
			left = take_out(preload, preload);
		char *place = left && (hide & HIDE_US) ? (char *)our_place(preload) : NULL;
		if (place)
			left = take_out(preload, place);
		if (!left)
			remove_entry(preload_name);
	}
	if (hide & HIDE_US)
		remove_entry(arena_name);
	if (mode)
		remove_entry(hide_name);
	remove_entry(fds_name);
}
