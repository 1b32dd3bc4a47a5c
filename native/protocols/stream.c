/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief The bytes of one side of a conversation, handed to its processor: kept till it is done with them, passed over
 * where it does not want them.
 */
#include "talks.h"

static const uint8_t nothing[1];

static uint64_t add(uint64_t position, uint64_t size)
{
	return size > UINT64_MAX - position ? UINT64_MAX : position + size;
}

/* How many of the next `size` bytes nobody wants to see; they are behind us then. */
static uint64_t pass_over(struct stream *stream, uint64_t size)
{
	if (stream->at >= stream->pass_to)
		return 0;
	const uint64_t left = stream->pass_to - stream->at, over = left < size ? left : size;
	stream->at += over;
	return over;
}

static uint64_t call_feed(struct talks *talks, enum side side, uint64_t base, const uint8_t *data, uint64_t size)
{
	talks->base = base;
	talks->side = side;
	talks->available = size;
	return speaking(talks)->feed(&talks->talk, talks->state, side, data, size);
}

static uint64_t call_gap(struct talks *talks, enum side side, uint64_t base, const uint8_t *data, uint64_t size,
						 uint64_t hole)
{
	talks->base = base;
	talks->side = side;
	talks->available = size;
	return speaking(talks)->gap(&talks->talk, talks->state, side, data, size, hole);
}

/* Feeds [data, size), which ends at stream->at; returns how many bytes of it are done with. */
static uint64_t feed_all(struct talks *talks, enum side side, const uint8_t *data, uint64_t size)
{
	struct stream *stream = &talks->stream[side];
	uint64_t used = 0;
	while (used < size) {
		const uint64_t base = stream->at - (size - used), left = size - used;
		uint64_t done = call_feed(talks, side, base, data + used, left);
		if (done >= left) {
			stream->pass_to = add(base, done);
			return size;
		}
		if (!done) {
			if (left <= TALK_KEEP)
				return used;
			done = call_gap(talks, side, base, data + used, TALK_KEEP, 0);
			if (done >= left) {
				stream->pass_to = add(base, done);
				return size;
			}
			done = done < TALK_KEEP ? TALK_KEEP : done;
		}
		used += done;
	}
	return used;
}

/* Remembers which calls moved the `kept` bytes before stream->at. */
static void keep_marks(struct talks *talks, struct stream *stream)
{
	const uint64_t from = stream->at - stream->kept;
	uint32_t gone = 0;
	while (gone + 1 < stream->marks && stream->mark[gone + 1].from <= from)
		gone++;
	if (!stream->kept || stream->now_from <= from)
		gone = stream->marks;
	if (gone)
		memmove(stream->mark, stream->mark + gone, (stream->marks - gone) * sizeof *stream->mark);
	stream->marks -= gone;
	if (!stream->kept)
		return;
	uint64_t room = stream->marks_room;
	if (!grow(talks, (void **)&stream->mark, stream->marks, &room, sizeof *stream->mark))
		return;
	stream->marks_room = (uint32_t)room;
	if (!stream->marks || stream->mark[stream->marks - 1].from != stream->now_from)
		stream->mark[stream->marks++] = (struct mark){stream->now_from > from ? stream->now_from : from, stream->now};
}

void stream_bytes(struct talks *talks, enum side side, const struct place *call, const uint8_t *data, uint64_t size)
{
	struct stream *stream = &talks->stream[side];
	stream->now = *call;
	stream->now_from = stream->at;
	uint64_t over = pass_over(stream, size);
	data += over;
	size -= over;
	while (size) {
		if (!stream->kept) {
			stream->at += size;
			messages_arrived(talks, side);
			const uint64_t used = feed_all(talks, side, data, size);
			stream->kept = (uint32_t)(size - used);
			memcpy(stream->keep, data + used, stream->kept);
			break;
		}
		const uint32_t before = stream->kept, room = sizeof stream->keep - before;
		const uint32_t more = size < room ? (uint32_t)size : room;
		memcpy(stream->keep + before, data, more);
		stream->at += more;
		stream->kept += more;
		messages_arrived(talks, side);
		uint64_t used = feed_all(talks, side, stream->keep, stream->kept);
		stream->kept -= (uint32_t)used;
		if (stream->kept && used)
			memmove(stream->keep, stream->keep + used, stream->kept);
		data += more;
		size -= more;
		over = pass_over(stream, size);
		data += over;
		size -= over;
		if (size)
			keep_marks(talks, stream);
	}
	messages_arrived(talks, side);
	if (stream->kept || stream->marks)
		keep_marks(talks, stream);
}

