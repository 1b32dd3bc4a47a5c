/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Messages: where they begin and end, which call moved these bytes, what is said of them.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "output.h"
#include "talks.h"

#define LARGE (8u << 20) /* bytes from which on an array is worth pages of 2 MB */

void in_large_pages(void *array, uint64_t size)
{
	const uintptr_t page = 1u << 21, begin = ((uintptr_t)array + page - 1) / page * page;
	const uintptr_t end = ((uintptr_t)array + size) / page * page;
	if (size >= LARGE && end > begin)
		madvise((void *)begin, end - begin, MADV_HUGEPAGE);
}

bool grow(struct talks *talks, void **array, uint64_t count, uint64_t *room, size_t size)
{
	if (count < *room)
		return true;
	const uint64_t more = *room ? *room * 2 : 64;
	void *larger = realloc(*array, more * size);
	if (!larger) {
		talks->failed = -ENOMEM;
		return false;
	}
	in_large_pages(larger, more * size);
	*array = larger;
	*room = more;
	return true;
}

/* The call that moved the byte at `position` of a side. */
static struct place place_of(const struct stream *stream, uint64_t position)
{
	const struct place *place = &stream->now;
	if (position < stream->now_from && stream->marks) {
		uint32_t low = 0, high = stream->marks;
		while (high - low > 1) {
			const uint32_t middle = low + (high - low) / 2;
			if (stream->mark[middle].from <= position)
				low = middle;
			else
				high = middle;
		}
		place = &stream->mark[low].place;
	}
	struct place found = *place;
	found.offset = position;
	return found;
}

/* ---- texts ---- */

static void text_free(struct talks *talks, struct text *text)
{
	if (text->handle) {
		talks->texts[text->handle - 1].next_free = talks->text_free;
		talks->text_free = text->handle;
	}
	*text = (struct text){0, 0};
}

static struct kept_text *text_slot(struct talks *talks, struct text *text)
{
	if (!text->handle) {
		if (talks->text_free) {
			text->handle = talks->text_free;
			talks->text_free = talks->texts[text->handle - 1].next_free;
		} else {
			uint64_t room = talks->texts_room;
			if (!grow(talks, (void **)&talks->texts, talks->text_count, &room, sizeof *talks->texts))
				return NULL;
			talks->texts_room = (uint32_t)room;
			text->handle = ++talks->text_count;
		}
		talks->texts[text->handle - 1] = (struct kept_text){0, 0, 0};
	}
	return &talks->texts[text->handle - 1];
}

static bool text_room(struct talks *talks, uint64_t more)
{
	while (talks->text_room - talks->text_size < more)
		if (!grow(talks, (void **)&talks->text, talks->text_room, &talks->text_room, 1))
			return false;
	return true;
}

/* How many bytes at the start are ASCII and not NUL: text as they are. */
static size_t plain_run(const uint8_t *bytes, size_t size)
{
	size_t at = 0;
	for (uint64_t word; at + sizeof word <= size; at += sizeof word) {
		memcpy(&word, bytes + at, sizeof word);
		if ((word | (word - 0x0101010101010101u)) & 0x8080808080808080u)
			break;
	}
	while (at < size && bytes[at] && bytes[at] < 0x80)
		at++;
	return at;
}

static void put_text(struct output *out, const uint8_t *bytes, size_t size)
{
	const size_t room = (size_t)(out->end - out->at), plain = plain_run(bytes, size < room ? size : room);
	if (!size)
		return;
	put_bytes(out, bytes, plain);
	put_utf8(out, bytes + plain, size - plain);
}

