/* SPDX-License-Identifier: MIT */
/*
 * S17: what a program sees of its SIGBUS is what it sees of a signal that is nobody's: everything
 * is done with both, and the answers compared.
 */
#include <spawn.h>
#include <sys/signalfd.h>
#include <ucontext.h>

#include "helper.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#pragma GCC diagnostic ignored "-Wrestrict"

/* Not in all headers any more. */
__sighandler_t bsd_signal(int signal, __sighandler_t handler);
int __sigaction(int signal, const struct sigaction *action, struct sigaction *before);
__sighandler_t __sysv_signal(int signal, __sighandler_t handler);

static const int twins[2] = { SIGBUS, SIGUSR2 };

/* ---- answers ---- */

struct answer {
	long result;
	int error;
	struct sigaction action;
	long kernel[6];
};

static struct answer answers[2][64];
static size_t count;

static bool same(const struct answer *a, const struct answer *b)
{
	return a->result == b->result && a->error == b->error &&
	       a->action.sa_handler == b->action.sa_handler &&
	       a->action.sa_flags == b->action.sa_flags &&
	       a->action.sa_restorer == b->action.sa_restorer &&
	       !memcmp(&a->action.sa_mask, &b->action.sa_mask, 8) &&
	       !memcmp(a->kernel, b->kernel, sizeof(a->kernel));
}

/* libc's signal() blocks the signal itself: which is another bit of the two. */
static void forget_itself(size_t twin, void *mask)
{
	unsigned long long bits, own = 1ULL << (twins[twin] - 1);

	memcpy(&bits, mask, 8);
	bits = bits & own ? (bits & ~own) | 1ULL << (SIGKILL - 1) : bits;
	memcpy(mask, &bits, 8);
}

/* The call's answer, then what three ways of asking say. */
static void note(size_t twin, long result)
{
	struct answer *answer = &answers[twin][count++];
	int error = errno;

	*answer = (struct answer){ .result = result, .error = result == -1 ? error : 0 };
	must(sigaction(twins[twin], NULL, &answer->action) == 0);
	must(syscall(SYS_rt_sigaction, twins[twin], NULL, answer->kernel, 8) == 0);
	forget_itself(twin, &answer->action.sa_mask);
	forget_itself(twin, answer->kernel + 3);
	answer = &answers[twin][count++];
	*answer = (struct answer){ 0 };
	must(__sigaction(twins[twin], NULL, &answer->action) == 0);
	forget_itself(twin, &answer->action.sa_mask);
}

#define ASK(call)                         \
	do {                              \
		errno = 0;                \
		note(twin, (long)(call)); \
	} while (0)

static void compare(void (*act)(size_t twin))
{
	size_t counts[2];

	for (size_t twin = 0; twin < 2; twin++) {
		count = 0;
		act(twin);
		counts[twin] = count;
	}
	must(counts[0] == counts[1] && count <= COUNT(answers[0]));
	for (size_t i = 0; i < count; i++)
		promise(same(&answers[0][i], &answers[1][i]),
			"answer %zu: result %#lx handler %p flags %#x, and of the other %#lx %p %#x",
			i, answers[0][i].result, (void *)answers[0][i].action.sa_handler,
			(unsigned int)answers[0][i].action.sa_flags, answers[1][i].result,
			(void *)answers[1][i].action.sa_handler,
			(unsigned int)answers[1][i].action.sa_flags);
}

static void first(int signal)
{
}

static void second(int signal, siginfo_t *info, void *context)
{
}

/* ---- the families ---- */

static void set(size_t twin, __sighandler_t handler, int flags, int blocked)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags }, before = { 0 };
	struct answer *answer;

	if (blocked)
		sigaddset(&action.sa_mask, blocked);
	ASK(sigaction(twins[twin], &action, &before));
	answer = &answers[twin][count++];
	*answer = (struct answer){ .action = before };
	forget_itself(twin, &answer->action.sa_mask);
}

static void ask_sigaction(size_t twin)
{
	note(twin, 0);
	set(twin, SIG_DFL, SA_RESTART | SA_NODEFER, SIGUSR1);
	set(twin, SIG_DFL, SA_ONSTACK, 0);
	set(twin, first, SA_RESETHAND, SIGHUP);
	set(twin, (__sighandler_t)(void *)second, SA_SIGINFO | SA_ONSTACK, 0);
	set(twin, SIG_IGN, 0, 0);
	set(twin, SIG_DFL, 0, SIGTERM);
	set(twin, SIG_DFL, 0, 0);
	/* One place for both. */
	struct sigaction both = { .sa_handler = first };
	ASK(sigaction(twins[twin], &both, &both));
	promise(both.sa_handler == SIG_DFL, "the action before");
	both.sa_handler = SIG_DFL;
	ASK(sigaction(twins[twin], &both, &both));
	promise(both.sa_handler == first, "the action before");
}

