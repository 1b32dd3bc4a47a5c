/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What is this descriptor? Asked of the kernel by system calls of our own, once for each.
 *
 * In a sandbox nothing is asked: what the maker of the descriptor told is recorded alone.
 */
#include "connections.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "internal.h"

#define PATH_ROOM 512 /* on the stack, which may be a signal handler's; a longer path gets a page of its own */
#define LINK_ROOM 32  /* "/proc/self/fd/", ten digits */
#define LONG_PATH 4096u

/* A device that may say it took bytes without looking at them: any but terminals and block devices. */
bool conn_is_opaque(const struct stat *status)
{
	const unsigned number = major(status->st_rdev);
	const bool terminal = number == 4 || number == 5 || (number >= 136 && number <= 143);
	return S_ISCHR(status->st_mode) && !terminal;
}

enum clew_kind conn_kind_of_socket(int domain, int type)
{
	type &= ~(SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (domain == AF_UNIX)
		return CLEW_KIND_UNIX;
	if (domain != AF_INET && domain != AF_INET6)
		return CLEW_KIND_SOCKET;
	return type == SOCK_STREAM ? CLEW_KIND_TCP : type == SOCK_DGRAM ? CLEW_KIND_UDP : CLEW_KIND_SOCKET;
}

static enum clew_kind kind_of_socket(int fd)
{
	int domain = 0, type = 0;
	socklen_t size = sizeof(int);
	if (raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, (long)&domain, (long)&size, 0) < 0)
		return CLEW_KIND_SOCKET;
	size = sizeof(int);
	raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, (long)&type, (long)&size, 0);
	return conn_kind_of_socket(domain, type);
}

static enum clew_kind kind_of(int fd, const struct stat *status)
{
	switch (status->st_mode & S_IFMT) {
	case S_IFREG:
		return CLEW_KIND_FILE;
	case S_IFDIR:
		return CLEW_KIND_DIR;
	case S_IFCHR:
	case S_IFBLK:
		return CLEW_KIND_DEVICE;
	case S_IFIFO:
		return CLEW_KIND_PIPE;
	case S_IFSOCK:
		return kind_of_socket(fd);
	default:
		return CLEW_KIND_ANON;
	}
}

static bool is_socket(enum clew_kind kind)
{
	return kind == CLEW_KIND_TCP || kind == CLEW_KIND_UDP || kind == CLEW_KIND_UNIX || kind == CLEW_KIND_SOCKET;
}

static uint32_t access_of(int fd)
{
	const long flags = RAW_3(SYS_fcntl, fd, F_GETFL, 0);
	return flags < 0 ? 0 : (uint32_t)(flags & O_ACCMODE) + 1;
}

bool conn_identify(int fd, struct clew_conn *identity, uint64_t *entry_flags)
{
	struct stat status;
	if (RAW_2(SYS_fstat, fd, &status) < 0)
		return false;
	identity->device = (uint32_t)status.st_dev;
	identity->inode = status.st_ino;
	identity->kind = (uint8_t)kind_of(fd, &status);
	identity->access = (uint8_t)access_of(fd);
	*entry_flags = conn_is_opaque(&status) ? CONN_NO_PAYLOAD : 0;
	return true;
}

bool conn_has_addresses(int fd)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof address;
	if (RAW_3(SYS_getpeername, fd, &address, &size) >= 0)
		return true;
	size = sizeof address;
	if (RAW_3(SYS_getsockname, fd, &address, &size) < 0)
		return true; /* nothing to wait for */
	int type = 0;
	socklen_t type_size = sizeof type;
	raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, (long)&type, (long)&type_size, 0);
	return type == SOCK_DGRAM && ((struct sockaddr_in *)&address)->sin_port; /* IPv6 has its port there, too */
}

/* A CONN record's data: the info, then its addresses, and the path where there is room. */
struct told {
	struct clew_conn_info info;
	uint8_t more[2 * CLEW_ADDRESS_MOST];
};

static uint16_t address_of(long call, int fd, uint8_t *into)
{
	union {
		struct sockaddr_storage any;
		uint8_t bytes[sizeof(struct sockaddr_storage)];
	} address;
	socklen_t size = sizeof address;
	if (RAW_3(call, fd, &address, &size) < 0)
		return 0;
	if (size > CLEW_ADDRESS_MOST)
		size = CLEW_ADDRESS_MOST;
	copy_bytes(into, address.bytes, size);
	return (uint16_t)size;
}

/* The process that connected or, seen from there, that listened; 0: it is in another pid namespace. */
static uint32_t peer_pid_of(int fd)
{
	struct ucred peer = {0, 0, 0};
	socklen_t size = sizeof peer;
	if (raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, (long)&peer, (long)&size, 0) < 0 || peer.pid < 0)
		return 0;
	return (uint32_t)peer.pid;
}

static void fill_addresses(int fd, struct told *told)
{
	struct clew_conn_info *info = &told->info;
	info->local_len = address_of(SYS_getsockname, fd, told->more);
	info->remote_len = address_of(SYS_getpeername, fd, told->more + info->local_len);
	if (!info->remote_len)
		info->flags &= ~(uint32_t)CLEW_CONN_CONNECTED;
	if (info->kind == CLEW_KIND_UNIX && info->remote_len)
		info->peer_pid = peer_pid_of(fd);
}

