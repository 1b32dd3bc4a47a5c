/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief What was written and is no longer this thread's: whoever read it may have unmapped it before the call
 * returned.
 *
 * A program may take the arrival of the bytes as the sign that their memory can go, and munmap() it in another thread
 * while the one that wrote them, who lost its processor in the call, has yet to come out of it. Here the kernel copies
 * them, and says so where they are gone.
 */
#include "handed_on.h"

#include <sys/mman.h>
#include <sys/prctl.h>

#define OWN_FRAMES 1024u /* so far above the stack pointer there are frames, or what libc keeps of the thread */
#define FEW 512u         /* more than this gets pages of its own */
#define PIECES 16
#define NETWORK_TIMES 3 /* as long a write takes that goes through the network stack */

uint64_t handed_on_ticks = UINT64_MAX;

extern char __libc_single_threaded __attribute__((weak)); /* glibc 2.32 */

/* A filter that the program was started with may kill it for a call it has no need of. */
static bool is_filtered(void)
{
	static _Atomic int known; /* 1 yes, 2 no */
	if (!known)
		known = RAW_1(SYS_prctl, PR_GET_SECCOMP) == 0 ? 2 : 1;
	return known == 1;
}

/* Ticks in which nobody lets go of the bytes. */
static uint64_t quickest(enum clew_kind kind)
{
	switch (kind) {
	case CLEW_KIND_PIPE:
	case CLEW_KIND_UNIX:
		return handed_on_ticks;
	case CLEW_KIND_TCP:
	case CLEW_KIND_UDP:
		return NETWORK_TIMES * handed_on_ticks;
	default:
		return UINT64_MAX;
	}
}

bool handed_on_may_be(uint64_t ticks, uint64_t conn_id, const void *buffer)
{
	if (&__libc_single_threaded && __libc_single_threaded)
		return false;
	if (ticks < quickest(conn_kind(conn_id)) || (uintptr_t)buffer - stack_pointer() < OWN_FRAMES)
		return false;
	return !process->sandboxed && !is_filtered();
}

/* Bytes [from, from + size) of what the vectors hold; false: they are not there. */
static bool fetch(char *to, const struct iovec *data, int count, size_t from, size_t size)
{
	while (size) {
		struct iovec there[PIECES];
		int pieces = 0;
		size_t wanted = 0;
		for (; count && pieces < PIECES && wanted < size; data++, count--) {
			if (from >= data->iov_len) {
				from -= data->iov_len;
				continue;
			}
			const size_t rest = data->iov_len - from, left = size - wanted;
			there[pieces] = (struct iovec){(char *)data->iov_base + from, rest < left ? rest : left};
			wanted += there[pieces++].iov_len;
			from = 0;
		}
		const struct iovec here = {to, wanted};
		const long got = raw_syscall(SYS_process_vm_readv, process->pid, (long)&here, 1, (long)there, pieces, 0);
		if (!wanted || got != (long)wanted)
			return false;
		to += wanted;
		size -= wanted;
	}
	return true;
}

/* What is to be kept of the bytes, in `few` or in pages of its own. */
struct copy {
	char *at;
	size_t size;
	struct iovec parts[3]; /* what lies between head and tail is not looked at */
};

static bool copy_make(struct copy *copy, char few[FEW], const struct iovec *data, int count, size_t size,
					  uint16_t flags)
{
	const struct share share = ring_share(size, flags);
	copy->at = few;
	copy->size = share.head + share.tail;
	if (copy->size > FEW) {
		const long page =
			raw_syscall(SYS_mmap, 0, (long)copy->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		copy->at = page < 0 && page > -4096 ? NULL : (char *)page;
	}
	copy->parts[0] = (struct iovec){copy->at, share.head};
	copy->parts[1] = (struct iovec){copy->at, size - copy->size};
	copy->parts[2] = (struct iovec){copy->at + share.head, share.tail};
	return copy->at && fetch(copy->at, data, count, 0, share.head) &&
		   fetch(copy->at + share.head, data, count, size - share.tail, share.tail);
}

static void copy_free(const struct copy *copy, const char few[FEW])
{
	if (copy->at && copy->at != few)
		RAW_2(SYS_munmap, copy->at, copy->size);
}

uint32_t handed_on_write(struct clew_slot *slot, const struct clew_record *record, const void *buffer, size_t size)
{
	char few[FEW];
	struct copy copy;
	struct clew_record told = *record;
	const bool there = copy_make(&copy, few, &(struct iovec){(void *)(uintptr_t)buffer, size}, 1, size, told.flags);
	told.flags |= there ? 0 : CLEW_F_CUT;
	const uint32_t seq = ring_write(slot, &told, copy.parts, there ? 3 : 0, there ? size : 0);
	copy_free(&copy, few);
	return seq;
}

void handed_on_end(const struct call *call, struct end *end)
{
	char few[FEW];
	struct copy copy;
	if (copy_make(&copy, few, end->data, end->data_count, end->data_size, end->flags)) {
		end->data = copy.parts;
		end->data_count = 3;
	} else {
		end->flags |= CLEW_F_CUT;
		end->data_count = end->flags & CLEW_F_STRUCT ? 1 : 0;
		end->data_size = end->data_count ? sizeof(struct clew_moved) : 0;
		if (end->data_count)
			((struct clew_moved *)end->data->iov_base)->kept = 0;
	}
	call_end(call, end);
	copy_free(&copy, few);
}
