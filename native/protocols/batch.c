/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief A batch of calls, put in the order in which their bytes were moved, told one conversation after the other.
 *
 * What was written counts from when its call was entered, what was read from when its call returned: so a request
 * stands before its reply at both ends. Within a direction the offsets decide, where they are known: two threads may
 * write at the same time. Offsets are counted as calls return, which may be late.
 */
#include <errno.h>
#include <stdlib.h>

#include "talks.h"

#define MOST_LATE 64u   /* calls that one that returns late is moved in front of, at most */
#define LINE 64u        /* bytes of a line of the cache */
#define FETCH_ITEM 16u  /* calls that are asked for ahead */
#define FETCH_BYTES 4u  /* calls whose bytes are asked for ahead, */
#define FETCH_MOST 320u /* and how many bytes of each */

/* A call: all that is known of it in one place, since those of one conversation are spread over the columns. */
struct item {
	int64_t key; /* ns */
	struct moved moved;
	uint32_t order; /* of what has the same key: seq, or (ranked) its place */
	bool sent, ranked;
};

static int by_time(const void *one, const void *two)
{
	const struct item *a = one, *b = two;
	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	if (a->ranked) /* all of a conversation are, or none */
		return (a->order > b->order) - (a->order < b->order);
	if (a->sent != b->sent)
		return a->sent ? 1 : -1;
	if (a->moved.offset != b->moved.offset)
		return a->moved.offset < b->moved.offset ? -1 : 1;
	if (a->moved.call.thread_id != b->moved.call.thread_id)
		return a->moved.call.thread_id < b->moved.call.thread_id ? -1 : 1;
	return (a->order > b->order) - (a->order < b->order);
}

static int by_offset(const void *one, const void *two)
{
	const struct item *a = one, *b = two;
	if (a->sent != b->sent)
		return a->sent ? -1 : 1;
	if (a->moved.offset != b->moved.offset)
		return a->moved.offset < b->moved.offset ? -1 : 1;
	return by_time(one, two);
}

/* Whether the offsets of one direction go up, and all are known. */
static bool goes_up(const struct item *items, uint64_t count, bool sent)
{
	uint64_t last = 0;
	for (uint64_t i = 0; i < count; i++) {
		const uint64_t offset = items[i].moved.offset;
		if (items[i].sent != sent || offset == NO_NUMBER)
			continue;
		if (offset < last)
			return false;
		last = offset;
	}
	return true;
}

/*
 * A thread may come out of its write so late that the other end has read the bytes and asked again, and another thread
 * has written the answer and counted its bytes first. Where something was read since the call was entered, what was
 * written after that comes behind it, if the offsets follow each other.
 */
static void move_late_forward(struct item *items, uint64_t late, uint64_t count)
{
	struct moved *moved = &items[late].moved;
	uint64_t read = 0, last = late;
	for (uint64_t i = late + 1; i < count && i - late <= MOST_LATE && items[i].key < moved->call.end_ns; i++) {
		if (!items[i].sent && items[i].moved.bytes && !read)
			read = i;
		if (items[i].sent && read && items[i].moved.offset < moved->offset)
			last = i;
	}
	for (uint64_t i = last; read && i > read; i--) {
		struct moved *other = &items[i].moved;
		if (!items[i].sent || other->offset + other->bytes != moved->offset)
			continue;
		moved->offset = other->offset;
		other->offset += moved->bytes;
	}
}

static bool offsets_known(const struct item *items, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		if (items[i].moved.offset == NO_NUMBER)
			return false;
	return true;
}

static void put_in_order(struct item *items, uint64_t count)
{
	uint64_t sorted = 1;
	while (sorted < count && by_time(&items[sorted - 1], &items[sorted]) <= 0)
		sorted++;
	if (sorted < count)
		qsort(items, count, sizeof *items, by_time);
	bool up = goes_up(items, count, true);
	if (!up && offsets_known(items, count)) {
		for (uint64_t i = 0; i < count; i++)
			if (items[i].sent)
				move_late_forward(items, i, count);
		up = goes_up(items, count, true);
	}
	if ((up && goes_up(items, count, false)) || !offsets_known(items, count))
		return;
	/* Each direction by its offsets; a byte did not move before the one in front of it. */
	qsort(items, count, sizeof *items, by_offset);
	for (uint64_t i = 1; i < count; i++)
		if (items[i].sent == items[i - 1].sent && items[i].key < items[i - 1].key)
			items[i].key = items[i - 1].key;
	for (uint64_t i = 0; i < count; i++) { /* ties keep that order */
		items[i].ranked = true;
		items[i].order = (uint32_t)i;
	}
	qsort(items, count, sizeof *items, by_time);
}

