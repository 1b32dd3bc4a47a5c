/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief The caller of a frame by call frame information, where it lies in memory: .eh_frame_hdr and .eh_frame.
 *
 * DWARF 5, section 6.4, and the Linux Standard Base, core specification, 10.6. What the common rows come to is kept in
 * a table of fixed size. An entry is two words and a check over them and its key, so that one that another thread
 * writes at the same time is not found, rather than half of each.
 */
#include "stack.h"

#include "stack_bytes.h"

#if defined(__x86_64__)

#define COLUMNS 8 /* rbx rbp rsp r12 r13 r14 r15 pc */
#define SAVED 4   /* DW_CFA_remember_state, one inside the other */
#define KEPT 2048u
#define PROLOGUE_MOST 65536u /* bytes of one entry that are looked at */

enum how { SAME, UNDEFINED, AT_OFFSET, IS_OFFSET, AT_EXPRESSION, IS_EXPRESSION, IN_REGISTER };

/* How to find what a register held in the caller. Expressions are told by their place in the index's segment. */
struct column {
	uint8_t how;
	int32_t value;
};

struct row {
	uint8_t cfa_reg; /* REGISTERS: cfa_value is an expression */
	bool signal;
	int32_t cfa_value;
	struct column column[COLUMNS];
};

/* The entry of a function (FDE), with what it takes from its common entry (CIE). */
struct entry {
	struct bytes initial, own; /* instructions */
	uint64_t start, size;
	uint64_t code_unit;
	int64_t data_unit;
	uint8_t encoding;
	bool signal;
};

/* Where call frame information may be read, and the address that its index stands for. */
struct information {
	const uint8_t *start, *end, *index;
};

static const uint8_t column_reg[COLUMNS] = {3, 6, 7, 12, 13, 14, 15, 16};

static struct column *column_of(struct row *row, uint64_t reg)
{
	static const int8_t of[REGISTERS] = {-1, -1, -1, 0, -1, -1, 1, 2, -1, -1, -1, -1, 3, 4, 5, 6, 7};
	return reg < REGISTERS && of[reg] >= 0 ? &row->column[of[reg]] : NULL;
}

/* A pointer as .eh_frame encodes it (DW_EH_PE_*); only those that compilers use in code are known. */
static bool pointer(struct bytes *bytes, const struct information *cfi, uint8_t encoding, bool is_size, uint64_t *value)
{
	const uint64_t here = (uint64_t)(uintptr_t)bytes->at;
	const uint8_t format = encoding & 0x0f, base = is_size ? 0 : encoding & 0x70;
	const unsigned log_size = format == 0 || (format & 7) == 4 ? 3 : (format & 7) == 3 ? 2 : 1;
	if ((format && ((format & 7) < 2 || (format & 7) > 4)) || encoding & 0x80)
		return false;
	*value = bytes_constant(bytes, log_size, !is_size && format & 8);
	if (base == 0x10)
		*value += here;
	else if (base == 0x30)
		*value += (uint64_t)(uintptr_t)cfi->index;
	else if (base)
		return false;
	return !bytes->bad;
}

/* Begins an entry at `at`: its bytes after the length. */
static bool begin_entry(const struct information *cfi, const uint8_t *at, struct bytes *bytes)
{
	if (at < cfi->start || at >= cfi->end)
		return false;
	*bytes = (struct bytes){at, cfi->end, false};
	const uint32_t length = bytes_u32(bytes);
	if (bytes->bad || length == UINT32_MAX || length > (uint64_t)(bytes->end - bytes->at))
		return false; /* 64-bit lengths: no linker writes them here */
	bytes->end = bytes->at + length;
	return length >= 4;
}

