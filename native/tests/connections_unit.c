/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Tests the descriptor table alone: threads and signal handlers that make, share, use and forget at once.
 *
 * Linked with the conn files only, so that it runs under AddressSanitizer and ThreadSanitizer. A record
 * is checked where it would be written.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "connections.h"

#define THREADS 4
#define SHARED_ROUNDS 20000
#define CONNS 64u /* fewer than are made: ids wrap all the time */

union process_page process_page;
struct clew_arena *arena;
__thread struct clew_slot *self;
static _Atomic int described;

uint64_t ticks_by_system_call(void)
{
	return 0;
}

struct clew_slot *call_enter(uint32_t *mode)
{
	*mode = 0;
	return NULL;
}

void call_end(const struct call *call, const struct end *end)
{
	const struct clew_conn_info *info = end->data[0].iov_base;
	CHECK(call->slot == self && end->op == CLEW_OP_CONN && end->conn_id);
	CHECK(info->kind == CLEW_KIND_PIPE || info->kind == CLEW_KIND_DEVICE || info->kind == CLEW_KIND_UNIX);
	described++;
}

static struct call call_of(struct clew_slot *slot)
{
	self = slot;
	return (struct call){slot, 0, CLEW_TRACE};
}

static void check_offsets(const struct call *call)
{
	int ends[2];
	struct clew_pair pair;
	pipe(ends);
	conn_made_pair(call, ends, (struct conn_origin){.kind = CLEW_KIND_PIPE}, &pair);
	CHECK(conn_of(call, ends[0]) == pair.conn_id[0] && conn_of(call, ends[1]) == pair.conn_id[1]);
	CHECK(conn_advance(pair.conn_id[1], true, 5) == 0 && conn_advance(pair.conn_id[1], true, 0) == 5);
	CHECK(conn_advance(pair.conn_id[1], false, 0) == 0);
	const int copy = dup(ends[1]);
	conn_share(call, ends[1], copy);
	CHECK(conn_of(call, copy) == pair.conn_id[1]);
	CHECK(conn_forget(call, ends[1]) == pair.conn_id[1] && conn_forget(call, ends[1]) == 0);
	close(ends[1]);
	CHECK(conn_advance(conn_of(call, copy), true, 1) == 5);
	conn_set_state(pair.conn_id[0], CLEW_CONN_UNCOUNTED);
	CHECK(conn_advance(pair.conn_id[0], false, 1) == CLEW_NO_OFFSET);
	conn_forget_range(call, 3, UINT32_MAX);
	CHECK(!conn_peek(ends[0]) && !conn_peek(copy));
	close(ends[0]);
	close(copy);
	CHECK(conn_of(call, -1) == 0 && conn_of(call, 999) == 0 && conn_of(call, 1 << 25) == 0);
	CHECK(conn_advance(0, true, 1) == CLEW_NO_OFFSET && conn_advance(12345678, true, 1) == CLEW_NO_OFFSET);
}

static void check_handover(const struct call *call)
{
	char text[256];
	int ends[2];
	struct clew_pair pair;
	pipe(ends);
	conn_made_pair(call, ends, (struct conn_origin){.kind = CLEW_KIND_PIPE}, &pair);
	const size_t length = conn_handover_write(text, sizeof text);
	CHECK(length == strlen(text) && length < sizeof text);
	CHECK(conn_handover_write(text + 200, 30) == 0 && text[200] == 0); /* no room: nothing, not half of it */
	const int moved = dup(ends[1]);
	conn_forget_range(call, 0, UINT32_MAX);
	/* Nonsense is passed over; an id is believed where descriptor and file agree. */
	conn_handover_read("");
	conn_handover_read("x");
	conn_handover_read("99999999999999999999999:1,2");
	conn_handover_read(text);
	CHECK(conn_of(call, ends[0]) == pair.conn_id[0] && conn_of(call, ends[1]) == pair.conn_id[1]);
	CHECK(conn_of(call, moved) == pair.conn_id[1]);
	snprintf(text, sizeof text, "%d:%llu", ends[0], (unsigned long long)pair.conn_id[1]);
	conn_forget_range(call, 0, UINT32_MAX);
	conn_handover_read(text); /* the write end's id for the read end: not the same open file */
	CHECK(conn_of(call, ends[0]) == pair.conn_id[0]);
	close(ends[0]);
	close(ends[1]);
	close(moved);
	conn_forget_range(call, 0, UINT32_MAX);
}

enum way { STATED, SETTLED, USED, CLOSED, WAYS };

