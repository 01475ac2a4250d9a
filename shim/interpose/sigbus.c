/* SPDX-License-Identifier: MIT */
/*
 * The handler for SIGBUS: says what a program dies of that touched what was cut off, and then lets
 * it die as it would have died; or, where that is wanted, puts zero pages there and lets it go on.
 * All signals are blocked, so that a second fault in here could not be served: nothing of the
 * program's is read but by calls that can fail.
 */
#include <stdatomic.h>
#include <ucontext.h>

#include "audit/event.h"
#include "audit/trace.h"
#include "interpose/interpose.h"
#include "interpose/road.h"
#include "interpose/signals.h"
#include "mapping/index.h"
#include "policy/policy.h"
#include "sigbus/sigbus.h"
#include "snapshot/snapshot.h"
#include "support/arena.h"
#include "support/lock.h"
#include "support/user.h"

/* Threads may fault at once in the same pages: two rescues of one page would lose what was stored
 * in between. */
static struct lock lock;
static atomic_uint rescues;

void sigbus_after_fork(void)
{
	lock_reset(&lock);
}

/* Bits of the page fault's error code. */
#define FAULT_WRITE   2
#define FAULT_EXECUTE 16

#ifdef __x86_64__
#define REGISTER_IP REG_RIP
#else
#define REGISTER_IP REG_EIP
#endif

static enum sigbus_access access_of(const ucontext_t *context)
{
	long error = context->uc_mcontext.gregs[REG_ERR];

	if (error & FAULT_EXECUTE)
		return ACCESS_EXECUTES;
	return error & FAULT_WRITE ? ACCESS_WRITES : ACCESS_READS;
}

static void look_for_snapshot(struct sigbus *it)
{
	struct piece piece;

	if (!index_may_touch(it->address, it->address + 1))
		return;
	snapshot_lock();
	if (index_next(it->address, &piece) && piece.start <= it->address) {
		const struct snapshot *snapshot = piece.snapshot;
		bool copied = snapshot->fate == FATE_PRESERVED || snapshot->fate == FATE_PRIVATE;

		sigbus_note_snapshot(it, snapshot->path, snapshot->file_size,
				     fate_name(snapshot->fate), copied);
	}
	snapshot_unlock();
}

/* The thread's last try, and how many rescues there had been. */
static __thread uintptr_t tried;
static __thread unsigned int tried_after;

/* Nobody tries the same again while nothing has changed. */
static bool may_try_again(uintptr_t address)
{
	unsigned int now = atomic_load(&rescues) + 1;

	if (!user_readable((const void *)address, 1) || (tried == address && tried_after == now))
		return false;
	tried = address;
	tried_after = now;
	return true;
}

/* Whether what was in the way is gone: another thread has put zeros there, or the file has grown
 * again. What a store needs cannot be asked for. */
static bool is_there_now(const struct sigbus *it, int looked)
{
	if (looked == -ENODEV)
		return atomic_load(&rescues) && may_try_again(it->address);
	return !looked && it->access == ACCESS_READS && (it->snapshot || sigbus_is_wanted(it)) &&
	       may_try_again(it->address);
}

static int rescue(const struct sigbus *it, const struct trace *trace)
{
	struct rescue rescue;

	sigbus_rescue_range(it, &rescue);
	long r = road_replace_inside(rescue.start, rescue.end, sigbus_rescue, &rescue);
	if (sys_failed(r))
		return (int)r;
	atomic_fetch_add(&rescues, 1);
	sigbus_report_rescue(it, &rescue, trace);
	return 0;
}

/* True: the program goes on. */
static bool serve(struct sigbus *it, const struct trace *trace)
{
	int looked = sigbus_look(it), error = 0;

	if (!looked)
		look_for_snapshot(it);
	if (is_there_now(it, looked))
		return true;
	if (looked) {
		if (looked != -ENODEV)
			sigbus_report_unknown(it, trace, looked);
		return false;
	}
	if (sigbus_is_cut(it) && sigbus_is_wanted(it)) {
		error = rescue(it, trace);
		if (!error)
			return true;
	}
	sigbus_report(it, trace, error);
	return false;
}

/* Calls on another stack, of which this is the end. The unwinder finds the way back by the frame
 * pointer. */
typedef void called(void *argument);
#ifdef __x86_64__
void sigbus_call_on(void *end, called *function, void *argument)
	__attribute__((visibility("hidden")));
#define CALL_ON                                                        \
	"push %rbp; .cfi_adjust_cfa_offset 8; .cfi_rel_offset rbp, 0;" \
	"mov %rsp, %rbp; .cfi_def_cfa_register rbp;"                   \
	"mov %rdi, %rsp; mov %rdx, %rdi; call *%rsi;"                  \
	"leave; .cfi_def_cfa rsp, 8; .cfi_restore rbp; ret;"
#else
void sigbus_call_on(void *end, called *function, void *argument)
	__attribute__((regparm(3), visibility("hidden")));
#define CALL_ON                                                        \
	"push %ebp; .cfi_adjust_cfa_offset 4; .cfi_rel_offset ebp, 0;" \
	"mov %esp, %ebp; .cfi_def_cfa_register ebp;"                   \
	"mov %eax, %esp; sub $12, %esp; push %ecx; call *%edx;"        \
	"leave; .cfi_def_cfa esp, 4; .cfi_restore ebp; ret;"
#endif
__asm__(".text; .type sigbus_call_on, @function; .hidden sigbus_call_on; .globl sigbus_call_on;"
	"sigbus_call_on: .cfi_startproc;" CALL_ON
	".cfi_endproc; .size sigbus_call_on, . - sigbus_call_on;");

struct fault {
	const siginfo_t *info;
	const ucontext_t *context;
	bool goes_on;
};

static void serve_fault(void *argument)
{
	struct fault *fault = argument;
	struct sigbus *it = arena_alloc(sizeof(*it));
	struct trace trace = { 0 };

	if (!it)
		return;
	if (audit_enabled())
		trace_capture_fault(&trace,
				    (uintptr_t)fault->context->uc_mcontext.gregs[REGISTER_IP]);
	it->address = (uintptr_t)fault->info->si_addr;
	it->access = access_of(fault->context);
	fault->goes_on = serve(it, &trace);
	arena_free(it, sizeof(*it));
}

/* The program's stack for signals may have no room for more than the kernel's frame: ours is used
 * under the lock. */
#define STACK_BYTES 32768
static char stack[STACK_BYTES] __attribute__((aligned(16)));

static bool serve_on_own_stack(const siginfo_t *info, const ucontext_t *context)
{
	struct fault fault = { info, context, false };

	lock_take(&lock);
	sigbus_call_on(stack + STACK_BYTES, serve_fault, &fault);
	lock_drop(&lock);
	return fault.goes_on;
}

/* A page that came back meanwhile would not have saved a program without us. */
static bool is_repeated(const siginfo_t *info)
{
	char byte;

	return (info->si_code == BUS_ADRERR || info->si_code == BUS_MCEERR_AR) &&
	       user_copy_in(&byte, info->si_addr, 1);
}

/* What others send, and memory that fails, is none of ours. */
void sigbus_handle(int signal, siginfo_t *info, void *context)
{
	bool fault = info->si_code == BUS_ADRERR, goes_on = false;
	struct scope scope;

	(void)signal;
	if (fault && enter(&scope)) {
		goes_on = serve_on_own_stack(info, context);
		scope_leave(&scope);
	}
	if (!goes_on)
		signals_hand_on(info, is_repeated(info));
}
