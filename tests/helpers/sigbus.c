/* SPDX-License-Identifier: MIT */
/*
 * S17: a program that touches what was cut off dies of SIGBUS as it would have died (dies/ and
 * the rest of these, each alone), or, where that was asked for, goes on with zeros (rescue/).
 */
#include <dlfcn.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <ucontext.h>

#include "helper.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#define FILE_NAME "sigbus.data"
#define PAGES	  16
#define LEFT	  3

#define DIES(function)	 CASE_NAMED("dies/" #function, function, HOLDS_BARE)
#define RESCUE(function) CASE_NAMED("rescue/" #function, rescue_##function)

/* What no library sees. */
static char *map_unseen(int prot, int flags, int fd, size_t pages)
{
	long result = map_by_hand(pages * PAGE, prot, flags, fd);

	must((unsigned long)result > -4096UL ? (errno = (int)-result, false) : true);
	return (char *)result;
}

static char *map(int prot, int flags)
{
	file_make(FILE_NAME, 1, PAGES);
	int fd = sure(open(FILE_NAME, prot & PROT_WRITE && flags & MAP_SHARED ? O_RDWR : O_RDONLY));
	char *view = flags & MAP_SHARED ? mmap(NULL, PAGES * PAGE, prot, flags, fd, 0)
					: map_unseen(prot, flags, fd, PAGES);
	must(view != MAP_FAILED && close(fd) == 0);
	return view;
}

static void cut(size_t pages)
{
	must(truncate(FILE_NAME, (off_t)(pages * PAGE + 100)) == 0);
}

/* ---- dies ---- */

/* Whom the kernel does not tell what file is mapped. */
static void be_nobody(void)
{
	if (geteuid() == 0)
		must(chmod(".", 0777) == 0 && setresuid(65534, 65534, 65534) == 0);
}

static void touch_page(volatile char *view, size_t page)
{
	(void)view[page * PAGE + 7];
	broken("page %zu could be read", page);
}

/* Open still, but not for writing. */
DIES(shared)
{
	char *view = map(PROT_READ, MAP_SHARED);
	file_open(FILE_NAME);
	cut(LEFT);
	touch_page(view, 9);
}

DIES(shared_store)
{
	volatile char *view = map(PROT_READ | PROT_WRITE, MAP_SHARED);
	cut(LEFT);
	view[9 * PAGE] = 1;
	broken("page 9 could be written");
}

DIES(private)
{
	char *view = map(PROT_READ, MAP_PRIVATE);
	cut(LEFT);
	touch_page(view, 9);
}

DIES(unlinked)
{
	char *view = map(PROT_READ, MAP_SHARED);
	int fd = open(FILE_NAME, O_RDWR);
	must(fd >= 0 && unlink(FILE_NAME) == 0 && ftruncate(fd, 0) == 0);
	touch_page(view, 9);
}

/* The size is that of a descriptor then. */
DIES(unlinked_unprivileged)
{
	be_nobody();
	unlinked(unused);
}

/* By a descriptor that is open still. */
DIES(held)
{
	char *view = map(PROT_READ, MAP_SHARED);
	int fd = open(FILE_NAME, O_RDWR);
	must(fd >= 0 && ftruncate(fd, 0) == 0);
	touch_page(view, 9);
}

/* A lease is not broken by it. */
DIES(lost)
{
	file_make(FILE_NAME, 1, PAGES);
	char *view = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	must(close(open(FILE_NAME, O_RDONLY | O_TRUNC)) == 0);
	touch_page(view, 9);
}

/* Two pages more than the file has. */
static char *map_beyond(void)
{
	file_make(FILE_NAME, 1, 8);
	return view_make(FILE_NAME, PROT_READ, 0, 10);
}

DIES(beyond)
{
	touch_page(map_beyond(), 9);
}

/* The old pages are elsewhere by then, as many as there were. */
DIES(beyond_preserved)
{
	be_nobody();
	char *view = map_beyond();
	file_overwrite(FILE_NAME, 2, 0, 8);
	touch_page(view, 9);
}

