/* SPDX-License-Identifier: MIT */
/*
 * S17: a program that touches what was cut off dies of SIGBUS as it would have died (dies/ and
 * the rest of these, each alone), or, where that was asked for, goes on with zeros (rescue/).
 */
#include <dlfcn.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <ucontext.h>

#include "helper.h"

#define FILE_NAME "sigbus.data"
#define PAGES	  16
#define LEFT	  3

/* A mapping by the program's own system call: what no library sees. */
static char *map_by_hand(int prot, int flags, int fd, size_t pages)
{
#ifdef __x86_64__
	register long r10 __asm__("r10") = flags;
	register long r8 __asm__("r8") = fd;
	register long r9 __asm__("r9") = 0;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(SYS_mmap), "D"(0), "S"(pages * PAGE), "d"(prot), "r"(r10), "r"(r8),
			   "r"(r9)
			 : "rcx", "r11", "memory");
#else
	struct {
		unsigned long address, length;
		long prot, flags, fd;
		unsigned long offset;
	} arguments = { 0, pages * PAGE, prot, flags, fd, 0 };
	long result = by_hand(SYS_mmap, (long)&arguments, 0, 0, 0, 0);
#endif
	must(result < 0 ? (errno = (int)-result, false) : true);
	return (char *)result;
}

static char *map(int prot, int flags)
{
	file_make(FILE_NAME, 1, PAGES);
	int fd = open(FILE_NAME, prot & PROT_WRITE && flags & MAP_SHARED ? O_RDWR : O_RDONLY);
	must(fd >= 0);
	char *view = flags & MAP_SHARED ? mmap(NULL, PAGES * PAGE, prot, flags, fd, 0)
					: map_by_hand(prot, flags, fd, PAGES);
	must(view != MAP_FAILED && close(fd) == 0);
	return view;
}

static void cut(size_t pages)
{
	must(truncate(FILE_NAME, (off_t)(pages * PAGE + 100)) == 0);
}

/* ---- dies ---- */

static void touch_page(volatile char *view, size_t page)
{
	(void)view[page * PAGE + 7];
	broken("page %zu could be read", page);
}

/* Open still, but not for writing. */
static void shared(const void *unused)
{
	(void)unused;
	char *view = map(PROT_READ, MAP_SHARED);
	file_open(FILE_NAME);
	cut(LEFT);
	touch_page(view, 9);
}

static void shared_store(const void *unused)
{
	(void)unused;
	volatile char *view = map(PROT_READ | PROT_WRITE, MAP_SHARED);
	cut(LEFT);
	view[9 * PAGE] = 1;
	broken("page 9 could be written");
}

static void private(const void *unused)
{
	(void)unused;
	char *view = map(PROT_READ, MAP_PRIVATE);
	cut(LEFT);
	touch_page(view, 9);
}

static void unlinked(const void *unused)
{
	(void)unused;
	char *view = map(PROT_READ, MAP_SHARED);
	int fd = open(FILE_NAME, O_RDWR);
	must(fd >= 0 && unlink(FILE_NAME) == 0 && ftruncate(fd, 0) == 0);
	touch_page(view, 9);
}

/* By a descriptor that is open still. */
static void held(const void *unused)
{
	(void)unused;
	char *view = map(PROT_READ, MAP_SHARED);
	int fd = open(FILE_NAME, O_RDWR);
	must(fd >= 0 && ftruncate(fd, 0) == 0);
	touch_page(view, 9);
}

