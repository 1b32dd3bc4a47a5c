/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief libFuzzer: hostile records of perf.data, with layouts that may not fit them, through the reader.
 *
 * Input: flags, three layouts with an id each, then records.
 */
#include <stdlib.h>
#include <string.h>

#include "clew_perf.h"

#define EVENTS 3
#define LAYOUT 40 /* sample_type, read_format, branch_type, regs_user, id */
#define NOTES 64

enum { UNWIND = 1, SAMPLE_ID_ALL = 2, BUILD_IDS = 4, ONE_EVENT = 8, INHERIT = 16 };

static void must(int holds)
{
	if (!holds)
		abort();
}

/* Numbers in the tables are of rows that there are, and can be used as they stand. */
static void check(const struct clew_perf_tables *tables, uint64_t size)
{
	must(tables->end <= size);
	for (uint64_t i = 0; i < tables->sample_count; i++) {
		const struct clew_perf_sample *sample = &tables->samples[i];
		must(sample->stack >= -1 && sample->stack < (int64_t)tables->stack_count);
		must(sample->thread >= -1 && sample->thread < (int64_t)tables->thread_count);
		must(sample->event < EVENTS && sample->raw_at <= size && sample->raw_size <= size - sample->raw_at);
	}
	for (uint64_t i = 0; i < tables->stack_count; i++)
		must(tables->stacks[i].parent < (int64_t)i && tables->stacks[i].place < tables->place_count);
	for (uint64_t i = 0; i < tables->place_count; i++)
		must(tables->places[i].module >= -1 && tables->places[i].module < (int64_t)tables->module_count &&
			 tables->places[i].kind <= CLEW_PERF_UNKNOWN);
	for (uint64_t i = 0; i < tables->module_count; i++)
		must(tables->modules[i].name < tables->text_count &&
			 tables->modules[i].build_id_size <= sizeof tables->modules[i].build_id);
	for (uint64_t i = 0; i < tables->thread_count; i++)
		must(tables->threads[i].name < (int64_t)tables->text_count &&
			 tables->threads[i].command < (int64_t)tables->text_count &&
			 tables->threads[i].exe < (int64_t)tables->text_count);
	for (uint64_t i = 0; i < tables->ksymbol_count; i++)
		must(tables->ksymbols[i].name < tables->text_count);
	for (uint64_t i = 0; i < tables->text_count; i++)
		must(tables->text_ends[i] <= tables->text_ends[i + 1]);
}

static void expand(const struct clew_perf_tables *tables)
{
	const uint64_t room = 2 * tables->stack_count;
	int32_t *first = calloc(tables->place_count + 1, sizeof *first);
	int32_t *frames = calloc(tables->place_count + 1, sizeof *frames);
	int32_t *parent = calloc(room + 1, sizeof *parent), *last = calloc(tables->stack_count + 1, sizeof *last);
	uint32_t *frame = calloc(room + 1, sizeof *frame);
	must(first && frames && parent && last && frame);
	for (uint64_t i = 0; i < tables->place_count; i++) {
		first[i] = (int32_t)(2 * i);
		frames[i] = 1 + (int32_t)(i & 1);
	}
	const int64_t rows =
		clew_perf_expand(tables->stacks, tables->stack_count, first, frames, parent, frame, last, room);
	must(rows >= (int64_t)tables->stack_count);
	for (int64_t i = 0; i < rows; i++)
		must(parent[i] < i && frame[i] < 2 * tables->place_count);
	free(first);
	free(frames);
	free(parent);
	free(last);
	free(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct clew_perf_event events[EVENTS];
	struct clew_perf_id ids[EVENTS];
	struct clew_perf_note notes[NOTES];
	struct clew_perf_tables tables;
	struct clew_perf *perf;
	if (size < 1 + EVENTS * LAYOUT)
		return 0;
	for (unsigned i = 0; i < EVENTS; i++) {
		uint64_t layout[LAYOUT / 8];
		memcpy(layout, input + 1 + i * LAYOUT, LAYOUT);
		events[i] = (struct clew_perf_event){.sample_type = layout[0],
											 .read_format = layout[1],
											 .branch_type = layout[2],
											 .regs_user = layout[3],
											 .period = 1,
											 .sample_id_all = !!(input[0] & SAMPLE_ID_ALL),
											 .build_ids = !!(input[0] & BUILD_IDS),
											 .inherit = !!(input[0] & INHERIT),
											 .keep_raw = 1};
		ids[i] = (struct clew_perf_id){layout[4], i};
	}
	const size_t left = size - 1 - EVENTS * LAYOUT;
	uint8_t *records = malloc(left + 1); /* so that a byte too far is seen */
	must(records != NULL);
	memcpy(records, input + 1 + EVENTS * LAYOUT, left);
	for (uint64_t at = 0, before = 1; at < left && at != before;) {
		before = at;
		must(clew_perf_notes(records, left, 0, &at, notes, NOTES) <= NOTES && at <= left);
	}
	const struct clew_perf_input given = {.data = records,
										  .size = left,
										  .events = events,
										  .event_count = input[0] & ONE_EVENT ? 1 : EVENTS,
										  .ids = ids,
										  .id_count = EVENTS,
										  .unwind = input[0] & UNWIND};
	must(clew_perf_read(&given, &perf, &tables) == 0);
	check(&tables, left);
	expand(&tables);
	clew_perf_close(perf);
	free(records);
	return 0;
}
