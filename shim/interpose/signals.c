/* SPDX-License-Identifier: MIT */
/*
 * SIGBUS. Where the program leaves it to the kernel (SIG_DFL), a handler of ours stands there, and
 * the program is shown what it left. What it handles or ignores itself is in the kernel as it wants
 * it, and nothing of ours is in the way. Async-signal-safe and without a lock: the kernel's own
 * table says who handles the signal, and it is never emptied of the program's. A child of vfork has
 * a table of its own in memory that is not.
 */
#include <signal.h>
#include <string.h>

#include "audit/event.h"
#include "interpose/interpose.h"
#include "kernel/thread.h"
#include "policy/policy.h"
#include "support/user.h"

#define KERNEL_SA_RESTORER 0x04000000

#ifdef __x86_64__

/* Where the handler returns to, with tables for the unwinder, which steps from here to what was
 * interrupted: its registers are in the context at the top of the stack, each at an offset in two
 * bytes of LEB128. The nop is for unwinders, which look one byte before a return address. */
#define SAVED(column, offset) ".cfi_escape 0x10, " #column ", 3, 0x77, " offset ";"

/* clang-format off */
__asm__(".text; .type signals_return, @function; .hidden signals_return; .globl signals_return;"
	".cfi_startproc simple; .cfi_signal_frame;"
	".cfi_escape 0x0f, 4, 0x77, 0xa0, 1, 6;" /* the stack pointer there, at 160 */
	SAVED(8, "0xa8, 0") SAVED(9, "0xb0, 0") SAVED(10, "0xb8, 0") SAVED(11, "0xc0, 0")
	SAVED(12, "0xc8, 0") SAVED(13, "0xd0, 0") SAVED(14, "0xd8, 0") SAVED(15, "0xe0, 0")
	SAVED(5, "0xe8, 0") SAVED(4, "0xf0, 0") SAVED(6, "0xf8, 0") SAVED(3, "0x80, 1")
	SAVED(1, "0x88, 1") SAVED(0, "0x90, 1") SAVED(2, "0x98, 1") SAVED(16, "0xa8, 1")
	"nop; signals_return: mov $15, %rax; syscall;"
	".cfi_endproc; .size signals_return, . - signals_return;");
/* clang-format on */
void signals_return(void) __attribute__((visibility("hidden")));

#define RETURN_FLAG KERNEL_SA_RESTORER
#define RETURN	    ((void *)signals_return)
#define ALL_SIGNALS            \
	{                      \
		~NEVER_BLOCKED \
	}

#else /* The vdso has it. */
#define RETURN_FLAG 0
#define RETURN	    NULL
#define ALL_SIGNALS                  \
	{                            \
		~NEVER_BLOCKED, ~0UL \
	}
#endif

/* The kernel's table has these in no mask. */
#define NEVER_BLOCKED (1UL << (SIGKILL - 1) | 1UL << (SIGSTOP - 1))

/* All signals wait meanwhile. Calls go on that the signal interrupts where the kernel would have
 * dropped it. */
static const struct signal_action ours = {
	.handler = (void *)sigbus_handle,
	.flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART | RETURN_FLAG,
	.restorer = RETURN,
	.mask = ALL_SIGNALS,
};

/* SIG_DFL as the program left it: flags and mask stay what they were given with it. */
static struct signal_action bare;

static bool is_ours(const void *handler)
{
	return handler == ours.handler;
}

static bool is_normal(const struct signal_action *action)
{
	return action->handler == (void *)SIG_DFL;
}

static int set(const struct signal_action *action, struct signal_action *before)
{
	return sys_rt_sigaction(SIGBUS, action, before, SIGSET_BYTES);
}

static void remember(struct signal_action *left)
{
	left->mask[0] &= ~NEVER_BLOCKED;
	if (memcmp(&bare, left, sizeof(bare)) && home_is_here())
		bare = *left;
}

/* What was there comes back, and what another thread has set meanwhile stays: *expected is what
 * this one left there. */
static void put_back(struct signal_action *put, struct signal_action *expected)
{
	struct signal_action now;

	while (!set(put, &now) && memcmp(&now, expected, sizeof(now))) {
		*expected = *put;
		*put = now;
	}
}

