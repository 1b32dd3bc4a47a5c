/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Call chains of samples that hold registers and a copy of the stack (perf record --call-graph dwarf).
 */
#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "clew_unwind.h"
#include "perf.h"

#define NOT_TRIED INT32_MIN

struct context {
	struct clew_perf *perf;
	const struct process *process;
};

/* Where the bytes of a module are now, if not where they were. */
static const char *path_of(const struct clew_perf *perf, const char *name)
{
	for (uint64_t i = 0; i < perf->input.file_count; i++)
		if (!strcmp(perf->input.files[i].module, name))
			return perf->input.files[i].path;
	return name;
}

/* The file itself, else in the file system (a container's) of a process that had it mapped. */
static int32_t open_module(struct clew_perf *perf, const struct clew_perf_module *module, int32_t pid)
{
	const uint64_t from = perf->text_ends[module->name], size = perf->text_ends[module->name + 1] - from;
	const uint8_t *bytes = perf->text_bytes + from;
	char name[PATH_MAX], inside[PATH_MAX + 32];
	if (size >= sizeof name || memchr(bytes, 0, size))
		return -ENOENT;
	memcpy(name, bytes, size);
	name[size] = 0;
	const char *path = path_of(perf, name);
	if (!path || (path[0] != '/' && strcmp(path, "[vdso]")))
		return -ENOENT;
	const int32_t handle = clew_unwind_open(perf->unwind, path, module->build_id, module->build_id_size);
	if ((handle != -ENOENT && handle != -ESTALE) || pid <= 0)
		return handle;
	snprintf(inside, sizeof inside, "/proc/%d/root%s", pid, name);
	return clew_unwind_open(perf->unwind, inside, module->build_id, module->build_id_size);
}

/* The unwinder's handle of a module; < 0: its bytes are not known. */
static int32_t handle_of(struct clew_perf *perf, const struct map *map)
{
	const uint64_t old = perf->handle_room;
	if (map->module >= old) {
		if (!reserve(&perf->handles, perf->told.module_count, &perf->handle_room, sizeof *perf->handles)) {
			perf->failed = -ENOMEM;
			return -1;
		}
		for (uint64_t i = old; i < perf->handle_room; i++)
			perf->handles[i] = NOT_TRIED;
	}
	if (perf->handles[map->module] == NOT_TRIED)
		perf->handles[map->module] = open_module(perf, &perf->modules[map->module], map->pid);
	if (perf->handles[map->module] == -ENOMEM)
		perf->failed = -ENOMEM;
	return perf->handles[map->module];
}

static int find(void *with, uint64_t address, struct clew_unwind_map *found)
{
	const struct context *context = with;
	const struct process *process = context->process;
	const struct map *map = maps_find(process->maps, address);
	if (!map && process->before)
		map = maps_find(process->before, address);
	if (!map)
		return 0;
	*found = (struct clew_unwind_map){map->start, map->end, map->offset, -1};
	if (map->kind == CLEW_PERF_USER)
		found->module = handle_of(context->perf, map);
	return 1;
}

unsigned unwind_steps(struct clew_perf *perf, const struct process *process, const struct sample *sample,
					  uint32_t event, unsigned count)
{
	struct context context = {perf, process};
	const uint64_t mask = perf->input.events[event].regs_user;
	const struct clew_unwind_state state = {
		.machine = mask >> 24 & 0xff ? EM_AARCH64 : EM_X86_64, /* bits that x86 does not have */
		.regs_mask = mask,
		.regs = sample->regs,
		.stack = sample->stack,
		.stack_size = sample->stack_size,
		.find = find,
		.context = &context,
	};
	uint64_t addresses[CLEW_UNWIND_MOST];
	if (!perf->unwind && !(perf->unwind = clew_unwind_new())) {
		perf->failed = -ENOMEM;
		return count;
	}
	const size_t found = clew_unwind(perf->unwind, &state, addresses, CLEW_UNWIND_MOST);
	for (size_t i = 0; i < found && count < STEPS; i++)
		perf->steps[count++] = (struct step){addresses[i], false, false};
	perf->told.unwound++;
	return count;
}
