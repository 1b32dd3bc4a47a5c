/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Records of perf.data: where each ends, which event it is of, when it was written; all of them in order of
 * time.
 *
 * Records of different processors stand in the file as the buffers were emptied. A record without a time (what perf
 * itself made up about programs that ran already) tells of what was before the recording and comes first.
 */
#include <errno.h>
#include <stdlib.h>

#include "perf.h"

#define HEADER sizeof(struct perf_event_header)
#define FIRST_NOTE 64 /* PERF_RECORD_USER_TYPE_START: made by perf, not by the kernel */
#define TRACING_DATA 66
#define AUXTRACE 71

uint64_t record_end(const uint8_t *data, uint64_t size, uint64_t at)
{
	struct perf_event_header header;
	if (size - at < HEADER)
		return 0;
	memcpy(&header, data + at, HEADER);
	if (header.size < HEADER || header.size > size - at)
		return 0;
	uint64_t follows = 0;
	if (header.type == TRACING_DATA && header.size >= HEADER + 4)
		follows = ((uint64_t)load32(data + at + HEADER) + 7) & ~7ull;
	else if (header.type == AUXTRACE && header.size >= HEADER + 8)
		follows = load64(data + at + HEADER);
	return follows > size - at - header.size ? 0 : at + header.size + follows;
}

int64_t clew_perf_notes(const uint8_t *data, uint64_t size, uint64_t mapped, uint64_t *at, struct clew_perf_note *notes,
						uint64_t room)
{
	struct pages pages = {data, size, mapped, 0};
	uint64_t found = 0;
	for (uint64_t end; *at < size && (end = record_end(data, size, *at)); *at = end) {
		struct perf_event_header header;
		memcpy(&header, data + *at, HEADER);
		pages_read(&pages, end - *at);
		if (header.type < FIRST_NOTE)
			continue;
		if (found == room)
			break;
		notes[found++] = (struct clew_perf_note){*at, header.type, header.size};
	}
	return (int64_t)found;
}

static unsigned bits(uint64_t value)
{
	return (unsigned)__builtin_popcountll(value);
}

/* What stands before the id in a sample, if that begins with no PERF_SAMPLE_IDENTIFIER. */
#define BEFORE_ID (PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_ADDR)
#define BEFORE_TIME (PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID)
#define TRAILER                                                                                                        \
	(PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_ID | PERF_SAMPLE_STREAM_ID | PERF_SAMPLE_CPU |                   \
	 PERF_SAMPLE_IDENTIFIER)

/* Every event of a file has its id at the same place, or none has one. */
static uint32_t event_of(const struct clew_perf *perf, const uint8_t *body, size_t size, bool is_sample)
{
	const struct clew_perf_input *in = &perf->input;
	const uint64_t type = in->events[0].sample_type;
	size_t place = 0;
	if (in->event_count == 1)
		return 0;
	if (is_sample)
		place = type & PERF_SAMPLE_IDENTIFIER ? 0 : 8 * bits(type & BEFORE_ID);
	else if (!in->events[0].sample_id_all)
		return 0;
	else if (type & PERF_SAMPLE_IDENTIFIER)
		place = size - 8;
	else
		place = size - 8 * (1 + bits(type & (PERF_SAMPLE_CPU | PERF_SAMPLE_STREAM_ID)));
	if (!(type & (PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_ID)))
		return 0;
	if (size < 8 || place > size - 8)
		return ABSENT;
	const uint64_t id = load64(body + place);
	const uint32_t *event = id ? table_get(&perf->ids, id) : NULL;
	return event ? *event : id || is_sample ? ABSENT : 0;
}

/* The time that a record tells, 0 for none. `event` is its event. */
static uint64_t time_of(const struct clew_perf_event *event, const uint8_t *body, size_t size, bool is_sample)
{
	const uint64_t type = event->sample_type;
	if (!(type & PERF_SAMPLE_TIME) || (!is_sample && !event->sample_id_all))
		return 0;
	size_t place = 8 * bits(type & BEFORE_TIME);
	if (!is_sample) {
		const size_t trailer = 8 * bits(type & TRAILER);
		if (size < trailer)
			return 0;
		place = size - trailer + (type & PERF_SAMPLE_TID ? 8 : 0);
	}
	return size < 8 || place > size - 8 ? 0 : load64(body + place);
}

void records_index(struct clew_perf *perf)
{
	const uint8_t *data = perf->input.data;
	const uint64_t size = perf->input.size;
	struct pages pages = {data, size, perf->input.mapped, 0};
	uint64_t at = 0, timed = 0;
	for (uint64_t end; at < size && (end = record_end(data, size, at)); at = end) {
		struct perf_event_header header;
		memcpy(&header, data + at, HEADER);
		pages_read(&pages, end - at);
		if (header.type >= FIRST_NOTE)
			continue;
		const bool is_sample = header.type == PERF_RECORD_SAMPLE;
		const size_t room = header.size - HEADER;
		const uint32_t event = event_of(perf, data + at + HEADER, room, is_sample);
		if (event == ABSENT && is_sample) {
			perf->told.of_no_event++;
			continue;
		}
		if (!reserve(&perf->entries, perf->entry_count, &perf->entry_room, sizeof *perf->entries)) {
			perf->failed = -ENOMEM;
			return;
		}
		const struct clew_perf_event *layout = &perf->input.events[event == ABSENT ? 0 : event];
		uint64_t time = time_of(layout, data + at + HEADER, room, is_sample);
		if (time > INT64_MAX)
			time = 0;
		timed += time != 0;
		perf->entries[perf->entry_count++] = (struct entry){at, event == ABSENT ? 0 : event, time};
	}
	perf->told.end = at;
	perf->told.without_time = !timed;
	struct entry *spare = malloc((perf->entry_count + 1) * sizeof *spare);
	if (!spare) {
		perf->failed = -ENOMEM;
		return;
	}
	entries_sort(perf->entries, spare, perf->entry_count);
	free(spare);
}

struct record record_at(const struct clew_perf *perf, const struct entry *entry)
{
	const struct clew_perf_event *event = &perf->input.events[entry->event];
	const uint8_t *data = perf->input.data + entry->at;
	struct perf_event_header header;
	memcpy(&header, data, HEADER);
	struct record record = {.type = header.type,
							.misc = header.misc,
							.body = data + HEADER,
							.end = data + header.size,
							.ts = entry->time ? (int64_t)entry->time : CLEW_PERF_NONE,
							.event = entry->event,
							.pid = ABSENT,
							.tid = ABSENT,
							.cpu = ABSENT};
	const uint64_t type = event->sample_type & TRAILER;
	if (header.type == PERF_RECORD_SAMPLE || !event->sample_id_all || header.size - HEADER < 8 * bits(type))
		return record;
	record.end -= 8 * bits(type);
	if (type & PERF_SAMPLE_TID) {
		record.pid = load32(record.end);
		record.tid = load32(record.end + 4);
	}
	if (type & PERF_SAMPLE_CPU)
		record.cpu = load32(record.end + 8 * bits(type & ~(uint64_t)(PERF_SAMPLE_CPU | PERF_SAMPLE_IDENTIFIER)));
	return record;
}