static void ask_signal(size_t twin)
{
	int signal_number = twins[twin];

	ASK(signal(signal_number, SIG_DFL));
	ASK(signal(signal_number, first));
	ASK(signal(signal_number, SIG_DFL));
	ASK(sysv_signal(signal_number, SIG_DFL));
	ASK(sysv_signal(signal_number, first));
	ASK(__sysv_signal(signal_number, SIG_DFL));
	ASK(bsd_signal(signal_number, SIG_IGN));
	ASK(bsd_signal(signal_number, SIG_DFL));
	ASK(ssignal(signal_number, SIG_DFL));
	ASK(ssignal(signal_number, first));
	ASK(signal(signal_number, SIG_DFL));
}

static void ask_old(size_t twin)
{
	struct sigaction unblockable = { .sa_handler = SIG_DFL };
	int signal_number = twins[twin];

	sigaddset(&unblockable.sa_mask, SIGKILL);
	ASK(sigset(signal_number, SIG_DFL));
	ASK(sigset(signal_number, SIG_HOLD));
	ASK(sigset(signal_number, SIG_DFL));
	ASK(sigset(signal_number, first));
	ASK(sigset(signal_number, SIG_DFL));
	ASK(sigignore(signal_number));
	ASK(sigset(signal_number, SIG_DFL));
	ASK(siginterrupt(signal_number, 1));
	ASK(siginterrupt(signal_number, 0));
	ASK(signal(signal_number, SIG_DFL));
	ASK(siginterrupt(signal_number, 1));
	ASK(signal(signal_number, SIG_DFL));
	ASK(sigaction(signal_number, &unblockable, NULL));
}

static void ask_by_number(size_t twin)
{
	struct {
		long handler, flags, restorer, mask[8 / sizeof(long)];
	} normal = { 0, SA_RESTART, 0, { 0 } }, before = { 0 };

	ASK(syscall(SYS_rt_sigaction, twins[twin], &normal, &before, 8));
	promise(!before.handler && !before.flags, "the action before");
	ASK(syscall(SYS_rt_sigaction, twins[twin], &normal, &before, 8));
	promise(!before.handler && before.flags == SA_RESTART, "the action before");
	ASK(syscall(SYS_rt_sigaction, twins[twin], &normal, &normal, 8));
	normal.mask[0] = 1L << (SIGKILL - 1) | 1L << (SIGSTOP - 1);
	ASK(syscall(SYS_rt_sigaction, twins[twin], &normal, NULL, 8));
	ASK(syscall(SYS_rt_sigaction, twins[twin], 1L, NULL, 8));
	ASK(syscall(SYS_rt_sigaction, twins[twin], &normal, 1L, 8));
	ASK(syscall(SYS_rt_sigaction, twins[twin], &normal, NULL, 4));
}

struct family {
	void (*ask)(size_t twin);
};

static void family(const void *which)
{
	compare(((const struct family *)which)->ask);
}

/* ---- a handler, as it is called ---- */

static struct {
	int signal, code;
	sigset_t blocked;
	bool own_stack;
	long calls;
} called;
static char *stack_start;
#define STACK 65536

static void recorder(int signal, siginfo_t *info, void *context)
{
	char here;

	called.signal = signal;
	called.code = info->si_code;
	called.own_stack = &here > stack_start && &here < stack_start + STACK;
	called.calls++;
	sigprocmask(SIG_BLOCK, NULL, &called.blocked);
}

static void deliver(size_t twin, int flags)
{
	struct sigaction action = { .sa_sigaction = recorder, .sa_flags = SA_SIGINFO | flags };

	sigaddset(&action.sa_mask, SIGHUP);
	ASK(sigaction(twins[twin], &action, NULL));
	memset(&called, 0, sizeof(called));
	ASK(kill(getpid(), twins[twin]));
	promise(called.calls == 1 && called.signal == twins[twin], "it was not called");
	ASK(called.code);
	ASK(called.own_stack);
	ASK(sigismember(&called.blocked, twins[twin]));
	ASK(sigismember(&called.blocked, SIGHUP) + 2 * sigismember(&called.blocked, SIGTERM));
	ASK(signal(twins[twin], SIG_DFL));
}

static void ask_delivery(size_t twin)
{
	deliver(twin, 0);
	deliver(twin, SA_NODEFER);
	deliver(twin, SA_ONSTACK);
	deliver(twin, SA_RESETHAND);
}

PROMISE_WIDTHS(S17, handlers_are_called_as_without, HOLDS_BARE)
{
	stack_t stack = { .ss_size = STACK, .ss_sp = malloc(STACK) };

	stack_start = stack.ss_sp;
	must(sigaltstack(&stack, NULL) == 0);
	compare(ask_delivery);
}

/* ---- ignored, blocked ---- */

