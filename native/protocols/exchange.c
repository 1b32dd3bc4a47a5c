/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Which reply is of which request: by order, or by ids.
 */
#include <errno.h>
#include <stdlib.h>

#include "talks.h"

void exchanges_reset(struct talks *talks)
{
	struct exchanges *all = &talks->exchanges;
	all->next = all->first = all->count = 0;
	all->pipelined = all->unsure = all->server_lost = false;
}

static struct waiting_tag *oldest(const struct exchanges *all)
{
	return &all->tags[all->first & (all->room - 1)];
}

static bool tags_grow(struct talks *talks)
{
	struct exchanges *all = &talks->exchanges;
	const uint64_t room = all->room ? all->room * 2 : 64;
	struct waiting_tag *tags = malloc(room * sizeof *tags);
	if (!tags) {
		talks->failed = -ENOMEM;
		return false;
	}
	for (uint64_t i = 0; i < all->count; i++)
		tags[i] = all->tags[(all->first + i) & (all->room - 1)];
	free(all->tags);
	all->tags = tags;
	all->room = room;
	all->first = 0;
	return true;
}

void ask(struct talk *talk, struct message *message, uint64_t tag)
{
	struct talks *talks = talks_of(talk);
	struct exchanges *all = &talks->exchanges;
	message->role = ROLE_REQUEST;
	message->exchange = all->next++;
	if (all->server_lost)
		all->count = 0; /* this one is asked because the others were answered, in what is not known */
	all->server_lost = false;
	all->pipelined |= all->count > 0;
	if (all->count == TAGS) {
		all->unsure = true;
		all->count = 0;
	}
	if (all->unsure || (all->count == all->room && !tags_grow(talks)))
		return;
	all->tags[(all->first + all->count++) & (all->room - 1)] = (struct waiting_tag){message->exchange, tag};
}

bool expected(const struct talk *talk, uint64_t *tag)
{
	const struct exchanges *all = &((const struct talks *)talk)->exchanges;
	const bool any = all->count && !all->unsure;
	if (tag)
		*tag = any ? oldest(all)->tag : 0;
	return any;
}

bool certain(const struct talk *talk)
{
	return !((const struct talks *)talk)->exchanges.unsure;
}

uint64_t waiting(const struct talk *talk)
{
	return ((const struct talks *)talk)->exchanges.count;
}

void unanswered(struct talk *talk)
{
	struct exchanges *all = &talks_of(talk)->exchanges;
	if (all->count) {
		all->first++;
		all->count--;
	}
}

void answer(struct talk *talk, struct message *message, uint64_t *tag)
{
	struct exchanges *all = &talks_of(talk)->exchanges;
	message->role = ROLE_REPLY;
	if (expected(talk, tag))
		message->exchange = oldest(all)->exchange;
	unanswered(talk);
}

void lost(struct talk *talk, enum side side)
{
	struct exchanges *all = &talks_of(talk)->exchanges;
	if (all->pipelined) {
		all->unsure = true;
		all->count = 0;
	} else if (side == SERVER) {
		all->server_lost = true;
	}
}

void unsure(struct talk *talk)
{
	talks_of(talk)->exchanges.unsure = true;
	talks_of(talk)->exchanges.count = 0;
}

/* ---- by ids ---- */

static struct waiting_id *id_begin(struct talks *talks, uint64_t id)
{
	struct exchanges *all = &talks->exchanges;
	if (!all->ids) {
		all->ids = calloc(IDS + ID_PROBES, sizeof *all->ids);
		if (!all->ids) {
			talks->failed = -ENOMEM;
			return NULL;
		}
	}
	const uint64_t mixed = (id ^ id >> 29) * 0x9e3779b97f4a7c15u;
	return &all->ids[(mixed >> 32) & (IDS - 1)];
}

static struct waiting_id *id_find(struct talks *talks, uint64_t id)
{
	struct waiting_id *at = id_begin(talks, id);
	for (uint32_t i = 0; at && i < ID_PROBES; i++)
		if (at[i].talk == talks->number && at[i].id == id)
			return &at[i];
	return NULL;
}

void ask_id(struct talk *talk, struct message *message, uint64_t id, uint64_t tag)
{
	struct talks *talks = talks_of(talk);
	struct waiting_id *begin = id_begin(talks, id), *place = id_find(talks, id);
	message->role = ROLE_REQUEST;
	message->stream = id;
	message->exchange = talks->exchanges.next++;
	for (uint32_t i = 0; begin && !place && i < ID_PROBES; i++)
		if (begin[i].talk != talks->number)
			place = &begin[i];
	for (uint32_t i = 0; begin && !place && i < ID_PROBES; i++) /* the one that has waited longest gives way */
		if (i == ID_PROBES - 1 || begin[i].exchange + IDS < message->exchange)
			place = &begin[i];
	if (place)
		*place = (struct waiting_id){id, message->exchange, tag, talks->number};
}

bool expected_id(const struct talk *talk, uint64_t id, uint64_t *exchange, uint64_t *tag)
{
	const struct waiting_id *found = id_find((struct talks *)(uintptr_t)talk, id);
	if (exchange)
		*exchange = found ? found->exchange : NO_NUMBER;
	if (tag)
		*tag = found ? found->tag : 0;
	return found != NULL;
}

void answer_id(struct talk *talk, struct message *message, uint64_t id, uint64_t *tag)
{
	struct waiting_id *found = id_find(talks_of(talk), id);
	expected_id(talk, id, &message->exchange, tag);
	message->role = ROLE_REPLY;
	message->stream = id;
	if (found)
		found->talk = 0;
}
