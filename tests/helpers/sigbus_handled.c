/* SPDX-License-Identifier: MIT */
/*
 * S17: what a program does with its signals (handlers, stacks, filters, a tracer) changes nothing
 * about how it dies of SIGBUS, nor does what others do meanwhile. Each case alone.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <ucontext.h>

#include "sigbus.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static void *toucher(void *view)
{
	touch_page(view, 9);
	return NULL;
}

DIES(in_a_thread)
{
	char *view = map_cut(PROT_READ, MAP_SHARED);
	pthread_t thread = thread_start(toucher, view);
	pthread_join(thread, NULL);
}

/* Threads that touch it at once, of which each could say so. */
#define THREADS 8

static pthread_barrier_t barrier;

static void *toucher_at_once(void *view)
{
	pthread_barrier_wait(&barrier);
	return toucher(view);
}

DIES(threads)
{
	pthread_t thread = { 0 };

	char *view = map_cut(PROT_READ, MAP_SHARED);
	must(pthread_barrier_init(&barrier, NULL, THREADS) == 0);
	for (int i = 0; i < THREADS; i++)
		thread = thread_start(toucher_at_once, view);
	pthread_join(thread, NULL);
}

/* Another thread leaves the signal to the kernel meanwhile, again and again. */
static volatile int left_to_kernel;
static int (*leave_again)(void);

static void *leaver(void *unused)
{
	for (;; left_to_kernel = 1)
		must(leave_again() == 0);
	return unused;
}

static void dies_while_left(int (*leave)(void))
{
	char *view = map_cut(PROT_READ, MAP_SHARED);
	leave_again = leave;
	thread_start(leaver, NULL);
	while (!left_to_kernel)
		sched_yield();
	touch_page(view, 9);
}

static int leave_by_sigaction(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };

	return sigaction(SIGBUS, &action, NULL);
}

DIES(left_by_sigaction)
{
	dies_while_left(leave_by_sigaction);
}

static int leave_by_signal(void)
{
	return signal(SIGBUS, SIG_DFL) == SIG_ERR;
}

DIES(left_by_signal)
{
	dies_while_left(leave_by_signal);
}

static int leave_by_sigset(void)
{
	return sigset(SIGBUS, SIG_DFL) == SIG_ERR;
}

DIES(left_by_sigset)
{
	dies_while_left(leave_by_sigset);
}

static int leave_by_number(void)
{
	long action[6] = { 0 };

	return (int)syscall(SYS_rt_sigaction, SIGBUS, action, NULL, 8);
}

DIES(left_by_number)
{
	dies_while_left(leave_by_number);
}

static void touching_handler(int signal)
{
	touch_page(handler_view, 9);
}

DIES(on_an_own_stack)
{
	struct sigaction action = { .sa_handler = touching_handler, .sa_flags = SA_ONSTACK };

	handler_view = map_cut(PROT_READ, MAP_SHARED);
	own_stack(16384);
	must(sigaction(SIGUSR1, &action, NULL) == 0);
	raise(SIGUSR1);
}

/* A crash handler: puts back what it found, and lets it happen again. */
static struct sigaction found;
static volatile sig_atomic_t handled;

static void restoring_handler(int signal)
{
	if (handled++)
		_exit(EXIT_BROKEN);
	sigaction(signal, &found, NULL);
}

DIES(chained)
{
	struct sigaction action = { .sa_handler = restoring_handler };

	char *view = map_cut(PROT_READ, MAP_SHARED);
	must(sigaction(SIGBUS, &action, &found) == 0);
	touch_page(view, 9);
}

/* The same, and sends it again. */
static void raising_handler(int signal)
{
	restoring_handler(signal);
	raise(signal);
}

DIES(raised)
{
	must(signal(SIGBUS, raising_handler) != SIG_ERR);
	found.sa_handler = SIG_DFL;
	raise(SIGBUS);
	broken("it goes on");
}

/* The kernel asks no handler then. */
DIES(blocked)
{
	sigset_t set;

	char *view = map_cut(PROT_READ, MAP_SHARED);
	must(sigfillset(&set) == 0 && sigprocmask(SIG_SETMASK, &set, NULL) == 0);
	touch_page(view, 9);
}

DIES(ignored)
{
	char *view = map_cut(PROT_READ, MAP_SHARED);
	must(signal(SIGBUS, SIG_IGN) == SIG_DFL);
	touch_page(view, 9);
}

static void dies_with_handler(void (*handler)(int signal), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

	handler_view = map_cut(PROT_READ, MAP_SHARED);
	must(sigaction(SIGBUS, &action, NULL) == 0);
	touch_page(handler_view, 9);
}

static void returning_handler(int signal)
{
	if (handled++)
		_exit(EXIT_BROKEN);
}

DIES(handled_once)
{
	dies_with_handler(returning_handler, SA_RESETHAND);
}

DIES(within_its_handler)
{
	dies_with_handler(touching_handler, 0);
}

/* The usual crash handler, which leaves the signal to the kernel again and sends it to itself. */
static int (*send_again)(int signal);

static void sending_handler(int number)
{
	if (handled++ || signal(number, SIG_DFL) == SIG_ERR || send_again(number))
		_exit(EXIT_BROKEN);
}

static int to_the_process(int number)
{
	return kill(getpid(), number);
}