void message_add(struct talk *talk, struct text *text, const char *between, const void *bytes, size_t size)
{
	struct talks *talks = talks_of(talk);
	struct kept_text *slot = text_slot(talks, text);
	if (!slot || !text_room(talks, 2 * TEXT_LIMIT_BYTES))
		return;
	uint8_t *begin = talks->text + talks->text_size;
	struct output out = {begin, begin + TEXT_LIMIT_BYTES, false};
	if (slot->size) {
		put_bytes(&out, talks->text + slot->at, slot->size);
		put_string(&out, between);
	}
	put_text(&out, bytes, size);
	slot->at = talks->text_size;
	slot->size = text->size = (uint32_t)(out.at - begin);
	talks->text_size += slot->size;
}

void message_text(struct talk *talk, struct text *text, const void *bytes, size_t size)
{
	if (text->handle)
		talks_of(talk)->texts[text->handle - 1].size = 0;
	message_add(talk, text, "", bytes, size);
}

void message_word(struct talk *talk, struct text *text, const char *word)
{
	message_text(talk, text, word, strlen(word));
}

void message_name_kind(struct talk *talk, struct message *message)
{
	const struct talks *talks = talks_of(talk);
	const struct text kind = message->kind, name = message->name;
	if (!kind.size || !name.size)
		return;
	uint8_t words[2][TEXT_LIMIT_BYTES]; /* the texts move when others are added */
	memcpy(words[0], talks->text + talks->texts[kind.handle - 1].at, kind.size);
	memcpy(words[1], talks->text + talks->texts[name.handle - 1].at, name.size);
	const bool fits = kind.size + 1 + name.size <= TEXT_LIMIT_BYTES;
	const uint32_t room = kind.size + 4 < TEXT_LIMIT_BYTES ? TEXT_LIMIT_BYTES - kind.size - 4 : 0;
	message_text(talk, &message->name, words[0], kind.size);
	message_add(talk, &message->name, " ", words[1], fits ? name.size : room);
	if (!fits)
		message_add(talk, &message->name, "", "...", 3);
}

void message_print(struct talk *talk, struct text *text, const char *format, ...)
{
	char made[TEXT_LIMIT_BYTES + 1];
	va_list arguments;
	va_start(arguments, format);
	const int size = vsnprintf(made, sizeof made, format, arguments);
	va_end(arguments);
	message_text(talk, text, made, size < 0 ? 0 : (size_t)size < sizeof made ? (size_t)size : sizeof made - 1);
}

/* Moves the texts of messages that are not ended to the front: all others belong to rows that were taken. */
void texts_keep(struct talks *talks)
{
	uint64_t size = 0;
	for (uint32_t free_one = talks->text_free; free_one; free_one = talks->texts[free_one - 1].next_free)
		talks->texts[free_one - 1].size = 0;
	for (uint32_t i = 0; i < talks->text_count; i++)
		size += talks->texts[i].size;
	uint8_t *kept = size ? malloc(size) : NULL;
	if (size && !kept) {
		talks->failed = -ENOMEM;
		return;
	}
	size = 0;
	for (uint32_t i = 0; i < talks->text_count; i++) {
		struct kept_text *text = &talks->texts[i];
		if (text->size)
			memcpy(kept + size, talks->text + text->at, text->size);
		text->at = size;
		size += text->size;
	}
	if (size)
		memcpy(talks->text, kept, size);
	free(kept);
	talks->text_size = size;
}

void texts_forget(struct talks *talks)
{
	talks->text_count = talks->text_free = 0;
}

/* ---- messages ---- */