static struct span bytes_of(const uint8_t *data, const int64_t *ends, uint32_t call)
{
	return (struct span){data + ends[call], (size_t)(ends[call + 1] - ends[call])};
}

/* The first bytes of both directions, as far as they were kept in one piece. */
static void open_up(struct beginning *beginning, const struct item *items, uint64_t count)
{
	uint64_t next[2] = {0, 0};
	bool any = false;
	struct opening *opening = &beginning->opening;
	memset(opening, 0, sizeof *opening);
	beginning->complete[0] = beginning->complete[1] = false;
	for (int side = 0; side < 2; side++)
		opening->data[side] = beginning->bytes[side];
	for (uint64_t i = 0; i < count && !(beginning->complete[0] && beginning->complete[1]) && i < 4 * OPENING; i++) {
		const struct moved *moved = &items[i].moved;
		const int side = items[i].sent ? 0 : 1; /* as if this end were the client */
		if (!moved->bytes)
			continue;
		if (!any)
			opening->first = (enum side)side;
		any = true;
		if (beginning->complete[side])
			continue;
		if (opening->size[side] && moved->offset != NO_NUMBER && moved->offset != next[side]) {
			beginning->complete[side] = true;
			continue;
		}
		next[side] = moved->offset + moved->bytes;
		const struct span head = moved->head;
		const size_t room = OPENING - opening->size[side], size = head.size < room ? head.size : room;
		memcpy(beginning->bytes[side] + opening->size[side], head.at, size);
		opening->size[side] += size;
		beginning->complete[side] = opening->size[side] == OPENING || head.size < moved->bytes || opening->datagram;
	}
}

static void begin(struct talks *talks, const struct clew_conv *conv, const struct item *items, uint64_t count)
{
	struct beginning beginning;
	open_up(&beginning, items, count);
	beginning.opening.datagram = conv->flags & CLEW_CONV_DATAGRAM;
	talks->number++;
	identify(talks, &beginning, conv);
	memset(talks->state, 0, speaking(talks)->state_size);
	exchanges_reset(talks);
	texts_forget(talks);
	for (int side = CLIENT; side <= SERVER; side++) {
		struct stream *stream = &talks->stream[side];
		stream->begun = false;
		stream->at = stream->pass_to = stream->now_from = 0;
		stream->kept = stream->marks = stream->pendings = 0;
	}
	talks->talk =
		(struct talk){.datagram = conv->flags & CLEW_CONV_DATAGRAM, .received = {!talks->client, talks->client}};
	talks->talking = true;
}

/* The calls of one conversation and their bytes are spread over the batch: they are asked for in time, so that the
 * processor does not wait for each of them. */
static void fetch(const struct item *items, uint64_t at, uint64_t count)
{
	if (at + FETCH_ITEM < count) {
		const char *item = (const char *)&items[at + FETCH_ITEM];
		__builtin_prefetch(item);
		__builtin_prefetch(item + LINE);
	}
	if (at + FETCH_BYTES >= count)
		return;
	const struct moved *moved = &items[at + FETCH_BYTES].moved;
	const size_t most = moved->head.size < FETCH_MOST ? moved->head.size : FETCH_MOST;
	for (size_t line = 0; line < most; line += LINE)
		__builtin_prefetch(moved->head.at + line);
	if (moved->tail.size)
		__builtin_prefetch(moved->tail.at);
}

static void tell(struct talks *talks, const struct clew_conv *conv, struct item *items, uint64_t count)
{
	if (!count && (conv->flags & CLEW_CONV_CONTINUES) && !talks->talking)
		return; /* it begins with the next batch */
	put_in_order(items, count);
	if (!(conv->flags & CLEW_CONV_CONTINUED) || !talks->talking)
		begin(talks, conv, items, count);
	for (uint64_t i = 0; i < count && !talks->failed; i++) {
		const enum side side = items[i].sent == talks->client ? CLIENT : SERVER;
		fetch(items, i, count);
		if (items[i].moved.bytes)
			stream_moved(talks, side, &items[i].moved);
		else
			talks->talk.closed[side] |= !items[i].sent && !talks->talk.datagram;
	}
	if (conv->flags & CLEW_CONV_CONTINUES)
		return;
	talks->talk.closed[talks->client ? CLIENT : SERVER] |= (conv->flags & CLEW_CONV_CLOSED) != 0;
	stream_end(talks);
	talks->talking = false;
}

