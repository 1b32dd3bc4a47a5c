/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Tests the unwinder with CFI written by hand: every instruction and operation, every way to find a function.
 *
 * The module is one function at INNER, whose row is what is tested, and its caller OUTER, where chains end because its
 * address of return is undefined. A chain of two means that the row led to the right place.
 */
#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include "check.h"
#include "clew_unwind.h"

enum { INNER = 0x200, OUTER = 0x280, LENGTH = 0x40, FRAMES = 0x400, HEADER = 0xc00, SIZE = 0x1000 };
#define START 0x400000u     /* virtual address of the module's first byte */
#define BIAS 0x7f0000000000 /* where it is mapped, less START */
#define STACK 0x7ffe00000000u
#define BACK (BIAS + START + OUTER + 0x20) /* the address of return */
#define HERE (BIAS + START + INNER + 0x10) /* the program counter */

static uint8_t image[SIZE], stack[512];
static size_t at;
static uint64_t regs[33];

static void put(uint64_t value, unsigned size)
{
	memcpy(image + at, &value, size);
	at += size;
}

/* How the module is made; what is not said is as compilers make it. */
struct form {
	bool no_table, no_header, debug_frame, wide, machine_aarch64;
	uint8_t version, encoding;
	const char *augmentation;
};

static void head(const struct form *form, uint64_t size_without_id, uint64_t id)
{
	if (form->wide)
		put(UINT32_MAX, 4);
	put(size_without_id + (form->wide ? 8 : 4), form->wide ? 8 : 4);
	put(id, form->wide ? 8 : 4);
}

static size_t put_cie(const struct form *form, const uint8_t *program, size_t size)
{
	const size_t begin = at, text = strlen(form->augmentation) + 1;
	const bool augmented = form->augmentation[0] == 'z', personality = strchr(form->augmentation, 'P');
	const size_t data = augmented ? 2 + (personality ? 9 : 0) : 0;
	const bool fourth = form->version == 4;
	head(form, 1 + text + (fourth ? 2 : 0) + 3 + data + size, form->debug_frame ? UINT64_MAX : 0);
	put(form->version, 1);
	memcpy(image + at, form->augmentation, text);
	at += text;
	if (fourth)
		put(8, 2); /* addresses of 8 bytes, no segments */
	put(1, 1);     /* code alignment */
	put(0x78, 1);  /* data alignment -8 */
	put(form->machine_aarch64 ? 30 : 16, 1);
	if (augmented) {
		put(data - 1, 1);
		if (personality) {
			put(0, 1);
			put(0x1234, 8);
		}
		put(form->encoding, 1);
	}
	memcpy(image + at, program, size);
	at += size;
	return begin;
}

static size_t put_fde(const struct form *form, size_t cie, uint64_t function, const uint8_t *program, size_t size)
{
	const size_t begin = at, id_at = at + (form->wide ? 12 : 4);
	const bool augmented = form->augmentation[0] == 'z', relative = form->encoding == 0x1b;
	const unsigned each = relative ? 4 : 8;
	head(form, 2 * each + augmented + size, form->debug_frame ? cie - FRAMES : id_at - cie);
	put(START + function - (relative ? START + at : 0), each);
	put(LENGTH, each);
	if (augmented)
		put(0, 1);
	memcpy(image + at, program, size);
	at += size;
	return begin;
}

static void put_header(const struct form *form, size_t inner, size_t outer)
{
	at = HEADER;
	put(form->no_table ? 0xffff1b01 : 0x3b031b01, 4); /* version, encodings of pointer, count, table */
	put((uint64_t)FRAMES - at, 4);
	if (form->no_table)
		return;
	put(2, 4);
	put((uint64_t)INNER - HEADER, 4);
	put(inner - HEADER, 4);
	put((uint64_t)OUTER - HEADER, 4);
	put(outer - HEADER, 4);
}