static bool read_common(const struct information *cfi, const uint8_t *at, struct entry *entry)
{
	struct bytes bytes;
	if (!begin_entry(cfi, at, &bytes) || bytes_u32(&bytes) != 0)
		return false;
	const uint8_t version = bytes_u8(&bytes);
	const char *augmentation = (const char *)bytes.at;
	while (bytes_u8(&bytes))
		;
	if (bytes.bad || (version != 1 && version != 3))
		return false;
	entry->code_unit = bytes_uleb(&bytes);
	entry->data_unit = bytes_sleb(&bytes);
	if ((version == 1 ? bytes_u8(&bytes) : bytes_uleb(&bytes)) != AT_PC)
		return false;
	entry->encoding = 0;
	entry->signal = false;
	if (*augmentation == 'z') {
		const uint64_t size = bytes_uleb(&bytes);
		struct bytes data = bytes;
		bytes_skip(&bytes, size);
		data.end = bytes.at;
		uint64_t personality;
		for (const char *letter = augmentation + 1; *letter; letter++) {
			if (*letter == 'R')
				entry->encoding = bytes_u8(&data);
			else if (*letter == 'S')
				entry->signal = true;
			else if (*letter == 'L')
				bytes_u8(&data);
			else if (*letter == 'P' && !pointer(&data, cfi, bytes_u8(&data) & 0x0f, false, &personality))
				return false;
		}
		if (data.bad)
			return false;
	} else if (*augmentation) {
		return false;
	}
	entry->initial = bytes;
	return !bytes.bad;
}

/* The entry that the index's binary search table has for `pc`. */
static bool find_entry(const struct information *cfi, uint64_t pc, struct entry *entry)
{
	struct bytes bytes = {cfi->index, cfi->end, false};
	const uint32_t head = bytes_u32(&bytes);
	uint64_t frames, count;
	if ((head & 0xff) != 1 || head >> 24 != 0x3b /* datarel, 4 bytes, signed */ ||
		!pointer(&bytes, cfi, head >> 8 & 0xff, false, &frames) ||
		!pointer(&bytes, cfi, head >> 16 & 0xff, false, &count) || !count ||
		count > (uint64_t)(bytes.end - bytes.at) / 8)
		return false;
	const uint64_t base = (uint64_t)(uintptr_t)cfi->index;
	int32_t pair[2];
	uint64_t low = 0, high = count;
	while (high - low > 1) {
		const uint64_t middle = low + (high - low) / 2;
		__builtin_memcpy(pair, bytes.at + middle * 8, sizeof pair);
		*(pc < base + (uint64_t)(int64_t)pair[0] ? &high : &low) = middle;
	}
	__builtin_memcpy(pair, bytes.at + low * 8, sizeof pair);

	struct bytes own;
	if (!begin_entry(cfi, cfi->index + pair[1], &own))
		return false;
	const uint8_t *back = own.at;
	const uint32_t distance = bytes_u32(&own);
	if (!distance || distance > (uint64_t)(back - cfi->start) || !read_common(cfi, back - distance, entry) ||
		!pointer(&own, cfi, entry->encoding, false, &entry->start) ||
		!pointer(&own, cfi, entry->encoding, true, &entry->size) || pc - entry->start >= entry->size)
		return false;
	bytes_skip(&own, bytes_uleb(&own)); /* augmentation data; "z" is what everybody writes */
	entry->own = own;
	return !own.bad;
}

static bool set(struct row *row, uint64_t reg, enum how how, int64_t value)
{
	struct column *column = column_of(row, reg);
	if (value != (int32_t)value)
		return false;
	if (column)
		*column = (struct column){(uint8_t)how, (int32_t)value};
	return true;
}

/* Skips an expression; gives its place. */
static int64_t expression(struct bytes *bytes, const struct information *cfi)
{
	const int64_t place = bytes->at - cfi->start;
	bytes_skip(bytes, bytes_uleb(bytes));
	return place;
}

static bool set_cfa(struct row *row, uint64_t reg, int64_t value)
{
	row->cfa_reg = reg < REGISTERS ? (uint8_t)reg : REGISTERS;
	row->cfa_value = (int32_t)value;
	return reg < REGISTERS && value == (int32_t)value;
}

static void put_back(struct row *row, const struct row *first, uint64_t reg)
{
	struct column *column = column_of(row, reg);
	if (column)
		*column = first->column[column - row->column];
}