/* What was opened is described once, by whatever comes first. */
static void check_opened(const struct call *call)
{
	for (int way = 0; way < WAYS; way++) {
		const int before = described, fd = open("/dev/null", O_WRONLY);
		const uint64_t id = conn_opened(call, fd, O_WRONLY + 1), entry = conn_unasked(fd);
		struct stat status;
		CHECK(id && (entry & CONN_ID) == id && fstat(fd, &status) == 0 && described == before);
		if (way == STATED)
			conn_stated(fd, entry, &status);
		else if (way == SETTLED)
			conn_settle(call->slot);
		if (way != CLOSED) {
			CHECK(conn_entry(call, fd) == (id | CONN_NO_PAYLOAD) && described == before + 1);
			conn_stated(fd, entry, &status);
		}
		CHECK(conn_forget(call, fd) == id && described == before + 1);
		conn_stated(fd, entry, &status);
		CHECK(!conn_unasked(fd) && !conn_peek(fd) && described == before + 1);
		close(fd);
	}
}

static void on_signal(int number)
{
	(void)number;
	const struct call call = {self, 0, CLEW_TRACE};
	const int saved = errno, fd = open("/dev/null", O_WRONLY);
	if (fd >= 0) {
		static _Atomic unsigned turn;
		const uint64_t made =
			turn++ % 2 ? conn_opened(&call, fd, O_WRONLY + 1)
					   : conn_made(&call, fd, (struct conn_origin){.path = "/dev/null", .access = O_WRONLY + 1});
		CHECK(made && conn_of(&call, fd) == made);
		conn_advance(made, true, 3);
		CHECK(conn_forget(&call, fd) == made);
		close(fd);
	}
	errno = saved;
}

static uint64_t shared_conn;

/* After the first use by another thread than the owner, no byte is counted twice or lost. */
static void *sharer(void *slot)
{
	const struct call call = call_of(slot);
	uint64_t last = 0;
	for (int i = 0; i < SHARED_ROUNDS; i++) {
		const uint64_t before = conn_carry(call.slot, shared_conn, true, 3);
		CHECK(i == 0 || before > last);
		last = before;
	}
	return NULL;
}

static void check_sharing(const struct call *call, struct clew_slot *slots)
{
	pthread_t threads[THREADS];
	shared_conn = conn_allocate(call->slot);
	CHECK(conn_advance(shared_conn, true, 10) == 0 && conn_advance(shared_conn, false, 1) == 0);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, sharer, &slots[i]);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	CHECK(conn_advance(shared_conn, true, 0) == 10 + 3 * (uint64_t)THREADS * SHARED_ROUNDS);
	CHECK(conn_advance(shared_conn, true, 5) == 10 + 3 * (uint64_t)THREADS * SHARED_ROUNDS);
	CHECK(conn_advance(shared_conn, false, 0) == 1);
}

static void *thread(void *slot)
{
	const struct call call = call_of(slot);
	for (int i = 0; i < 2000; i++) {
		int ends[2];
		CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
		struct clew_pair pair = {{0, 0}, {0, 0}};
		if (i % 3)
			conn_made_pair(&call, ends, (struct conn_origin){.kind = CLEW_KIND_UNIX, .access = O_RDWR + 1}, &pair);
		for (int end = 0; end < 2; end++) {
			const uint64_t id = conn_of(&call, ends[end]);
			CHECK(id && (!pair.conn_id[end] || id == pair.conn_id[end]));
			conn_advance(id, end, 7);
		}
		if (i % 50 == 0)
			pthread_kill(pthread_self(), SIGUSR1);
		for (int end = 0; end < 2; end++) {
			CHECK(conn_forget(&call, ends[end]));
			close(ends[end]);
		}
	}
	return NULL;
}

int main(void)
{
	const size_t size = 4096 + CONNS * sizeof(struct clew_conn);
	arena = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	arena->conns_at = 4096;
	arena->conn_count = CONNS;
	arena->next_conn = 1;
	process->live = 1;
	process->local_mode = CLEW_TRACE;
	static struct clew_slot slots[THREADS + 1];
	for (int i = 0; i <= THREADS; i++)
		slots[i] = (struct clew_slot){.serial = (uint64_t)i + 1, .mode = CLEW_TRACE};
	const struct call call = call_of(&slots[THREADS]);
	check_offsets(&call);
	check_opened(&call);
	check_sharing(&call, slots);
	check_handover(&call);
	slots[THREADS].vfork_child = 1;
	CHECK(conn_peek(0) == 0 && conn_forget(&call, 0) == 0);
	slots[THREADS].vfork_child = 0;
	sigaction(SIGUSR1, &(struct sigaction){.sa_handler = on_signal}, NULL);
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, thread, &slots[i]);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	CHECK(described > THREADS * 2000);
	puts("good");
	return 0;
}
