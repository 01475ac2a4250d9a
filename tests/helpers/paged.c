/* SPDX-License-Identifier: MIT */
/*
 * M4 with swap: views stay the same, and private pages private, through paging out, in
 * parent and child. Needs root, to add a swap file; it is taken away in any case.
 */
#include <sys/swap.h>

#include "views.h"

#define PAGES	   1024
#define BYTES	   (PAGES * PAGE)
#define SWAP	   "paged.swap"
#define SWAP_PAGES 8192

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

static int run(const char *program, const char *argument)
{
	int status;
	pid_t pid = sure(fork());

	if (!pid) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		execlp(program, program, argument, (char *)NULL);
		_exit(127);
	}
	must(waitpid(pid, &status, 0) == pid);
	return status;
}

static void add_swap(void)
{
	char zeros[PAGE * 16] = { 0 };
	int fd = sure(open(SWAP, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));

	for (size_t i = 0; i < SWAP_PAGES / 16; i++)
		must(write(fd, zeros, sizeof(zeros)) == (ssize_t)sizeof(zeros));
	must(fsync(fd) == 0 && close(fd) == 0);
	if (run("mkswap", SWAP))
		skip("mkswap");
	if (swapon(SWAP, 0))
		skip("swapon: %s", strerror(errno));
}

/* KiB of the area at at. */
static unsigned long in_swap(const char *at)
{
	char line[512];

	return strtoul(smaps_line(at, "Swap:", line, sizeof(line)), NULL, 10);
}

/* What is mapped twice stays: the view forgets its pages first. How many KiB are out. */
static unsigned long page_out(char *at, char *view)
{
	if (view)
		must(madvise(view, BYTES, MADV_DONTNEED) == 0);
	for (size_t i = 0; i < PAGES; i++)
		(void)*(volatile char *)(at + i * PAGE);
	if (madvise(at, BYTES, MADV_PAGEOUT))
		skip("no MADV_PAGEOUT before Linux 5.4");
	return in_swap(at);
}

static void in_child(char *source, char *view, char *own)
{
	view_check(own, 2, 0, PAGES, "the child's private pages");
	fill_pages(own, 3, PAGES);
	view_check(view, 1, 0, PAGES, "the child's view");
	fill_pages(source, 4, PAGES);
	page_out(source, view);
	view_check(view, 4, 0, PAGES, "the child's view after paging out");
	view_check(own, 3, 0, PAGES, "the child's private pages after paging out");
	_exit(0);
}

static void trial(void)
{
	char *source = anonymous(BYTES), *own = anonymous(BYTES);

	/* Turned while it is out. */
	fill_pages(source, 1, PAGES);
	unsigned long before = page_out(source, NULL);
	char *view = view_of(source, BYTES);
	view_check(view, 1, 0, PAGES, "view of memory that was paged out");
	fill_pages(own, 2, PAGES);
	page_out(own, NULL);
	unsigned long after = page_out(source, view);
	if (!before || !after)
		skip("nothing is paged out (%lu and %lu KiB)", before, after);
	pid_t pid = sure(fork());
	if (!pid)
		in_child(source, view, own);
	child_wait(pid);
	view_check(own, 2, 0, PAGES, "the parent's private pages");
	bool split = getenv("MMFENCE_SELFMEM_FORK") != NULL;
	view_check(view, split ? 1 : 4, 0, PAGES, "the parent's view");
	page_out(source, view);
	view_check(source, split ? 1 : 4, 0, PAGES, "the parent's source after paging out");
	must_be_coherent(source, view, BYTES, "afterwards");
	_exit(0);
}

int main(void)
{
	int status;

	if (geteuid())
		skip("not root");
	add_swap();
	pid_t pid = fork();
	if (!pid)
		trial();
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		status = EXIT_TRIAL << 8;
	if (swapoff(SWAP))
		die("swapoff");
	unlink(SWAP);
	return WIFSIGNALED(status) ? EXIT_BROKEN : WEXITSTATUS(status);
}
