/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief From an address to its frame description (FDE and CIE): .eh_frame_hdr, else .eh_frame, else .debug_frame.
 *
 * DWARF 5, section 6.4.1; pointer encodings and augmentations as in the Linux Standard Base, "Exception Frames".
 */
#include <stdlib.h>

#include "unwind.h"

/* Bits of DW_EH_PE_*: format in the low half, what it is relative to above. */
enum { OMITTED = 0xff, INDIRECT = 0x80, FORMAT = 0x0f, APPLICATION = 0x70 };
enum { ABSOLUTE = 0x00, PC_RELATIVE = 0x10, DATA_RELATIVE = 0x30, FUNCTION_RELATIVE = 0x40, ALIGNED = 0x50 };
#define LONGEST                                                                                                        \
	16 /* bytes of an augmentation; with no limit, many FDEs could make us search a long CIE again and again */

enum { TABLE_ENCODING = DATA_RELATIVE | 0x0b }; /* pairs of 4 bytes, signed, relative to the header */

static uint64_t take_format(struct bytes *bytes, uint8_t format)
{
	switch (format) {
	case 0x00:
	case 0x04:
	case 0x08:
	case 0x0c:
		return take(bytes, 8);
	case 0x01:
		return take_uleb(bytes);
	case 0x02:
		return take(bytes, 2);
	case 0x03:
		return take(bytes, 4);
	case 0x09:
		return (uint64_t)take_sleb(bytes);
	case 0x0a:
		return (uint64_t)take_signed(bytes, 2);
	case 0x0b:
		return (uint64_t)take_signed(bytes, 4);
	}
	bytes->failed = true;
	return 0;
}

uint64_t take_encoded(const struct image *image, struct bytes *bytes, uint8_t encoding, uint64_t delta,
					  uint64_t function)
{
	uint64_t base = 0, offset;
	if (encoding == OMITTED)
		return 0;
	switch (encoding & APPLICATION) {
	case ABSOLUTE:
		break;
	case PC_RELATIVE:
		base = bytes->at + delta;
		break;
	case DATA_RELATIVE:
		base = image->eh_frame_hdr.start;
		break;
	case FUNCTION_RELATIVE:
		base = function;
		break;
	case ALIGNED:
		skip(bytes, -(bytes->at + delta) & 7);
		break;
	default:
		bytes->failed = true;
	}
	uint64_t value = take_format(bytes, encoding & FORMAT);
	if (!value || bytes->failed)
		return 0; /* 0 is no address, whatever it is relative to */
	value += base;
	if (encoding & INDIRECT) {
		struct bytes pointer = {image->bytes, 0, image->size, !image_offset(image, value, &offset)};
		pointer.at = pointer.failed ? 0 : offset;
		value = take(&pointer, 8);
		bytes->failed |= pointer.failed;
	}
	return value;
}

/* The head of a CIE or FDE at bytes->at: cuts bytes->end to it. False: the end of the section, or nonsense. */
static bool take_head(struct bytes *bytes, bool eh, bool *is_cie, uint64_t *id, uint64_t *id_at)
{
	uint64_t length = take(bytes, 4), none = UINT32_MAX;
	const bool wide = length == UINT32_MAX;
	if (wide) {
		length = take(bytes, 8);
		none = UINT64_MAX;
	}
	if (bytes->failed || !length || length > bytes->end - bytes->at)
		return false;
	bytes->end = bytes->at + length;
	*id_at = bytes->at;
	*id = take(bytes, wide ? 8 : 4);
	*is_cie = *id == (eh ? 0 : none);
	return !bytes->failed;
}