static void ask_waiting(size_t twin)
{
	struct timespec now = { 0, 0 };
	struct signalfd_siginfo info;
	sigset_t set;

	ASK(signal(twins[twin], SIG_IGN));
	ASK(kill(getpid(), twins[twin]));
	ASK(signal(twins[twin], SIG_DFL));
	sigemptyset(&set);
	sigaddset(&set, twins[twin]);
	must(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	ASK(kill(getpid(), twins[twin]));
	ASK(sigtimedwait(&set, NULL, &now) == twins[twin]);
	int fd = sure(signalfd(-1, &set, SFD_NONBLOCK));
	ASK(kill(getpid(), twins[twin]));
	ASK(read(fd, &info, sizeof(info)));
	ASK(info.ssi_signo == (uint32_t)twins[twin]);
	must(close(fd) == 0);
	ASK(kill(getpid(), twins[twin]));
	ASK(signal(twins[twin], SIG_IGN)); /* which drops it */
	ASK(signal(twins[twin], SIG_DFL));
	must(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
}

/* ---- other programs, and other processes ---- */

static const char *self;

/* The exit status is what both are in the next program. */
static int disposition(void)
{
	struct sigaction a, b;

	if (sigaction(SIGBUS, NULL, &a) || sigaction(SIGUSR2, NULL, &b))
		return EXIT_TRIAL;
	if (a.sa_handler != b.sa_handler || a.sa_flags != b.sa_flags)
		return EXIT_BROKEN;
	return a.sa_handler == SIG_DFL ? 10 : a.sa_handler == SIG_IGN ? 11 : EXIT_BROKEN;
}

static int wait_for(pid_t pid)
{
	int status;

	must(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int after_exec(__sighandler_t handler)
{
	pid_t pid = sure(fork());

	if (!pid) {
		signal(SIGBUS, handler);
		signal(SIGUSR2, handler);
		execl(self, self, "disposition", NULL);
		_exit(EXIT_TRIAL);
	}
	return wait_for(pid);
}

PROMISE_WIDTHS(S17, the_next_program_inherits_as_without, HOLDS_BARE)
{
	promise(after_exec(SIG_DFL) == 10, "what was default");
	promise(after_exec(first) == 10, "what was handled");
	promise(after_exec(SIG_IGN) == 11, "what was ignored");
}

static int after_spawn(__sighandler_t handler, bool to_default)
{
	char *const arguments[] = { (char *)self, "disposition", NULL };
	posix_spawnattr_t attributes;
	sigset_t set;
	pid_t pid;

	signal(SIGBUS, handler);
	signal(SIGUSR2, handler);
	sigemptyset(&set);
	sigaddset(&set, SIGBUS);
	sigaddset(&set, SIGUSR2);
	must(posix_spawnattr_init(&attributes) == 0);
	must(posix_spawnattr_setsigdefault(&attributes, &set) == 0);
	must(posix_spawnattr_setflags(&attributes, to_default ? POSIX_SPAWN_SETSIGDEF : 0) == 0);
	must(posix_spawn(&pid, self, NULL, &attributes, arguments, environ) == 0);
	return wait_for(pid);
}

PROMISE_WIDTHS(S17, spawned_programs_inherit_as_without, HOLDS_BARE)
{
	promise(after_spawn(SIG_DFL, false) == 10, "what was default");
	promise(after_spawn(SIG_DFL, true) == 10, "what was default, and is set to it");
	promise(after_spawn(first, false) == 10, "what was handled");
	promise(after_spawn(SIG_IGN, false) == 11, "what was ignored");
	promise(after_spawn(SIG_IGN, true) == 10, "what was ignored, and is set to default");
}

/* The table of a child of vfork is its own. */
static void ask_vfork(size_t twin)
{
	pid_t pid;

	note(twin, 0);
	pid = sure(vfork());
	if (!pid) {
		struct sigaction normal = { .sa_handler = SIG_DFL, .sa_flags = SA_NODEFER };
		signal(twins[twin], first);
		sigaction(twins[twin], &normal, NULL);
		_exit(0);
	}
	ASK(wait_for(pid));
}

/* ---- threads that set it at once ---- */

#define LOOPS 20000

static void *setter(void *handler)
{
	struct sigaction action = { .sa_handler = (__sighandler_t)handler }, before;

	for (int i = 0; i < LOOPS; i++) {
		must(sigaction(SIGBUS, &action, &before) == 0);
		promise(before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN ||
				before.sa_handler == first,
			"a handler of somebody else's");
	}
	return NULL;
}

CASE(threads, HOLDS_BARE)
{
	void *handlers[] = { (void *)SIG_DFL, (void *)first, (void *)SIG_IGN };
	struct sigaction action = { .sa_handler = first }, before;
	pthread_t thread[3];

	for (size_t i = 0; i < 3; i++)
		thread[i] = thread_start(setter, handlers[i]);
	for (size_t i = 0; i < 3; i++)
		thread_end(thread[i]);
	must(sigaction(SIGBUS, &action, NULL) == 0 && sigaction(SIGBUS, NULL, &before) == 0);
	promise(before.sa_handler == first, "what was set is not there");
}

#define FAMILY(function) \
	CASE_OF(#function, family, &(const struct family){ ask_##function }, HOLDS_BARE)

FAMILY(sigaction)
FAMILY(signal)
FAMILY(old)
FAMILY(by_number)
FAMILY(waiting)
FAMILY(vfork)

int main(int argc, char **argv)
{
	self = argv[0];
	if (argc > 1 && !strcmp(argv[1], "disposition"))
		return disposition();
	return cases_main(argc, argv);
}