/* DW_CFA_* of one byte of their own, but for those that move on. */
static bool instruct(uint8_t op, struct bytes *bytes, const struct information *cfi, const struct entry *entry,
					 struct row *row, const struct row *first)
{
	uint64_t reg;
	switch (op) {
	case 0x00: /* nop */
		return true;
	case 0x05: /* offset_extended */
		reg = bytes_uleb(bytes);
		return set(row, reg, AT_OFFSET, (int64_t)bytes_uleb(bytes) * entry->data_unit);
	case 0x06: /* restore_extended */
		put_back(row, first, bytes_uleb(bytes));
		return true;
	case 0x07: /* undefined */
		return set(row, bytes_uleb(bytes), UNDEFINED, 0);
	case 0x08: /* same_value */
		return set(row, bytes_uleb(bytes), SAME, 0);
	case 0x09: /* register */
		reg = bytes_uleb(bytes);
		return set(row, reg, IN_REGISTER, (int64_t)bytes_uleb(bytes));
	case 0x0c: /* def_cfa */
		reg = bytes_uleb(bytes);
		return set_cfa(row, reg, (int64_t)bytes_uleb(bytes));
	case 0x0d: /* def_cfa_register */
		return set_cfa(row, bytes_uleb(bytes), row->cfa_value);
	case 0x0e: /* def_cfa_offset */
		return set_cfa(row, row->cfa_reg, (int64_t)bytes_uleb(bytes));
	case 0x0f: /* def_cfa_expression */
		set_cfa(row, REGISTERS, expression(bytes, cfi));
		return true;
	case 0x10: /* expression */
		reg = bytes_uleb(bytes);
		return set(row, reg, AT_EXPRESSION, expression(bytes, cfi));
	case 0x11: /* offset_extended_sf */
		reg = bytes_uleb(bytes);
		return set(row, reg, AT_OFFSET, bytes_sleb(bytes) * entry->data_unit);
	case 0x12: /* def_cfa_sf */
		reg = bytes_uleb(bytes);
		return set_cfa(row, reg, bytes_sleb(bytes) * entry->data_unit);
	case 0x13: /* def_cfa_offset_sf */
		return set_cfa(row, row->cfa_reg, bytes_sleb(bytes) * entry->data_unit);
	case 0x14: /* val_offset */
		reg = bytes_uleb(bytes);
		return set(row, reg, IS_OFFSET, (int64_t)bytes_uleb(bytes) * entry->data_unit);
	case 0x15: /* val_offset_sf */
		reg = bytes_uleb(bytes);
		return set(row, reg, IS_OFFSET, bytes_sleb(bytes) * entry->data_unit);
	case 0x16: /* val_expression */
		reg = bytes_uleb(bytes);
		return set(row, reg, IS_EXPRESSION, expression(bytes, cfi));
	case 0x2e: /* GNU_args_size */
		bytes_uleb(bytes);
		return true;
	default:
		return false;
	}
}

/* Runs instructions up to the row of `pc`, or to their end. */
static bool run(struct bytes bytes, const struct information *cfi, const struct entry *entry, uint64_t pc,
				struct row *row, const struct row *first)
{
	struct row saved[SAVED];
	unsigned depth = 0;
	uint64_t at = entry->start;
	if ((uint64_t)(bytes.end - bytes.at) > PROLOGUE_MOST)
		return false;
	while (bytes.at < bytes.end && at <= pc) {
		const uint8_t op = bytes_u8(&bytes), low = op & 0x3f;
		if (op >> 6 == 1) {
			at += low * entry->code_unit;
		} else if (op >> 6 == 2) {
			if (!set(row, low, AT_OFFSET, (int64_t)bytes_uleb(&bytes) * entry->data_unit))
				return false;
		} else if (op >> 6 == 3) {
			put_back(row, first, low);
		} else if (op == 0x01) { /* set_loc */
			if (!pointer(&bytes, cfi, entry->encoding, false, &at))
				return false;
		} else if (op >= 0x02 && op <= 0x04) { /* advance_loc1, 2, 4 */
			at += bytes_constant(&bytes, op - 0x02u, false) * entry->code_unit;
		} else if (op == 0x0a) { /* remember_state */
			if (depth == SAVED)
				return false;
			saved[depth++] = *row;
		} else if (op == 0x0b) { /* restore_state */
			if (!depth)
				return false;
			*row = saved[--depth];
		} else if (!instruct(op, &bytes, cfi, entry, row, first)) {
			return false;
		}
		if (bytes.bad)
			return false;
	}
	return true;
}