static void take_augmentation(const struct image *image, struct bytes *bytes, const char *text, uint64_t delta,
							  struct description *description)
{
	const uint64_t size = take_uleb(bytes), from = bytes->at;
	for (const char *letter = text + 1; *letter && !bytes->failed; letter++) {
		if (*letter == 'R')
			description->encoding = (uint8_t)take(bytes, 1);
		else if (*letter == 'S')
			description->signal = true;
		else if (*letter == 'L')
			skip(bytes, 1);
		else if (*letter == 'P') {
			const uint8_t encoding = (uint8_t)take(bytes, 1);
			take_encoded(image, bytes, encoding & ~INDIRECT, delta, 0);
		} else if (*letter != 'B' && *letter != 'G') { /* those two are of aarch64 and hold no data */
			break;
		}
	}
	bytes->at = from;
	skip(bytes, size);
}

static bool read_cie(const struct image *image, const struct part *section, uint64_t at, bool eh,
					 struct description *description)
{
	struct bytes bytes = {image->bytes, at, section->offset + section->size, at < section->offset};
	const uint64_t delta = section->start - section->offset;
	bool is_cie;
	uint64_t id, id_at;
	if (!take_head(&bytes, eh, &is_cie, &id, &id_at) || !is_cie)
		return false;
	const uint64_t version = take(&bytes, 1);
	const char *text = (const char *)image->bytes + bytes.at;
	const char *nul = memchr(text, 0, bytes.end - bytes.at < LONGEST ? bytes.end - bytes.at : LONGEST);
	if (!nul || (version != 1 && version != 3 && version != 4))
		return false;
	skip(&bytes, (uint64_t)(nul - text) + 1);
	if (!strcmp(text, "eh"))
		skip(&bytes, 8);
	else if (text[0] && text[0] != 'z')
		return false;
	if (version == 4 && (take(&bytes, 1) != 8 || take(&bytes, 1) != 0)) /* sizes of address and segment */
		return false;
	description->code_align = take_uleb(&bytes);
	description->data_align = take_sleb(&bytes);
	description->return_column = version == 1 ? take(&bytes, 1) : take_uleb(&bytes);
	description->augmented = text[0] == 'z';
	if (description->augmented)
		take_augmentation(image, &bytes, text, delta, description);
	description->initial = (struct part){bytes.at, bytes.failed ? 0 : bytes.end - bytes.at, bytes.at + delta};
	return !bytes.failed;
}

/* The FDE at `at`; *next: what stands behind it, 0: the end of the section. False: it is a CIE, broken, or the end. */
static bool read_fde(const struct image *image, const struct part *section, uint64_t at, bool eh,
					 struct description *description, uint64_t *next)
{
	struct bytes bytes = {image->bytes, at, section->offset + section->size, at < section->offset};
	const uint64_t delta = section->start - section->offset;
	bool is_cie;
	uint64_t id, id_at;
	*description = (struct description){0};
	*next = 0;
	if (!take_head(&bytes, eh, &is_cie, &id, &id_at))
		return false;
	*next = bytes.end;
	if (is_cie || !read_cie(image, section, eh ? id_at - id : section->offset + id, eh, description))
		return false;
	const uint8_t encoding = description->encoding;
	description->start = take_encoded(image, &bytes, encoding, delta, 0);
	description->end = description->start + take_encoded(image, &bytes, encoding & FORMAT, delta, 0);
	if (description->augmented)
		skip(&bytes, take_uleb(&bytes));
	description->program = (struct part){bytes.at, bytes.failed ? 0 : bytes.end - bytes.at, bytes.at + delta};
	return !bytes.failed && description->end > description->start;
}

static int by_start(const void *left, const void *right)
{
	const struct function *one = left, *other = right;
	return one->start < other->start ? -1 : one->start > other->start;
}

/* Without memory the index stays empty: the functions are not found. */
static void make_index(const struct image *image, const struct part *section, bool eh, struct index *index)
{
	uint64_t room = 0, next;
	struct description description;
	index->made = true;
	for (uint64_t at = section->offset; at; at = next) {
		if (!read_fde(image, section, at, eh, &description, &next))
			continue;
		if (index->count == room) {
			room = room ? 2 * room : 64;
			struct function *wider = realloc(index->list, room * sizeof *wider);
			if (!wider)
				break;
			index->list = wider;
		}
		index->list[index->count++] = (struct function){description.start, at};
	}
	if (index->count)
		qsort(index->list, index->count, sizeof *index->list, by_start);
}