static void put_elf(const struct form *form, size_t frames_size)
{
	Elf64_Ehdr elf = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
					  .e_phoff = sizeof elf,
					  .e_phentsize = sizeof(Elf64_Phdr),
					  .e_phnum = form->no_header ? 1 : 2,
					  .e_shoff = 0xd00,
					  .e_shentsize = sizeof(Elf64_Shdr),
					  .e_shnum = form->no_header ? 3 : 0,
					  .e_shstrndx = 1};
	const Elf64_Phdr programs[] = {
		{.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = START, .p_filesz = SIZE, .p_memsz = SIZE},
		{.p_type = PT_GNU_EH_FRAME, .p_offset = HEADER, .p_vaddr = START + HEADER, .p_filesz = 0x100},
	};
	const char *name = form->debug_frame ? ".debug_frame" : ".eh_frame";
	const Elf64_Shdr sections[] = {
		{0},
		{.sh_type = SHT_STRTAB, .sh_offset = 0xf00, .sh_size = 32},
		{.sh_name = 1, .sh_type = SHT_PROGBITS, .sh_addr = form->debug_frame ? 0 : START + FRAMES},
	};
	memcpy(image, &elf, sizeof elf);
	memcpy(image + sizeof elf, programs, sizeof programs);
	memcpy(image + 0xd00, sections, sizeof sections);
	Elf64_Shdr *frames = (Elf64_Shdr *)(void *)(image + 0xd00 + 2 * sizeof *frames);
	frames->sh_offset = FRAMES;
	frames->sh_size = frames_size;
	memcpy(image + 0xf01, name, strlen(name));
}

static int find(void *context, uint64_t address, struct clew_unwind_map *map)
{
	const int32_t *module = context;
	*map = (struct clew_unwind_map){BIAS + START, BIAS + START + SIZE, 0 - (BIAS + START), *module};
	return address - map->start < SIZE;
}

/* The chain, with `cie` and `fde` as instructions of INNER. */
static size_t walk(struct form form, const uint8_t *cie, size_t cie_size, const uint8_t *fde, size_t fde_size,
				   uint64_t *ips)
{
	static const uint8_t nowhere[] = {0x0c, 7, 8, 0x07, 16, 0x07, 30}; /* cfa = sp + 8, both undefined */
	form.version = form.version ? form.version : 1;
	form.encoding = form.encoding ? form.encoding : form.debug_frame ? 0 : 0x1b;
	form.augmentation = form.augmentation ? form.augmentation : form.debug_frame ? "" : "zR";
	memset(image, 0xcc, sizeof image);
	memset(image, 0, INNER);
	memset(image + 0xd00, 0, 0x300);
	at = FRAMES;
	const size_t first = put_cie(&form, cie, cie_size), inner = put_fde(&form, first, INNER, fde, fde_size);
	const size_t outer = put_fde(&form, put_cie(&form, nowhere, sizeof nowhere), OUTER, nowhere, 0);
	const size_t end = at;
	put(0, 4);
	CHECK(end + 4 < HEADER);
	if (!form.no_header)
		put_header(&form, inner, outer);
	put_elf(&form, end - FRAMES);
	struct clew_unwind *unwind = clew_unwind_new();
	CHECK(unwind);
	int32_t module = clew_unwind_module(unwind, image, sizeof image);
	CHECK(module == 0);
	const struct clew_unwind_state state = {
		.machine = form.machine_aarch64 ? EM_AARCH64 : EM_X86_64,
		.regs_mask = form.machine_aarch64 ? 0x1ffffffff : 0xff0fff,
		.regs = (const uint8_t *)regs,
		.stack = stack,
		.stack_size = sizeof stack,
		.find = find,
		.context = &module,
	};
	const size_t count = clew_unwind(unwind, &state, ips, 16);
	uint64_t again[16]; /* with rows from the cache */
	CHECK(clew_unwind(unwind, &state, again, 16) == count && !memcmp(again, ips, count * sizeof *ips));
	clew_unwind_free(unwind);
	return count;
}

