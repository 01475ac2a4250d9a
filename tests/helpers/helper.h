/* SPDX-License-Identifier: MIT */
/*
 * What the helper programs share: files with a known pattern, cases that run one by
 * one, and ways to wait for another process that are no sleeps.
 *
 *	HELPER [--bare] [PATTERN]
 *
 * runs the cases whose names match. One case runs in the helper's own process, several
 * each in a child. Exit status: 0 the promises held, 1 one was broken (a sentence on
 * standard output says which), 77 nothing could be tried here, 99 the trial itself failed.
 *
 * --bare is the proof that the cases can fail: run without mmfence, every case must break
 * but those marked HOLDS_BARE, which say what the kernel promises by itself.
 */
#ifndef MMFENCE_TESTS_HELPER_H
#define MMFENCE_TESTS_HELPER_H

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "state.h"

#define PAGE	    4096UL
#define RW	    (PROT_READ | PROT_WRITE)
#define EXIT_BROKEN 1
#define EXIT_SKIP   77
#define EXIT_TRIAL  99
#define COUNT(a)    (sizeof(a) / sizeof((a)[0]))

/* --- saying how it went --- */

__attribute__((format(printf, 2, 3), noreturn)) static inline void
helper_end(int status, const char *format, ...)
{
	char line[512];
	va_list list;

	va_start(list, format);
	int length = vsnprintf(line, sizeof(line) - 1, format, list);
	va_end(list);
	if (length > (int)sizeof(line) - 2)
		length = sizeof(line) - 2;
	line[length] = '\n';
	if (write(STDOUT_FILENO, line, (size_t)length + 1) < 0)
		_exit(EXIT_TRIAL);
	state_leave();
	_exit(status);
}

/* The promise is broken. */
#define broken(...) helper_end(EXIT_BROKEN, __VA_ARGS__)
/* It cannot be tried on this machine. */
#define skip(...) helper_end(EXIT_SKIP, "skip: " __VA_ARGS__)
/* What the trial needs failed: neither kept nor broken. */
#define die(what) helper_end(EXIT_TRIAL, "%s:%d: %s: %s", __FILE__, __LINE__, what, strerror(errno))