static bool stands_in(void)
{
	return !scope_silent() && (audit_enabled() || the_policy.sigbus_rescue[0]);
}

void signals_stand_in(void)
{
	struct signal_action left = ours;
	struct signal_action before;

	if (!stands_in() || set(&ours, &before) || is_ours(before.handler))
		return;
	if (is_normal(&before))
		remember(&before);
	else
		put_back(&before, &left);
}

void signals_withdraw(void)
{
	struct signal_action left = bare, before;

	if (!set(&left, &before) && !is_ours(before.handler))
		put_back(&before, &left);
}

/* ---- handed on ---- */

void signals_hand_on(const siginfo_t *info, bool repeats)
{
	int process = sys_getpid(), thread = sys_gettid();
	struct signal_action before;

	if (set(&bare, &before) || repeats)
		return;
	if (sys_rt_tgsigqueueinfo(process, thread, SIGBUS, info))
		sys_tgkill(process, thread, SIGBUS);
	/* The first process of a container is spared what others send. */
	if (info->si_code <= 0 && !signal_pending(SIGBUS))
		set(&before, NULL);
}

static const unsigned long only_bus[SIGSET_WORDS] = { 1UL << (SIGBUS - 1) };
static char question;

bool signals_is_question(const siginfo_t *info)
{
	return info->si_code == SI_QUEUE && info->si_ptr == &question;
}

/* It is answered before the mask is back. */
static void ask(int process)
{
	siginfo_t info = { .si_signo = SIGBUS, .si_code = SI_QUEUE };
	struct scope mask;

	info.si_ptr = &question;
	if (sys_rt_tgsigqueueinfo(process, sys_gettid(), SIGBUS, &info))
		return;
	sys_rt_sigprocmask(SIG_UNBLOCK, only_bus, mask.mask, SIGSET_BYTES);
	signals_restore(&mask);
}

void signals_before_kill(int pid, int signal)
{
	struct signal_action now;

	if (likely(signal != SIGBUS) || scope_silent() || pid != sys_getpid())
		return;
	if (!set(NULL, &now) && is_ours(now.handler))
		ask(pid);
}

EXPORT int kill(pid_t pid, int signal)
{
	signals_before_kill(pid, signal);
	return NEXT_OF(kill)(pid, signal);
}

/* ---- what the program is shown ---- */

#define WORD_BYTES sizeof(bare.mask)

static void show_bare(struct sigaction *out)
{
	out->sa_handler = SIG_DFL;
	out->sa_flags = (int)bare.flags;
	out->sa_restorer = (void (*)(void))bare.restorer;
	memcpy(&out->sa_mask, bare.mask, WORD_BYTES);
}

/* The flags that say how a handler is called: with ours, they are ours. */
#define CALLING_FLAGS                                                                      \
	((unsigned long)SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER | SA_RESETHAND | \
	 SA_NOCLDSTOP | SA_NOCLDWAIT)

static struct sigaction ours_for(const struct sigaction *left)
{
	struct sigaction action = { .sa_sigaction = sigbus_handle };

	action.sa_flags = (int)((ours.flags & CALLING_FLAGS) |
				((unsigned int)left->sa_flags & ~CALLING_FLAGS));
	memset(&action.sa_mask, ~0, sizeof(action.sa_mask));
	return action;
}

/* What the kernel would say of it now: the rest of the flags, and libc's way back, are there. */
static void remember_left(const struct sigaction *left)
{
	struct signal_action now;

	if (set(NULL, &now) || !is_ours(now.handler))
		return;
	now.handler = (void *)SIG_DFL;
	now.flags = ((unsigned int)left->sa_flags & CALLING_FLAGS) | (now.flags & ~CALLING_FLAGS);
	memcpy(now.mask, &left->sa_mask, WORD_BYTES);
	remember(&now);
}

/* Where the program leaves it to the kernel, ours stands there at once: another thread may have its
 * fault meanwhile. */
