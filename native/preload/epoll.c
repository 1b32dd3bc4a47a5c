/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Which descriptor is an epoll event about? Its only name there is a word that the program chose.
 *
 * epoll_ctl says which word goes with which descriptor. An answer is given only where it is certain: the
 * descriptor is still the one that was registered, and no other one was registered under the same word.
 */
#include "io.h"

#include <sys/epoll.h>
#include <sys/mman.h>

#include "epoll.h"

#define TABLE_SIZE (1u << 16) /* words remembered; one that falls on another's place replaces it */
#define FD_BITS 20
#define FD_LIMIT ((1u << FD_BITS) - 1)
#define SEVERAL FD_LIMIT /* in place of a descriptor: more than one has this word */
#define CONN_BITS 24

struct watched {
	_Atomic uint64_t word;
	_Atomic uint64_t who; /* scrambled with the word: two threads' halves never pass for one entry */
};

struct who {
	unsigned epoll, fd, conn;
};

static _Atomic(struct watched *) table;

static uint64_t scramble(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static struct watched *table_get(bool make)
{
	struct watched *found = atomic_load_explicit(&table, memory_order_acquire);
	if (found || !make || process->sandboxed)
		return found;
	const long size = TABLE_SIZE * sizeof *found;
	const long at =
		raw_syscall(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at < 0 && at > -4096)
		return NULL;
	if (atomic_compare_exchange_strong(&table, &found, (struct watched *)at))
		return (struct watched *)at;
	RAW_2(SYS_munmap, at, size);
	return found;
}

static struct watched *place_of(struct watched *entries, int epoll, uint64_t word)
{
	return &entries[scramble(word + (uint64_t)epoll) % TABLE_SIZE];
}

static bool read_entry(const struct watched *place, int epoll, uint64_t word, struct who *who)
{
	if (atomic_load_explicit(&place->word, memory_order_relaxed) != word)
		return false;
	const uint64_t packed = atomic_load_explicit(&place->who, memory_order_relaxed) ^ scramble(word);
	who->epoll = packed & FD_LIMIT;
	who->fd = packed >> FD_BITS & FD_LIMIT;
	who->conn = (unsigned)(packed >> 2 * FD_BITS);
	return who->epoll == (unsigned)epoll;
}

static void write_entry(struct watched *place, uint64_t word, const struct who *who)
{
	const uint64_t packed = who->epoll | (uint64_t)who->fd << FD_BITS | (uint64_t)who->conn << 2 * FD_BITS;
	atomic_store_explicit(&place->word, word, memory_order_relaxed);
	atomic_store_explicit(&place->who, packed ^ scramble(word), memory_order_relaxed);
}

static unsigned conn_bits(uint64_t conn_id)
{
	return conn_id & ((1u << CONN_BITS) - 1);
}

static void watch(const struct call *call, int epoll, int fd, uint64_t word)
{
	struct watched *entries = table_get(true);
	const uint64_t conn_id = conn_of(call, fd);
	if (!entries || !conn_id || (unsigned)epoll >= FD_LIMIT || (unsigned)fd >= FD_LIMIT)
		return;
	struct watched *place = place_of(entries, epoll, word);
	struct who now = {(unsigned)epoll, (unsigned)fd, conn_bits(conn_id)}, before;
	if (read_entry(place, epoll, word, &before) && before.fd != now.fd &&
		(before.fd == SEVERAL || conn_bits(conn_peek((int)before.fd)) == before.conn))
		now.fd = SEVERAL;
	write_entry(place, word, &now);
}

int epoll_descriptor(int epoll, uint64_t word)
{
	struct watched *entries = table_get(false);
	struct who who;
	if (!entries || !read_entry(place_of(entries, epoll, word), epoll, word, &who) || who.fd == SEVERAL)
		return -1;
	return conn_bits(conn_peek((int)who.fd)) == who.conn ? (int)who.fd : -1;
}

/* Not recorded: it is there for what epoll_wait says later. */
CLEW_EXPORT int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
	struct call call;
	call_begin(&call);
	const int result = REAL(epoll_ctl)(epoll, operation, fd, event);
	if (result == 0 && operation != EPOLL_CTL_DEL && call.slot && (call.mode & CLEW_TRACE) && !call.slot->vfork_child)
		watch(&call, epoll, fd, event->data.u64);
	return result;
}