static void write_record(const struct call *call, int fd, const struct conn_origin *origin, struct told *told,
						 const char *path, size_t length)
{
	struct clew_conn_info *info = &told->info;
	const size_t addresses = (size_t)info->local_len + info->remote_len;
	info->text = (uint32_t)(length < LONG_PATH - sizeof *told ? length : LONG_PATH - sizeof *told);
	const bool fits = info->text <= sizeof told->more - addresses; /* in one piece it is written quickly */
	if (fits)
		copy_bytes(told->more + addresses, path, info->text);
	const size_t head = sizeof *info + addresses + (fits ? info->text : 0);
	const struct iovec data[2] = {{told, head}, {(void *)(uintptr_t)path, fits ? 0 : info->text}};
	const struct end end = {
		.op = CLEW_OP_CONN,
		.flags = (uint16_t)(CLEW_F_STRUCT | origin->record_flags),
		.fd = fd,
		.result = fd,
		.ticks = 1, /* how long we took, nobody asks */
		.conn_id = origin->conn_id,
		.offset = CLEW_NO_OFFSET,
		.data = data,
		.data_count = fits ? 1 : 2,
		.data_size = sizeof *info + addresses + info->text,
	};
	call_end(call, &end);
}

/* Only names that mean something: not pipe:[1234], whose number is the inode. */
static bool is_name(const char *text, long length)
{
	return length > 0 && (text[0] == '/' || text[0] == 'a');
}

static long link_read(int fd, char *into, size_t room)
{
	char link[LINK_ROOM] = "/proc/self/fd/";
	char digits[12];
	int count = 0, at = 14;
	for (unsigned rest = (unsigned)fd; count == 0 || rest; rest /= 10)
		digits[count++] = (char)('0' + rest % 10);
	while (count)
		link[at++] = digits[--count];
	link[at] = 0;
	return RAW_4(SYS_readlinkat, AT_FDCWD, link, into, room);
}

static void write_with_link(const struct call *call, int fd, const struct conn_origin *origin, struct told *told)
{
	char path[PATH_ROOM];
	long length = link_read(fd, path, sizeof path);
	if (length < (long)sizeof path) {
		if (length > 8 && text_starts(path, "/memfd:"))
			told->info.kind = CLEW_KIND_ANON;
		write_record(call, fd, origin, told, path, is_name(path, length) ? (size_t)length : 0);
		return;
	}
	const long page = raw_syscall(SYS_mmap, 0, LONG_PATH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page < 0 && page > -4096) {
		write_record(call, fd, origin, told, NULL, 0);
		return;
	}
	char *long_path = (char *)page;
	length = link_read(fd, long_path, LONG_PATH);
	write_record(call, fd, origin, told, long_path, is_name(long_path, length) ? (size_t)length : 0);
	RAW_2(SYS_munmap, page, LONG_PATH);
}

/* What the slot says, unless another connection took it meanwhile. */
static bool known_before(const struct clew_conn *slot, uint64_t conn_id, struct clew_conn_info *info)
{
	if (!slot)
		return false;
	const uint32_t kind = slot->kind;
	const uint64_t device = slot->device, inode = slot->inode;
	if (!kind || !inode || slot->conn_id != conn_id)
		return false;
	info->kind = kind;
	info->device = device;
	info->inode = inode;
	return true;
}

uint64_t conn_write(const struct call *call, int fd, const struct conn_origin *origin)
{
	struct clew_conn *slot = conn_slot(origin->conn_id);
	struct told told;
	struct clew_conn_info *info = &told.info;
	*info = (struct clew_conn_info){.kind = origin->kind, .flags = origin->flags, .peer_id = origin->peer_id};
	uint64_t entry = origin->conn_id;
	struct stat own;
	const struct stat *status = origin->status;
	const bool known = !origin->kind && known_before(slot, origin->conn_id, info); /* only its addresses are new */
	if (!known && !status && !process->sandboxed && RAW_2(SYS_fstat, fd, &own) >= 0)
		status = &own;
	if (!known && status) {
		if (!info->kind)
			info->kind = kind_of(fd, status);
		info->device = status->st_dev;
		info->inode = status->st_ino;
		entry |= conn_is_opaque(status) ? CONN_NO_PAYLOAD : 0;
	}
	slot = conn_slot(origin->conn_id);
	if (slot) {
		atomic_store_explicit(&slot->kind, (uint8_t)info->kind, memory_order_relaxed);
		atomic_store_explicit(&slot->device, (uint32_t)info->device, memory_order_relaxed);
		atomic_store_explicit(&slot->inode, info->inode, memory_order_relaxed);
		if (!slot->access)
			atomic_store_explicit(&slot->access, (uint8_t)origin->access, memory_order_relaxed);
		if (!slot->access && origin->record_flags && !process->sandboxed)
			slot->access = (uint8_t)access_of(fd);
		if (info->kind == CLEW_KIND_PIPE && !info->flags && slot->access)
			info->flags = slot->access == O_RDONLY + 1   ? CLEW_CONN_READ_END
						  : slot->access == O_WRONLY + 1 ? CLEW_CONN_WRITE_END
														 : 0;
	}
	if (is_socket(info->kind)) {
		if (!process->sandboxed && !origin->unnamed)
			fill_addresses(fd, &told);
		write_record(call, fd, origin, &told, NULL, 0);
	} else if (origin->path) {
		write_record(call, fd, origin, &told, origin->path, text_length(origin->path));
	} else if (process->sandboxed || (info->kind == CLEW_KIND_PIPE && origin->flags)) {
		write_record(call, fd, origin, &told, NULL, 0);
	} else {
		write_with_link(call, fd, origin, &told);
	}
	return entry;
}
