/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief A sampler that needs no privilege: each thread has a timer on its own CPU time, and its stack is taken when it
 * fires.
 *
 * A clock of CPU time stands still while the thread waits. Since Linux 5.11 its signal is made on the way back to user
 * mode, so that it cuts no system call short, restartable or not; the recorder asks for that. Threads that block
 * SIGPROF are left alone: what they spent meanwhile is told without a stack. Where the program uses SIGPROF
 * itself, it is the program's from then on.
 */
#include "sampler.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>

#include "stack.h"

#define TIMERS 8192u /* threads of a process that are sampled at a time */
#define LATE                                                                                                           \
	UINT64_C(200000000) /* ns that ticks may be late by: the kernel looks at CPU time 100 to 1000 times a second */
#define MAGIC UINT64_C(0x434c455750524f46)

enum { NOT_YET = 0, OURS = 1, GIVEN_BACK = 2 }; /* process->sampling */

static int32_t timers[TIMERS]; /* of this process, by slot: the kernel's number + 1; 0 = none */

static int32_t *timer_of(const struct clew_slot *slot)
{
	const uint32_t index = arena_index(slot);
	return index < TIMERS ? &timers[index] : NULL;
}

static uint64_t cpu_time(void)
{
	struct timespec spent = {0, 0};
	RAW_2(SYS_clock_gettime, CLOCK_THREAD_CPUTIME_ID, &spent);
	return (uint64_t)spent.tv_sec * 1000000000u + (uint64_t)spent.tv_nsec;
}

#if defined(__x86_64__)
static void frame_of(const ucontext_t *context, struct frame *frame)
{
	static const uint8_t order[REGISTERS] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
											 REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
											 REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
	for (unsigned i = 0; i < REGISTERS; i++)
		frame->reg[i] = (uint64_t)context->uc_mcontext.gregs[order[i]];
	frame->known = (1u << REGISTERS) - 1;
	frame->exact = true;
}
#else
static void frame_of(const ucontext_t *context, struct frame *frame)
{
	frame->reg[AT_FP] = context->uc_mcontext.regs[29];
	frame->reg[AT_SP] = context->uc_mcontext.sp;
	frame->reg[AT_PC] = context->uc_mcontext.pc;
	frame->known = 1u << AT_FP | 1u << AT_SP | 1u << AT_PC;
	frame->exact = true;
}
#endif

bool sampler_owns(const siginfo_t *info)
{
	return info->si_code == SI_TIMER && (uint64_t)(uintptr_t)info->si_value.sival_ptr == MAGIC;
}

static void on_tick(int number, siginfo_t *info, void *context)
{
	struct clew_slot *slot = self;
	if (!sampler_owns(info)) { /* somebody sent it: it does what it would have done */
		sampler_stand_back();
		RAW_3(SYS_tgkill, process->pid, RAW_0(SYS_gettid), number);
		return;
	}
	if (!slot || process->live != 1 || process->sampling != OURS || slot->vfork_child)
		return;
	const uint64_t late = (uint64_t)(info->si_overrun > 0 ? info->si_overrun : 0) * arena->sample_ns;
	slot->sampled_ns += arena->sample_ns + late;
	if (!(__atomic_load_n(&slot->mode, __ATOMIC_RELAXED) & process->local_mode & CLEW_SAMPLE))
		return;
	struct frame frame;
	frame_of(context, &frame);
	stack_of_tick(slot, &frame, arena->sample_ns + (late <= LATE ? late : 0));
	if (late > LATE)
		stack_of_tick(slot, NULL, late);
}

static bool is_ours(const struct sigaction *action)
{
	return action->sa_flags & SA_SIGINFO && action->sa_sigaction == on_tick;
}

/* The program is told once that it is not sampled; its records go on. */
static bool give_up(struct clew_slot *slot)
{
	process->sampling = GIVEN_BACK;
	note_unseen(slot, CLEW_UNSEEN_PROFILER, process->pid, "");
	return false;
}

