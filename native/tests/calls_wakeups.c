/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Test calls that wait for other threads and wake them: a child of fork stands at the other side of shared
 * memory.
 *
 * What a line says was moved is the address of the object. Calls that leave no record have the operation "-".
 */
#include "calls.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

/* Where it is is the same in each run, so that runs can be compared. */
#define PLACE ((void *)0x70000000l)

struct shared {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	int flag;
	sem_t semaphore;
	uint32_t word, second;
};

static const struct timespec past = {1, 0}, wrong = {1, 2000000000};

/* CALL() on an object: its address as the record has it, 8 bytes. */
#define WAKE(symbol, op, arguments, pointer)                                                                           \
	do {                                                                                                               \
		const uint64_t address = (uint64_t)(uintptr_t)(pointer);                                                       \
		CALL(symbol, op, -1, arguments, &address, sizeof address);                                                     \
	} while (0)

static struct shared *make_shared(void)
{
	struct shared *shared =
		mmap(PLACE, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	pthread_mutexattr_t mutex;
	pthread_condattr_t cond;
	pthread_mutexattr_init(&mutex);
	pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&shared->mutex, &mutex);
	pthread_condattr_init(&cond);
	pthread_condattr_setpshared(&cond, PTHREAD_PROCESS_SHARED);
	pthread_cond_init(&shared->cond, &cond);
	return shared;
}

/* The child waits before the parent has the mutex. */
static pid_t make_waiter(struct shared *shared)
{
	shared->flag = 0;
	const pid_t pid = fork();
	if (pid == 0) {
		pthread_mutex_lock(&shared->mutex);
		for (shared->flag = 1; shared->flag == 1;)
			pthread_cond_wait(&shared->cond, &shared->mutex);
		pthread_mutex_unlock(&shared->mutex);
		_exit(0);
	}
	for (int flag = 0; !flag;) {
		pthread_mutex_lock(&shared->mutex);
		flag = shared->flag;
		if (!flag)
			pthread_mutex_unlock(&shared->mutex);
	}
	shared->flag = 2;
	return pid;
}

static void conditions(struct shared *shared)
{
	CALL(pthread_cond_signal, "-", -1, (&shared->cond), NULL, 0);
	CALL(pthread_cond_broadcast, "-", -1, (&shared->cond), NULL, 0);
	pid_t pid = make_waiter(shared);
	WAKE(pthread_cond_signal, "cond_signal", (&shared->cond), &shared->cond);
	pthread_mutex_unlock(&shared->mutex);
	waitpid(pid, NULL, 0);
	pid = make_waiter(shared);
	WAKE(pthread_cond_broadcast, "cond_broadcast", (&shared->cond), &shared->cond);
	pthread_mutex_unlock(&shared->mutex);
	waitpid(pid, NULL, 0);

	pthread_mutex_lock(&shared->mutex);
	pid = fork();
	if (pid == 0) {
		pthread_mutex_lock(&shared->mutex);
		shared->flag = 0;
		pthread_cond_signal(&shared->cond);
		pthread_mutex_unlock(&shared->mutex);
		_exit(0);
	}
	while (shared->flag)
		WAKE(pthread_cond_wait, "cond_wait", (&shared->cond, &shared->mutex), &shared->cond);
	WAKE(pthread_cond_timedwait, "cond_wait", (&shared->cond, &shared->mutex, &past), &shared->cond);
	WAKE(pthread_cond_timedwait, "cond_wait", (&shared->cond, &shared->mutex, &wrong), &shared->cond);
	WAKE(pthread_cond_clockwait, "cond_wait", (&shared->cond, &shared->mutex, CLOCK_MONOTONIC, &past), &shared->cond);
	pthread_mutex_unlock(&shared->mutex);
	waitpid(pid, NULL, 0);
}

static void semaphores(struct shared *shared)
{
	sem_t *const semaphore = &shared->semaphore;
	sem_init(semaphore, 1, 1);
	WAKE(sem_wait, "sem_wait", (semaphore), semaphore);
	CALL(sem_trywait, "-", -1, (semaphore), NULL, 0);
	WAKE(sem_post, "sem_post", (semaphore), semaphore);
	WAKE(sem_trywait, "sem_wait", (semaphore), semaphore);
	WAKE(sem_timedwait, "sem_wait", (semaphore, &past), semaphore);
	WAKE(sem_timedwait, "sem_wait", (semaphore, &wrong), semaphore);
	WAKE(sem_clockwait, "sem_wait", (semaphore, CLOCK_MONOTONIC, &past), semaphore);
	const pid_t pid = fork();
	if (pid == 0) {
		sem_post(semaphore);
		_exit(0);
	}
	WAKE(sem_wait, "sem_wait", (semaphore), semaphore);
	waitpid(pid, NULL, 0);
	sem_destroy(semaphore);
	sem_init(semaphore, 1, INT_MAX);
	WAKE(sem_post, "sem_post", (semaphore), semaphore);
}

void calls_futexes(void)
{
	struct shared *const shared = make_shared();
	uint32_t *const word = &shared->word, *const second = &shared->second;
	*word = 5;
	const struct timespec soon = {0, 1000};
	WAKE(syscall, "futex_wait", (SYS_futex, word, FUTEX_WAIT, 4, NULL), word);
	WAKE(syscall, "futex_wait", (SYS_futex, word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 5, &soon), word);
	WAKE(syscall, "futex_wait",
		 (SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 5, &past, NULL, FUTEX_BITSET_MATCH_ANY), word);
	WAKE(syscall, "futex_wait", (SYS_futex, word, FUTEX_WAIT_BITSET, 5, &past, NULL, 0), word);
	WAKE(syscall, "futex_wait", (SYS_futex, 16, FUTEX_WAIT, 5, NULL), 16);
	WAKE(syscall, "futex_wake", (SYS_futex, word, FUTEX_WAKE, 1), word);
	WAKE(syscall, "futex_wake", (SYS_futex, word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 1), word);
	const long set = FUTEX_OP(FUTEX_OP_SET, 9, FUTEX_OP_CMP_EQ, 0);
	WAKE(syscall, "futex_wake", (SYS_futex, word, FUTEX_WAKE_OP, 1, 1, second, set), word);
	WAKE(syscall, "futex_wake", (SYS_futex, word, FUTEX_CMP_REQUEUE, 1, 1, second, 4), word);
	WAKE(syscall, "futex_wake", (SYS_futex, word, FUTEX_CMP_REQUEUE, 1, 1, second, 5), word);
	say("word", "-", -1, *word, *second, NULL, 0);
	munmap(shared, sizeof *shared);
}

void calls_wakeups(void)
{
	static uint32_t lock;
	struct shared *const shared = make_shared();
	conditions(shared);
	semaphores(shared);
	/* Not recorded: a lock, an operation that there is none of, and other system calls with six arguments. */
	CALL(syscall, "-", -1, (SYS_futex, &lock, FUTEX_LOCK_PI, 0, NULL), NULL, 0);
	CALL(syscall, "-", -1, (SYS_futex, &lock, FUTEX_UNLOCK_PI), NULL, 0);
	CALL(syscall, "-", -1, (SYS_futex, &lock, 99), NULL, 0);
	CALL(syscall, "-", -1, (SYS_mmap, NULL, 4096, PROT_NONE, MAP_PRIVATE, 4000, 0), NULL, 0);
	say("lock", "-", -1, lock, 0, NULL, 0);
	munmap(shared, sizeof *shared);
}
