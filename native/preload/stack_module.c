/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Which module an address lies in, and the MAP record that tells it.
 *
 * _dl_find_object() of glibc >= 2.35 takes no lock and may be called by signal handlers. Elsewhere there is the
 * kernel's list alone, and stacks are followed by frame pointers.
 */
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/auxv.h>

#include "stack.h"

#define PATH_ROOM 512u
#define ID_ROOM 64u /* bytes of a build-id at most: 20 is usual */
#define PROBES 8u
#define PAGE 4096u

struct headers {
	const ElfW(Phdr) * at;
	unsigned count;
};

#ifdef DLFO_STRUCT_HAS_EH_DBASE
static int (*find_object)(void *, struct dl_find_object *);
#endif
static struct module ours;
static struct headers program;

void stack_module_start(void)
{
#ifdef DLFO_STRUCT_HAS_EH_DBASE
	void *found = dlsym(RTLD_DEFAULT, "_dl_find_object");
	__builtin_memcpy(&find_object, &found, sizeof found);
#endif
	program = (struct headers){(const void *)getauxval(AT_PHDR), (unsigned)getauxval(AT_PHNUM)};
	stack_module_find((uint64_t)(uintptr_t)&stack_module_start, &ours);
}

bool stack_module_is_ours(const struct module *module)
{
	return module->map ? module->map == ours.map : module->start == ours.start;
}

bool stack_module_find(uint64_t address, struct module *found)
{
#ifdef DLFO_STRUCT_HAS_EH_DBASE
	struct dl_find_object object;
	if (find_object) {
		if (find_object((void *)(uintptr_t)address, &object) != 0)
			return false;
		*found = (struct module){(uint64_t)(uintptr_t)object.dlfo_map_start, (uint64_t)(uintptr_t)object.dlfo_map_end,
								 object.dlfo_eh_frame, object.dlfo_link_map};
		return true;
	}
#endif
	return stack_maps_find(address, found);
}

/* Of the program they are where the kernel says, of a library behind its first bytes. None: not known. */
static struct headers headers_of(const struct link_map *map)
{
	const struct headers none = {NULL, 0};
	if (!map->l_name || !*map->l_name)
		return program;
	struct module first;
	const ElfW(Ehdr) *elf = (const void *)map->l_addr;
	if (!stack_module_find(map->l_addr, &first) || first.map != map || first.end - map->l_addr < sizeof *elf ||
		!text_starts((const char *)elf->e_ident, ELFMAG) || elf->e_phentsize != sizeof(ElfW(Phdr)) ||
		elf->e_phoff % sizeof(uint64_t) || elf->e_phoff >= PAGE ||
		elf->e_phnum > (PAGE - elf->e_phoff) / sizeof(ElfW(Phdr)))
		return none; /* the first page is mapped for sure */
	return (struct headers){(const void *)((const char *)elf + elf->e_phoff), elf->e_phnum};
}

bool stack_module_segment(const struct module *module, uint64_t address, struct segment *segment)
{
	const struct headers headers = module->map ? headers_of(module->map) : (struct headers){NULL, 0};
	for (unsigned i = 0; i < headers.count; i++) {
		const ElfW(Phdr) *header = &headers.at[i];
		const uint64_t start = module->map->l_addr + header->p_vaddr;
		if (header->p_type != PT_LOAD || address < start || address - start >= header->p_filesz)
			continue;
		*segment = (struct segment){start, start + header->p_filesz, header->p_offset};
		return true;
	}
	return false;
}

