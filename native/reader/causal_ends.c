/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Which accepted connection is whose: unix sockets have no ports, so the ends of one are told by what happened.
 *
 * A listener hands out connections in the order in which they were made, but several processes that accept (or
 * threads that connect) at the same moment may return from it in another. An end is a possible other end if both
 * calls fit into one order, if nothing was received before it was sent, and if both began with the same words. What has
 * only one possibility left is decided; that leaves fewer to others, so it is done until nothing changes.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "causal.h"

#define ROUNDS 64
#define MOST_LOOKED_AT 512 /* possibilities of one end: with more, it is left open */

/* Places in the listener's queue that an end may have had, from 0; least and most of what is left of them. */
struct places {
	int64_t low, high;
};

struct listener { /* the connections of one process to one listener */
	const struct clew_end *client, *server;
	int64_t clients, servers;
	bool complete; /* every server's end has its client here, as far as can be seen */
	struct places *client_at, *server_at;
	int64_t *reach;                 /* [clients]: highest place of this client and of all before it */
	int64_t *oldest;                /* [servers]: clients before this one had their answers when it was accepted */
	int64_t *before;                /* [servers]: how many were accepted for sure before it */
	int64_t *by_begun;              /* [servers]: in order of when accept was entered */
	int64_t *extreme;               /* [servers + 1]: of a walk over servers, the most or least place so far */
	int64_t *claims, *claimant;     /* [clients]: how many servers it is possible for, and one of them */
	int64_t *client_of, *server_of; /* decided; NONE */
};

struct found {
	int64_t count, only, least, most; /* possibilities, one of them, least and most place */
	bool cut;                         /* too many to look at */
};

