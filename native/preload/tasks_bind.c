/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Stands in front of a function that the program itself defines.
 *
 * A preloaded library comes after the program in the order in which the loader searches, so what modules of an
 * interpreter call in it is bound to the program's definition. Here the slot that a module calls through is filled
 * anew, as the loader would have done had it found ours first (System V ABI, "Procedure Linkage Table").
 */
#include <elf.h>
#include <link.h>
#include <sys/mman.h>

#include "internal.h"
#include "tasks.h"

#if defined(__x86_64__)
#define IS_SLOT(type) ((type) == R_X86_64_JUMP_SLOT || (type) == R_X86_64_GLOB_DAT)
#else
#define IS_SLOT(type) ((type) == R_AARCH64_JUMP_SLOT || (type) == R_AARCH64_GLOB_DAT)
#endif

struct binding {
	const char *name;
	uintptr_t real, ours;
};

struct object {
	const ElfW(Phdr) * headers;
	int count;
	uintptr_t base;
	const ElfW(Sym) * symbols;
	const char *names;
	const ElfW(Rela) * tables[2]; /* of calls, of the rest */
	size_t sizes[2];
};

static bool lies_in(const struct object *object, uint32_t kind, uintptr_t address)
{
	for (int i = 0; i < object->count; i++) {
		const uintptr_t start = object->base + object->headers[i].p_vaddr;
		if (object->headers[i].p_type == kind && address >= start && address - start < object->headers[i].p_memsz)
			return true;
	}
	return false;
}

static bool read_dynamic(struct object *object)
{
	const ElfW(Dyn) *entry = NULL;
	for (int i = 0; i < object->count; i++)
		if (object->headers[i].p_type == PT_DYNAMIC)
			entry = (const ElfW(Dyn) *)(object->base + object->headers[i].p_vaddr);
	for (; entry && entry->d_tag != DT_NULL; entry++) {
		const void *there = (const void *)entry->d_un.d_ptr;
		if (entry->d_tag == DT_SYMTAB)
			object->symbols = there;
		else if (entry->d_tag == DT_STRTAB)
			object->names = there;
		else if (entry->d_tag == DT_JMPREL)
			object->tables[0] = there;
		else if (entry->d_tag == DT_PLTRELSZ)
			object->sizes[0] = entry->d_un.d_val;
		else if (entry->d_tag == DT_RELA)
			object->tables[1] = there;
		else if (entry->d_tag == DT_RELASZ)
			object->sizes[1] = entry->d_un.d_val;
	}
	/* What the loader did not relocate (the vdso) is none of ours. */
	return object->symbols && object->names && lies_in(object, PT_LOAD, (uintptr_t)object->symbols);
}

/* After relocation the loader may have taken the right to write from the page. */
static void fill(const struct object *object, uintptr_t *slot, uintptr_t ours)
{
	const bool closed = lies_in(object, PT_GNU_RELRO, (uintptr_t)slot);
	const uintptr_t page = (uintptr_t)slot & ~(uintptr_t)(CLEW_PAGE - 1);
	if (closed && RAW_3(SYS_mprotect, page, CLEW_PAGE, PROT_READ | PROT_WRITE) < 0)
		return;
	__atomic_store_n(slot, ours, __ATOMIC_RELEASE);
	if (closed)
		RAW_3(SYS_mprotect, page, CLEW_PAGE, PROT_READ);
}

static int bind_object(struct dl_phdr_info *loaded, size_t size, void *context)
{
	struct binding *binding = context;
	struct object object = {.headers = loaded->dlpi_phdr, .count = loaded->dlpi_phnum, .base = loaded->dlpi_addr};
	(void)size;
	if (!read_dynamic(&object))
		return 0;
	for (int table = 0; table < 2; table++)
		for (size_t i = 0; object.tables[table] && i < object.sizes[table] / sizeof(ElfW(Rela)); i++) {
			const ElfW(Rela) *entry = &object.tables[table][i];
			if (!IS_SLOT(ELF64_R_TYPE(entry->r_info)) ||
				!text_equal(object.names + object.symbols[ELF64_R_SYM(entry->r_info)].st_name, binding->name))
				continue;
			uintptr_t *slot = (uintptr_t *)(object.base + entry->r_offset);
			const uintptr_t bound = __atomic_load_n(slot, __ATOMIC_ACQUIRE);
			/* Not bound yet it leads to the module's own stub; or it is another copy's function. */
			if (bound != binding->ours && (bound == binding->real || lies_in(&object, PT_LOAD, bound)))
				fill(&object, slot, binding->ours);
		}
	return 0;
}

void tasks_bind(const char *name, const void *real, const void *ours)
{
	struct binding binding = {name, (uintptr_t)real, (uintptr_t)ours};
	if (!process->sandboxed)
		dl_iterate_phdr(bind_object, &binding);
}
