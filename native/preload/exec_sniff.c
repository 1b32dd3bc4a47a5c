/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Looks into a program before it is started: will its loader accept our library?
 *
 * File formats: System V ABI (ELF), execve(2) (#! scripts). A loader that cannot use an entry of LD_PRELOAD
 * prints an error or refuses to start the program, so it must not be offered one.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clew_api.h"
#include "exec.h"
#include "internal.h"

#define SCRIPT_LEVELS 4
#define FIRST_BYTES 256 /* the kernel looks at so many, too */
#define HEADERS 8       /* looked at at a time: threads with the smallest of stacks start programs, too */
#define HEADERS_MOST (65536 / sizeof(Elf64_Phdr)) /* the kernel starts no program with more */
#define NEEDED 64
#ifndef AT_EACCESS
#define AT_EACCESS 0x200
#endif

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#else
#define MACHINE EM_AARCH64
#endif

struct elf {
	int fd;
	unsigned count;
	uint64_t at; /* file offset of the headers */
	unsigned first, have;
	Elf64_Phdr header[HEADERS]; /* [first, first + have) of them */
};

static const char *base_name(const char *path)
{
	const char *name = path;
	for (; *path; path++)
		if (*path == '/')
			name = path + 1;
	return name;
}

/* The number-th program header, or NULL where the file has none. It is there until the next is asked for. */
static const Elf64_Phdr *header_of(struct elf *elf, unsigned number)
{
	if (number >= elf->count)
		return NULL;
	if (number - elf->first >= elf->have) {
		const long got =
			own_read(elf->fd, elf->header, sizeof elf->header, (int64_t)(elf->at + number * sizeof elf->header[0]));
		elf->first = number;
		elf->have = got > 0 ? (unsigned)((size_t)got / sizeof elf->header[0]) : 0;
	}
	return elf->have ? &elf->header[number - elf->first] : NULL;
}

/* File offset of an address of the image, or -1. */
static int64_t offset_of(struct elf *elf, uint64_t address)
{
	const Elf64_Phdr *header;
	for (unsigned i = 0; (header = header_of(elf, i)); i++)
		if (header->p_type == PT_LOAD && address >= header->p_vaddr && address - header->p_vaddr < header->p_filesz)
			return (int64_t)(header->p_offset + (address - header->p_vaddr));
	return -1;
}

/* Of the libraries that the program asks for, the sanitizer runtime that checks that it is the first. */
static void find_runtime(struct exec_plan *plan, struct elf *elf, const Elf64_Phdr *dynamic)
{
	static const char *const prefixes[] = {"libasan.so",   "libtsan.so",       "liblsan.so",
										   "libhwasan.so", "libclang_rt.asan", "libclang_rt.tsan"};
	uint64_t needed[NEEDED], strings = 0;
	unsigned count = 0;
	Elf64_Dyn entry[32];
	for (uint64_t at = 0; at < dynamic->p_filesz && at < 65536; at += sizeof entry) {
		long got = own_read(elf->fd, entry, sizeof entry, (int64_t)(dynamic->p_offset + at));
		for (long i = 0; i < got / (long)sizeof entry[0]; i++) {
			if (entry[i].d_tag == DT_NEEDED && count < NEEDED)
				needed[count++] = entry[i].d_un.d_val;
			else if (entry[i].d_tag == DT_STRTAB)
				strings = entry[i].d_un.d_ptr;
		}
		if (got < (long)sizeof entry)
			break;
	}
	int64_t table = offset_of(elf, strings);
	for (unsigned i = 0; table >= 0 && i < count; i++) {
		char name[sizeof plan->runtime];
		long got = own_read(elf->fd, name, sizeof name - 1, table + (int64_t)needed[i]);
		name[got > 0 ? got : 0] = 0;
		for (unsigned p = 0; p < sizeof prefixes / sizeof prefixes[0]; p++)
			if (text_starts(name, prefixes[p]) && text_length(name) < sizeof name - 1) {
				copy_bytes(plan->runtime, name, text_length(name) + 1);
				return;
			}
	}
}

static __attribute__((noinline)) void sniff_elf(struct exec_plan *plan, int fd, bool is_loader, const Elf64_Ehdr *file)
{
	if (file->e_ident[EI_CLASS] != ELFCLASS64 || file->e_machine != MACHINE) {
		plan->reason = CLEW_UNSEEN_ABI;
		plan->inject = false;
		return;
	}
	struct elf elf = {.fd = fd, .count = file->e_phnum, .at = file->e_phoff};
	if (file->e_phentsize != sizeof elf.header[0] || elf.count > HEADERS_MOST || !header_of(&elf, elf.count - 1))
		return;
	Elf64_Phdr interpreter = {0}, dynamic = {0};
	const Elf64_Phdr *header;
	for (unsigned i = 0; (header = header_of(&elf, i)); i++) {
		if (header->p_type == PT_INTERP)
			interpreter = *header;
		if (header->p_type == PT_DYNAMIC)
			dynamic = *header;
	}
	if (interpreter.p_type != PT_INTERP) {
		if (!is_loader) /* it may be run as a program itself */
			plan->reason = CLEW_UNSEEN_STATIC;
		return;
	}
	char loader[256];
	size_t length = interpreter.p_filesz < sizeof loader ? interpreter.p_filesz : sizeof loader - 1;
	long got = own_read(fd, loader, length, (int64_t)interpreter.p_offset);
	loader[got > 0 ? got : 0] = 0;
	if (!text_starts(base_name(loader), "ld-linux")) {
		plan->reason = CLEW_UNSEEN_LOADER;
		plan->inject = false;
		return;
	}
	if (dynamic.p_type == PT_DYNAMIC)
		find_runtime(plan, &elf, &dynamic);
}

/* Will the kernel tell the loader to trust nobody (AT_SECURE)? */
static bool gains_rights(int fd, const struct stat *file)
{
	uint32_t uid = (uint32_t)RAW_0(SYS_getuid);
	if ((file->st_mode & S_ISUID) && file->st_uid != uid)
		return true;
	if ((file->st_mode & S_ISGID) && (file->st_mode & S_IXGRP) && file->st_gid != (uint32_t)RAW_0(SYS_getgid))
		return true;
	return uid != 0 && RAW_4(SYS_fgetxattr, fd, "security.capability", NULL, 0) > 0;
}

/* The interpreter of a #! line, in place; NULL if it is not one. */
static char *interpreter_of(char *line, long length)
{
	if (length < 3 || line[0] != '#' || line[1] != '!')
		return NULL;
	line[length] = 0;
	char *name = line + 2;
	while (*name == ' ' || *name == '\t')
		name++;
	char *end = name;
	while (*end && *end != ' ' && *end != '\t' && *end != '\n')
		end++;
	*end = 0;
	return *name ? name : NULL;
}

/* `path`, then the interpreter in its #! line, and that one's: none of them needs more of the stack. */
static void sniff(struct exec_plan *plan, int fd, const char *path)
{
	union {
		char text[FIRST_BYTES + 1];
		Elf64_Ehdr elf;
	} first;
	for (int level = 0; path && level <= SCRIPT_LEVELS; level++, fd = AT_FDCWD) {
		struct stat file;
		const bool opened = path[0] != 0, is_loader = text_starts(base_name(path), "ld-linux");
		if (opened) {
			/* Opening a device may do something to it. */
			if (RAW_4(SYS_newfstatat, fd, path, &file, 0) < 0 || !S_ISREG(file.st_mode))
				return;
			const long result = RAW_4(SYS_openat, fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
			if (result == -EACCES)
				plan->reason = CLEW_UNSEEN_UNREADABLE;
			if (result < 0)
				return;
			fd = (int)result;
		} else if (RAW_2(SYS_fstat, fd, &file) < 0 || !S_ISREG(file.st_mode)) {
			return;
		}
		const long got = own_read(fd, first.text, FIRST_BYTES, 0);
		path = interpreter_of(first.text, got);
		if (!path && got >= (long)sizeof first.elf && text_starts(first.text, ELFMAG)) {
			if (gains_rights(fd, &file))
				plan->reason = CLEW_UNSEEN_SETUID;
			else
				sniff_elf(plan, fd, is_loader, &first.elf);
		}
		if (opened)
			RAW_1(SYS_close, fd);
	}
}

/* By a call that reads eight bytes, and then fails because of its first argument. */
static bool readable(const void *address)
{
	return RAW_4(SYS_rt_sigprocmask, -1, (uintptr_t)address & ~(uintptr_t)7, NULL, 8) != -EFAULT;
}

bool exec_readable(const char *path, char *const environment[])
{
	if (process->sandboxed)
		return true;
	if (!readable(path))
		return false;
	uintptr_t list_page = UINTPTR_MAX, text_page = UINTPTR_MAX; /* last found readable */
	for (char *const *at = environment; at; at++) {
		if ((uintptr_t)at / CLEW_PAGE != list_page && !readable(at))
			return false;
		list_page = (uintptr_t)at / CLEW_PAGE;
		if (!*at)
			break;
		if ((uintptr_t)*at / CLEW_PAGE != text_page && !readable(*at))
			return false;
		text_page = (uintptr_t)*at / CLEW_PAGE;
	}
	return true;
}

static bool may(const char *path, int how)
{
	long result = RAW_4(SYS_faccessat2, AT_FDCWD, path, how, AT_EACCESS);
	if (result == -ENOSYS)
		result = RAW_3(SYS_faccessat, AT_FDCWD, path, how);
	return result == 0;
}

/*
 * The same for the program that is started. By exec a user loses the capabilities that PR_SET_KEEPCAPS kept,
 * which is just what access(2) leaves out.
 */
static bool may_when_started(const char *path, int how)
{
	bool same = RAW_0(SYS_getuid) == RAW_0(SYS_geteuid) && RAW_0(SYS_getgid) == RAW_0(SYS_getegid);
	return same ? RAW_3(SYS_faccessat, AT_FDCWD, path, how) == 0 : may(path, how);
}

void exec_sniff(struct exec_plan *plan, int fd, const char *path)
{
	*plan = (struct exec_plan){.inject = true};
	if (process->sandboxed)
		return;
	sniff(plan, fd, path);
	if (plan->reason)
		return;
	/* After chroot or setuid the library may be out of reach, and the loader would say so aloud. */
	if (!may_when_started(library_path, R_OK)) {
		plan->reason = CLEW_UNSEEN_NO_ARENA;
		plan->inject = false;
	} else if (!may_when_started(arena_path, R_OK | W_OK)) {
		plan->reason = CLEW_UNSEEN_NO_ARENA;
	}
}

static size_t path_part(const char *list)
{
	size_t length = 0;
	while (list[length] && list[length] != ':')
		length++;
	return length;
}

void exec_sniff_in_path(struct exec_plan *plan, const char *name)
{
	const char *rest = env_find("PATH=");
	if (!rest)
		rest = "/bin:/usr/bin";
	const size_t name_length = text_length(name);
	size_t longest = 0;
	for (const char *at = rest; *at; at += *at == ':') {
		const size_t length = path_part(at);
		if (length > longest && length < PATH_MAX)
			longest = length;
		at += length;
	}
	if (!process->sandboxed && name_length < 256 && base_name(name) == name && name_length) {
		char path[longest + name_length + 2];
		for (;;) {
			const size_t length = path_part(rest);
			if (length <= longest) {
				copy_bytes(path, rest, length);
				path[length] = '/';
				copy_bytes(path + length + (length > 0), name, name_length + 1);
				if (may(path, X_OK)) {
					exec_sniff(plan, AT_FDCWD, path);
					return;
				}
			}
			if (!rest[length])
				break;
			rest += length + 1;
		}
	}
	exec_sniff(plan, AT_FDCWD, name);
}

unsigned clew_runtime_of(const char *path, char *name, unsigned room)
{
	struct exec_plan plan = {.inject = true};
	sniff(&plan, AT_FDCWD, path);
	size_t length = text_length(plan.runtime);
	if (length >= room)
		return 0;
	copy_bytes(name, plan.runtime, length + 1);
	return (unsigned)length;
}