static bool leads_back(struct form form, const uint8_t *cie, size_t cie_size, const uint8_t *fde, size_t fde_size)
{
	uint64_t ips[16];
	const size_t count = walk(form, cie, cie_size, fde, fde_size, ips);
	return count == 2 && ips[0] == HERE && ips[1] == BACK - 1;
}

static void word(unsigned index, uint64_t value)
{
	memcpy(stack + 8 * index, &value, 8);
}

/* Registers by the bits of perf's mask: ax bx cx dx si di bp sp ip ... */
static void begin(void)
{
	for (unsigned i = 0; i < 20; i++)
		regs[i] = 0x1000 + i;
	regs[6] = STACK + 64; /* rbp */
	regs[7] = STACK;
	regs[8] = HERE;
	for (unsigned i = 0; i < sizeof stack / 8; i++)
		word(i, 0xbad0bad0 + i);
}

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})
#define LEADS_BACK(cie, ...) CHECK(leads_back((struct form){0}, cie, BYTES(__VA_ARGS__)))
#define STOPS(cie, ...)                                                                                                \
	do {                                                                                                               \
		uint64_t stopped[16];                                                                                          \
		CHECK(walk((struct form){0}, cie, BYTES(__VA_ARGS__), stopped) == 1 && stopped[0] == HERE);                    \
	} while (0)
#define USUAL BYTES(0x0c, 7, 8, 0x80 | 16, 1) /* cfa = rsp + 8, address of return at cfa - 8 */
#define NOTHING BYTES(0x00)

static void instructions(void)
{
	begin();
	word(2, BACK); /* where it is with cfa = rsp + 24 */
	LEADS_BACK(USUAL, 0x0e, 24);
	LEADS_BACK(USUAL, 0x41, 0x0e, 24, 0x40 | 0x10, 0x0e, 16 + 8, 0x41, 0x0e, 99); /* advance_loc */
	LEADS_BACK(USUAL, 0x02, 0x10, 0x0e, 24, 0x02, 1, 0x0e, 99);
	LEADS_BACK(USUAL, 0x03, 0x10, 0, 0x0e, 24, 0x03, 1, 0, 0x0e, 99);
	LEADS_BACK(USUAL, 0x04, 0x10, 0, 0, 0, 0x0e, 24, 0x04, 1, 0, 0, 0, 0x0e, 99);
	LEADS_BACK(USUAL, 0x0e, 24, 0x0a, 0x0e, 80, 0x0b);             /* remember_state, restore_state */
	LEADS_BACK(USUAL, 0x0e, 24, 0x80 | 16, 9, 0xc0 | 16);          /* restore */
	LEADS_BACK(USUAL, 0x0e, 24, 0x05, 16, 9, 0x06, 16);            /* offset_extended, restore_extended */
	LEADS_BACK(USUAL, 0x0e, 24, 0x05, 16, 1, 0x2e, 5, 0x2d, 0x00); /* args_size, window_save, nop */
	LEADS_BACK(USUAL, 0x0e, 24, 0x05, 40, 1, 0x07, 41, 0x0e, 24);  /* registers that are of no interest */
	LEADS_BACK(USUAL, 0x0c, 7, 32, 0x11, 16, 2);                   /* def_cfa, offset_extended_sf */
	LEADS_BACK(USUAL, 0x12, 7, 0x7d);                              /* def_cfa_sf: -3 * -8 */
	LEADS_BACK(USUAL, 0x13, 0x7d);                                 /* def_cfa_offset_sf */
	LEADS_BACK(USUAL, 0x0e, 8, 0x2f, 16, 0x02, 0x0e, 0);           /* negative_offset_extended: cfa + 16 */
	STOPS(USUAL, 0x0e, 24, 0x07, 16);                              /* undefined */
	STOPS(USUAL, 0x0e, 24, 0x0b);                                  /* nothing was remembered */
	STOPS(USUAL, 0x0e, 24, 0x3f);                                  /* no such instruction */
	STOPS(USUAL, 0x0e, 24, 0x0e);                                  /* cut */
	STOPS(NOTHING, 0x00);                                          /* no CFA */
	word(7, BACK);
	LEADS_BACK(USUAL, 0x0d, 6, 0x0e, 0); /* def_cfa_register: rbp */
	regs[1] = BACK;
	LEADS_BACK(USUAL, 0x09, 16, 3); /* register: in rbx */
	LEADS_BACK(USUAL, 0x09, 16, 3, 0x08, 3);
	regs[1] = BACK + 16;
	LEADS_BACK(USUAL, 0x0c, 3, 0, 0x14, 16, 2);    /* val_offset: it is cfa - 16 */
	LEADS_BACK(USUAL, 0x0c, 3, 0, 0x15, 16, 0x02); /* val_offset_sf */
}

