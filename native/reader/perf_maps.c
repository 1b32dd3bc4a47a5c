/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What is mapped where: files and generated code of processes, the kernel, its modules and its BPF programs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "perf.h"

#define BUILD_ID_SIZE 20
#define MAPPED_SHARED 1     /* MAP_SHARED */
#define MAPPED_HUGE 0x40000 /* MAP_HUGETLB */
#define EXECUTABLE 4        /* PROT_EXEC */

struct maps *maps_new(void)
{
	struct maps *maps = calloc(1, sizeof *maps);
	if (maps)
		maps->references = 1;
	return maps;
}

void maps_free(struct maps *maps)
{
	if (!maps || --maps->references)
		return;
	free(maps->list);
	free(maps);
}

/* The first mapping that ends behind `address`. */
static uint64_t first_after(const struct maps *maps, uint64_t address)
{
	uint64_t low = 0, high = maps->count;
	while (low < high) {
		const uint64_t middle = (low + high) / 2;
		if (maps->list[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct map *maps_find(const struct maps *maps, uint64_t address)
{
	const uint64_t at = first_after(maps, address);
	return at < maps->count && maps->list[at].start <= address ? &maps->list[at] : NULL;
}

/* A new mapping takes the place of what it covers; parts of others that stick out stay. */
static bool maps_add(struct maps *maps, struct map map)
{
	struct map parts[3];
	unsigned count = 0;
	const uint64_t from = first_after(maps, map.start);
	uint64_t to = from;
	while (to < maps->count && maps->list[to].start < map.end)
		to++;
	if (from < to && maps->list[from].start < map.start) {
		parts[count] = maps->list[from];
		parts[count++].end = map.start;
	}
	parts[count++] = map;
	if (from < to && maps->list[to - 1].end > map.end) {
		parts[count] = maps->list[to - 1];
		parts[count++].start = map.end;
	}
	if (!reserve(&maps->list, maps->count + 2, &maps->room, sizeof map))
		return false;
	memmove(maps->list + from + count, maps->list + to, (maps->count - to) * sizeof map);
	memcpy(maps->list + from, parts, count * sizeof map);
	maps->count += count - (to - from);
	return true;
}

/* A copy of what other processes share. */
static struct maps *own(struct maps *maps)
{
	if (maps->references == 1)
		return maps;
	struct maps *copy = maps_new();
	if (!copy || !reserve(&copy->list, maps->count, &copy->room, sizeof *copy->list)) {
		maps_free(copy);
		return NULL;
	}
	if (maps->count)
		memcpy(copy->list, maps->list, maps->count * sizeof *copy->list);
	copy->count = maps->count;
	maps->references--;
	return copy;
}

bool maps_put(struct maps **maps, struct map map)
{
	struct maps *mine = *maps ? own(*maps) : maps_new();
	if (!mine)
		return false;
	*maps = mine;
	return maps_add(mine, map);
}

void made_until(struct clew_perf *perf, int64_t ts)
{
	for (; perf->made_done < perf->input.made_count && !perf->failed; perf->made_done++) {
		const struct clew_perf_made *made = &perf->input.made[perf->made_done];
		if (made->ts_ns > ts)
			return;
		stacks_done(perf);
		struct process *process = process_of(perf, (uint32_t)made->pid);
		const struct map map = {.start = made->start,
								.end = made->start + made->length,
								.module = (uint32_t)perf->made_done,
								.kind = CLEW_PERF_JIT,
								.pid = (int32_t)made->pid};
		if (!process || map.end <= map.start)
			continue;
		if (!maps_put(&process->made, map))
			perf->failed = -ENOMEM;
		process->version = ++perf->versions;
	}
}

uint32_t text_of(struct clew_perf *perf, const uint8_t *bytes, uint64_t size)
{
	for (uint64_t key = hash_bytes(bytes, size, 0);; key += 2) {
		bool fresh;
		uint32_t *number = table_put(&perf->text_table, key, &fresh);
		const uint64_t count = perf->told.text_count, used = count ? perf->text_ends[count] : 0;
		if (!number || (fresh && (!reserve(&perf->text_ends, count + 1, &perf->text_room, sizeof used) ||
								  !reserve(&perf->text_bytes, used + size, &perf->text_bytes_room, 1)))) {
			perf->failed = -ENOMEM;
			return ABSENT;
		}
		if (fresh) {
			if (!count)
				perf->text_ends[0] = 0;
			memcpy(perf->text_bytes + used, bytes, size);
			perf->text_ends[count + 1] = used + size;
			*number = (uint32_t)perf->told.text_count++;
		}
		const uint64_t at = perf->text_ends[*number];
		if (perf->text_ends[*number + 1] - at == size && !memcmp(perf->text_bytes + at, bytes, size))
			return *number;
	}
}

/* `inode`: device and inode, or 0: two files may have had one name. */
static uint32_t module_of(struct clew_perf *perf, const struct clew_perf_module *module, uint64_t inode)
{
	bool fresh;
	const uint64_t identity = hash_bytes(module->build_id, module->build_id_size, inode);
	uint32_t *number = table_put(&perf->module_table, mix(identity, module->name) | 1, &fresh);
	if (!number || (fresh && !reserve(&perf->modules, perf->told.module_count, &perf->module_room, sizeof *module))) {
		perf->failed = -ENOMEM;
		return ABSENT;
	}
	if (fresh) {
		*number = (uint32_t)perf->told.module_count++;
		perf->modules[*number] = *module;
	}
	return *number;
}

static bool starts(const char *text, size_t size, const char *with)
{
	return size >= strlen(with) && !memcmp(text, with, strlen(with));
}

/* Memory without a file: what a JIT compiler wrote, if it can be run; else data, into which only a frame that is none
 * can lead. A memfd that is not shared is a program in memory. */
static bool is_without_file(const char *name, size_t size, uint32_t flags)
{
	return flags & MAPPED_HUGE || (size == 6 && starts(name, size, "//anon")) || starts(name, size, "/dev/zero") ||
		   starts(name, size, "/anon_hugepage") || (flags & MAPPED_SHARED && starts(name, size, "/memfd:")) ||
		   starts(name, size, "[stack") || starts(name, size, "/SYSV") || (size == 6 && starts(name, size, "[heap]"));
}

static void map_kernel(struct clew_perf *perf, struct map map, const char *name, size_t size, uint64_t offset)
{
	const char *close = memchr(name, ']', size);
	struct clew_perf_module module = {.pid = -1};
	if (close && starts(name, size, "[kernel")) {
		const size_t whole = (size_t)(close + 1 - name);
		if (offset && whole < size) { /* [kernel.kallsyms]_text at the address that it had */
			perf->told.kernel_text = offset;
			perf->told.kernel_symbol = text_of(perf, (const uint8_t *)close + 1, size - whole);
		}
		size = whole;
	}
	module.name = text_of(perf, (const uint8_t *)name, size);
	map.module = module_of(perf, &module, 0);
	map.kind = CLEW_PERF_KERNEL;
	map.offset = 0;
	if (!perf->failed && !maps_add(perf->kernel, map))
		perf->failed = -ENOMEM;
	perf->kernel_version = ++perf->versions;
}

static void map_user(struct clew_perf *perf, struct map map, const char *name, size_t size, uint64_t offset,
					 struct clew_perf_module *module, uint64_t inode, uint32_t flags, bool executable)
{
	struct process *process = process_of(perf, (uint32_t)map.pid);
	char generated[64];
	if (!process)
		return;
	map.offset = offset - map.start;
	map.kind = CLEW_PERF_USER;
	if (starts(name, size, "[vdso") || starts(name, size, "[vsyscall")) {
		map.offset = 0 - map.start;
	} else if (is_without_file(name, size, flags)) {
		map.offset = 0;
		map.kind = executable ? CLEW_PERF_JIT : CLEW_PERF_UNKNOWN;
		if (!starts(name, size, "/memfd:") && executable) {
			size = (size_t)snprintf(generated, sizeof generated, "/tmp/perf-%d.map", map.pid);
			name = generated;
		}
		inode = 0;
	}
	module->name = text_of(perf, (const uint8_t *)name, size);
	map.module = module_of(perf, module, inode);
	if (!perf->failed && !maps_put(&process->maps, map))
		perf->failed = -ENOMEM;
	process->version = ++perf->versions;
	if (executable && map.kind == CLEW_PERF_USER && name[0] == '/' && !perf->failed)
		thread_exe(perf, process, module->name);
}

void map_event(struct clew_perf *perf, const struct record *record)
{
	const bool second = record->type == PERF_RECORD_MMAP2;
	const size_t fixed = second ? 64 : 32, left = (size_t)(record->end - record->body);
	if (record->end < record->body || left <= fixed) {
		perf->told.broken++;
		return;
	}
	const uint8_t *body = record->body;
	const char *name = (const char *)body + fixed;
	const char *nul = memchr(name, 0, left - fixed);
	const size_t size = nul ? (size_t)(nul - name) : left - fixed;
	const uint64_t length = load64(body + 16);
	struct map map = {.pid = (int32_t)load32(body), .start = load64(body + 8)};
	map.end = length > UINT64_MAX - map.start ? UINT64_MAX : map.start + length;
	if (!size || map.end <= map.start)
		return;
	const uint64_t offset = load64(body + 24);
	struct clew_perf_module module = {.pid = map.pid};
	uint64_t inode = 0;
	uint32_t flags = 0;
	bool executable = !(record->misc & PERF_RECORD_MISC_MMAP_DATA);
	if (second) {
		if (!(record->misc & PERF_RECORD_MISC_MMAP_BUILD_ID) || !perf->input.events[record->event].build_ids)
			inode = hash_bytes(body + 32, 24, 0);
		else if (body[32] <= BUILD_ID_SIZE) {
			module.build_id_size = body[32];
			memcpy(module.build_id, body + 36, module.build_id_size);
		}
		executable = load32(body + 56) & EXECUTABLE;
		flags = load32(body + 60);
	}
	const unsigned mode = record->misc & PERF_RECORD_MISC_CPUMODE_MASK;
	if (mode == PERF_RECORD_MISC_KERNEL)
		map_kernel(perf, map, name, size, offset);
	else if (mode == PERF_RECORD_MISC_USER || mode == PERF_RECORD_MISC_CPUMODE_UNKNOWN)
		map_user(perf, map, name, size, offset, &module, inode, flags, executable);
}

void ksymbol_event(struct clew_perf *perf, const struct record *record)
{
	const size_t left = record->end > record->body ? (size_t)(record->end - record->body) : 0;
	if (left <= 16) {
		perf->told.broken++;
		return;
	}
	const uint8_t *body = record->body;
	const uint64_t start = load64(body);
	const uint32_t length = load32(body + 8);
	uint16_t flags;
	memcpy(&flags, body + 14, sizeof flags);
	const uint8_t *nul = memchr(body + 16, 0, left - 16);
	const uint64_t size = nul ? (uint64_t)(nul - body) - 16 : left - 16, row = perf->told.ksymbol_count;
	if (flags & PERF_RECORD_KSYMBOL_FLAGS_UNREGISTER || !size || !length || start + length < start)
		return; /* a name that is gone still stands for its addresses until they are used again */
	if (!reserve(&perf->ksymbols, row, &perf->ksymbol_room, sizeof *perf->ksymbols)) {
		perf->failed = -ENOMEM;
		return;
	}
	struct clew_perf_module module = {.name = text_of(perf, body + 16, size), .pid = -1};
	const struct map map = {
		.start = start, .end = start + length, .kind = CLEW_PERF_KERNEL, .module = module_of(perf, &module, 1)};
	perf->ksymbols[row] = (struct clew_perf_ksymbol){start, length, module.name};
	perf->told.ksymbol_count++;
	if (!perf->failed && !maps_add(perf->kernel, map))
		perf->failed = -ENOMEM;
	perf->kernel_version = ++perf->versions;
}