void stream_hole(struct talks *talks, enum side side, const struct place *call, uint64_t size)
{
	struct stream *stream = &talks->stream[side];
	stream->now = *call;
	stream->now_from = stream->at;
	size -= pass_over(stream, size);
	if (size) {
		const uint64_t base = stream->at - stream->kept;
		const uint64_t done = call_gap(talks, side, base, stream->kept ? stream->keep : nothing, stream->kept, size);
		stream->at = add(stream->at, size);
		stream->kept = 0;
		stream->marks = 0;
		if (add(base, done) > stream->at)
			stream->pass_to = add(base, done);
	}
	stream->now_from = stream->at;
	messages_arrived(talks, side);
}

void stream_datagram(struct talks *talks, enum side side, const struct place *call, const uint8_t *data, uint64_t size,
					 uint64_t unit)
{
	struct stream *stream = &talks->stream[side];
	stream->now = *call;
	stream->now_from = stream->at;
	if (stream->pass_to != UINT64_MAX) {
		const uint64_t base = stream->at;
		talks->talk.unit = unit;
		call_feed(talks, side, base, size ? data : nothing, size);
	}
	stream->at += unit;
	messages_arrived(talks, side);
	messages_cut(talks, side);
}

/* A connection whose offsets are known may have moved bytes that nobody recorded; none are seen twice. */
void stream_moved(struct talks *talks, enum side side, struct moved *moved)
{
	struct stream *stream = &talks->stream[side];
	if (!stream->begun) {
		stream->begun = true;
		stream->at = moved->offset == NO_NUMBER ? 0 : moved->offset;
	}
	if (moved->head.size > moved->bytes)
		moved->head.size = moved->bytes;
	if (moved->tail.size > moved->bytes - moved->head.size)
		moved->tail.size = moved->bytes - moved->head.size;
	if (talks->talk.datagram) {
		stream_datagram(talks, side, &moved->call, moved->head.at, moved->head.size, moved->bytes);
		return;
	}
	uint64_t skip = 0;
	if (moved->offset != NO_NUMBER) {
		if (moved->offset > stream->at)
			stream_hole(talks, side, &moved->call, moved->offset - stream->at);
		else if (moved->offset < stream->at)
			skip = stream->at - moved->offset;
	}
	const uint64_t parts[3] = {moved->head.size, moved->bytes - moved->head.size - moved->tail.size, moved->tail.size};
	for (int part = 0; part < 3; part++) {
		const uint64_t over = skip < parts[part] ? skip : parts[part], left = parts[part] - over;
		skip -= over;
		if (left && part == 1)
			stream_hole(talks, side, &moved->call, left);
		else if (left)
			stream_bytes(talks, side, &moved->call, (part ? moved->tail.at : moved->head.at) + over, left);
	}
}

void stream_end(struct talks *talks)
{
	for (int side = CLIENT; side <= SERVER; side++) {
		struct stream *stream = &talks->stream[side];
		if (stream->kept)
			call_gap(talks, side, stream->at - stream->kept, stream->keep, stream->kept, 0);
	}
	if (speaking(talks)->end)
		speaking(talks)->end(&talks->talk, talks->state);
	for (int side = CLIENT; side <= SERVER; side++)
		messages_cut(talks, side);
}
