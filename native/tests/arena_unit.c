/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Tests arena.c alone on an arena file, argument 2; argument 1 says what is to happen.
 *
 * "refuse": the file's header is not sound. "use": all slots can be taken, and no more. "shrink": the file ends
 * before the slots, as if its disk were full: a slot is refused, where a touch would raise SIGBUS. With "old" before
 * it the kernel says that it does not know MADV_POPULATE_WRITE, as those before 5.14 do.
 */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "check.h"
#include "internal.h"

union process_page process_page;

uint64_t ticks_by_system_call(void)
{
	return 0;
}

long own_read(int fd, void *buffer, size_t size, int64_t offset)
{
	return pread(fd, buffer, size, offset);
}

static void forget_populate(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MADV_POPULATE_WRITE, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof code / sizeof code[0], code};
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static _Atomic uint32_t *state(uint32_t index)
{
	return (_Atomic uint32_t *)((char *)arena + arena->states_at) + index;
}

static void use(void)
{
	for (uint32_t i = 0; i < arena->slot_count; i++) {
		struct clew_slot *slot = arena_take();
		CHECK(slot && slot->serial == i + 1 && atomic_load(state(i)) == CLEW_SLOT_TAKEN);
		CHECK(atomic_load(&slot->populated) == CLEW_POPULATE_FIRST);
		memset(slot, 0x55, offsetof(struct clew_slot, populated));
		memset((char *)slot + CLEW_SLOT_HEADER, 0x55, CLEW_POPULATE_FIRST);
		arena_live(slot);
		CHECK(atomic_load(state(i)) == CLEW_SLOT_LIVE && slot->mode == atomic_load(&arena->mode));
		arena_ended(slot);
		CHECK(atomic_load(state(i)) == CLEW_SLOT_ENDED && arena_revive(slot));
		CHECK(atomic_load(state(i)) == CLEW_SLOT_LIVE && !arena_revive(slot));
	}
	CHECK(arena_take() == NULL);
	atomic_store(state(1), CLEW_SLOT_FREE);
	struct clew_slot *again = arena_take();
	CHECK(again && again->serial == arena->slot_count + 1);
	CHECK(again->depth == 0 && again->reserved == 0 && atomic_load(&again->write) == 0 && again->seq == 0);
	for (unsigned i = 0; i < CLEW_OP_LIMIT; i++)
		CHECK(again->counter[i].calls == 0 && again->counter[i].bytes == 0);
}

static void shrink(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0 && ftruncate(fd, (off_t)(arena->slots_at + 4096)) == 0);
	CHECK(arena_take() == NULL && atomic_load(state(0)) == CLEW_SLOT_FREE);
	CHECK(ftruncate(fd, (off_t)(arena->slots_at + arena->slot_size)) == 0);
	CHECK(arena_take() != NULL && arena_take() == NULL);
}

int main(int count, char **arguments)
{
	CHECK(count > 2);
	if (!strcmp(arguments[1], "old")) {
		forget_populate();
		arguments++;
	}
	const char *what = arguments[1], *path = arguments[2];
	CHECK(arena_attach(path) == (strcmp(what, "refuse") != 0));
	CHECK(open("/dev/null", O_RDONLY) == 3); /* the arena's descriptor is closed */
	if (!strcmp(what, "use"))
		use();
	else if (!strcmp(what, "shrink"))
		shrink(path);
	else
		CHECK(!arena);
	puts("ok");
	return 0;
}
