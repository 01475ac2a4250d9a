/* SPDX-License-Identifier: MIT */
/*
 * What the helpers about SIGBUS share: a file that is cut under its mapping, who looks at it, and
 * stacks for handlers.
 */
#ifndef MMFENCE_TESTS_SIGBUS_H
#define MMFENCE_TESTS_SIGBUS_H

#include <sys/auxv.h>
#include <sys/ptrace.h>

#include "helper.h"

#define FILE_NAME "sigbus.data"
#define PAGES	  16
#define LEFT	  3

#define DIES(function) CASE_NAMED("dies/" #function, function, HOLDS_BARE)

/* What no library sees. */
static inline char *map_unseen(int prot, int flags, int fd, size_t pages)
{
	long result = map_by_hand(pages * PAGE, prot, flags, fd);

	must((unsigned long)result > -4096UL ? (errno = (int)-result, false) : true);
	return (char *)result;
}

static inline char *map(int prot, int flags)
{
	file_make(FILE_NAME, 1, PAGES);
	int fd = sure(open(FILE_NAME, prot & PROT_WRITE && flags & MAP_SHARED ? O_RDWR : O_RDONLY));
	char *view = flags & MAP_SHARED ? mmap(NULL, PAGES * PAGE, prot, flags, fd, 0)
					: map_unseen(prot, flags, fd, PAGES);
	must(view != MAP_FAILED && close(fd) == 0);
	return view;
}

static inline void cut(size_t pages)
{
	must(truncate(FILE_NAME, (off_t)(pages * PAGE + 100)) == 0);
}

static inline char *map_cut(int prot, int flags)
{
	char *view = map(prot, flags);

	cut(LEFT);
	return view;
}

/* Whom the kernel does not tell what file is mapped. */
static inline void be_nobody(void)
{
	if (geteuid() == 0)
		must(chmod(".", 0777) == 0 && setresuid(65534, 65534, 65534) == 0);
}

/* Its name is in the report. */
static __attribute__((noinline, unused)) void touch_page(volatile char *view, size_t page)
{
	(void)view[page * PAGE + 7];
	broken("page %zu could be read", page);
}

/* What a handler touches. */
static __attribute__((unused)) char *handler_view;

static inline void own_stack(size_t size)
{
	stack_t stack = { .ss_size = size, .ss_sp = malloc(size) };

	must(sigaltstack(&stack, NULL) == 0);
}

/* Two frames of the kernel's and little more, and nothing is mapped below. */
static inline void small_own_stack(void)
{
	size_t least = 2 * (size_t)getauxval(AT_MINSIGSTKSZ) + 1024;
	size_t size = (least + PAGE - 1) & ~(PAGE - 1);
	char *low = mmap(NULL, size + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stack_t stack = { .ss_sp = low + PAGE, .ss_size = least };

	must(low != MAP_FAILED && mprotect(low + PAGE, size, RW) == 0);
	must(sigaltstack(&stack, NULL) == 0);
}

static volatile sig_atomic_t small_touched;

static inline void small_handler(int signal)
{
	(void)*(volatile char *)(handler_view + 9 * PAGE);
	small_touched = 1;
}

static inline void on_a_small_stack(const void *unused)
{
	struct sigaction action = { .sa_handler = small_handler, .sa_flags = SA_ONSTACK };

	handler_view = map_cut(PROT_READ, MAP_SHARED);
	small_own_stack();
	must(sigaction(SIGUSR1, &action, NULL) == 0 && raise(SIGUSR1) == 0);
	promise(small_touched, "it was not called");
}

/* A child does it, and each SIGBUS that it stops at is shown. */
static inline int trace(void (*act)(volatile char *view), volatile char *view,
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

static inline void grow_back(const siginfo_t *info)
{
	file_overwrite(FILE_NAME, 2, 0, PAGES);
}

#endif
