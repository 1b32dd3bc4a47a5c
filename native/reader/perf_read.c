/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief The perf.data reader from end to end: index, order, and each record once.
 */
#include <errno.h>
#include <stdlib.h>

#include "clew_unwind.h"
#include "perf.h"

static void lost_event(struct clew_perf *perf, const struct record *record)
{
	const size_t at = record->type == PERF_RECORD_LOST ? 8 : 0; /* its id */
	if (record->end < record->body + at + 8)
		perf->told.broken++;
	else if (at)
		perf->told.lost += load64(record->body + at);
	else
		perf->lost_samples += load64(record->body);
}

/* What the kernel lost in all. Where it counts lost samples of each event (PERF_FORMAT_LOST), perf writes these counts
 * last, and they hold again what the kernel told when it happened; of a file that is cut there are only the latter. */
static uint64_t lost_in_all(const struct clew_perf *perf)
{
	const uint64_t told = perf->told.lost, counted = perf->lost_samples;
	for (uint64_t i = 0; i < perf->input.event_count; i++)
		if (perf->input.events[i].read_format & 1 << 4) /* the name is of Linux 6.0 */
			return told > counted ? told : counted;
	return told + counted;
}

static void take(struct clew_perf *perf, const struct record *record)
{
	if (record->type != PERF_RECORD_SAMPLE && record->type != PERF_RECORD_SWITCH &&
		record->type != PERF_RECORD_SWITCH_CPU_WIDE)
		stacks_done(perf);
	switch (record->type) {
	case PERF_RECORD_SAMPLE:
		sample_event(perf, record);
		break;
	case PERF_RECORD_MMAP:
	case PERF_RECORD_MMAP2:
		map_event(perf, record);
		break;
	case PERF_RECORD_COMM:
		comm_event(perf, record);
		break;
	case PERF_RECORD_FORK:
		fork_event(perf, record);
		break;
	case PERF_RECORD_EXIT:
		exit_event(perf, record);
		break;
	case PERF_RECORD_SWITCH:
	case PERF_RECORD_SWITCH_CPU_WIDE:
		switch_event(perf, record);
		break;
	case PERF_RECORD_LOST:
	case PERF_RECORD_LOST_SAMPLES:
		lost_event(perf, record);
		break;
	case PERF_RECORD_THROTTLE:
		perf->told.throttled++;
		break;
	case PERF_RECORD_KSYMBOL:
		ksymbol_event(perf, record);
		break;
	default: /* AUX, namespaces, cgroups, ...: nothing that a sample needs */
		break;
	}
}

int clew_perf_read(const struct clew_perf_input *input, struct clew_perf **handle, struct clew_perf_tables *tables)
{
	*handle = NULL;
	if (!input->event_count || input->event_count > UINT16_MAX || input->size >> 47)
		return -EINVAL;
	struct clew_perf *perf = calloc(1, sizeof *perf);
	if (!perf)
		return -ENOMEM;
	perf->input = *input;
	perf->told.kernel_symbol = -1;
	perf->root = ABSENT;
	perf->kernel_version = ++perf->versions;
	for (uint64_t i = 0; i < input->id_count && !perf->failed; i++) {
		bool fresh;
		uint32_t *event = NULL;
		if (input->ids[i].id && input->ids[i].event < input->event_count)
			if (!(event = table_put(&perf->ids, input->ids[i].id, &fresh)))
				perf->failed = -ENOMEM;
		if (event)
			*event = (uint32_t)input->ids[i].event;
	}
	if (!(perf->kernel = maps_new()))
		perf->failed = -ENOMEM;
	if (!perf->failed)
		records_index(perf);
	struct pages pages = {input->data, input->size, input->mapped, 0};
	for (uint64_t i = 0; i < perf->entry_count && !perf->failed; i++) {
		const struct record record = record_at(perf, &perf->entries[i]);
		made_until(perf, record.ts);
		take(perf, &record);
		pages_read(&pages, (uint64_t)(record.end - record.body));
	}
	stacks_done(perf);
	if (perf->failed) {
		const int failed = perf->failed;
		clew_perf_close(perf);
		return failed;
	}
	perf->told.lost = lost_in_all(perf);
	*tables = perf->told;
	tables->samples = perf->samples;
	tables->stacks = perf->stacks;
	tables->places = perf->places;
	tables->modules = perf->modules;
	tables->threads = perf->rows;
	tables->switches = perf->switches;
	tables->ksymbols = perf->ksymbols;
	tables->text_ends = perf->text_ends;
	tables->text_bytes = perf->text_bytes;
	*handle = perf;
	return 0;
}

void clew_perf_close(struct clew_perf *perf)
{
	if (!perf)
		return;
	for (uint64_t i = 0; i < perf->process_count; i++) {
		maps_free(perf->processes[i].maps);
		maps_free(perf->processes[i].before);
		maps_free(perf->processes[i].made);
	}
	maps_free(perf->kernel);
	clew_unwind_free(perf->unwind);
	struct table *tables[] = {&perf->counter_table, &perf->ids,          &perf->by_pid,      &perf->by_tid,
							  &perf->text_table,    &perf->module_table, &perf->place_table, &perf->stack_table};
	for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
		table_free(tables[i]);
	void *arrays[] = {perf->counters, perf->entries,  perf->processes, perf->threads,    perf->chains,
					  perf->samples,  perf->stacks,   perf->places,    perf->modules,    perf->rows,
					  perf->switches, perf->ksymbols, perf->text_ends, perf->text_bytes, perf->handles};
	for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
		free(arrays[i]);
	free(perf);
}