static void crash_with(int (*send)(int signal), int flags)
{
	send_again = send;
	dies_with_handler(sending_handler, flags);
}

DIES(sent_again)
{
	crash_with(raise, 0);
}

DIES(sent_again_within)
{
	crash_with(raise, SA_NODEFER);
}

DIES(sent_again_to_all)
{
	crash_with(to_the_process, 0);
}

/* The handler does not return: another thread dies of it, which had no fault. */
static int to_the_process_and_wait(int number)
{
	must(kill(getpid(), number) == 0);
	for (;;)
		pause();
}

static void *crash_to_all(void *unused)
{
	crash_with(to_the_process_and_wait, 0);
	return NULL;
}

DIES(sent_again_by_a_thread)
{
	pthread_t thread = thread_start(crash_to_all, NULL);
	pthread_join(thread, NULL);
}

/* The fault is long over. */
DIES(sent_later)
{
	char *view = map_cut(PROT_READ, MAP_SHARED);
	must(touch(view + 9 * PAGE) == SIGBUS);
	file_overwrite(FILE_NAME, 2, 0, PAGES);
	raise(SIGBUS);
	broken("it goes on");
}

DIES(sent)
{
	must(kill(getpid(), SIGBUS) == 0);
	for (;;)
		pause();
}

/* With the address of a fault that never was. */
DIES(queued)
{
	siginfo_t info = { .si_signo = SIGBUS, .si_code = SI_QUEUE };

	char *view = map_cut(PROT_READ, MAP_SHARED);
	info.si_addr = view + 9 * PAGE;
	syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGBUS, &info);
	broken("it goes on");
}

DIES(default_again)
{
	char *view = map_cut(PROT_READ, MAP_SHARED);
	must(touch(view + 9 * PAGE) == SIGBUS);
	must(signal(SIGBUS, SIG_DFL) == SIG_DFL);
	touch_page(view, 9);
}

/* A stack of its own making, with no room for a handler's frame. */
static ucontext_t outside, inside;

static void little_room(void)
{
	(void)*(volatile char *)(handler_view + 9 * PAGE);
}

DIES(with_no_room)
{
	handler_view = map_cut(PROT_READ, MAP_SHARED);
	own_stack(32768);
	char *room = mmap(NULL, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(room != MAP_FAILED && mprotect(room + PAGE, PAGE, RW) == 0);
	must(getcontext(&inside) == 0);
	inside.uc_stack.ss_sp = room;
	inside.uc_stack.ss_size = PAGE + 512;
	inside.uc_link = &outside;
	makecontext(&inside, little_room, 0);
	must(swapcontext(&outside, &inside) == 0);
	broken("page 9 could be read");
}

/* A filter that kills for any call but the few that are no concern of signals. */
DIES(filtered)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL),
	};
	struct sock_fprog program = { COUNT(code), code };

	char *view = map_cut(PROT_READ, MAP_SHARED);
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0);
	touch_page(view, 9);
}

DIES(without_proc)
{
	char *view = map_cut(PROT_READ, MAP_SHARED);
	must(chroot(".") == 0 && chdir("/") == 0);
	touch_page(view, 9);
}

/* A filter that could not be had changes nothing. */
DIES(not_filtered)
{
	char *view = map_cut(PROT_READ, MAP_SHARED);
	must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) == -1);
	touch_page(view, 9);
}

DIES(child_of_vfork)
{
	int status;

	char *view = map_cut(PROT_READ, MAP_SHARED);
	pid_t pid = sure(vfork());
	if (!pid) {
		(void)*(volatile char *)(view + 9 * PAGE);
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid);
	promise(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS, "status %#x", status);
	promise(page_is(view, 1, 0), "the parent's mapping is another");
	kill(getpid(), SIGBUS);
}

static void read_page(volatile char *view)
{
	(void)view[9 * PAGE + 7];
}

/* It dies of the last one. */
static void die_traced(char *view, void (*seen)(const siginfo_t *info))
{
	int status = trace(read_page, view, seen);

	promise(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS, "status %#x", status);
}

static siginfo_t last_seen;

static void remember_last(const siginfo_t *info)
{
	last_seen = *info;
}

/* What kills it is the fault as it came: seen by who traces it. */
CASE(traced, HOLDS_BARE)
{
	char *view = map_cut(PROT_READ, MAP_SHARED);
	die_traced(view, remember_last);
	promise(last_seen.si_code == BUS_ADRERR, "si_code %d", last_seen.si_code);
	promise(last_seen.si_addr == view + 9 * PAGE + 7, "si_addr is wrong");
}

static void crash_to_itself(volatile char *unused)
{
	sent_again_to_all((const void *)unused);
}

/* Neither that fault again nor anything of ours. */
CASE(traced_sent_again, HOLDS_BARE)
{
	int status = trace(crash_to_itself, NULL, remember_last);

	promise(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS, "status %#x", status);
	promise(last_seen.si_code == SI_USER, "si_code %d", last_seen.si_code);
}

/* The page is back before anybody looks: a program that would have died dies all the same. */
CASE(back_again, HOLDS_BARE)
{
	char *view = map_cut(PROT_READ, MAP_SHARED);
	die_traced(view, grow_back);
}

CASE_OF("dies/on_a_small_stack", on_a_small_stack, NULL, HOLDS_BARE)

CASES_MAIN