static __attribute__((noinline)) bool find_row(const struct information *cfi, uint64_t pc, struct row *row)
{
	struct entry entry;
	if (!find_entry(cfi, pc, &entry))
		return false;
	*row = (struct row){.cfa_reg = REGISTERS, .signal = entry.signal};
	row->column[2] = (struct column){IS_OFFSET, 0}; /* the stack pointer was the CFA */
	struct row first = *row;
	if (!run(entry.initial, cfi, &entry, entry.start, &first, row))
		return false;
	*row = first;
	return run(entry.own, cfi, &entry, pc, row, &first);
}

/* ---- rows that were needed before ---- */

struct kept {
	uint64_t check, cfa, columns;
};
static struct kept kept[KEPT];

/* What fits: the CFA from a register, registers saved below it or not at all, the return address where calls put it. */
static bool pack(const struct row *row, struct kept *entry)
{
	const struct column *pc = &row->column[7], *sp = &row->column[2];
	if (row->cfa_reg >= REGISTERS || row->signal || sp->how != IS_OFFSET || sp->value ||
		!((pc->how == AT_OFFSET && pc->value == -8) || pc->how == UNDEFINED))
		return false;
	entry->cfa =
		(uint64_t)(uint32_t)row->cfa_value | (uint64_t)row->cfa_reg << 32 | (uint64_t)(pc->how == UNDEFINED) << 40;
	entry->columns = 0;
	for (unsigned i = 0; i < COLUMNS - 1; i++) {
		const struct column *column = &row->column[i];
		if (i == 2 || column->how == SAME)
			continue;
		if (column->how != AT_OFFSET || column->value % 8 || column->value >= 0 || column->value < -8 * 255)
			return false;
		entry->columns |= (uint64_t)(-column->value / 8) << 8 * i;
	}
	return true;
}

static void unpack(const struct kept *entry, struct row *row)
{
	*row = (struct row){.cfa_reg = (uint8_t)(entry->cfa >> 32), .cfa_value = (int32_t)(uint32_t)entry->cfa};
	for (unsigned i = 0; i < COLUMNS - 1; i++) {
		const int32_t places = entry->columns >> 8 * i & 0xff;
		row->column[i] = (struct column){places ? AT_OFFSET : SAME, -8 * places};
	}
	row->column[2] = (struct column){IS_OFFSET, 0};
	row->column[7] = (struct column){entry->cfa >> 40 & 1 ? UNDEFINED : AT_OFFSET, -8};
}

/* Modules that come and go at one address differ in size or in where their index lies. */
static uint64_t key_of(const struct module *module, uint64_t pc)
{
	const uint64_t mixed =
		(pc ^ (uint64_t)(uintptr_t)module->index << 24 ^ module->end << 40) * UINT64_C(0x9e3779b97f4a7c15);
	return mixed ^ mixed >> 32;
}

static bool recall(uint64_t key, struct row *row)
{
	const struct kept *place = &kept[key % KEPT];
	const struct kept entry = {__atomic_load_n(&place->check, __ATOMIC_RELAXED),
							   __atomic_load_n(&place->cfa, __ATOMIC_RELAXED),
							   __atomic_load_n(&place->columns, __ATOMIC_RELAXED)};
	if (!entry.check || entry.check != (key ^ entry.cfa ^ entry.columns << 7))
		return false;
	unpack(&entry, row);
	return true;
}

