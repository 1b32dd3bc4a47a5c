/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Samples of perf.data, field by field as their event's sample_type lays them out, and their rows.
 */
#include <errno.h>

#include "perf.h"

/* What that counter stood at when it was last read; NULL: out of memory. Tasks that inherit an event count it each on
 * their own, under one id. */
static uint64_t *counted_before(struct clew_perf *perf, uint64_t id, uint32_t task)
{
	bool fresh;
	const uint64_t key = task == ABSENT ? id : mix(id, task) | 1;
	uint32_t *number = table_put(&perf->counter_table, key, &fresh);
	if (!number ||
		(fresh && !reserve(&perf->counters, perf->counter_count, &perf->counter_room, sizeof *perf->counters))) {
		perf->failed = -ENOMEM;
		return NULL;
	}
	if (fresh) {
		*number = (uint32_t)perf->counter_count++;
		perf->counters[*number] = 0;
	}
	return &perf->counters[*number];
}

struct fields {
	const uint8_t *at, *end;
	bool cut;
};

static const uint8_t *take(struct fields *fields, uint64_t size)
{
	if (fields->cut || size > (uint64_t)(fields->end - fields->at)) {
		fields->cut = true;
		return NULL;
	}
	const uint8_t *found = fields->at;
	fields->at += size;
	return found;
}

static uint64_t take64(struct fields *fields)
{
	const uint8_t *at = take(fields, 8);
	return at ? load64(at) : 0;
}

static const uint8_t *take_list(struct fields *fields, uint64_t count, uint64_t each)
{
	if (count > UINT16_MAX) {
		fields->cut = true;
		return NULL;
	}
	return take(fields, count * each);
}

/* Counters that were read along with the sample: of its own event, or of all events of its group. */
static void take_read(struct fields *fields, uint64_t format, struct sample *sample)
{
	const bool group = format & PERF_FORMAT_GROUP, has_id = format & PERF_FORMAT_ID;
	const uint64_t times = !!(format & PERF_FORMAT_TOTAL_TIME_ENABLED) + !!(format & PERF_FORMAT_TOTAL_TIME_RUNNING);
	const uint64_t each = 1 + has_id + !!(format & (1 << 4)); /* PERF_FORMAT_LOST */
	const uint64_t count = group ? take64(fields) : 1;
	if (group) {
		take(fields, 8 * times);
		sample->counts = take_list(fields, count, 8 * each);
	} else {
		sample->counts = take(fields, 8 * (times + each));
	}
	sample->count_each = (uint32_t)(8 * each);
	sample->count_id = has_id ? (uint32_t)(8 * (group ? 1 : 1 + times)) : 0;
	sample->count_count = (uint32_t)count;
}

bool sample_read(const struct clew_perf *perf, const struct record *record, struct sample *sample)
{
	const struct clew_perf_event *event = &perf->input.events[record->event];
	const uint64_t type = event->sample_type;
	struct fields fields = {record->body, record->end, false};
	const uint8_t *at;
	*sample = (struct sample){.pid = ABSENT, .tid = ABSENT, .cpu = ABSENT, .period = event->period};
	sample->has_ip = type & PERF_SAMPLE_IP;
	if (type & PERF_SAMPLE_IDENTIFIER)
		take(&fields, 8);
	if (type & PERF_SAMPLE_IP)
		sample->ip = take64(&fields);
	if (type & PERF_SAMPLE_TID && (at = take(&fields, 8))) {
		sample->pid = load32(at);
		sample->tid = load32(at + 4);
	}
	if (type & PERF_SAMPLE_TIME)
		take(&fields, 8);
	if (type & PERF_SAMPLE_ADDR)
		sample->address = take64(&fields);
	if (type & PERF_SAMPLE_ID)
		take(&fields, 8);
	if (type & PERF_SAMPLE_STREAM_ID)
		take(&fields, 8);
	if (type & PERF_SAMPLE_CPU && (at = take(&fields, 8)))
		sample->cpu = load32(at);
	if (type & PERF_SAMPLE_PERIOD)
		sample->period = take64(&fields);
	if (type & PERF_SAMPLE_READ)
		take_read(&fields, event->read_format, sample);
	if (type & PERF_SAMPLE_CALLCHAIN) {
		const uint64_t count = take64(&fields);
		sample->chain = take_list(&fields, count, 8);
		sample->chain_count = (uint32_t)count;
	}
	if (type & PERF_SAMPLE_RAW && (at = take(&fields, 4))) {
		sample->raw_size = load32(at);
		sample->raw = take(&fields, sample->raw_size);
	}
	if (type & PERF_SAMPLE_BRANCH_STACK) {
		const uint64_t count = take64(&fields);
		if (event->branch_type & PERF_SAMPLE_BRANCH_HW_INDEX)
			take(&fields, 8);
		take_list(&fields, count, 24);
	}
	if (type & PERF_SAMPLE_REGS_USER && (sample->regs_abi = take64(&fields)))
		sample->regs = take_list(&fields, (uint64_t)__builtin_popcountll(event->regs_user), 8);
	if (type & PERF_SAMPLE_STACK_USER) {
		const uint64_t size = take64(&fields);
		at = take(&fields, size);
		const uint64_t filled = size ? take64(&fields) : 0;
		sample->stack_size = filled < size ? filled : size;
		sample->stack = sample->stack_size ? at : NULL;
	}
	return !fields.cut;
}

