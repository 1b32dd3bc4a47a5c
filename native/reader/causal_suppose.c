/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Several suppositions at once: where a call may have been made for one or the other, both are followed as long
 * as what comes later fits to them.
 */
#include <stdlib.h>
#include <string.h>

#include "causal_waiting.h"

static const double FORGOTTEN = 14; /* so much less likely than the best */
static const double UNCLEAR = -3.5; /* not so much less likely */

static void copy(const struct scene *scene, struct supposition *to, const struct supposition *from)
{
	memcpy(to->requests, from->requests, (size_t)scene->high * sizeof *to->requests);
	memcpy(to->flights, from->flights, (size_t)scene->flights * sizeof *to->flights);
	memcpy(to->ways, from->ways, (size_t)scene->ways * sizeof *to->ways);
	to->awake = from->awake;
	to->score = from->score;
}

static int by_score(const void *a, const void *b)
{
	const struct option *one = a, *other = b;
	if (one->score != other->score)
		return one->score < other->score ? 1 : -1;
	return one->of - other->of;
}

static void swap(struct scene *scene, int a, int b)
{
	const struct supposition kept = scene->all[a];
	scene->all[a] = scene->all[b];
	scene->all[b] = kept;
}

void clew_suppose_give(struct scene *scene, const struct call *call, int64_t full)
{
	struct option options[SUPPOSED * OPTIONS];
	int made = 0, place[SUPPOSED], count = 0;
	for (int of = 0; of < scene->count; of++)
		made += clew_supposed_options(scene, of, call, full, options + made);
	qsort(options, (size_t)made, sizeof *options, by_score);
	const double least = options[0].score - FORGOTTEN;
	const double best = options[0].score;
	while (made > 1 && (made > scene->most || options[made - 1].score < least))
		made--;
	/* Those that go on stand first; each further option of one gets a copy of it. */
	for (int of = 0; of < scene->count; of++)
		place[of] = NONE;
	for (int i = 0; i < made; i++)
		if (place[options[i].of] == NONE) {
			place[options[i].of] = -2;
			count++;
		}
	for (int of = 0, at = 0; of < scene->count; of++)
		if (place[of] == -2) {
			swap(scene, of, at);
			place[of] = at++;
		}
	bool used[SUPPOSED] = {false};
	int target[SUPPOSED];
	for (int i = 0; i < made; i++) {
		const int from = place[options[i].of];
		target[i] = used[from] ? count : from;
		if (used[from])
			copy(scene, &scene->all[count++], &scene->all[from]);
		used[from] = true;
	}
	for (int i = 0; i < made; i++) {
		options[i].score -= best;
		clew_supposed_give(scene, &scene->all[target[i]], &options[i], call);
	}
	scene->count = count;
}

/* Whether two come to the same from now on. */
static bool alike(const struct scene *scene, const struct supposition *one, const struct supposition *other)
{
	if (one->awake != other->awake ||
		memcmp(one->flights, other->flights, (size_t)scene->flights * sizeof *one->flights))
		return false;
	for (int32_t at = 0; at < scene->high; at++) {
		const struct waiting *a = &one->requests[at], *b = &other->requests[at];
		if (a->open != b->open || (a->open && (a->woke != b->woke || a->missing != b->missing || a->sent != b->sent ||
											   a->calls != b->calls || a->closed != b->closed)))
			return false;
	}
	return true;
}

static void merge(struct scene *scene)
{
	for (int a = 0; a < scene->count; a++)
		for (int b = scene->count - 1; b > a; b--)
			if (alike(scene, &scene->all[a], &scene->all[b])) {
				if (scene->all[b].score > scene->all[a].score)
					swap(scene, a, b);
				swap(scene, b, --scene->count);
			}
}

int64_t clew_suppose_answer(struct scene *scene, int32_t request, bool *fits)
{
	bool fit[SUPPOSED] = {false};
	int best = 0;
	for (int of = 0; of < scene->count; of++) {
		fit[of] = clew_supposed_answer(scene, &scene->all[of], request);
		best = scene->all[of].score > scene->all[best].score ? of : best;
	}
	const struct waiting *chosen = &scene->all[best].requests[request];
	const double highest = scene->all[best].score;
	bool sure = fit[best];
	for (int of = 0; of < scene->count; of++) {
		scene->all[of].score -= highest;
		if (scene->all[of].score > UNCLEAR)
			sure &= fit[of] && scene->all[of].requests[request].calls == chosen->calls;
	}
	const int64_t calls = sure ? chosen->last_call : NONE;
	*fits = fit[best];
	if (scene->count > 1)
		merge(scene);
	return calls;
}