/* A library of libc's that has a function without relations. */
static void copy_library(const char *to)
{
	static const char *const places[] = {
#ifdef __x86_64__
		"/lib/x86_64-linux-gnu/libresolv.so.2",
		"/usr/lib64/libresolv.so.2",
#else
		"/lib/i386-linux-gnu/libresolv.so.2",
		"/usr/lib32/libresolv.so.2",
#endif
		"/usr/lib/libresolv.so.2",
	};
	char block[4096];
	ssize_t got;
	int from = -1, out = open(to, O_WRONLY | O_CREAT, 0700);

	for (size_t i = 0; from < 0 && i < COUNT(places); i++)
		from = open(places[i], O_RDONLY);
	if (from < 0)
		skip("no libresolv.so.2");
	while ((got = read(from, block, sizeof(block))) > 0)
		must(write(out, block, (size_t)got) == got);
	must(got == 0 && close(from) == 0 && close(out) == 0);
}

DIES(plugin)
{
	unsigned int (*get)(const unsigned char *from);

	copy_library("plugin.so");
	void *library = dlopen("./plugin.so", RTLD_NOW | RTLD_LOCAL);
	if (!library)
		skip("%s", dlerror());
	*(void **)&get = dlsym(library, "ns_get16");
	if (!get)
		skip("%s", dlerror());
	must(get((const unsigned char *)"\1\2") == 258);
	must(close(open("plugin.so", O_WRONLY | O_TRUNC)) == 0);
	get((const unsigned char *)"\1\2");
	broken("it was called");
}

DIES(may_be_executed)
{
	char *view = map(PROT_READ | PROT_EXEC, MAP_SHARED);
	cut(LEFT);
	touch_page(view, 9);
}

static void *toucher(void *view)
{
	touch_page(view, 9);
	return NULL;
}

DIES(in_a_thread)
{
	char *view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
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

	char *view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
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
	char *view = map(PROT_READ, MAP_SHARED);

	cut(LEFT);
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

static char *handler_view;

static void touching_handler(int signal)
{
	(void)signal;
	touch_page(handler_view, 9);
}

static void own_stack(size_t size)
{
	stack_t stack = { .ss_size = size, .ss_sp = malloc(size) };

	must(sigaltstack(&stack, NULL) == 0);
}

DIES(on_an_own_stack)
{
	struct sigaction action = { .sa_handler = touching_handler, .sa_flags = SA_ONSTACK };

	handler_view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
	own_stack(16384);
	must(sigaction(SIGUSR1, &action, NULL) == 0);
	raise(SIGUSR1);
}

/* Two frames of the kernel's and little more, and nothing is mapped below. */
static void small_own_stack(void)
{
	size_t least = 2 * (size_t)sysconf(_SC_MINSIGSTKSZ) + 1024;
	size_t size = (least + PAGE - 1) & ~(PAGE - 1);
	char *low = mmap(NULL, size + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stack_t stack = { .ss_sp = low + PAGE, .ss_size = least };

	must(low != MAP_FAILED && mprotect(low + PAGE, size, PROT_READ | PROT_WRITE) == 0);
	must(sigaltstack(&stack, NULL) == 0);
}

static volatile sig_atomic_t small_touched;

static void small_handler(int signal)
{
	(void)signal;
	(void)*(volatile char *)(handler_view + 9 * PAGE);
	small_touched = 1;
}

static void on_a_small_stack(const void *unused)
{
	struct sigaction action = { .sa_handler = small_handler, .sa_flags = SA_ONSTACK };

	(void)unused;
	handler_view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
	small_own_stack();
	must(sigaction(SIGUSR1, &action, NULL) == 0 && raise(SIGUSR1) == 0);
	promise(small_touched, "it was not called");
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

	char *view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
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

	char *view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
	must(sigfillset(&set) == 0 && sigprocmask(SIG_SETMASK, &set, NULL) == 0);
	touch_page(view, 9);
}

DIES(ignored)
{
	char *view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
	must(signal(SIGBUS, SIG_IGN) == SIG_DFL);
	touch_page(view, 9);
}

static void dies_with_handler(void (*handler)(int signal), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

	handler_view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
	must(sigaction(SIGBUS, &action, NULL) == 0);
	touch_page(handler_view, 9);
}

static void returning_handler(int signal)
{
	(void)signal;
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
	(void)unused;
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
	char *view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
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

	char *view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
	info.si_addr = view + 9 * PAGE;
	syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGBUS, &info);
	broken("it goes on");
}

DIES(default_again)
{
	char *view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
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
	handler_view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
	own_stack(32768);
	char *room = mmap(NULL, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(room != MAP_FAILED && mprotect(room + PAGE, PAGE, PROT_READ | PROT_WRITE) == 0);
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

	char *view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0);
	touch_page(view, 9);
}

DIES(without_proc)
{
	char *view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
	must(chroot(".") == 0 && chdir("/") == 0);
	touch_page(view, 9);
}

/* A filter that could not be had changes nothing. */
DIES(not_filtered)
{
	char *view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
	must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) == -1);
	touch_page(view, 9);
}