/* Every index and every end lies within what it points to. */
static bool fits(const struct clew_calls *calls, uint32_t conv_count)
{
	if (calls->count > UINT32_MAX || calls->head_ends[0] < 0 || calls->tail_ends[0] < 0)
		return false;
	for (uint64_t i = 0; i < calls->count; i++)
		if (calls->conv[i] >= conv_count || calls->head_ends[i] > calls->head_ends[i + 1] ||
			calls->tail_ends[i] > calls->tail_ends[i + 1] || calls->bytes[i] > INT64_MAX || calls->dur_ns[i] < 0 ||
			(calls->offset[i] != NO_NUMBER && calls->offset[i] > INT64_MAX))
			return false;
	return true;
}

static struct item item_of(const struct clew_calls *calls, uint32_t call)
{
	const bool sent = calls->sent[call];
	const int64_t begin = calls->ts_ns[call], end = (int64_t)((uint64_t)begin + (uint64_t)calls->dur_ns[call]);
	return (struct item){
		.key = sent ? begin : end,
		.moved = {.call = {0, begin, end, calls->thread_id[call], calls->seq[call], calls->pid[call], calls->tid[call],
						   0},
				  .bytes = calls->bytes[call],
				  .offset = calls->offset[call],
				  .head = bytes_of(calls->head, calls->head_ends, call),
				  .tail = bytes_of(calls->tail, calls->tail_ends, call)},
		.order = calls->seq[call],
		.sent = sent,
	};
}

/* Items are kept for the next batch: memory that is given back has to be zeroed by the kernel again. */
static bool room_for(struct talks *talks, uint64_t count)
{
	if (talks->items && count <= talks->item_room)
		return true;
	free(talks->items);
	talks->items = malloc((count + 1) * sizeof *talks->items);
	talks->item_room = talks->items ? count : 0;
	if (talks->items)
		in_large_pages(talks->items, (count + 1) * sizeof *talks->items);
	return talks->items != NULL;
}

/* Puts the calls of each conversation together; where each conversation's end is in `ends`. */
static void gather(struct item *items, uint64_t *ends, const struct clew_calls *calls, uint32_t parts,
				   uint32_t conv_count)
{
	for (uint32_t part = 0; part < parts; part++)
		for (uint64_t i = 0; i < calls[part].count; i++)
			ends[calls[part].conv[i]]++;
	for (uint64_t conv = 0, sum = 0; conv <= conv_count; conv++) {
		const uint64_t count = ends[conv];
		ends[conv] = sum;
		sum += count;
	}
	for (uint32_t part = 0; part < parts; part++)
		for (uint64_t i = 0; i < calls[part].count; i++)
			items[ends[calls[part].conv[i]]++] = item_of(&calls[part], (uint32_t)i);
}

int clew_talks_feed(struct talks *talks, const struct clew_calls *calls, uint32_t parts, const struct clew_conv *convs,
					uint32_t conv_count)
{
	uint64_t count = 0;
	for (uint32_t part = 0; part < parts; part++) {
		if (!fits(&calls[part], conv_count))
			return -EINVAL;
		count += calls[part].count;
	}
	uint64_t *ends = calloc((size_t)conv_count + 1, sizeof *ends);
	if (count > UINT32_MAX || !ends || !room_for(talks, count)) {
		free(ends);
		return count > UINT32_MAX ? -EINVAL : (talks->failed = -ENOMEM);
	}
	gather(talks->items, ends, calls, parts, conv_count);
	for (uint32_t conv = 0; conv < conv_count && !talks->failed; conv++) {
		const uint64_t from = conv ? ends[conv - 1] : 0;
		talks->conv = conv;
		tell(talks, &convs[conv], talks->items + from, ends[conv] - from);
	}
	free(ends);
	return talks->failed;
}

int clew_calls_in_order(const struct clew_calls *calls, uint32_t conv_count, struct clew_placed *out)
{
	if (calls->count > UINT32_MAX || !fits(calls, conv_count))
		return -EINVAL;
	uint64_t *ends = calloc((size_t)conv_count + 1, sizeof *ends);
	struct item *items = malloc((calls->count + 1) * sizeof *items);
	if (!ends || !items) {
		free(ends);
		free(items);
		return -ENOMEM;
	}
	gather(items, ends, calls, 1, conv_count);
	for (uint64_t conv = 0, i = 0; conv < conv_count; conv++) {
		put_in_order(items + i, ends[conv] - i);
		for (; i < ends[conv]; i++)
			out[i] = (struct clew_placed){items[i].moved.call.thread_id, items[i].moved.offset, items[i].key,
										  items[i].moved.call.seq, (uint32_t)conv};
	}
	free(ends);
	free(items);
	return 0;
}