/* A lease is not broken by it. */
static void lost(const void *unused)
{
	(void)unused;
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

static void beyond(const void *unused)
{
	(void)unused;
	touch_page(map_beyond(), 9);
}

/* Whom the kernel does not tell what file is mapped. */
static void be_nobody(void)
{
	if (geteuid() == 0)
		must(chmod(".", 0777) == 0 && setresuid(65534, 65534, 65534) == 0);
}

/* The old pages are elsewhere by then, as many as there were. */
static void beyond_preserved(const void *unused)
{
	(void)unused;
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

static void plugin(const void *unused)
{
	unsigned int (*get)(const unsigned char *from);

	(void)unused;
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

static void *toucher(void *view)
{
	touch_page(view, 9);
	return NULL;
}

static void in_a_thread(const void *unused)
{
	pthread_t thread;

	(void)unused;
	char *view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
	must(pthread_create(&thread, NULL, toucher, view) == 0);
	pthread_join(thread, NULL);
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

static void on_an_own_stack(const void *unused)
{
	struct sigaction action = { .sa_handler = touching_handler, .sa_flags = SA_ONSTACK };

	(void)unused;
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

static void chained(const void *unused)
{
	struct sigaction action = { .sa_handler = restoring_handler };

	(void)unused;
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

static void raised(const void *unused)
{
	(void)unused;
	must(signal(SIGBUS, raising_handler) != SIG_ERR);
	found.sa_handler = SIG_DFL;
	raise(SIGBUS);
	broken("it goes on");
}

static void sent(const void *unused)
{
	(void)unused;
	must(kill(getpid(), SIGBUS) == 0);
	for (;;)
		pause();
}

/* With the address of a fault that never was. */
static void queued(const void *unused)
{
	siginfo_t info = { .si_signo = SIGBUS, .si_code = SI_QUEUE };

	(void)unused;
	char *view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
	info.si_addr = view + 9 * PAGE;
	syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGBUS, &info);
	broken("it goes on");
}

static void default_again(const void *unused)
{
	(void)unused;
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

static void with_no_room(const void *unused)
{
	(void)unused;
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
static void filtered(const void *unused)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL),
	};
	struct sock_fprog program = { COUNT(code), code };

	(void)unused;
	char *view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0);
	touch_page(view, 9);
}

static void without_proc(const void *unused)
{
	(void)unused;
	char *view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
	must(chroot(".") == 0 && chdir("/") == 0);
	touch_page(view, 9);
}

/* A filter that could not be had changes nothing. */
static void not_filtered(const void *unused)
{
	(void)unused;
	char *view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
	must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) == -1);
	touch_page(view, 9);
}

static void child_of_vfork(const void *unused)
{
	int status;

	(void)unused;
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

/* A traced child touches a page that was cut off, and each SIGBUS that it stops at is shown; it
 * dies of the last one. */
static void die_traced(const char *view, void (*seen)(const siginfo_t *info))
{
	siginfo_t info;
	int status;
	pid_t pid = fork();

	must(pid >= 0);
	if (!pid) {
		must(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
		(void)*(const volatile char *)(view + 9 * PAGE + 7);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		int signal = WSTOPSIG(status);
		must(ptrace(PTRACE_GETSIGINFO, pid, NULL, &info) == 0);
		if (signal == SIGBUS)
			seen(&info);
		must(ptrace(PTRACE_CONT, pid, NULL, (void *)(long)signal) == 0);
	}
	promise(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS, "status %#x", status);
}

static siginfo_t last_seen;

static void remember_last(const siginfo_t *info)
{
	last_seen = *info;
}

/* What kills it is the fault as it came: seen by who traces it. */
static void traced(const void *unused)
{
	(void)unused;
	char *view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
	die_traced(view, remember_last);
	promise(last_seen.si_code == BUS_ADRERR, "si_code %d", last_seen.si_code);
	promise(last_seen.si_addr == view + 9 * PAGE + 7, "si_addr is wrong");
}

static void grow_back(const siginfo_t *info)
{
	(void)info;
	file_overwrite(FILE_NAME, 2, 0, PAGES);
}

/* The page is back before anybody looks: a program that would have died dies all the same. */
static void back_again(const void *unused)
{
	(void)unused;
	char *view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
	die_traced(view, grow_back);
}

/* A disk that is full, and a file with a hole. */
static void full(const void *unused)
{
	static char block[65536];

	(void)unused;
	int fd = open("full/holes", O_RDWR | O_CREAT, 0600),
	    rest = open("full/rest", O_WRONLY | O_CREAT, 0600);
	must(fd >= 0 && rest >= 0 && ftruncate(fd, PAGES * PAGE) == 0);
	volatile char *view = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(view != MAP_FAILED);
	while (write(rest, block, sizeof(block)) > 0)
		;
	while (write(rest, block, 1) > 0)
		;
	view[9 * PAGE] = 1;
	broken("a page was found");
}

/* ---- rescued ---- */

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

static void rescue_backwards(const void *unused)
{
	(void)unused;
	volatile char *view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
	for (size_t page = PAGES; page-- > LEFT + 1;)
		promise(view[page * PAGE] == 0, "page %zu", page);
	check_cut(view);
}

static void rescue_again(const void *unused)
{
	(void)unused;
	volatile char *view = map(PROT_READ, MAP_SHARED);
	cut(9);
	zeros(view, 12, 13);
	view_check(view, 1, 0, 9, "after the first cut");
	cut(LEFT);
	check_cut(view);
}

static void rescue_grown(const void *unused)
{
	(void)unused;
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

static void rescue_keeps_protection(const void *unused)
{
	(void)unused;
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

static void rescue_lost(const void *unused)
{
	(void)unused;
	file_make(FILE_NAME, 1, PAGES);
	char *view = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	must(close(open(FILE_NAME, O_RDONLY | O_TRUNC)) == 0);
	zeros(view, 0, PAGES);
}

static void rescue_unlinked(const void *unused)
{
	(void)unused;
	char *view = map(PROT_READ, MAP_SHARED);
	int fd = open(FILE_NAME, O_RDWR);
	must(fd >= 0 && unlink(FILE_NAME) == 0 && ftruncate(fd, LEFT * PAGE + 100) == 0);
	check_cut(view);
}

/* Nobody tells then how long the file is. */
static void rescue_unlinked_unprivileged(const void *unused)
{
	be_nobody();
	rescue_unlinked(unused);
}

static void checking_handler(int signal)
{
	(void)signal;
	check_cut(handler_view);
}

static void rescue_in_a_handler(const void *unused)
{
	struct sigaction action = { .sa_handler = checking_handler, .sa_flags = SA_ONSTACK };

	(void)unused;
	handler_view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
	own_stack(16384);
	must(sigaction(SIGUSR1, &action, NULL) == 0 && raise(SIGUSR1) == 0);
	must(raise(SIGUSR1) == 0);
}

static void rescue_in_a_child(const void *unused)
{
	(void)unused;
	char *view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
	pid_t pid = fork();
	must(pid >= 0);
	if (!pid) {
		check_cut(view);
		_exit(0);
	}
	child_wait(pid);
	check_cut(view);
}

static void rescue_in_a_child_of_vfork(const void *unused)
{
	(void)unused;
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
static void rescue_is_no_matter_of_calls(const void *unused)
{
	int fds[2];

	(void)unused;
	char *view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
	must(pipe(fds) == 0);
	promise(write(fds[1], view + 9 * PAGE, 1) == -1 && errno == EFAULT, "write");
	check_cut(view);
	promise(write(fds[1], view + 9 * PAGE, 1) == 1, "write after the rescue");
}

/* The program's own handler comes first. */
static void rescue_not_with_a_handler(const void *unused)
{
	(void)unused;
	char *view = map(PROT_READ, MAP_SHARED);
	cut(LEFT);
	promise(touch(view + 9 * PAGE) == SIGBUS, "no signal");
	check_cut(view);
}

/* Threads that store into one page at once, each its own byte. */
#define THREADS 8
#define ROUNDS	200

static pthread_barrier_t barrier;
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

static void rescue_locked(const void *unused)
{
	char vector;

	(void)unused;
	char *view = map(PROT_READ, MAP_SHARED);
	must(mlock(view, PAGES * PAGE) == 0);
	cut(LEFT);
	promise(((volatile char *)view)[9 * PAGE] == 0, "page 9");
	promise(mincore(view + 12 * PAGE, PAGE, (unsigned char *)&vector) == 0 && vector & 1,
		"the zeros are not locked in memory");
}

static const int flags_shared = MAP_SHARED, flags_private = MAP_PRIVATE;

#define DIES(function)                                        \
	{                                                     \
		"dies/" #function, function, NULL, HOLDS_BARE \
	}
#define RESCUE(function)                                            \
	{                                                           \
		"rescue/" #function, rescue_##function, NULL, false \
	}
#define BOTH(function)                                                                   \
	{ "rescue/" #function "/shared", rescue_##function, &flags_shared, false },      \
	{                                                                                \
		"rescue/" #function "/private", rescue_##function, &flags_private, false \
	}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		DIES(shared),
		DIES(shared_store),
		DIES(private),
		DIES(unlinked),
		DIES(held),
		DIES(lost),
		DIES(beyond),
		DIES(beyond_preserved),
		DIES(plugin),
		DIES(in_a_thread),
		DIES(on_an_own_stack),
		DIES(on_a_small_stack),
		DIES(chained),
		DIES(raised),
		DIES(sent),
		DIES(queued),
		DIES(default_again),
		DIES(child_of_vfork),
		DIES(with_no_room),
		DIES(filtered),
		DIES(not_filtered),
		DIES(without_proc),
		DIES(full),
		{ "traced", traced, NULL, HOLDS_BARE },
		{ "back_again", back_again, NULL, HOLDS_BARE },
		BOTH(read),
		BOTH(store),
		BOTH(threads),
		RESCUE(backwards),
		RESCUE(again),
		RESCUE(grown),
		RESCUE(keeps_protection),
		RESCUE(lost),
		RESCUE(unlinked),
		RESCUE(unlinked_unprivileged),
		RESCUE(in_a_handler),
		{ "rescue/on_a_small_stack", on_a_small_stack, NULL, false },
		RESCUE(in_a_child),
		RESCUE(in_a_child_of_vfork),
		RESCUE(is_no_matter_of_calls),
		RESCUE(not_with_a_handler),
		RESCUE(locked),
	};

	return cases_main(cases, COUNT(cases), argc, argv);
}
