/* SPDX-License-Identifier: MIT */
/*
 * N1, N5: calls remap_file_pages from three call sites (100, 10 and 3 times; the last
 * fail), checks what each did, prints how many worked, and ends in the way it is told.
 *
 *	nonlinear return|exit|_exit|_Exit|quick_exit|syscall|exec|fork|kill|hole|noop
 */
#include "helper.h"

#define FILE_NAME "nonlinear.data"
#define PAGES	  32
#define WINDOW	  16
#define FIRST	  2 /* the window is linear from this page on */

static char *window;
static int worked, failed, last_error;

static void count(int result, size_t slot, size_t page)
{
	if (result) {
		failed++;
		last_error = errno;
		return;
	}
	worked++;
	promise(page_is(window + slot * PAGE, 1, page), "slot %zu does not show page %zu", slot,
		page);
}

__attribute__((noinline)) static void site_a(size_t slot, size_t page)
{
	count(remap_file_pages(window + slot * PAGE, PAGE, 0, page, 0), slot, page);
}

__attribute__((noinline)) static void site_b(size_t slot, size_t page)
{
	count(remap_file_pages(window + slot * PAGE, 2 * PAGE, 0, page, MAP_NONBLOCK), slot, page);
}

__attribute__((noinline)) static void site_c(size_t slot, size_t page)
{
	count(remap_file_pages(window + slot * PAGE, PAGE, PROT_READ, page, 0), slot, page);
}

/* Volatile: a loop that the compiler unrolls has several call sites. */
static volatile size_t times_a = 100, times_b = 10, times_c = 3;

static void call_all(void)
{
	for (size_t i = 0; i < times_a; i++)
		site_a(i % WINDOW, (i + 5) % PAGES);
	for (size_t i = 0; i < times_b; i++)
		site_b(i % (WINDOW - 1), i * 3);
	for (size_t i = 0; i < times_c; i++)
		site_c(i, i);
}

static void in_a_child(void)
{
	pid_t child = sure(fork());

	if (!child) {
		times_a = times_c = 0;
		times_b = 7;
		call_all();
		exit(0);
	}
	child_wait(child);
}

/* In a hole, above which something is. */
static void in_a_hole(void)
{
	must(!munmap(window, PAGE));
	promise(remap_file_pages(window, PAGE, 0, 0, 0) == -1 && errno == EINVAL, "in a hole: %s",
		strerrorname_np(errno));
}

static void end(const char *how)
{
	if (!strcmp(how, "hole"))
		in_a_hole();
	if (!strcmp(how, "exit"))
		exit(0);
	if (!strcmp(how, "_exit"))
		_exit(0);
	if (!strcmp(how, "_Exit"))
		_Exit(0);
	if (!strcmp(how, "quick_exit"))
		quick_exit(0);
	if (!strcmp(how, "syscall"))
		syscall(SYS_exit_group, 0);
	if (!strcmp(how, "exec"))
		execl("/proc/self/exe", "nonlinear", "noop", (char *)NULL);
	if (!strcmp(how, "fork"))
		in_a_child();
	if (!strcmp(how, "kill"))
		kill(getpid(), SIGKILL);
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "return";
	int fd;

	if (!strcmp(how, "noop"))
		return 0;
	file_make(FILE_NAME, 1, PAGES);
	fd = open(FILE_NAME, O_RDWR | O_CLOEXEC);
	window = mmap(NULL, WINDOW * PAGE, RW, MAP_SHARED, fd, FIRST * PAGE);
	must(fd >= 0 && window != MAP_FAILED);
	must(close(fd) == 0);
	call_all();
	printf("%d worked, %d failed, %s\n", worked, failed, strerrorname_np(last_error));
	fflush(stdout);
	end(how);
	return 0;
}