static void set_location(void)
{
	const struct form absolute = {.encoding = 0x04};
	const uint64_t there = START + INNER + 0x10;
	uint8_t program[] = {0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0x0e, 24, 0x41, 0x0e, 99};
	begin();
	word(2, BACK);
	memcpy(program + 1, &there, 8);
	CHECK(leads_back(absolute, USUAL, program, sizeof program));
}

#define BLOCK(...) sizeof((const uint8_t[]){__VA_ARGS__}), __VA_ARGS__
#define CFA_IS(...) LEADS_BACK(USUAL, 0x0f, BLOCK(__VA_ARGS__))
#define CFA_IS_NOT(...) STOPS(USUAL, 0x0f, BLOCK(__VA_ARGS__))

/* The CFA must come out as rsp + 24. */
static void expressions(void)
{
	begin();
	word(2, BACK);
	CFA_IS(0x77, 24);                         /* breg7 */
	CFA_IS(0x92, 7, 24);                      /* bregx */
	CFA_IS(0x77, 0, 0x08, 24, 0x22);          /* const1u, plus */
	CFA_IS(0x77, 0, 0x09, 0xe8, 0x1c);        /* const1s -24, minus */
	CFA_IS(0x77, 0, 0x0a, 24, 0, 0x22);       /* const2u */
	CFA_IS(0x77, 0, 0x0b, 0xe8, 0xff, 0x1c);  /* const2s */
	CFA_IS(0x77, 0, 0x0c, 24, 0, 0, 0, 0x22); /* const4u */
	CFA_IS(0x77, 0, 0x0d, 0xe8, 0xff, 0xff, 0xff, 0x1c);
	CFA_IS(0x77, 0, 0x0e, 24, 0, 0, 0, 0, 0, 0, 0, 0x22);
	CFA_IS(0x77, 0, 0x0f, 24, 0, 0, 0, 0, 0, 0, 0, 0x22);
	CFA_IS(0x77, 0, 0x10, 24, 0x22);                                 /* constu */
	CFA_IS(0x77, 0, 0x11, 0x68, 0x1c);                               /* consts -24 */
	CFA_IS(0x77, 0, 0x23, 24);                                       /* plus_uconst */
	CFA_IS(0x77, 0, 0x33, 0x38, 0x1e, 0x22);                         /* 3 * 8 */
	CFA_IS(0x77, 0, 0x33, 0x33, 0x24, 0x22);                         /* 3 << 3 */
	CFA_IS(0x77, 0, 0x08, 192, 0x33, 0x25, 0x22);                    /* 192 >> 3 */
	CFA_IS(0x77, 0, 0x09, 0x80, 0x32, 0x26, 0x38, 0x21, 0x19, 0x22); /* abs(-128 >> 2 | 8) */
	CFA_IS(0x77, 0, 0x08, 49, 0x32, 0x1b, 0x22);                     /* 49 / 2 */
	CFA_IS(0x77, 0, 0x08, 99, 0x08, 25, 0x1d, 0x22);                 /* 99 % 25 */
	CFA_IS(0x77, 0, 0x09, 0xe8, 0x1f, 0x22);                         /* neg */
	CFA_IS(0x77, 0, 0x09, 0xe7, 0x20, 0x22);                         /* not */
	CFA_IS(0x77, 0, 0x48, 0x08, 31, 0x1a, 0x22);                     /* 24 & 31 */
	CFA_IS(0x77, 0, 0x4f, 0x37, 0x27, 0x22);                         /* 31 ^ 7 */
	CFA_IS(0x77, 24, 0x12, 0x13);                                    /* dup, drop */
	CFA_IS(0x77, 24, 0x30, 0x14, 0x13, 0x13);                        /* over */
	CFA_IS(0x77, 24, 0x30, 0x31, 0x15, 2);                           /* pick */
	CFA_IS(0x30, 0x77, 24, 0x16, 0x13);                              /* swap */
	CFA_IS(0x30, 0x77, 24, 0x31, 0x17);                              /* rot */
	CFA_IS(0x77, 24, 0x31, 0x31, 0x29, 0x28, 1, 0, 0x30);            /* eq, bra over lit0 */
	CFA_IS(0x77, 24, 0x31, 0x32, 0x2d, 0x28, 1, 0, 0x30);            /* lt */
	CFA_IS(0x77, 24, 0x31, 0x32, 0x2e, 0x28, 1, 0, 0x30);            /* ne */
	CFA_IS(0x77, 24, 0x31, 0x31, 0x2c, 0x28, 1, 0, 0x30);            /* le */
	CFA_IS(0x77, 24, 0x32, 0x31, 0x2b, 0x28, 1, 0, 0x30);            /* gt */
	CFA_IS(0x77, 24, 0x32, 0x31, 0x2a, 0x28, 1, 0, 0x30);            /* ge */
	CFA_IS(0x77, 24, 0x2f, 1, 0, 0x30, 0x96);                        /* skip, nop */
	word(1, STACK + 24);
	CFA_IS(0x77, 8, 0x06);                                   /* deref */
	CFA_IS(0x77, 0, 0x77, 8, 0x94, 1, 0x22);                 /* deref_size: 24 */
	CFA_IS(0x77, 24, 0x80, 0, 0x30, 0x2b, 0x28, 1, 0, 0x30); /* breg16 is the program counter, not 0 */
	/* That of procedure linkage tables, twice: rsp + 8 + (16 if the address ends in 0 of 16, which it does). */
	CFA_IS(0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x30, 0x29, 0x34, 0x24, 0x22);
	/* Expressions of registers: the address of return at rsp + 16; its value in another register. */
	LEADS_BACK(USUAL, 0x10, 16, BLOCK(0x77, 16));
	LEADS_BACK(USUAL, 0x10, 16, BLOCK(0x23, 8)); /* from the CFA, which lies on the stack */
	LEADS_BACK(USUAL, 0x16, 16, BLOCK(0x77, 16, 0x06));
	regs[1] = BACK;
	LEADS_BACK(USUAL, 0x10, 16, BLOCK(0x53));    /* reg3 */
	LEADS_BACK(USUAL, 0x10, 16, BLOCK(0x90, 3)); /* regx */

	CFA_IS_NOT(0x77, 24, 0x2f, 0xfd, 0xff);       /* skip to itself, for ever */
	CFA_IS_NOT(0x77, 24, 0x2f, 0x00, 0x80);       /* to before the expression */
	CFA_IS_NOT(0x77, 24, 0x12, 0x2f, 0xfc, 0xff); /* dup, for ever */
	CFA_IS_NOT(0x22);                             /* of nothing */
	CFA_IS_NOT(0x77, 24, 0x31, 0x30, 0x1b);       /* 1 / 0 */
	CFA_IS_NOT(0x77, 24, 0xff);                   /* no such operation */
	CFA_IS_NOT(0x77, 24, 0x08);                   /* cut */
	CFA_IS_NOT(0x30, 0x06);                       /* at address 0 */
	STOPS(USUAL, 0x0f, 0x7f, 0x77, 24);           /* longer than the program */
}

