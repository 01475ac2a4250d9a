/* SPDX-License-Identifier: MIT */
/*
 * S7: shared mappings that can only be read are guarded as private ones are.
 */
#include "guard_view.h"

static char *shared_map(void)
{
	int fd = file_open(FILE_NAME);
	char *view = sure(mmap(NULL, BYTES, PROT_READ, MAP_SHARED, fd, 0));

	must(close(fd) == 0);
	return view;
}

static char *guarded_shared(void)
{
	file_make(FILE_NAME, 1, PAGES);
	char *view = shared_map();
	guarded_check(view, "shared");
	return view;
}

static void cannot_be_written(char *view, const char *when)
{
	promise(mprotect(view, PAGE, RW) == -1 && errno == EACCES, "%s: mprotect(PROT_WRITE): %s",
		when, strerror(errno));
	promise(syscall(SYS_mprotect, view, PAGE, PROT_WRITE) == -1 && errno == EACCES,
		"%s: mprotect by number: %s", when, strerror(errno));
}

static void shared_survives(const void *trial)
{
	cannot_be_written(survives(trial, guarded_shared), "preserved");
}

/* What the kernel refuses costs nothing. */
CASE(shared_refuses_stores_while_guarded)
{
	char *view = guarded_shared();

	cannot_be_written(view, "guarded");
	guarded_check(view, "after mprotect was refused");
	way_cut_twice();
	check(view, "after the change");
	cannot_be_written(view, "preserved");
}

/* The writer has had its mapping all the time: nothing to guard, so it is copied. */
CASE(shared_beside_a_writable_mapping)
{
	file_make(FILE_NAME, 1, PAGES);
	int fd = open_for_writing(0);
	char *writable = mmap(NULL, BYTES, RW, MAP_SHARED, fd, 0);
	must(writable != MAP_FAILED && close(fd) == 0);
	char *view = shared_map();
	for (size_t i = 0; i < PAGES; i++)
		pattern_fill(writable + i * PAGE, 2, i);
	check(view, "after stores through the writable mapping");
	cannot_be_written(view, "copied");
}

/* Private and shared mappings of one file under one lease. */
CASE(shared_and_private)
{
	char *shared = guarded_shared(), *view = view_make(FILE_NAME, PROT_READ, 0, PAGES);

	must(mprotect(view + PAGE, PAGE, RW) == 0);
	pattern_fill(view + PAGE, 9, 1);
	way_cut_twice();
	check(shared, "the shared one");
	view_check(view + PAGE, 9, 1, 1, "a store through the private one");
	view_check(view + 2 * PAGE, 1, 2, PAGES - 2, "the private one");
	cannot_be_written(shared, "beside a private one");
}

int main(int argc, char **argv)
{
	add_ways("shared", shared_survives);
	return cases_main(argc, argv);
}