#define must(condition)                  \
	do {                             \
		if (!(condition))        \
			die(#condition); \
	} while (0)

/* What a call gives, unless that is -1 or MAP_FAILED. */
#define sure(call)                                  \
	({                                          \
		__typeof__(call) sure_ = (call);    \
		if (sure_ == (__typeof__(sure_))-1) \
			die(#call);                 \
		sure_;                              \
	})

#define promise(condition, ...)              \
	do {                                 \
		if (!(condition))            \
			broken(__VA_ARGS__); \
	} while (0)

/* What came of a call that this kernel may be too old for: "openat2 before Linux 5.6". */
static inline long skip_without(long result, const char *call)
{
	if (result == -1 && errno == ENOSYS)
		skip("no %s", call);
	return result;
}

#define CLOSE_RANGE_SINCE "close_range before Linux 5.9"

/* --- patterns: every page of every generation of a file is another one --- */

static inline uint64_t pattern_word(unsigned int generation, size_t page, size_t word)
{
	return (generation + 1) * 0x9e3779b97f4a7c15u ^ (page + 1) * 0xc2b2ae3d27d4eb4fu ^
	       (word + 1) * 0x165667b19e3779f9u;
}

static inline void pattern_fill(void *at, unsigned int generation, size_t page)
{
	for (size_t word = 0; word < PAGE / 8; word++) {
		uint64_t value = pattern_word(generation, page, word);
		memcpy((char *)at + word * 8, &value, 8);
	}
}

/* The first byte that is wrong, or length. */
static inline size_t pattern_wrong(const volatile void *at, unsigned int generation, size_t page,
				   size_t length)
{
	const volatile unsigned char *byte = at;
	unsigned char right[PAGE];

	pattern_fill(right, generation, page);
	for (size_t i = 0; i < length; i++)
		if (byte[i] != right[i])
			return i;
	return length;
}

static inline bool page_is(const volatile void *at, unsigned int generation, size_t page)
{
	return pattern_wrong(at, generation, page, PAGE) == PAGE;
}

static inline bool page_is_zero(const volatile void *at)
{
	const volatile unsigned char *byte = at;

	for (size_t i = 0; i < PAGE; i++)
		if (byte[i])
			return false;
	return true;
}

/* view shows `pages` pages of a file, from page `first` on. */
static inline void view_check(const volatile void *view, unsigned int generation, size_t first,
			      size_t pages, const char *what)
{
	for (size_t i = 0; i < pages; i++) {
		const volatile char *at = (const volatile char *)view + i * PAGE;
		size_t wrong = pattern_wrong(at, generation, first + i, PAGE);
		promise(wrong == PAGE, "%s: page %zu of the file differs from byte %zu on", what,
			first + i, wrong);
	}
}

static inline void file_fill(int fd, unsigned int generation, size_t first, size_t pages)
{
	unsigned char page[PAGE];

	for (size_t i = first; i < first + pages; i++) {
		pattern_fill(page, generation, i);
		must(pwrite(fd, page, PAGE, (off_t)(i * PAGE)) == (ssize_t)PAGE);
	}
}

/* A new file of `pages` pages and `tail` bytes of one more. */
static inline void file_make_tail(const char *path, unsigned int generation, size_t pages,
				  size_t tail)
{
	unsigned char page[PAGE];
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	must(fd >= 0);
	file_fill(fd, generation, 0, pages);
	pattern_fill(page, generation, pages);
	must(pwrite(fd, page, tail, (off_t)(pages * PAGE)) == (ssize_t)tail);
	must(close(fd) == 0);
}

static inline void file_make(const char *path, unsigned int generation, size_t pages)
{
	file_make_tail(path, generation, pages, 0);
}

static inline void file_overwrite(const char *path, unsigned int generation, size_t first,
				  size_t pages)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	must(fd >= 0);
	file_fill(fd, generation, first, pages);
	must(close(fd) == 0);
}

/* Until another change is sure to show in its times: file systems take them from a clock that goes
 * by ticks, and some have seconds only. */
static inline void file_settle(const char *path)
{
	struct timespec now;
	struct stat file;

	must(stat(path, &file) == 0);
	time_t seconds = file.st_ctim.tv_nsec ? 0 : 2;
	do
		must(clock_gettime(CLOCK_REALTIME_COARSE, &now) == 0);
	while (now.tv_sec < file.st_ctim.tv_sec + seconds ||
	       (now.tv_sec == file.st_ctim.tv_sec && now.tv_nsec <= file.st_ctim.tv_nsec));
}

/* In memory and without a name, also before Linux 3.17. */
static inline int file_in_memory(void)
{
	char path[] = "/dev/shm/helper.XXXXXX";
	int fd = memfd_create("helper", MFD_CLOEXEC);

	if (fd < 0 && errno == ENOSYS) {
		fd = mkostemp(path, O_CLOEXEC);
		must(fd >= 0 && unlink(path) == 0);
	}
	must(fd >= 0);
	return fd;
}

static inline int file_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	must(fd >= 0);
	return fd;
}

/* A private mapping of `pages` pages from page `first` on; the descriptor is closed. */
static inline char *view_make(const char *path, int prot, size_t first, size_t pages)
{
	int fd = file_open(path);
	char *view = mmap(NULL, pages * PAGE, prot, MAP_PRIVATE, fd, (off_t)(first * PAGE));

	must(view != MAP_FAILED);
	must(close(fd) == 0);
	return view;
}

