/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Which protocol a conversation speaks: by its first bytes, else by what its services file says, else unknown.
 */
#include "talks.h"

#define SURE 50     /* below it nobody is believed */
#define ALL_SURE 95 /* nobody else is asked */

static int best(const struct talks *talks, const struct opening *opening, uint32_t *protocol)
{
	int score = 0;
	for (uint32_t i = 0; i < talks->protocols && score < ALL_SURE; i++) {
		if (!talks->list[i]->recognise)
			continue;
		const int its = talks->list[i]->recognise(opening);
		if (its > score) {
			score = its;
			*protocol = i;
		}
	}
	return score;
}

static struct opening swapped(const struct opening *opening)
{
	struct opening other = *opening;
	for (int side = 0; side < 2; side++) {
		other.data[side] = opening->data[!side];
		other.size[side] = opening->size[!side];
	}
	other.first = opening->first == CLIENT ? SERVER : CLIENT;
	return other;
}

void identify(struct talks *talks, struct beginning *beginning, const struct clew_conv *conv)
{
	const struct opening sender = beginning->opening, receiver = swapped(&sender); /* this end as client, as server */
	const bool known = conv->flags & (CLEW_CONV_CLIENT | CLEW_CONV_SERVER);
	uint32_t as_client = 0, as_server = 0;
	int client = 0, server = 0;
	if (!(conv->flags & CLEW_CONV_SERVER))
		client = best(talks, &sender, &as_client);
	if (!(conv->flags & CLEW_CONV_CLIENT) || !known)
		server = best(talks, &receiver, &as_server);
	if (known)
		talks->client = conv->flags & CLEW_CONV_CLIENT;
	else if (client >= SURE || server >= SURE)
		talks->client = client != server ? client > server : sender.first == CLIENT;
	else
		talks->client = sender.first == CLIENT;
	const int score = talks->client ? client : server;
	if (score >= SURE && !(conv->flags & CLEW_CONV_TOLD))
		talks->protocol = talks->client ? as_client : as_server;
	else if (conv->hint >= 0 && (uint32_t)conv->hint < talks->protocols)
		talks->protocol = (uint32_t)conv->hint;
	else
		for (uint32_t i = 0; i < talks->protocols; i++)
			if (strcmp(talks->list[i]->name, "unknown") == 0)
				talks->protocol = i;
}
