/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief The parts of an ELF file that unwinding needs: what is loaded where, and the sections of CFI.
 */
#include <elf.h>
#include <stdlib.h>

#include "unwind.h"

static bool inside(const struct image *image, uint64_t offset, uint64_t size)
{
	return offset <= image->size && size <= image->size - offset;
}

bool image_virtual(const struct image *image, uint64_t offset, uint64_t *virtual_address)
{
	for (uint64_t i = 0; i < image->load_count; i++) {
		const struct part *load = &image->loads[i];
		if (offset >= load->offset && offset - load->offset < load->size) {
			*virtual_address = offset - load->offset + load->start;
			return true;
		}
	}
	return false;
}

bool image_offset(const struct image *image, uint64_t virtual_address, uint64_t *offset)
{
	for (uint64_t i = 0; i < image->load_count; i++) {
		const struct part *load = &image->loads[i];
		if (virtual_address >= load->start && virtual_address - load->start < load->size) {
			*offset = virtual_address - load->start + load->offset;
			return true;
		}
	}
	return false;
}

/* Program headers: parts that run come first, so that an address of code is looked up among them first. */
static bool read_programs(struct image *image, const Elf64_Ehdr *head, bool *no_memory)
{
	if (head->e_phentsize != sizeof(Elf64_Phdr) || !inside(image, head->e_phoff, head->e_phnum * sizeof(Elf64_Phdr)))
		return head->e_phnum == 0;
	image->loads = calloc(head->e_phnum ? head->e_phnum : 1, sizeof *image->loads);
	if (!image->loads) {
		*no_memory = true;
		return false;
	}
	for (unsigned pass = 0; pass < 2; pass++)
		for (unsigned i = 0; i < head->e_phnum; i++) {
			Elf64_Phdr program;
			memcpy(&program, image->bytes + head->e_phoff + i * sizeof program, sizeof program);
			if (!inside(image, program.p_offset, program.p_filesz))
				continue;
			const struct part part = {program.p_offset, program.p_filesz, program.p_vaddr};
			if (program.p_type == PT_LOAD && (program.p_flags & PF_X ? 0u : 1u) == pass)
				image->loads[image->load_count++] = part;
			if (program.p_type == PT_GNU_EH_FRAME)
				image->eh_frame_hdr = part;
		}
	return true;
}

static void read_sections(struct image *image, const Elf64_Ehdr *head)
{
	Elf64_Shdr names, section;
	if (head->e_shentsize != sizeof section || !inside(image, head->e_shoff, head->e_shnum * sizeof section) ||
		head->e_shstrndx >= head->e_shnum)
		return;
	memcpy(&names, image->bytes + head->e_shoff + head->e_shstrndx * sizeof names, sizeof names);
	if (!inside(image, names.sh_offset, names.sh_size))
		return;
	for (unsigned i = 0; i < head->e_shnum; i++) {
		memcpy(&section, image->bytes + head->e_shoff + i * sizeof section, sizeof section);
		if (section.sh_type == SHT_NOBITS || section.sh_flags & SHF_COMPRESSED || section.sh_name >= names.sh_size ||
			!inside(image, section.sh_offset, section.sh_size))
			continue;
		const char *name = (const char *)image->bytes + names.sh_offset + section.sh_name;
		const uint64_t room = names.sh_size - section.sh_name;
		const struct part part = {section.sh_offset, section.sh_size, section.sh_addr};
		if (room >= sizeof ".eh_frame" && !memcmp(name, ".eh_frame", sizeof ".eh_frame"))
			image->eh_frame = part;
		else if (room >= sizeof ".debug_frame" && !memcmp(name, ".debug_frame", sizeof ".debug_frame"))
			image->debug_frame = part;
		else if (room >= sizeof ".eh_frame_hdr" && !memcmp(name, ".eh_frame_hdr", sizeof ".eh_frame_hdr"))
			image->eh_frame_hdr = part;
	}
}

bool image_read(struct image *image, bool *no_memory)
{
	Elf64_Ehdr head;
	*no_memory = false;
	if (image->size < sizeof head)
		return false;
	memcpy(&head, image->bytes, sizeof head);
	if (memcmp(head.e_ident, ELFMAG, SELFMAG) || head.e_ident[EI_CLASS] != ELFCLASS64 ||
		head.e_ident[EI_DATA] != ELFDATA2LSB || !read_programs(image, &head, no_memory))
		return false;
	read_sections(image, &head);
	return true;
}

const uint8_t *image_build_id(const struct image *image, uint64_t *size)
{
	Elf64_Ehdr head;
	memcpy(&head, image->bytes, sizeof head);
	for (unsigned i = 0; image->loads && i < head.e_phnum; i++) {
		Elf64_Phdr program;
		memcpy(&program, image->bytes + head.e_phoff + i * sizeof program, sizeof program);
		if (program.p_type != PT_NOTE || !inside(image, program.p_offset, program.p_filesz))
			continue;
		struct bytes notes = {image->bytes, program.p_offset, program.p_offset + program.p_filesz, false};
		const uint64_t align = program.p_align == 8 ? 7 : 3;
		while (notes.at < notes.end && !notes.failed) {
			const uint64_t name = take(&notes, 4), length = take(&notes, 4), type = take(&notes, 4), at = notes.at;
			skip(&notes, (name + align) & ~align);
			const uint64_t from = notes.at;
			skip(&notes, length);
			if (!notes.failed && type == NT_GNU_BUILD_ID && name == 4 && !memcmp(image->bytes + at, "GNU", 4)) {
				*size = length;
				return image->bytes + from;
			}
			notes.at = (notes.at + align) & ~align;
		}
	}
	return NULL;
}