static inline char *anonymous(size_t length)
{
	return sure(mmap(NULL, length, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

/* Addresses without memory. */
static inline char *reserve(size_t length)
{
	return sure(mmap(NULL, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

/* --- touching what may not be there --- */

static sigjmp_buf touch_jump;

static inline void touch_caught(int signal)
{
	siglongjmp(touch_jump, signal);
}

/* 0, or the signal that reading a byte raised. */
static inline int touch(const volatile char *at)
{
	struct sigaction caught = { .sa_handler = touch_caught }, bus, segv;
	int signal;

	sigaction(SIGBUS, &caught, &bus);
	sigaction(SIGSEGV, &caught, &segv);
	signal = sigsetjmp(touch_jump, 1);
	if (!signal)
		(void)*at;
	sigaction(SIGBUS, &bus, NULL);
	sigaction(SIGSEGV, &segv, NULL);
	return signal;
}

/* Whether anything is mapped there. */
static inline bool is_mapped(const volatile void *at)
{
	return msync((void *)(uintptr_t)at, PAGE, MS_ASYNC) == 0 || errno != ENOMEM;
}

/* --- another process, waiting for the word --- */

struct other {
	pid_t pid;
	int go, done;
};

typedef void other_act(const void *argument);

static inline void other_serve(int go, int done, other_act *act, const void *argument)
{
	char byte;

	while (read(go, &byte, 1) == 1) {
		act(argument);
		must(write(done, &byte, 1) == 1);
	}
	_exit(0);
}

/* Forks a process that does the act at each other_go. */
static inline struct other other_start(other_act *act, const void *argument)
{
	int go[2], done[2];
	struct other other;

	must(pipe2(go, O_CLOEXEC) == 0 && pipe2(done, O_CLOEXEC) == 0);
	other.pid = fork();
	must(other.pid >= 0);
	if (!other.pid) {
		close(go[1]);
		close(done[0]);
		other_serve(go[0], done[1], act, argument);
	}
	close(go[0]);
	close(done[1]);
	other.go = go[1];
	other.done = done[0];
	return other;
}

/* Waits for a child and hands its failure on. */
static inline void child_wait(pid_t pid)
{
	int status;

	must(waitpid(pid, &status, 0) == pid);
	promise(!WIFSIGNALED(status), "a child was killed by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status))
		_exit(WEXITSTATUS(status));
}

static inline bool child_goes(pid_t *child)
{
	if (!*child)
		return true;
	if (*child > 0)
		child_wait(*child);
	return false;
}

/* What a child does, which must end well before its parent goes on. */
#define IN_CHILD for (pid_t child_ = sure(fork()); child_goes(&child_); _exit(0))

static inline void other_begin(const struct other *other)
{
	must(write(other->go, "", 1) == 1);
}

static inline void other_wait(const struct other *other)
{
	char byte;

	if (read(other->done, &byte, 1) != 1)
		child_wait(other->pid);
}

/* Has the act done, and returns when it is. */
static inline void other_go(const struct other *other)
{
	other_begin(other);
	other_wait(other);
}

static inline void other_end(const struct other *other)
{
	close(other->go);
	close(other->done);
	child_wait(other->pid);
}

/* For the last time. */
static inline void other_last(const struct other *other)
{
	other_go(other);
	other_end(other);
}

/* --- limits --- */

static inline void limit_set(__rlimit_resource_t resource, rlim_t most)
{
	struct rlimit limit = { most, most };

	must(setrlimit(resource, &limit) == 0);
}

/* --- what /proc says --- */

/* The first line of a file in /proc that begins with key, without the key; or "". */
static inline const char *proc_line(const char *path, const char *key, char *line, int size)
{
	FILE *file = fopen(path, "re");
	size_t length = strlen(key);

	while (file && fgets(line, size, file))
		if (!strncmp(line, key, length)) {
			line[strcspn(line, "\n")] = 0;
			fclose(file);
			return line + length;
		}
	if (file)
		fclose(file);
	return "";
}

/* How many lines of a file have this word. */
static inline unsigned int count_lines(const char *path, const char *word)
{
	FILE *file = fopen(path, "re");
	char line[4608];
	unsigned int count = 0;

	must(file);
	while (fgets(line, sizeof(line), file))
		count += strstr(line, word) != NULL;
	fclose(file);
	return count;
}

/* What smaps has behind this key for the area that holds at, as proc_line() has it. */
static inline const char *smaps_line(const volatile void *at, const char *key, char *line, int size)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	unsigned long long start, end;
	bool here = false;

	must(smaps);
	while (fgets(line, size, smaps)) {
		if (sscanf(line, "%llx-%llx ", &start, &end) == 2)
			here = (uintptr_t)at >= start && (uintptr_t)at < end;
		else if (here && !strncmp(line, key, strlen(key)))
			break;
	}
	bool found = !feof(smaps);
	fclose(smaps);
	line[strcspn(line, "\n")] = 0;
	return found ? line + strlen(key) : "";
}

/* --- threads --- */

typedef void *thread_act(void *argument);

static inline pthread_t thread_start(thread_act *act, void *argument)
{
	pthread_t thread;

	must(pthread_create(&thread, NULL, act, argument) == 0);
	return thread;
}

static inline void *thread_end(pthread_t thread)
{
	void *result;

	must(pthread_join(thread, &result) == 0);
	return result;
}

static inline void *in_thread(thread_act *act, void *argument)
{
	return thread_end(thread_start(act, argument));
}

/* --- a signal between processes, without sleeps --- */

struct gate {
	int in, out;
};

static inline struct gate gate_make(void)
{
	int ends[2];

	must(pipe2(ends, O_CLOEXEC) == 0);
	return (struct gate){ ends[0], ends[1] };
}

static inline void gate_open(const struct gate *gate)
{
	must(write(gate->out, "", 1) == 1);
}

static inline void gate_wait(const struct gate *gate)
{
	char byte;

	must(read(gate->in, &byte, 1) == 1);
}

#define wait_until(condition)          \
	do {                           \
		while (!(condition))   \
			sched_yield(); \
	} while (0)

/* --- what is listed where it stands --- */

/* In order, before main(). */
#define LISTED(function, number, ...)                                          \
	static __attribute__((constructor(1000 + number))) void function(void) \
	{                                                                      \
		__VA_ARGS__;                                                   \
	}

/* Things of one kind that are done, each with its name:
 *	ACTS(way, void, void)
 *	#define WAY(name) ACT(way, #name, way_##name) static void way_##name(void)
 *	WAY(truncate) { … }
 * and ways[i].name and ways[i].act are there, for way_count of them. */
#define ACTS(kind, result, ...)                 \
	typedef result kind##_act(__VA_ARGS__); \
	static struct kind {                    \
		const char *name;               \
		kind##_act *act;                \
	} kind##s[40];                          \
	static size_t kind##_count;
/* The whole of it, where that is one line: WAY(truncate) DOES(must(!truncate(NAME, 0))) */
#define DOES(...)            \
	{                    \
		__VA_ARGS__; \
	}
#define RETURNS(...)		  DOES(return __VA_ARGS__)
#define ACT(kind, text, function) ACT_LISTED(__COUNTER__, kind, text, function)
#define ACT_LISTED(number, kind, text, function) \
	static kind##_act function;              \
	LISTED(function##_listed, number, kind##s[kind##_count++] = (struct kind){ text, function })

/* --- cases --- */

/* Seconds that a case may hang: less than the kernel lets a writer wait for a process that does
 * nothing (fs.lease-break-time). */
#define PATIENT 20

struct test_case {
	const char *name;
	void (*run)(const void *argument);
	const void *argument;
	bool holds_bare;
};

#define HOLDS_BARE .holds_bare = true

static const struct test_case *case_list[512];
static size_t case_count;

static inline void case_add(const struct test_case *test)
{
	must(case_count < COUNT(case_list));
	case_list[case_count++] = test;
}

/* One of many that a helper makes when it starts; what it is called with stays there. */
__attribute__((format(printf, 4, 5))) static inline void
case_make(void (*run)(const void *), const void *argument, bool holds_bare, const char *format, ...)
{
	struct test_case *test = malloc(sizeof(*test));
	char *name;
	va_list list;

	va_start(list, format);
	must(test && vasprintf(&name, format, list) > 0);
	va_end(list);
	*test = (struct test_case){ name, run, argument, holds_bare };
	case_add(test);
}

/* A case stands where its function does: CASE(name) { … }. Or it has a name that is no function's;
 * or it is a function that was defined before, with what it is called with. */
#define CASE_LISTED_(number, text, function, ...)                          \
	static const struct test_case case_##number = { .name = (text),    \
							.run = (function), \
							__VA_ARGS__ };     \
	LISTED(case_listed_##number, number, case_add(&case_##number))
#define CASE_LISTED(...) CASE_LISTED_(__VA_ARGS__)
#define CASE_NAMED(text, function, ...)                       \
	static void function(const void *unused);             \
	CASE_LISTED(__COUNTER__, text, function, __VA_ARGS__) \
	static void function(const void *unused)
#define CASE(function, ...) CASE_NAMED(#function, function, __VA_ARGS__)
/* A case that is a test by itself, about this promise, in each variant or in both widths: it needs
 * no line in tests/preload, where test_promises.c has those of all helpers. */
#define PROMISE(promise, function, ...)	       CASE(function, __VA_ARGS__)
#define PROMISE_WIDTHS(promise, function, ...) CASE(function, __VA_ARGS__)
#define CASE_OF(text, function, with, ...) \
	CASE_LISTED(__COUNTER__, text, function, .argument = (with), __VA_ARGS__)
/* A value that it is called with: AS(int, PROT_READ). */
#define AS(type, ...) (&(type const){ __VA_ARGS__ })

static inline int case_run(const struct test_case *test)
{
	int status;
	pid_t pid = fork();

	must(pid >= 0);
	if (!pid) {
		alarm(60);
		test->run(test->argument);
		state_leave();
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid);
	if (WIFSIGNALED(status)) {
		printf("killed by signal %d\n", WTERMSIG(status));
		return EXIT_BROKEN;
	}
	return WEXITSTATUS(status);
}

/* How the case ended, seen from whether it should have held. */
static inline int case_judge(const struct test_case *test, bool bare)
{
	int status = case_run(test);

	if (bare && !test->holds_bare && status != EXIT_SKIP) {
		status = status == EXIT_BROKEN ? 0 : EXIT_BROKEN;
		if (status)
			printf("this case cannot fail: ");
	}
	printf("%s: %s\n", test->name,
	       status == 0	     ? "kept"
	       : status == EXIT_SKIP ? "skipped"
				     : "broken");
	fflush(stdout);
	return status;
}

static inline int cases_judge(bool bare, const char *pattern)
{
	int kept = 0, skipped = 0, worst = 0;

	for (size_t i = 0; i < case_count; i++) {
		if (fnmatch(pattern, case_list[i]->name, 0))
			continue;
		int status = case_judge(case_list[i], bare);
		kept += !status;
		skipped += status == EXIT_SKIP;
		if (status && status != EXIT_SKIP)
			worst = status;
	}
	if (!worst && !kept)
		return skipped ? EXIT_SKIP : EXIT_TRIAL;
	return worst;
}

static inline int cases_main(int argc, char **argv)
{
	bool bare = argc > 1 && !strcmp(argv[1], "--bare");
	const char *pattern = argc > 1 + bare ? argv[1 + bare] : "*";
	const struct test_case *only = NULL;
	size_t matching = 0;

	for (size_t i = 0; i < case_count; i++)
		if (!fnmatch(pattern, case_list[i]->name, 0)) {
			only = case_list[i];
			matching++;
		}
	if (matching != 1 || bare)
		return cases_judge(bare, pattern);
	only->run(only->argument);
	return 0;
}

#define CASES_MAIN                             \
	int main(int argc, char **argv)        \
	{                                      \
		return cases_main(argc, argv); \
	}

#endif