static void ways_to_find_it(void)
{
	static const struct form forms[] = {
		{.no_table = true},
		{.no_header = true},
		{.no_header = true, .debug_frame = true},
		{.no_header = true, .debug_frame = true, .version = 3},
		{.no_header = true, .debug_frame = true, .version = 4},
		{.no_header = true, .debug_frame = true, .wide = true},
		{.wide = true},
		{.version = 3},
		{.encoding = 0x04},
		{.augmentation = "zPR"},
	};
	begin();
	word(2, BACK);
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
		CHECK(leads_back(forms[i], USUAL, BYTES(0x0e, 24)));
	uint64_t ips[16];
	CHECK(walk((struct form){.version = 2}, USUAL, BYTES(0x0e, 24), ips) == 1);
	CHECK(walk((struct form){.augmentation = "q"}, USUAL, BYTES(0x0e, 24), ips) == 1);
	CHECK(walk((struct form){.encoding = 0x61}, USUAL, BYTES(0x0e, 24), ips) == 1);
}

static void signal_frame(void)
{
	uint64_t ips[16];
	begin();
	word(2, BACK);
	const struct form form = {.augmentation = "zRS"};
	CHECK(walk(form, USUAL, BYTES(0x0e, 24), ips) == 2 && ips[1] == BACK); /* the interrupted instruction itself */
}

