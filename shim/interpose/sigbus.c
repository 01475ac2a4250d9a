/* SPDX-License-Identifier: MIT */
/*
 * The handler for SIGBUS: says what a program dies of that touched what was cut off, and then lets
 * it die as it would have died; or, where that is wanted, puts zero pages there and lets it go on.
 * All signals are blocked, so that a second fault in here could not be served: nothing of the
 * program's is read but by calls that can fail.
 */
#include <errno.h>
#include <stdatomic.h>
#include <ucontext.h>

#include "audit/event.h"
#include "audit/trace.h"
#include "interpose/interpose.h"
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
/* The process that a fault was said of: it dies once, whichever thread has another meanwhile. */
static int dying;

void sigbus_after_fork(void)
{
	lock_reset(&lock);
}

/* Bits of the page fault's error code. */
#define FAULT_WRITE   2
#define FAULT_EXECUTE 16

#define PAGE_FAULT 14

#ifdef __x86_64__
#define REGISTER_IP	    REG_RIP
#define LAST_FAULT(context) ((uintptr_t)(context)->uc_mcontext.gregs[REG_CR2])
#else
#define REGISTER_IP	    REG_EIP
#define LAST_FAULT(context) ((uintptr_t)(context)->uc_mcontext.cr2)
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

/* Before Linux 5.14 nobody tells of a store, but one try. */
static bool would_succeed(const struct sigbus *it)
{
	if (it->access != ACCESS_WRITES)
		return user_readable((const void *)it->address, 1);
	long r = sys_madvise(PAGE_DOWN(it->address), PAGE_BYTES, MADV_POPULATE_WRITE);
	return r == -EINVAL ? may_try_again(it->address) : !r;
}

/* Whether what was in the way is gone: another thread has put zeros there, or the file has grown
 * again. */
static bool is_there_now(const struct sigbus *it, int looked)
{
	if (looked == -ENODEV)
		return atomic_load(&rescues) && may_try_again(it->address);
	return !looked && (it->snapshot || sigbus_is_wanted(it)) && would_succeed(it);
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

static void say(const struct sigbus *it, const struct trace *trace, int looked, int error)
{
	dying = sys_getpid();
	if (looked)
		sigbus_report_unknown(it, trace, looked);
	else
		sigbus_report(it, trace, error);
}

/* True: the program goes on. */
static bool serve(struct sigbus *it, const struct trace *trace)
{
	int looked = sigbus_look(it), error = 0;

	if (!looked)
		look_for_snapshot(it);
	if (is_there_now(it, looked))
		return true;
	if (looked == -ENODEV)
		return false;
	if (!looked)
		sigbus_judge(it);
	if (!looked && it->trouble == BEYOND_END && sigbus_is_wanted(it)) {
		error = rescue(it, trace);
		if (!error)
			return true;
	}
	say(it, trace, looked, error);
	return false;
}

/* The thread's last fault, if that is still one of SIGBUS. It is not rescued: the program has had
 * its turn, and dies of what it sent. */
static void say_afterwards(struct sigbus *it, const struct trace *trace)
{
	if (sigbus_look(it))
		return;
	look_for_snapshot(it);
	sigbus_judge(it);
	if (it->trouble != BEYOND_END)
		return;
	say(it, trace, 0, 0);
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
	uintptr_t address;
	const ucontext_t *context;
	bool handled; /* see struct sigbus */
	bool goes_on;
};

static void serve_fault(void *argument)
{
	struct fault *fault = argument;
	struct sigbus *it = dying == sys_getpid() ? NULL : arena_alloc(sizeof(*it));
	struct trace trace = { 0 };

	if (!it)
		return;
	if (audit_enabled())
		trace_capture_fault(&trace,
				    (uintptr_t)fault->context->uc_mcontext.gregs[REGISTER_IP]);
	it->address = fault->address;
	it->access = access_of(fault->context);
	it->handled = fault->handled;
	if (fault->handled)
		say_afterwards(it, &trace);
	else
		fault->goes_on = serve(it, &trace);
	arena_free(it, sizeof(*it));
}

/* The program's stack for signals may have no room for more than the kernel's frame: ours is used
 * under the lock. */
#define STACK_BYTES 32768
static char stack[STACK_BYTES] LARGE __attribute__((aligned(16)));

static void serve_on_own_stack(struct fault *fault)
{
	lock_take(&lock);
	sigbus_call_on(stack + STACK_BYTES, serve_fault, fault);
	lock_drop(&lock);
}

/* Crash handlers leave the signal to the kernel again and send it to themselves. The kernel keeps
 * the thread's last fault, which is in the context of any signal. */
static bool is_sent_again(const siginfo_t *info, const ucontext_t *context)
{
	bool own = (info->si_code == SI_TKILL || info->si_code == SI_USER) &&
		   info->si_pid == sys_getpid();

	return (own || signals_is_question(info)) &&
	       context->uc_mcontext.gregs[REG_TRAPNO] == PAGE_FAULT;
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
	struct fault fault = { (uintptr_t)info->si_addr, context, false, false };
	struct scope scope;

	(void)signal;
	if (is_sent_again(info, context)) {
		fault.address = LAST_FAULT(fault.context);
		fault.handled = true;
	}
	if ((info->si_code == BUS_ADRERR || fault.handled) && enter(&scope)) {
		serve_on_own_stack(&fault);
		scope_leave(&scope);
	}
	if (!fault.goes_on && !signals_is_question(info))
		signals_hand_on(info, is_repeated(info));
}
