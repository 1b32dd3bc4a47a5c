/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Tests ring.c alone: wrap, loss, cuts, waiting, and signal handlers that come in between or jump out.
 *
 * Linked with ring.c only, so that it runs under AddressSanitizer, ThreadSanitizer and Valgrind.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "internal.h"

#define RING 65536u
#define MOST_OWN (1u << 25) /* records of test_signals() beside the handlers' */

union process_page process_page;
struct clew_arena *arena;
__thread struct clew_slot *self;
__thread struct thread_state thread_state;

static uint64_t may_populate = UINT64_MAX; /* bytes of the ring that the "file system" has room for */
static struct clew_slot *slot;

uint64_t ticks_by_system_call(void)
{
	return 0;
}

struct clew_slot *call_enter(uint32_t *mode)
{
	*mode = 0;
	return NULL;
}

static uint32_t stacks_taken;

void stack_of_call(struct clew_slot *of, enum clew_op op, uint32_t call_seq, uint64_t begin)
{
	CHECK(of == slot && op == CLEW_OP_WRITE && begin <= ticks_now());
	CHECK(call_seq == 0 || call_seq == of->seq);
	stacks_taken++;
}

bool arena_populate(void *memory, size_t size)
{
	return (uint64_t)((char *)memory + size - (char *)slot) - CLEW_SLOT_HEADER <= may_populate;
}

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void start(void)
{
	static struct clew_arena header;
	header = (struct clew_arena){.ring_size = RING, .payload_head = 48, .payload_tail = 16};
	arena = &header;
	if (slot)
		munmap(slot, CLEW_SLOT_HEADER + RING);
	slot = mmap(NULL, CLEW_SLOT_HEADER + RING, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(slot != MAP_FAILED);
	slot->mode = process->local_mode = CLEW_COUNT | CLEW_TRACE;
	process->live = 1;
	self = slot;
	may_populate = UINT64_MAX;
}

/* A record whose payload tells its own size: every byte is the size's low byte. Even sizes lie in one piece. */
static void write_one(size_t size)
{
	char data[512];
	memset(data, (int)(size & 0xff), sizeof data);
	struct call call;
	call_begin(&call);
	const bool one = size % 2 == 0;
	struct iovec parts[2] = {{data, one ? size : size / 2}, {data, size - size / 2}};
	call_end(&call, &(struct end){.op = CLEW_OP_WRITE,
								  .fd = 1,
								  .result = (int64_t)size,
								  .bytes = size,
								  .data = parts,
								  .data_count = one ? 1 : 2,
								  .data_size = size});
}

struct read_back {
	uint64_t records, pads, position;
	uint32_t last_seq;
	unsigned char *seen; /* by seq, or NULL: then seq must grow */
};

/* Takes what is published as a recorder would, and checks each record. */
static void take(struct read_back *back)
{
	uint64_t end = atomic_load_explicit(&slot->write, memory_order_acquire);
	CHECK(end - back->position <= RING);
	while (back->position < end) {
		const char *at = (const char *)slot + CLEW_SLOT_HEADER + (back->position & (RING - 1));
		uint64_t word;
		memcpy(&word, at, sizeof word);
		uint32_t size = (uint32_t)word;
		CHECK(size >= CLEW_ALIGN && size % CLEW_ALIGN == 0);
		CHECK((back->position & (RING - 1)) + size <= RING && back->position + size <= end);
		if ((uint16_t)(word >> 32) == CLEW_OP_PAD) {
			back->pads++;
		} else {
			const struct clew_record *record = (const struct clew_record *)at;
			CHECK(record->op == CLEW_OP_WRITE && record->fd == 1);
			if (back->seen)
				CHECK(!back->seen[record->seq]++);
			else
				CHECK(record->seq > back->last_seq);
			back->last_seq = record->seq;
			uint64_t whole = (uint64_t)record->result;
			CHECK(record->head + record->tail == (whole <= 64 ? whole : 64));
			CHECK(!(record->flags & CLEW_F_CUT) == (whole <= 64));
			const unsigned char *payload = (const unsigned char *)(record + 1);
			for (uint32_t i = 0; i < record->head + record->tail; i++)
				CHECK(payload[i] == (whole & 0xff));
			CHECK(size == sizeof *record + ((record->head + record->tail + 7u) & ~7u));
			back->records++;
		}
		back->position += size;
	}
	atomic_store_explicit(&slot->read, end, memory_order_release);
}

static void test_wraps(void)
{
	start();
	struct read_back back = {0};
	uint64_t bytes = 0;
	for (size_t i = 0; i < 20000; i++) {
		write_one(i % 97);
		bytes += i % 97;
		if (i % 50 == 0)
			take(&back);
	}
	take(&back);
	CHECK(back.records == 20000 && back.last_seq == 20000 && slot->dropped_records == 0);
	CHECK(back.pads > 10 && back.position > 10 * RING);
	CHECK(slot->counter[CLEW_OP_WRITE].calls == 20000 && slot->counter[CLEW_OP_WRITE].bytes == bytes);
}

static void test_full(void)
{
	start();
	struct read_back back = {0};
	for (int i = 0; i < 2000; i++)
		write_one(0);
	CHECK(slot->dropped_records == 2000 - RING / 64 && slot->dropped_bytes == slot->dropped_records * 64);
	take(&back);
	CHECK(back.records == RING / 64);
	write_one(0);
	take(&back);
	CHECK(back.last_seq == 2001);
}

static void test_disk_full(void)
{
	start();
	may_populate = CLEW_POPULATE_STEP / 2;
	struct read_back back = {0};
	write_one(10);
	CHECK(slot->dropped_records == 1 && atomic_load(&slot->populated) == 0);
	may_populate = UINT64_MAX;
	write_one(10);
	take(&back);
	CHECK(back.records == 1 && back.last_seq == 2);
}

static void *drain_slowly(void *until)
{
	struct read_back back = {0};
	while (back.records < *(uint64_t *)until) {
		atomic_store(&arena->heartbeat_ns, now_ns());
		take(&back);
	}
	return NULL;
}

static void test_two_threads(void)
{
	start();
	arena->on_full = CLEW_ON_FULL_WAIT;
	atomic_store(&arena->heartbeat_ns, now_ns());
	uint64_t until = 100000;
	pthread_t drain;
	CHECK(pthread_create(&drain, NULL, drain_slowly, &until) == 0);
	for (uint64_t i = 0; i < until; i++)
		write_one(i % 70);
	CHECK(pthread_join(drain, NULL) == 0);
	CHECK(slot->dropped_records == 0);
}

static void test_waits_for_the_living_only(void)
{
	start();
	arena->on_full = CLEW_ON_FULL_WAIT;
	atomic_store(&arena->heartbeat_ns, now_ns() - 2000000000u);
	for (int i = 0; i < 1100; i++)
		write_one(0);
	CHECK(slot->dropped_records == 1100 - RING / 64);
}

static _Atomic uint32_t handled;
static sigjmp_buf back_there;
static volatile sig_atomic_t may_jump;
static uint32_t jumps;

static void on_signal(int number)
{
	(void)number;
	write_one(5 + atomic_load(&handled) % 2);
	atomic_fetch_add(&handled, 1);
	if (may_jump && atomic_load(&handled) % 3 == 0) {
		may_jump = 0;
		siglongjmp(back_there, 1);
	}
}

struct storm {
	pthread_t target;
	_Atomic int stop;
};

static void *blow(void *given)
{
	struct storm *storm = given;
	while (!atomic_load(&storm->stop)) {
		uint32_t before = atomic_load(&handled);
		pthread_kill(storm->target, SIGUSR1);
		while (!atomic_load(&storm->stop) && atomic_load(&handled) == before)
			;
	}
	return NULL;
}

/* Handlers that write while a record is being written; with `jump`, some of them do not return. */
static void test_signals(bool jump, uint32_t handlers)
{
	start();
	struct sigaction action = {.sa_handler = on_signal};
	CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
	static struct read_back back;
	back = (struct read_back){.seen = calloc(1, 2 * MOST_OWN)};
	CHECK(back.seen);
	static struct storm storm;
	storm.target = pthread_self();
	atomic_store(&storm.stop, 0);
	atomic_store(&handled, 0);
	jumps = 0;
	static volatile uint32_t own;
	own = 0;
	pthread_t thread;
	CHECK(pthread_create(&thread, NULL, blow, &storm) == 0);
	sigset_t usr1;
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	while (atomic_load(&handled) < handlers && own < MOST_OWN) {
		if (jump && sigsetjmp(back_there, 1) != 0)
			jumps++;
		else if (jump)
			may_jump = 1;
		for (int i = 0; i < 16; i++)
			write_one(own++ % 100);
		may_jump = 0;
		while (own > (atomic_load(&handled) + UINT64_C(1)) * (MOST_OWN / handlers))
			sched_yield(); /* the other thread has no processor: it must have its turns before ours are used up */
		pthread_sigmask(SIG_BLOCK, &usr1, NULL);
		write_one(0);
		own++;
		CHECK(slot->depth == 0); /* whatever was jumped out of has been recovered */
		take(&back);
		pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
	}
	atomic_store(&storm.stop, 1);
	CHECK(pthread_join(thread, NULL) == 0);
	signal(SIGUSR1, SIG_IGN);
	take(&back);
	CHECK(atomic_load(&handled) >= handlers);
	CHECK(slot->depth == 0 && slot->reserved >> 20 == atomic_load(&slot->write) / CLEW_ALIGN);
	CHECK(back.records <= slot->seq && back.records + slot->dropped_records >= slot->seq);
	if (jump) /* a write left in its very last instructions is whole and counted all the same */
		CHECK(jumps > 0 && slot->dropped_records <= jumps);
	else
		CHECK(slot->dropped_records == 0 && slot->seq == own + atomic_load(&handled));
	free(back.seen);
}

/* Stacks are asked for after the call's record, and where there is none; a lost one has no number. */
static void test_stacks(void)
{
	start();
	slot->mode = process->local_mode = CLEW_COUNT;
	write_one(1);
	CHECK(stacks_taken == 0);
	slot->mode = process->local_mode = CLEW_COUNT | CLEW_STACKS;
	write_one(1);
	CHECK(stacks_taken == 1 && slot->seq == 0);
	slot->mode = process->local_mode = CLEW_COUNT | CLEW_TRACE | CLEW_STACKS;
	write_one(1);
	CHECK(stacks_taken == 2 && slot->seq == 1);
}

int main(int count, char **arguments)
{
	uint32_t handlers = count > 1 ? (uint32_t)atoi(arguments[1]) : 20000;
	test_stacks();
	test_wraps();
	test_full();
	test_disk_full();
	test_waits_for_the_living_only();
	test_two_threads();
	test_signals(false, handlers);
	test_signals(true, handlers);
	printf("ok: %u jumps, of them %llu out of a record\n", jumps, (unsigned long long)slot->dropped_records);
	return 0;
}
