/* SPDX-License-Identifier: MIT */
/*
 * S14: what is put aside is whole wherever it is put: in huge pages, and on file systems that
 * know no holes, nothing tells what was copied already.
 */
#include "guard_helper.h"

#define FILE_NAME "guard.data"
#define PAGES	  2048 /* four huge pages */
#define MANY	  8704 /* 34 MiB */

static size_t file_pages;

static void change(const void *unused)
{
	file_overwrite(FILE_NAME, 2, 0, file_pages);
}

/* Window by window, in this order, each where the kernel likes it. */
static void windows(const size_t *first, size_t count, size_t pages)
{
	char *views[64];

	file_pages = PAGES;
	struct other other = other_start(change, NULL);
	file_make(FILE_NAME, 1, PAGES);
	for (size_t i = 0; i < count; i++) {
		views[i] = view_make(FILE_NAME, PROT_READ, first[i], pages);
		guarded_check(views[i], "a window");
	}
	other_go(&other);
	for (size_t i = 0; i < count; i++) {
		preserved_check(views[i], "a window");
		view_check(views[i], 1, first[i], pages, "a window");
	}
	other_end(&other);
}

CASE_NAMED("windows/two", two)
{
	windows((const size_t[]){ 0, 2 }, 2, 1);
}

CASE_NAMED("windows/many", many)
{
	size_t first[64];

	for (size_t i = 0; i < COUNT(first); i++)
		first[i] = i * 37 % COUNT(first) * 31;
	windows(first, COUNT(first), 3);
}

CASE_NAMED("windows/overlapping", overlapping)
{
	windows((const size_t[]){ 600, 590, 595, 605, 10, 0, 612 }, 7, 10);
}

CASE(halves)
{
	file_pages = MANY;
	struct other other = other_start(change, NULL);
	char *view = guarded_make(FILE_NAME, PROT_READ, MANY);

	other_last(&other);
	preserved_check(view, "all");
	view_check(view, 1, 0, MANY, "all");
}

CASES_MAIN