static void emit(struct talks *talks, struct message *message, uint64_t end, const struct place *last, bool whole)
{
	struct text *const texts[CLEW_TEXTS] = {&message->kind, &message->name, &message->summary, &message->status,
											&message->correlation};
	const bool sent = !talks->talk.received[message->side];
	const struct place *mover = sent ? &message->first : last;
	if (grow(talks, (void **)&talks->rows, talks->row_count, &talks->row_room, sizeof *talks->rows)) {
		struct row *row = &talks->rows[talks->row_count++];
		*row = (struct row){
			.conv = talks->conv,
			.protocol = (uint16_t)talks->protocol,
			.thread_id = mover->thread_id,
			.seq = mover->seq,
			.pid = mover->pid,
			.tid = mover->tid,
			.sent = sent,
			.role = message->role,
			.exchange = message->exchange,
			.stream = message->stream,
			.offset = message->first.offset,
			.bytes = end - message->first.offset,
			.first_ns = message->first.begin_ns,
			.last_ns = last->end_ns,
			.error = message->error,
			.held = (uint8_t)message->held,
			.whole = whole && !message->broken,
		};
		for (int i = 0; i < CLEW_TEXTS; i++)
			if (texts[i]->handle) {
				const struct kept_text *text = &talks->texts[texts[i]->handle - 1];
				row->texts[i].at = text->at;
				row->texts[i].size = text->size;
				row->texts[i].set = 1;
				talks->text_bytes[i] += text->size;
			}
	}
	for (int i = 0; i < CLEW_TEXTS; i++)
		text_free(talks, texts[i]);
	memset(message, 0, sizeof *message);
}

void message_begin(struct talk *talk, struct message *message, enum side side, uint64_t at)
{
	struct talks *talks = talks_of(talk);
	const uint64_t position = talks->base + (at < talks->available ? at : talks->available);
	memset(message, 0, sizeof *message);
	message->first = place_of(&talks->stream[side], position);
	message->side = side;
	message->begun = true;
	message->role = ROLE_OTHER;
	message->exchange = message->stream = NO_NUMBER;
}

static void end_at(struct talks *talks, struct message *message, uint64_t end, bool whole)
{
	const struct stream *stream = &talks->stream[message->side];
	const struct place last = place_of(stream, end > message->first.offset ? end - 1 : message->first.offset);
	emit(talks, message, end > message->first.offset ? end : message->first.offset, &last, whole);
}

void message_end(struct talk *talk, struct message *message, uint64_t at)
{
	struct talks *talks = talks_of(talk);
	if (!message->begun)
		return;
	struct stream *stream = &talks->stream[message->side];
	const uint64_t end = at > UINT64_MAX - talks->base ? UINT64_MAX : talks->base + at;
	if (end <= stream->at) {
		end_at(talks, message, end, true);
	} else if (stream->pendings < PENDING) {
		stream->pending[stream->pendings++] = (struct pending){*message, end};
		memset(message, 0, sizeof *message);
	} else {
		end_at(talks, message, stream->at, false);
	}
}

/* Bytes of the side came: messages that were to end there do. */
void messages_arrived(struct talks *talks, enum side side)
{
	struct stream *stream = &talks->stream[side];
	uint32_t left = 0;
	for (uint32_t i = 0; i < stream->pendings; i++)
		if (stream->pending[i].end <= stream->at)
			end_at(talks, &stream->pending[i].message, stream->pending[i].end, true);
		else
			stream->pending[left++] = stream->pending[i];
	stream->pendings = left;
}

/* No more bytes will come that messages wait for. */
void messages_cut(struct talks *talks, enum side side)
{
	struct stream *stream = &talks->stream[side];
	for (uint32_t i = 0; i < stream->pendings; i++)
		end_at(talks, &stream->pending[i].message, stream->at, false);
	stream->pendings = 0;
}

void message_close(struct talk *talk, struct message *message)
{
	struct talks *talks = talks_of(talk);
	const struct stream *stream = &talks->stream[message->side];
	const bool missing = stream->pass_to > stream->at && stream->pass_to != UINT64_MAX;
	if (message->begun)
		end_at(talks, message, stream->at, !missing);
}

void message_cut(struct talk *talk, struct message *message)
{
	message->broken = true;
	message_close(talk, message);
}

void message_drop(struct talk *talk, struct message *message)
{
	struct text *const texts[CLEW_TEXTS] = {&message->kind, &message->name, &message->summary, &message->status,
											&message->correlation};
	for (int i = 0; i < CLEW_TEXTS; i++)
		text_free(talks_of(talk), texts[i]);
	memset(message, 0, sizeof *message);
}