static void keep(uint64_t key, const struct row *row)
{
	struct kept *place = &kept[key % KEPT], entry;
	if (!pack(row, &entry))
		return;
	__atomic_store_n(&place->cfa, entry.cfa, __ATOMIC_RELAXED);
	__atomic_store_n(&place->columns, entry.columns, __ATOMIC_RELAXED);
	__atomic_store_n(&place->check, key ^ entry.cfa ^ entry.columns << 7, __ATOMIC_RELAXED);
}

/* ---- the step ---- */

static bool compute(struct frame *frame, const struct information *cfi, int32_t place, bool push, uint64_t *value)
{
	struct bytes bytes = {cfi->start + place, cfi->end, false};
	const uint64_t size = bytes_uleb(&bytes);
	return !bytes.bad && size <= (uint64_t)(bytes.end - bytes.at) &&
		   stack_expression(frame, bytes.at, size, push, value);
}

/* What a register held in the caller. */
static bool recover(struct frame *frame, const struct information *cfi, unsigned reg, struct column column,
					uint64_t cfa, uint64_t *value)
{
	const unsigned from = column.how == IN_REGISTER ? (unsigned)column.value : reg;
	switch (column.how) {
	case SAME:
	case IN_REGISTER:
		if (from >= REGISTERS || !(frame->known >> from & 1))
			return false;
		*value = frame->reg[from];
		return true;
	case AT_OFFSET:
		return stack_read(&frame->memory, cfa + (uint64_t)(int64_t)column.value, value);
	case IS_OFFSET:
		*value = cfa + (uint64_t)(int64_t)column.value;
		return true;
	case AT_EXPRESSION:
	case IS_EXPRESSION:
		*value = cfa;
		if (!compute(frame, cfi, column.value, true, value))
			return false;
		return column.how == IS_EXPRESSION || stack_read(&frame->memory, *value, value);
	default:
		return false;
	}
}

static enum step apply(struct frame *frame, const struct information *cfi, const struct row *row)
{
	uint64_t cfa, value[COLUMNS];
	if (row->column[7].how == UNDEFINED)
		return STEP_OUTERMOST;
	if (row->cfa_reg == REGISTERS) {
		if (!compute(frame, cfi, row->cfa_value, false, &cfa))
			return STEP_UNKNOWN;
	} else if (frame->known >> row->cfa_reg & 1) {
		cfa = frame->reg[row->cfa_reg] + (uint64_t)(int64_t)row->cfa_value;
	} else {
		return STEP_UNKNOWN;
	}
	uint32_t known = 0;
	for (unsigned i = 0; i < COLUMNS; i++)
		if (recover(frame, cfi, column_reg[i], row->column[i], cfa, &value[i]))
			known |= 1u << column_reg[i];
	if (!(known >> AT_PC & 1) || !(known >> AT_SP & 1))
		return STEP_UNKNOWN;
	for (unsigned i = 0; i < COLUMNS; i++)
		if (known >> column_reg[i] & 1)
			frame->reg[column_reg[i]] = value[i];
	frame->known = known;
	frame->exact = row->signal;
	return STEP_DONE;
}

enum step stack_cfi_step(struct frame *frame, const struct module *module)
{
	const uint64_t pc = frame->reg[AT_PC] - !frame->exact, key = key_of(module, pc);
	struct information cfi = {NULL, NULL, module->index};
	struct row row;
	if (likely(recall(key, &row)))
		return apply(frame, &cfi, &row);
	struct segment mapped;
	if (!module->index || !stack_module_segment(module, (uint64_t)(uintptr_t)module->index, &mapped))
		return STEP_UNKNOWN;
	cfi.start = (const uint8_t *)(uintptr_t)mapped.start;
	cfi.end = (const uint8_t *)(uintptr_t)mapped.end;
	if (!find_row(&cfi, pc, &row))
		return STEP_UNKNOWN;
	keep(key, &row);
	return apply(frame, &cfi, &row);
}

#else

enum step stack_cfi_step(struct frame *frame, const struct module *module)
{
	(void)frame;
	(void)module;
	return STEP_UNKNOWN; /* AArch64: compilers keep the frame pointer */
}

#endif