/* A row for the sample, as one of `event` that weighs `weight`. */
static void add_row(struct clew_perf *perf, const struct record *record, const struct process *process,
					const struct sample *sample, uint32_t thread, uint32_t event, uint64_t weight)
{
	const unsigned mode = record->misc & PERF_RECORD_MISC_CPUMODE_MASK;
	const uint64_t row = perf->told.sample_count;
	if (!reserve(&perf->samples, row, &perf->sample_room, sizeof *perf->samples)) {
		perf->failed = -ENOMEM;
		return;
	}
	const bool raw = sample->raw && event == record->event && perf->input.events[event].keep_raw;
	perf->samples[row] = (struct clew_perf_sample){.weight = (double)weight,
												   .ts_ns = record->ts,
												   .address = sample->address,
												   .raw_at = raw ? (uint64_t)(sample->raw - perf->input.data) : 0,
												   .raw_size = raw ? sample->raw_size : 0,
												   .stack = -1,
												   .thread = (int32_t)thread,
												   .cpu = (int32_t)sample->cpu,
												   .event = event,
												   .mode = mode};
	perf->told.sample_count++;
	stack_of(perf, process, sample, record->event, mode, row);
}

/* One row for each event that was read along and has counted since it was last read, as perf script prints them. */
static void add_counts(struct clew_perf *perf, const struct record *record, const struct process *process,
					   const struct sample *sample, uint32_t thread)
{
	for (uint32_t i = 0; i < sample->count_count && !perf->failed; i++) {
		const uint8_t *at = sample->counts + (uint64_t)i * sample->count_each;
		const uint64_t count = load64(at), id = load64(at + sample->count_id);
		const uint32_t only = 0, *event = id ? table_get(&perf->ids, id) : NULL;
		if (!event && id && perf->input.event_count == 1)
			event = &only;
		if (!event) {
			perf->told.of_no_event++;
			continue;
		}
		const uint32_t task = perf->input.events[record->event].inherit ? sample->tid : ABSENT;
		uint64_t *before = counted_before(perf, id, task);
		if (!before)
			return;
		const uint64_t more = count - *before;
		*before = count;
		if (more)
			add_row(perf, record, process, sample, thread, *event, more);
	}
}

void sample_event(struct clew_perf *perf, const struct record *record)
{
	const unsigned mode = record->misc & PERF_RECORD_MISC_CPUMODE_MASK;
	struct sample sample;
	if (mode == PERF_RECORD_MISC_GUEST_KERNEL || mode == PERF_RECORD_MISC_GUEST_USER) {
		perf->told.guest++;
		return;
	}
	if (!sample_read(perf, record, &sample)) {
		perf->told.broken++;
		return;
	}
	struct process *process = NULL;
	uint32_t thread_number = ABSENT;
	if (sample.pid != ABSENT) {
		struct thread *thread = thread_of(perf, sample.pid, sample.tid);
		if (!thread)
			return;
		thread_number = thread_row(perf, thread);
		process = &perf->processes[thread->process];
		if (process->before && mode == PERF_RECORD_MISC_USER) {
			stacks_done(perf);
			process_runs(perf, process);
		}
	}
	if (sample.count_id)
		add_counts(perf, record, process, &sample, thread_number);
	else
		add_row(perf, record, process, &sample, thread_number, record->event, sample.period);
}