/* In code without CFI: entries of linkage tables, and frame pointers that can be believed. */
static void guesses(void)
{
	uint64_t ips[16];
	begin();
	regs[8] = BIAS + START + 0x340;
	word(9, BACK);
	CHECK(walk((struct form){0}, USUAL, NOTHING, ips) == 2 && ips[1] == BACK - 1);
	regs[6] = STACK - 8;
	CHECK(walk((struct form){0}, USUAL, NOTHING, ips) == 1);
	regs[6] = 0;
	CHECK(walk((struct form){0}, USUAL, NOTHING, ips) == 1);
	regs[6] = STACK + 0x5000;
	CHECK(walk((struct form){0}, USUAL, NOTHING, ips) == 1);
}

/* What is not in the copy of the stack is no memory, and no map: chains end there. */
static void limits(void)
{
	uint64_t ips[16];
	begin();
	word(63, BACK);
	CHECK(walk((struct form){0}, USUAL, BYTES(0x0e, 0x80, 0x04), ips) == 1); /* the last word, as perf has it */
	word(62, BACK);
	LEADS_BACK(USUAL, 0x0e, 0xf8, 0x03);
	regs[7] = UINT64_MAX - 8;
	CHECK(walk((struct form){0}, USUAL, BYTES(0x0e, 24), ips) == 1);
}

static void aarch64(void)
{
	uint64_t ips[16];
	const struct form form = {.machine_aarch64 = true};
	begin();
	for (unsigned i = 0; i < 33; i++)
		regs[i] = 0x1000 + i;
	regs[29] = STACK + 64;
	regs[30] = BACK;
	regs[31] = STACK;
	regs[32] = HERE;
	word(2, BACK | (uint64_t)0x1234 << 48); /* signed */
	CHECK(walk(form, BYTES(0x0c, 31, 0), NOTHING, ips) == 2 && ips[1] == BACK - 1);
	CHECK(walk(form, BYTES(0x0c, 31, 0), BYTES(0x2d, 0x0e, 24, 0x80 | 30, 1), ips) == 2 && ips[1] == BACK - 1);
	CHECK(walk(form, BYTES(0x0c, 31, 0), BYTES(0x0e, 24, 0x05, 72, 1, 0x80 | 30, 1), ips) == 2);
}

int main(void)
{
	instructions();
	set_location();
	expressions();
	ways_to_find_it();
	signal_frame();
	guesses();
	limits();
	aarch64();
	puts("ok");
	return 0;
}