static enum found in_index(const struct image *image, const struct part *section, bool eh, struct index *index,
						   uint64_t virtual_address, struct description *description)
{
	uint64_t low = 0, next;
	if (!section->size)
		return NOT_FOUND;
	if (!index->made)
		make_index(image, section, eh, index);
	for (uint64_t high = index->count; low < high;) {
		const uint64_t middle = (low + high) / 2;
		if (index->list[middle].start <= virtual_address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || !read_fde(image, section, index->list[low - 1].entry, eh, description, &next))
		return NOT_FOUND;
	return virtual_address < description->end ? FOUND : NOT_FOUND;
}

/* .eh_frame, as its section says, or as the header says, up to the end of what is loaded there. */
static struct part eh_frame_of(const struct image *image, uint64_t pointer)
{
	uint64_t offset;
	if (image->eh_frame.size || !image_offset(image, pointer, &offset))
		return image->eh_frame;
	for (uint64_t i = 0; i < image->load_count; i++) {
		const struct part *load = &image->loads[i];
		if (pointer >= load->start && pointer - load->start < load->size)
			return (struct part){offset, load->offset + load->size - offset, pointer};
	}
	return image->eh_frame;
}

/* By the sorted table of .eh_frame_hdr; *none: it has none that can be searched. */
static enum found in_table(struct image *image, uint64_t virtual_address, struct description *description, bool *none)
{
	const struct part *header = &image->eh_frame_hdr;
	const uint64_t delta = header->start - header->offset;
	struct bytes bytes = {image->bytes, header->offset, header->offset + header->size, false};
	const uint64_t version = take(&bytes, 1);
	const uint8_t pointer_encoding = (uint8_t)take(&bytes, 1), count_encoding = (uint8_t)take(&bytes, 1);
	const uint64_t table_encoding = take(&bytes, 1);
	const uint64_t pointer = take_encoded(image, &bytes, pointer_encoding, delta, 0);
	const uint64_t count = take_encoded(image, &bytes, count_encoding, delta, 0);
	*none = true;
	if (bytes.failed || version != 1)
		return BROKEN;
	image->eh_frame = eh_frame_of(image, pointer);
	if (table_encoding != TABLE_ENCODING || count > (bytes.end - bytes.at) / 8)
		return BROKEN;
	*none = false;
	const int64_t wanted = (int64_t)(virtual_address - header->start);
	const uint64_t table = bytes.at;
	uint64_t low = 0, next;
	for (uint64_t high = count; low < high;) {
		const uint64_t middle = (low + high) / 2;
		bytes.at = table + 8 * middle;
		if (take_signed(&bytes, 4) <= wanted)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NOT_FOUND;
	bytes.at = table + 8 * (low - 1) + 4;
	const uint64_t entry = header->start + (uint64_t)take_signed(&bytes, 4);
	const struct part *section = &image->eh_frame;
	if (!section->size || entry - section->start >= section->size)
		return BROKEN;
	if (!read_fde(image, section, entry - section->start + section->offset, true, description, &next))
		return BROKEN;
	return virtual_address >= description->start && virtual_address < description->end ? FOUND : NOT_FOUND;
}

bool has_descriptions(const struct image *image)
{
	return image->eh_frame_hdr.size || image->eh_frame.size || image->debug_frame.size;
}

enum found describe(struct image *image, uint64_t virtual_address, struct description *description)
{
	bool none = true;
	enum found found = BROKEN;
	if (image->eh_frame_hdr.size)
		found = in_table(image, virtual_address, description, &none);
	if (none)
		found = in_index(image, &image->eh_frame, true, &image->eh_index, virtual_address, description);
	if (found == NOT_FOUND)
		found = in_index(image, &image->debug_frame, false, &image->debug_index, virtual_address, description);
	return found;
}