static bool possible(const struct clew_end *client, const struct clew_end *server)
{
	return client->begun <= server->done && client->asked <= server->asked && server->answered <= client->answered &&
		   (client->said == server->said || !client->said || !server->said);
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* How many of `count` sorted values are at most `most`. */
static int64_t at_most(const int64_t *sorted, int64_t count, int64_t most)
{
	int64_t low = 0;
	while (count > 0) {
		const int64_t half = count / 2;
		if (sorted[low + half] <= most) {
			low += half + 1;
			count -= half + 1;
		} else {
			count = half;
		}
	}
	return low;
}

static void count_in(struct found *found, const struct listener *l, int64_t client, const struct places *server_at)
{
	const struct places *at = &l->client_at[client];
	found->count++;
	found->only = client;
	found->least = earlier(found->least, later(at->low, server_at->low));
	found->most = later(found->most, earlier(at->high, server_at->high));
}

/* What is possible for a server's end; `claim`: clients are told. */
static struct found look(struct listener *l, int64_t server, bool claim)
{
	struct found found = {.only = NONE, .least = CLEW_NEVER, .most = NONE};
	const struct places *at = &l->server_at[server];
	if (l->client_of[server] != NONE) {
		count_in(&found, l, l->client_of[server], at);
		return found;
	}
	int64_t looked_at = 0;
	for (int64_t i = later(l->oldest[server], at_most(l->reach, l->clients, at->low - 1)); i < l->clients; i++) {
		if (l->client[i].begun > l->server[server].done || l->client_at[i].low > at->high)
			break;
		if (++looked_at > MOST_LOOKED_AT)
			return (struct found){.count = 2, .only = NONE, .least = at->low, .most = at->high, .cut = true};
		if (l->server_of[i] != NONE || l->client_at[i].high < at->low || !possible(&l->client[i], &l->server[server]))
			continue;
		count_in(&found, l, i, at);
		if (claim) {
			l->claims[i]++;
			l->claimant[i] = server;
		}
	}
	return found;
}

/* What was accepted before for sure has an earlier place each. */
static void narrow_from_below(struct listener *l)
{
	int64_t oldest = 0, highest = NONE;
	for (int64_t j = 0; j < l->servers; j++) {
		while (oldest < l->clients && (l->server_of[oldest] != NONE || l->client[oldest].answered < l->server[j].done))
			oldest++;
		l->oldest[j] = oldest;
		if (l->before[j])
			l->server_at[j].low = later(l->server_at[j].low, l->extreme[l->before[j] - 1] + 1);
		const struct found found = look(l, j, false);
		if (found.count)
			highest = later(highest, found.least);
		l->extreme[j] = highest;
	}
}

/* The first in order of when accept was entered that entered it when this one had returned. */
static int64_t first_after(const struct listener *l, int64_t server)
{
	int64_t low = 0, high = l->servers;
	while (low < high) {
		const int64_t middle = (low + high) / 2;
		if (l->server[l->by_begun[middle]].begun >= l->server[server].done)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* What was accepted after it for sure has a later place each. */
static void narrow_from_above(struct listener *l)
{
	l->extreme[l->servers] = CLEW_NEVER;
	for (int64_t nth = l->servers - 1; nth >= 0; nth--) {
		const int64_t j = l->by_begun[nth], low = first_after(l, j);
		if (l->extreme[low] != CLEW_NEVER)
			l->server_at[j].high = earlier(l->server_at[j].high, l->extreme[low] - 1);
		const struct found found = look(l, j, false);
		l->extreme[nth] = found.count ? earlier(l->extreme[nth + 1], found.most) : l->extreme[nth + 1];
	}
}

static void decide(struct listener *l, int64_t client, int64_t server)
{
	l->client_of[server] = client;
	l->server_of[client] = server;
}

/* A client that was answered was accepted by somebody: the only one that it can be, if that is so of no other client.
 */
static int64_t decide_clients(struct listener *l)
{
	int64_t decided = 0, *wanted = l->extreme; /* by how many; its places are no longer needed */
	bool cut = false;
	memset(l->claims, 0, (size_t)l->clients * sizeof *l->claims);
	memset(wanted, 0, (size_t)l->servers * sizeof *wanted);
	for (int64_t j = 0; j < l->servers; j++)
		if (l->client_of[j] == NONE)
			cut |= look(l, j, true).cut;
	for (int pass = 0; pass < 2 && !cut; pass++)
		for (int64_t i = 0; i < l->clients; i++) {
			if (l->server_of[i] != NONE || l->claims[i] != 1 || l->client[i].answered == CLEW_NEVER)
				continue;
			const int64_t server = l->claimant[i];
			if (pass == 0) {
				wanted[server]++;
			} else if (wanted[server] == 1) {
				decide(l, i, server);
				decided++;
			}
		}
	return decided;
}

/* An end that was accepted was connected by somebody: the same from there. If that may be somebody who was not
 * recorded, the client must not be possible for any other, either. */
static int64_t decide_servers(struct listener *l)
{
	int64_t decided = 0, *only = l->extreme;
	bool cut = false;
	memset(l->claims, 0, (size_t)l->clients * sizeof *l->claims);
	for (int64_t j = 0; j < l->servers; j++) {
		const struct found found = l->client_of[j] == NONE ? look(l, j, !l->complete) : (struct found){0};
		cut |= found.cut;
		only[j] = found.count == 1 ? found.only : NONE;
		if (only[j] != NONE && l->complete)
			l->claims[only[j]]++;
	}
	for (int64_t j = 0; j < l->servers && (l->complete || !cut); j++)
		if (only[j] != NONE && l->claims[only[j]] == 1) {
			decide(l, only[j], j);
			decided++;
		}
	return decided;
}

static int compare_numbers(const void *a, const void *b)
{
	const int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
	return (left > right) - (left < right);
}

/* Where clients may stand in the queue. They come in order of `begun`. */
static void place_clients(struct listener *l, int64_t *times)
{
	for (int64_t i = 0; i < l->clients; i++)
		times[i] = l->client[i].done;
	qsort(times, (size_t)l->clients, sizeof *times, compare_numbers);
	for (int64_t i = 0; i < l->clients; i++)
		l->client_at[i].low = at_most(times, l->clients, l->client[i].begun);
	for (int64_t i = 0; i < l->clients; i++)
		times[i] = l->client[i].begun;
	for (int64_t i = 0; i < l->clients; i++) {
		l->client_at[i].high = at_most(times, l->clients, l->client[i].done - 1) - 1;
		l->reach[i] = later(l->client_at[i].high, i ? l->reach[i - 1] : 0);
	}
}

/* What order servers were accepted in. They come in order of `done`. */
static void order_servers(struct listener *l, int64_t *times)
{
	struct begun {
		int64_t ns, server;
	} *const begun = (struct begun *)times;
	for (int64_t j = 0; j < l->servers; j++)
		begun[j] = (struct begun){l->server[j].begun, j};
	qsort(begun, (size_t)l->servers, sizeof *begun, compare_numbers);
	for (int64_t j = 0; j < l->servers; j++)
		l->by_begun[j] = begun[j].server;
	for (int64_t j = 0; j < l->servers; j++)
		times[j] = l->server[j].done;
	for (int64_t j = 0; j < l->servers; j++)
		l->before[j] = at_most(times, l->servers, l->server[j].begun);
}

/* If all are here, what was accepted before and after for sure takes places, too. */
static void place_servers(struct listener *l)
{
	for (int64_t j = 0; j < l->servers; j++) {
		const int64_t after = l->servers - first_after(l, j);
		l->server_at[j] = (struct places){l->complete ? l->before[j] : 0, l->clients - 1 - (l->complete ? after : 0)};
	}
}

static bool all_have_some(struct listener *l)
{
	for (int64_t j = 0; j < l->servers; j++)
		if (!look(l, j, false).count)
			return false;
	return true;
}

static int64_t pair_ends(struct listener *l)
{
	int64_t pairs = 0;
	l->complete = l->servers <= l->clients;
	place_servers(l);
	narrow_from_below(l);
	if (l->complete && !all_have_some(l)) {
		l->complete = false;
		place_servers(l);
	}
	for (int round = 0; round < ROUNDS; round++) {
		narrow_from_below(l);
		narrow_from_above(l);
		int64_t decided = decide_clients(l);
		decided += decide_servers(l);
		if (!decided)
			break;
		pairs += decided;
	}
	return pairs;
}

static int64_t *take(int64_t **memory, int64_t count)
{
	int64_t *taken = *memory;
	*memory += count;
	return taken;
}

static int64_t pair_listener(struct listener *l)
{
	const int64_t times = 2 * later(l->clients, l->servers);
	int64_t *memory = malloc((size_t)(6 * l->clients + 6 * l->servers + 1 + times) * sizeof *memory), *rest = memory;
	if (!memory)
		return -ENOMEM;
	l->client_at = (struct places *)take(&rest, 2 * l->clients);
	l->server_at = (struct places *)take(&rest, 2 * l->servers);
	l->reach = take(&rest, l->clients);
	l->claims = take(&rest, l->clients);
	l->claimant = take(&rest, l->clients);
	l->server_of = take(&rest, l->clients);
	l->oldest = take(&rest, l->servers);
	l->before = take(&rest, l->servers);
	l->by_begun = take(&rest, l->servers);
	l->extreme = take(&rest, l->servers + 1);
	for (int64_t i = 0; i < l->clients; i++)
		l->server_of[i] = NONE;
	place_clients(l, rest);
	order_servers(l, rest);
	const int64_t pairs = pair_ends(l);
	free(memory);
	return pairs;
}

int64_t clew_pair_ends(int64_t listeners, const int64_t *first_client, const int64_t *first_server,
					   const struct clew_end *clients, const struct clew_end *servers, int64_t *client_of)
{
	int64_t pairs = 0;
	for (int64_t i = 0; i < listeners; i++) {
		const int64_t before = first_client[i];
		struct listener l = {
			.client = clients + before,
			.server = servers + first_server[i],
			.clients = first_client[i + 1] - before,
			.servers = first_server[i + 1] - first_server[i],
			.client_of = client_of + first_server[i],
		};
		for (int64_t j = 0; j < l.servers; j++)
			l.client_of[j] = NONE;
		const int64_t found = l.clients && l.servers ? pair_listener(&l) : 0;
		if (found < 0)
			return found;
		pairs += found;
		for (int64_t j = 0; j < l.servers; j++)
			if (l.client_of[j] != NONE)
				l.client_of[j] += before;
	}
	return pairs;
}
