/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief An unwinder and its modules: images given, files mapped, the vDSO of this machine.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unwind.h"

struct clew_unwind *clew_unwind_new(void)
{
	return calloc(1, sizeof(struct clew_unwind));
}

static void image_free(struct image *image)
{
	free(image->loads);
	free(image->eh_index.list);
	free(image->debug_index.list);
	if (image->mapped)
		munmap((void *)(uintptr_t)image->bytes, image->size);
}

void clew_unwind_free(struct clew_unwind *unwind)
{
	if (!unwind)
		return;
	for (uint64_t i = 0; i < unwind->image_count; i++)
		image_free(&unwind->images[i]);
	free(unwind->images);
	cache_free(&unwind->cache);
	free(unwind);
}

/* Takes the image over, also if it fails. */
static int32_t add(struct clew_unwind *unwind, struct image *image)
{
	bool no_memory;
	if (!image_read(image, &no_memory)) {
		image_free(image);
		return no_memory ? -ENOMEM : -EINVAL;
	}
	if (unwind->image_count == unwind->image_room) {
		const uint64_t room = 2 * unwind->image_room + 16;
		struct image *wider = room < INT32_MAX ? realloc(unwind->images, room * sizeof *wider) : NULL;
		if (!wider) {
			image_free(image);
			return -ENOMEM;
		}
		unwind->images = wider;
		unwind->image_room = room;
	}
	unwind->images[unwind->image_count] = *image;
	return (int32_t)unwind->image_count++;
}

int32_t clew_unwind_module(struct clew_unwind *unwind, const void *image, size_t size)
{
	return add(unwind, &(struct image){.bytes = image, .size = size});
}

/* The vDSO is an ELF file in memory; its section headers stand last. */
static int32_t add_vdso(struct clew_unwind *unwind)
{
	const uint8_t *image = (const uint8_t *)(uintptr_t)getauxval(AT_SYSINFO_EHDR);
	Elf64_Ehdr head;
	if (!image)
		return -ENOENT;
	memcpy(&head, image, sizeof head);
	return clew_unwind_module(unwind, image, head.e_shoff + (uint64_t)head.e_shnum * head.e_shentsize);
}

static bool same_build(const struct image *image, const uint8_t *build_id, size_t id_size)
{
	uint64_t size = 0;
	const uint8_t *own = image_build_id(image, &size);
	return !id_size || (own && size >= id_size && !memcmp(own, build_id, id_size));
}

int32_t clew_unwind_open(struct clew_unwind *unwind, const char *path, const uint8_t *build_id, size_t id_size)
{
	struct stat told;
	if (!strcmp(path, "[vdso]"))
		return add_vdso(unwind);
	const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a named pipe must not hold us up */
	if (file < 0)
		return -errno;
	struct image image = {.mapped = true};
	int error = 0;
	if (fstat(file, &told) != 0)
		error = -errno;
	else if (!S_ISREG(told.st_mode) || told.st_size < (off_t)sizeof(Elf64_Ehdr))
		error = -EINVAL;
	if (!error) {
		image.size = (uint64_t)told.st_size;
		void *bytes = mmap(NULL, image.size, PROT_READ, MAP_PRIVATE, file, 0);
		if (bytes == MAP_FAILED)
			error = -errno;
		else
			image.bytes = bytes;
	}
	close(file);
	if (error)
		return error;
	const int32_t handle = add(unwind, &image);
	if (handle < 0 || same_build(&unwind->images[handle], build_id, id_size))
		return handle;
	image_free(&unwind->images[--unwind->image_count]);
	return -ESTALE;
}