DIES(child_of_vfork)
{
	int status;

	char *view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
	pid_t pid = vfork();
	must(pid >= 0);
	if (!pid) {
		(void)*(volatile char *)(view + 9 * PAGE);
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid);
	promise(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS, "status %#x", status);
	promise(page_is(view, 1, 0), "the parent's mapping is another");
	kill(getpid(), SIGBUS);
}

/* A child does it, and each SIGBUS that it stops at is shown. */
static int trace(void (*act)(volatile char *view), volatile char *view,
		 void (*seen)(const siginfo_t *info))
{
	siginfo_t info;
	int status;
	pid_t pid = sure(fork());

	if (!pid) {
		must(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
		act(view);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		int signal = WSTOPSIG(status);
		must(ptrace(PTRACE_GETSIGINFO, pid, NULL, &info) == 0);
		if (signal == SIGBUS)
			seen(&info);
		must(ptrace(PTRACE_CONT, pid, NULL, (void *)(long)signal) == 0);
	}
	return status;
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
	char *view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
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

static void grow_back(const siginfo_t *info)
{
	(void)info;
	file_overwrite(FILE_NAME, 2, 0, PAGES);
}

/* The page is back before anybody looks: a program that would have died dies all the same. */
CASE(back_again, HOLDS_BARE)
{
	char *view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
	die_traced(view, grow_back);
}

/* A disk that is full, and a mapping of a file with nothing but a hole, which is not open. */
static volatile char *hole_on_a_full_disk(bool keep_name)
{
	static char block[65536];
	int fd = open("full/holes", O_RDWR | O_CREAT, 0600),
	    rest = open("full/rest", O_WRONLY | O_CREAT, 0600);

	must(fd >= 0 && rest >= 0 && ftruncate(fd, PAGES * PAGE) == 0);
	volatile char *view = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(view != MAP_FAILED && close(fd) == 0);
	must(keep_name || unlink("full/holes") == 0);
	while (write(rest, block, sizeof(block)) > 0)
		;
	while (write(rest, block, 1) > 0)
		;
	return view;
}

DIES(full)
{
	hole_on_a_full_disk(true)[9 * PAGE] = 1;
	broken("a page was found");
}

DIES(full_read)
{
	touch_page((char *)hole_on_a_full_disk(true), 9);
}

/* And nobody tells how long the file is. */
DIES(full_unlinked)
{
	volatile char *view = hole_on_a_full_disk(false);
	be_nobody();
	view[9 * PAGE] = 1;
	broken("a page was found");
}

DIES(huge)
{
	const size_t page = 2 << 20;
	volatile char *view =
		mmap(NULL, 64 * page, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE, -1, 0);

	if (view == MAP_FAILED)
		skip("huge pages: %s", strerror(errno));
	be_nobody();
	for (size_t i = 0; i < 64; i++)
		view[i * page] = 1;
	skip("there are huge pages");
}

/* A file on a disk of its own, out of the cache. */
static volatile char *map_from_disk(int *fd)
{
	file_make("full/" FILE_NAME, 1, PAGES);
	*fd = open("full/" FILE_NAME, O_RDWR);
	must(*fd >= 0 && fsync(*fd) == 0 && posix_fadvise(*fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
	volatile char *view =
		sure(mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0));
	return view;
}

DIES(disk_gone)
{
	int fd;

	volatile char *view = map_from_disk(&fd);
	must(truncate("disk", 0) == 0);
	touch_page((char *)view, 9);
}

DIES(disk_gone_store)
{
	int fd;

	volatile char *view = map_from_disk(&fd);
	must(truncate("disk", 0) == 0);
	view[9 * PAGE] = 1;
	broken("page 9 could be written");
}

#define EXT4_IOC_SHUTDOWN _IOR('X', 125, uint32_t)

/* What is in the cache can be read, and no room be had. */
DIES(disk_shut_down)
{
	uint32_t at_once = 2;
	int fd;

	volatile char *view = map_from_disk(&fd);
	must(ftruncate(fd, 0) == 0 && ftruncate(fd, PAGES * PAGE) == 0);
	(void)view[9 * PAGE];
	if (ioctl(fd, EXT4_IOC_SHUTDOWN, &at_once))
		skip("ext4 cannot be shut down: %s", strerror(errno));
	view[9 * PAGE] = 1;
	broken("page 9 could be written");
}

/* ---- rescued ---- */

/* What is there again is what is read, and takes the store; and so the next time. */
static void read_again(volatile char *view)
{
	for (int i = 0; i < 3; i++) {
		cut(LEFT);
		promise(page_is(view + 9 * PAGE, 2, 9), "page 9");
	}
}

static void store_again(volatile char *view)
{
	for (int i = 0; i < 3; i++) {
		cut(LEFT);
		view[9 * PAGE + 7] = 42;
		promise(view[9 * PAGE + 7] == 42, "page 9");
	}
}

static void rescue_back_again(const void *stores)
{
	volatile char *view = map(PROT_READ | PROT_WRITE, MAP_SHARED);
	bool is_store = *(const bool *)stores;
	int status = trace(is_store ? store_again : read_again, view, grow_back);

	promise(!status, "status %#x", status);
	promise((view[9 * PAGE + 7] == 42) == is_store, "the store is lost");
}

static void zeros(const volatile char *view, size_t from, size_t to)
{
	for (size_t page = from; page < to; page++)
		promise(page_is_zero(view + page * PAGE), "page %zu is not zero", page);
}

/* What is left of the file, the rest of its last page, and what is gone. */
static void check_cut(const volatile char *view)
{
	view_check(view, 1, 0, LEFT, "what is left");
	promise(pattern_wrong(view + LEFT * PAGE, 1, LEFT, 100) == 100, "the last bytes");
	zeros(view, LEFT + 1, PAGES);
}

static void rescue_read(const void *flags)
{
	char *view = map(PROT_READ, *(const int *)flags);
	cut(LEFT);
	zeros(view, 9, 10);
	check_cut(view);
}

RESCUE(backwards)
{
	volatile char *view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
	for (size_t page = PAGES; page-- > LEFT + 1;)
		promise(view[page * PAGE] == 0, "page %zu", page);
	check_cut(view);
}

RESCUE(again)
{
	volatile char *view = map(PROT_READ, MAP_SHARED);
	cut(9);
	zeros(view, 12, 13);
	view_check(view, 1, 0, 9, "after the first cut");
	cut(LEFT);
	check_cut(view);
}

RESCUE(grown)
{
	char *view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
	check_cut(view);
	file_overwrite(FILE_NAME, 2, 0, PAGES);
	view_check(view, 2, 0, LEFT, "what still shows the file");
	zeros(view, LEFT + 1, PAGES);
}

static void rescue_store(const void *flags)
{
	bool is_shared = *(const int *)flags & MAP_SHARED;
	volatile char *view = map(PROT_READ | PROT_WRITE, *(const int *)flags);
	cut(LEFT);
	view[9 * PAGE + 5] = 42;
	view[1] = 43;
	promise(view[9 * PAGE + 5] == 42, "the store is lost");
	zeros(view, LEFT + 1, 9);
	struct stat st;
	must(stat(FILE_NAME, &st) == 0);
	promise(st.st_size == LEFT * (off_t)PAGE + 100, "the file has grown");
	int fd = file_open(FILE_NAME);
	char byte;
	must(pread(fd, &byte, 1, 1) == 1);
	promise((byte == 43) == is_shared, "what is left of the file is not what it was");
}

RESCUE(keeps_protection)
{
	char *view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
	zeros(view, 9, 10);
	struct sigaction action = { .sa_handler = touch_caught };
	sigaction(SIGSEGV, &action, NULL);
	if (!sigsetjmp(touch_jump, 1)) {
		((volatile char *)view)[9 * PAGE] = 1;
		broken("zeros of a read-only mapping can be written");
	}
}

RESCUE(lost)
{
	file_make(FILE_NAME, 1, PAGES);
	char *view = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	must(close(open(FILE_NAME, O_RDONLY | O_TRUNC)) == 0);
	zeros(view, 0, PAGES);
}

static char *cut_without_a_name(void)
{
	char *view = map(PROT_READ, MAP_SHARED);
	int fd = open(FILE_NAME, O_RDWR);

	must(fd >= 0 && unlink(FILE_NAME) == 0 && ftruncate(fd, LEFT * PAGE + 100) == 0);
	must(close(fd) == 0);
	return view;
}

RESCUE(unlinked)
{
	check_cut(cut_without_a_name());
}

/* Nobody tells then how long the file is. */
RESCUE(unlinked_unprivileged)
{
	be_nobody();
	rescue_unlinked(unused);
}

static void checking_handler(int signal)
{
	(void)signal;
	check_cut(handler_view);
}

RESCUE(in_a_handler)
{
	struct sigaction action = { .sa_handler = checking_handler, .sa_flags = SA_ONSTACK };

	handler_view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
	own_stack(16384);
	must(sigaction(SIGUSR1, &action, NULL) == 0 && raise(SIGUSR1) == 0);
	must(raise(SIGUSR1) == 0);
}

RESCUE(in_a_child)
{
	char *view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
	IN_CHILD {
		check_cut(view);
	}
	check_cut(view);
}

RESCUE(in_a_child_of_vfork)
{
	volatile char *view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
	pid_t pid = vfork();
	must(pid >= 0);
	if (!pid)
		_exit(view[9 * PAGE] ? EXIT_BROKEN : 0);
	child_wait(pid);
	check_cut(view);
}

/* Not a signal: the kernel's own look fails. */
RESCUE(is_no_matter_of_calls)
{
	int fds[2];

	char *view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
	must(pipe(fds) == 0);
	promise(write(fds[1], view + 9 * PAGE, 1) == -1 && errno == EFAULT, "write");
	check_cut(view);
	promise(write(fds[1], view + 9 * PAGE, 1) == 1, "write after the rescue");
}

/* The program's own handler comes first. */
RESCUE(not_with_a_handler)
{
	char *view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
	promise(touch(view + 9 * PAGE) == SIGBUS, "no signal");
	check_cut(view);
}

/* Threads that store into one page at once, each its own byte. */
#define ROUNDS 200

static volatile unsigned char *shared_view;

static void *storer(void *argument)
{
	unsigned char *own = argument;

	for (int round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(&barrier);
		shared_view[9 * PAGE + *own] = *own;
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

static void rescue_threads(const void *flags)
{
	static unsigned char own[THREADS];
	pthread_t threads[THREADS];

	must(pthread_barrier_init(&barrier, NULL, THREADS + 1) == 0);
	for (size_t i = 0; i < THREADS; i++) {
		own[i] = (unsigned char)(i + 1);
		must(pthread_create(&threads[i], NULL, storer, &own[i]) == 0);
	}
	for (int round = 0; round < ROUNDS; round++) {
		char *view = map(PROT_READ | PROT_WRITE, *(const int *)flags);
		shared_view = (unsigned char *)view;
		cut(LEFT);
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
		for (size_t i = 0; i < THREADS; i++)
			promise(shared_view[9 * PAGE + own[i]] == own[i],
				"round %d: the store of thread %zu is lost", round, i);
		must(munmap(view, PAGES * PAGE) == 0);
	}
	for (size_t i = 0; i < THREADS; i++)
		must(pthread_join(threads[i], NULL) == 0);
}

RESCUE(locked)
{
	char vector;

	char *view = map(PROT_READ, MAP_SHARED);
	must(mlock(view, PAGES * PAGE) == 0);
	cut(LEFT);
	promise(((volatile char *)view)[9 * PAGE] == 0, "page 9");
	promise(mincore(view + 12 * PAGE, PAGE, (unsigned char *)&vector) == 0 && vector & 1,
		"the zeros are not locked in memory");
}

/* With remap_file_pages emulated: zeros in place of all of it, and nothing is left that shows the
 * file. */
RESCUE(emulated)
{
	volatile char *view = map(PROT_READ | PROT_WRITE, MAP_SHARED);

	must(remap_file_pages((char *)view, PAGE, 0, 3, 0) == 0);
	must(truncate(FILE_NAME, 0) == 0);
	promise(view[0] == 0 && view[9 * PAGE] == 0, "what was cut off is no zeros");
	promise(!count_lines("/proc/self/maps", FILE_NAME), "it is still mapped");
}

static const bool reads = false, stores = true;
static const int flags_shared = MAP_SHARED, flags_private = MAP_PRIVATE;

#define BOTH(function)                                                           \
	CASE_OF("rescue/" #function "/shared", rescue_##function, &flags_shared) \
	CASE_OF("rescue/" #function "/private", rescue_##function, &flags_private)

BOTH(read)
BOTH(store)
BOTH(threads)
CASE_OF("rescue/back_again/read", rescue_back_again, &reads)
CASE_OF("rescue/back_again/store", rescue_back_again, &stores)
CASE_OF("dies/on_a_small_stack", on_a_small_stack, NULL, HOLDS_BARE)
CASE_OF("rescue/on_a_small_stack", on_a_small_stack, NULL)

CASES_MAIN
