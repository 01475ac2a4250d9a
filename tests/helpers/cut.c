/* SPDX-License-Identifier: MIT */
/*
 * S2: cutting the file takes no page away that existed when it was mapped, and makes none
 * appear that did not.
 */
#include "helper.h"

#define FILE_NAME "cut.data"
#define PAGES	  16
#define TAIL	  100

static void to_zero(const void *prot)
{
	file_make(FILE_NAME, 1, PAGES);
	char *view = view_make(FILE_NAME, *(const int *)prot, 0, PAGES);
	must(truncate(FILE_NAME, 0) == 0);
	view_check(view, 1, 0, PAGES, "cut to nothing");
}

static void to_mid_page(const void *prot)
{
	file_make(FILE_NAME, 1, PAGES);
	char *view = view_make(FILE_NAME, *(const int *)prot, 0, PAGES);
	must(truncate(FILE_NAME, 3 * PAGE + TAIL) == 0);
	view_check(view, 1, 0, PAGES, "cut in the middle of a page");
}

static void grown_again(const void *prot)
{
	file_make(FILE_NAME, 1, PAGES);
	char *view = view_make(FILE_NAME, *(const int *)prot, 0, PAGES);
	must(truncate(FILE_NAME, 0) == 0);
	must(truncate(FILE_NAME, 4 * PAGES * PAGE) == 0);
	view_check(view, 1, 0, PAGES, "cut and grown again");
}

static void window(const void *prot)
{
	file_make(FILE_NAME, 1, PAGES);
	char *view = view_make(FILE_NAME, *(const int *)prot, 5, 6);
	must(truncate(FILE_NAME, 7 * PAGE) == 0);
	view_check(view, 1, 5, 6, "a window of a file that was cut");
}

static void unlinked(const void *prot)
{
	int fd;

	file_make(FILE_NAME, 1, PAGES);
	fd = open(FILE_NAME, O_RDWR | O_CLOEXEC);
	char *view = view_make(FILE_NAME, *(const int *)prot, 0, PAGES);
	must(unlink(FILE_NAME) == 0 && ftruncate(fd, 0) == 0);
	view_check(view, 1, 0, PAGES, "unlinked and cut");
}

static void check_tail(const volatile char *view, const char *when)
{
	promise(pattern_wrong(view, 1, 3, TAIL) == TAIL, "%s: the last bytes of the file", when);
	for (size_t i = TAIL; i < PAGE; i++)
		promise(view[i] == 0, "%s: byte %zu past the end is not zero", when, i);
}

static void tail(const void *prot)
{
	file_make_tail(FILE_NAME, 1, 3, TAIL);
	char *view = view_make(FILE_NAME, *(const int *)prot, 0, 4);
	check_tail(view + 3 * PAGE, "at first");
	file_overwrite(FILE_NAME, 2, 0, 6);
	check_tail(view + 3 * PAGE, "when the file had grown");
	view_check(view, 1, 0, 3, "the whole pages");
}

static void past_end(const void *prot)
{
	file_make_tail(FILE_NAME, 1, 3, TAIL);
	char *view = view_make(FILE_NAME, *(const int *)prot, 0, 6);
	for (size_t page = 0; page < 6; page++) {
		int signal = touch(view + page * PAGE);
		promise(signal == (page < 4 ? 0 : SIGBUS), "page %zu: signal %d", page, signal);
	}
}

static void past_end_grown(const void *prot)
{
	file_make_tail(FILE_NAME, 1, 3, TAIL);
	char *view = view_make(FILE_NAME, *(const int *)prot, 0, 6);
	file_overwrite(FILE_NAME, 2, 0, 8);
	promise(touch(view + 4 * PAGE) == SIGBUS, "page 4 appeared when the file grew");
	promise(touch(view + 5 * PAGE) == SIGBUS, "page 5 appeared when the file grew");
	view_check(view, 1, 0, 3, "the whole pages");
}

static void wholly_past_end(const void *prot)
{
	file_make(FILE_NAME, 1, 3);
	char *view = view_make(FILE_NAME, *(const int *)prot, 8, 2);
	promise(touch(view) == SIGBUS, "a page far past the end can be read");
	file_overwrite(FILE_NAME, 2, 0, PAGES);
	promise(touch(view) == SIGBUS, "it appeared when the file grew");
}

static void empty(const void *prot)
{
	file_make(FILE_NAME, 1, 0);
	char *view = view_make(FILE_NAME, *(const int *)prot, 0, 2);
	promise(touch(view) == SIGBUS, "a page of an empty file can be read");
	file_overwrite(FILE_NAME, 2, 0, 2);
	promise(touch(view) == SIGBUS, "it appeared when the file grew");
}

static siginfo_t seen;

static void on_bus(int signal, siginfo_t *info, void *context)
{
	seen = *info;
	siglongjmp(touch_jump, signal);
}

static void signal_says_where(const void *prot)
{
	struct sigaction action = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };

	file_make(FILE_NAME, 1, 3);
	volatile char *view = view_make(FILE_NAME, *(const int *)prot, 0, 5);
	sigaction(SIGBUS, &action, NULL);
	if (!sigsetjmp(touch_jump, 1)) {
		(void)view[4 * PAGE + 7];
		broken("no signal");
	}
	promise(seen.si_signo == SIGBUS && seen.si_code == BUS_ADRERR, "si_code %d", seen.si_code);
	promise(seen.si_addr == (void *)(view + 4 * PAGE + 7), "si_addr is wrong");
}

static void system_calls_see_efault(const void *prot)
{
	int null = open("/dev/zero", O_RDWR | O_CLOEXEC), fds[2];

	file_make(FILE_NAME, 1, 3);
	char *view = view_make(FILE_NAME, *(const int *)prot, 0, 5);
	must(null >= 0 && pipe(fds) == 0);
	promise(write(fds[1], view + 4 * PAGE, 8) == -1 && errno == EFAULT, "write from there");
	promise(read(null, view + 4 * PAGE, 8) == -1 && errno == EFAULT, "read to there");
	promise(write(fds[1], view, 8) == 8, "write from what exists");
}

/* Kernel code that reads the program's memory sees what the program sees. */
static void system_calls_see_the_capture(const void *prot)
{
	int fds[2];
	char page[PAGE];

	file_make(FILE_NAME, 1, 3);
	char *view = view_make(FILE_NAME, *(const int *)prot, 0, 3);
	must(pipe(fds) == 0 && truncate(FILE_NAME, 0) == 0);
	promise(write(fds[1], view + PAGE, PAGE) == (ssize_t)PAGE, "write from the view failed");
	must(read(fds[0], page, PAGE) == (ssize_t)PAGE);
	promise(page_is(page, 1, 1), "write from the view wrote something else");
}

#define BOTH(function, ...)                                                 \
	CASE_OF(#function "/ro", function, AS(int, PROT_READ), __VA_ARGS__) \
	CASE_OF(#function "/rw", function, AS(int, RW), __VA_ARGS__)

BOTH(to_zero)
BOTH(to_mid_page)
BOTH(grown_again)
BOTH(window)
BOTH(unlinked)
BOTH(tail)
BOTH(past_end, HOLDS_BARE)
BOTH(past_end_grown)
BOTH(wholly_past_end)
BOTH(empty)
BOTH(signal_says_where, HOLDS_BARE)
BOTH(system_calls_see_efault, HOLDS_BARE)
BOTH(system_calls_see_the_capture)

CASES_MAIN