/* The first thread of a process. */
static bool begin(struct clew_slot *slot)
{
	struct sigaction now, ours = {.sa_sigaction = on_tick, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
	if (real_sigaction(SIGPROF, NULL, &now) != 0)
		return give_up(slot);
	if (is_ours(&now)) /* by a parent, whose timers are not ours */
		zero_bytes(timers, sizeof timers);
	else if (now.sa_handler != SIG_DFL || real_sigaction(SIGPROF, &ours, NULL) != 0)
		return give_up(slot);
	process->sampling = OURS;
	return true;
}

void sampler_thread(struct clew_slot *slot)
{
	if (likely(!arena->sample_ns) || process->sandboxed || process->sampling == GIVEN_BACK)
		return;
	int32_t *timer = timer_of(slot);
	if (!timer || (process->sampling == NOT_YET && !begin(slot)))
		return;
	struct sigevent event = {.sigev_signo = SIGPROF, .sigev_notify = SIGEV_THREAD_ID};
	event.sigev_value.sival_ptr = (void *)(uintptr_t)MAGIC;
	event._sigev_un._tid = (pid_t)RAW_0(SYS_gettid);
	int32_t number;
	if (RAW_3(SYS_timer_create, CLOCK_THREAD_CPUTIME_ID, &event, &number) < 0) {
		note_unseen(slot, CLEW_UNSEEN_PROFILER, process->pid, "");
		return;
	}
	/* Threads do not tick in step: the first time is drawn. */
	const uint64_t period = arena->sample_ns, spent = cpu_time();
	const uint64_t first = 1 + (slot->serial * UINT64_C(0x9e3779b97f4a7c15) >> 20) % period;
	const struct itimerspec every = {
		.it_interval = {(time_t)(period / 1000000000u), (long)(period % 1000000000u)},
		.it_value = {(time_t)(first / 1000000000u), (long)(first % 1000000000u)},
	};
	slot->sampled_ns = spent;
	__atomic_store_n(timer, number + 1, __ATOMIC_RELEASE);
	RAW_4(SYS_timer_settime, number, 0, &every, NULL);
}

static void delete_timer(int32_t *timer)
{
	const int32_t number = __atomic_exchange_n(timer, 0, __ATOMIC_ACQ_REL);
	if (number)
		RAW_1(SYS_timer_delete, number - 1);
}

void sampler_rest(struct clew_slot *slot)
{
	int32_t *timer = timer_of(slot);
	if (process->sampling != OURS || process->sandboxed || !timer || !*timer)
		return;
	const uint64_t spent = cpu_time();
	if (spent < slot->sampled_ns + LATE + 2 * arena->sample_ns)
		return;
	const uint64_t rest = spent - slot->sampled_ns;
	slot->sampled_ns = spent;
	if (__atomic_load_n(&slot->mode, __ATOMIC_RELAXED) & process->local_mode & CLEW_SAMPLE)
		stack_of_tick(slot, NULL, rest);
}

void sampler_thread_end(struct clew_slot *slot)
{
	if (likely(process->sampling != OURS))
		return;
	sampler_rest(slot);
	int32_t *timer = timer_of(slot);
	if (timer && !process->sandboxed)
		delete_timer(timer);
}

void sampler_stand_back(void)
{
	uint32_t ours = OURS;
	if (!arena ||
		!__atomic_compare_exchange_n(&process->sampling, &ours, GIVEN_BACK, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return;
	for (unsigned i = 0; i < TIMERS; i++)
		if (timers[i])
			delete_timer(&timers[i]);
	/* What is on its way to other threads is forgotten where the signal is ignored. */
	struct sigaction action = {.sa_handler = SIG_IGN};
	real_sigaction(SIGPROF, &action, NULL);
	action.sa_handler = SIG_DFL;
	real_sigaction(SIGPROF, &action, NULL);
	struct clew_slot *slot = self;
	if (slot)
		note_unseen(slot, CLEW_UNSEEN_PROFILER, process->pid, "");
}

bool sampler_hides(const struct sigaction *action)
{
	return is_ours(action);
}