/* The build-id among the notes of a module, in its memory; NULL = none. */
static const uint8_t *build_id_of(const struct module *module, uint32_t *size)
{
	const struct headers headers = headers_of(module->map);
	for (unsigned i = 0; i < headers.count; i++) {
		const ElfW(Phdr) *header = &headers.at[i];
		uint64_t at = module->map->l_addr + header->p_vaddr;
		struct segment segment;
		if (header->p_type != PT_NOTE || at % 4 || !stack_module_segment(module, at, &segment))
			continue;
		const uint64_t end = header->p_filesz < segment.end - at ? at + header->p_filesz : segment.end;
		while (end - at >= sizeof(ElfW(Nhdr))) {
			const ElfW(Nhdr) *note = (const void *)(uintptr_t)at;
			const uint64_t name = ((uint64_t)note->n_namesz + 3) & ~UINT64_C(3);
			const uint64_t all = sizeof *note + name + (((uint64_t)note->n_descsz + 3) & ~UINT64_C(3));
			if (all > end - at)
				break;
			if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && note->n_descsz <= ID_ROOM) {
				*size = note->n_descsz;
				return (const uint8_t *)(note + 1) + name;
			}
			at += all;
		}
	}
	*size = 0;
	return NULL;
}

/* The file's path, in `path` where the loader does not have it as it is. NULL: not known. */
static const char *path_of(const struct module *module, uint64_t address, char path[PATH_ROOM])
{
	const char *name = module->map->l_name;
	if (name && *name == '/')
		return name;
	if (name && text_starts(name, "linux-vdso"))
		return "[vdso]";
	if (process->sandboxed)
		return NULL;
	if (name && *name)
		return stack_maps_path(address, &(uint64_t){0}, path, PATH_ROOM) ? path : NULL;
	const long length = RAW_4(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", path, PATH_ROOM);
	if (length <= 0 || length >= (long)PATH_ROOM)
		return NULL;
	path[length] = 0;
	return path;
}

static bool tell_range(struct clew_slot *slot, struct clew_map_info *info, const uint8_t *id, const char *path)
{
	info->path_size = path ? (uint32_t)text_length(path) : 0;
	const struct iovec data[] = {
		{info, sizeof *info}, {(void *)(uintptr_t)id, info->build_id_size}, {(void *)(uintptr_t)path, info->path_size}};
	return note_write(slot, CLEW_OP_MAP, 0, -1, CLEW_F_STRUCT, data, 3);
}

static __attribute__((noinline)) bool tell(struct clew_slot *slot, const struct module *module, uint64_t address)
{
	char room[PATH_ROOM];
	struct clew_map_info info = {module->start, module->end, 0, 0, 0};
	if (!module->map) { /* by the kernel's list */
		const bool found = stack_maps_path(address, &info.offset, room, sizeof room);
		return tell_range(slot, &info, NULL, found ? room : NULL);
	}
	const struct headers headers = headers_of(module->map);
	const uint8_t *id = build_id_of(module, &info.build_id_size);
	const char *path = path_of(module, address, room);
	bool told = true;
	for (unsigned i = 0; i < headers.count; i++) {
		const ElfW(Phdr) *header = &headers.at[i];
		if (header->p_type != PT_LOAD || !(header->p_flags & PF_X))
			continue;
		info.start = module->map->l_addr + header->p_vaddr;
		info.end = info.start + header->p_filesz;
		info.offset = header->p_offset;
		told &= tell_range(slot, &info, id, path);
	}
	return told;
}

void stack_module_tell(struct clew_slot *slot, const struct module *module, uint64_t address)
{
	const uint64_t key = (module->start ^ (uint64_t)(uintptr_t)module->index << 20 ^ module->end << 7) | 1;
	unsigned at = (unsigned)(key * UINT64_C(0x9e3779b97f4a7c15) >> 56);
	for (unsigned i = 0; i < PROBES; i++, at++) {
		uint64_t *entry = &process->told[at % TOLD_MODULES];
		const uint64_t found = __atomic_load_n(entry, __ATOMIC_RELAXED);
		if (likely(found == key))
			return;
		if (found && i < PROBES - 1) /* the last one takes another's place, which will be told again */
			continue;
		if (tell(slot, module, address))
			__atomic_store_n(entry, key, __ATOMIC_RELAXED);
		return;
	}
}