static int act(const struct sigaction *action, struct sigaction *before)
{
	struct sigaction left, stand_in;
	bool leaves = action && action->sa_handler == SIG_DFL && stands_in();

	if (leaves) {
		left = *action;
		stand_in = ours_for(&left);
		action = &stand_in;
	}
	int r = NEXT_OF(sigaction)(SIGBUS, action, before);
	if (r)
		return r;
	if (before && is_ours((void *)before->sa_handler))
		show_bare(before);
	if (leaves)
		remember_left(&left);
	return 0;
}

EXPORT int sigaction(int signal, const struct sigaction *action, struct sigaction *before)
{
	return likely(signal != SIGBUS) ? NEXT_OF(sigaction)(signal, action, before)
					: act(action, before);
}
ALIAS(__sigaction, sigaction);

/* As libc's signal() does with flags that siginterrupt() has changed. */
static bool interrupts;

/* What libc makes of each. */
#define SYSV_FLAGS (SA_RESETHAND | SA_NODEFER | SA_INTERRUPT)

static __sighandler_t leave(int flags, bool blocks_itself)
{
	struct sigaction left = { .sa_flags = flags }, before;

	if (blocks_itself)
		memcpy(&left.sa_mask, only_bus, sizeof(only_bus));
	return act(&left, &before) ? SIG_ERR : before.sa_handler;
}

static __sighandler_t shown(int signal, __sighandler_t before)
{
	return signal == SIGBUS && is_ours((void *)before) ? SIG_DFL : before;
}

/* In no header any more. */
__sighandler_t bsd_signal(int signal, __sighandler_t handler);

#define SETTER(name, flags, blocks_itself)                             \
	EXPORT __sighandler_t name(int signal, __sighandler_t handler) \
	{                                                              \
		if (unlikely(signal == SIGBUS) && handler == SIG_DFL)  \
			return leave(flags, blocks_itself);            \
		return shown(signal, NEXT_OF(name)(signal, handler));  \
	}

SETTER(signal, interrupts ? 0 : SA_RESTART, true)
SETTER(ssignal, interrupts ? 0 : SA_RESTART, true)
SETTER(bsd_signal, interrupts ? 0 : SA_RESTART, true)
SETTER(sysv_signal, SYSV_FLAGS, false)
SETTER(__sysv_signal, SYSV_FLAGS, false)

/* It takes the signal from the mask too. */
static __sighandler_t leave_unblocked(void)
{
	__sighandler_t before = leave(0, false);
	struct scope mask;

	if (before == SIG_ERR)
		return SIG_ERR;
	sys_rt_sigprocmask(SIG_UNBLOCK, only_bus, mask.mask, SIGSET_BYTES);
	return mask.mask[0] & only_bus[0] ? SIG_HOLD : before;
}

EXPORT __sighandler_t sigset(int signal, __sighandler_t handler)
{
	if (unlikely(signal == SIGBUS) && handler == SIG_DFL)
		return leave_unblocked();
	return shown(signal, NEXT_OF(sigset)(signal, handler));
}

/* libc reads the action, changes a flag, and sets it again: of ours, as if it were the program's.
 */
static void note_interrupt(void)
{
	struct signal_action now, left = bare;

	if (set(NULL, &now) || !is_ours(now.handler))
		return;
	left.flags = (bare.flags & ~(unsigned long)SA_RESTART) |
		     (now.flags & (SA_RESTART | KERNEL_SA_RESTORER));
	left.restorer = now.restorer;
	remember(&left);
	set(&ours, NULL);
}

EXPORT int siginterrupt(int signal, int flag)
{
	int r = NEXT_OF(siginterrupt)(signal, flag);
	if (!r && signal == SIGBUS) {
		interrupts = flag;
		note_interrupt();
	}
	return r;
}

/* ---- by number ---- */

/* What the kernel has read and written may be read and written here. */
long signals_by_number(int signal, const struct signal_action *action, struct signal_action *before,
		       size_t set_size)
{
	struct signal_action left;
	bool leaves = action && !user_copy_in(&left, action, sizeof(left)) && is_normal(&left) &&
		      stands_in();
	long r = sys_rt_sigaction(signal, leaves ? &ours : action, before, set_size);

	if (r)
		return r;
	if (before && is_ours(before->handler))
		*before = bare;
	if (leaves)
		remember(&left);
	return 0;
}
