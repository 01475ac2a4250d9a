/* SPDX-License-Identifier: MIT */
/*
 * include/mmfence.h: a snapshot that is asked for, what is known of it, and one that is made anew.
 */
#include "guard_helper.h"

#define FILE_NAME "api.data"
#define PAGES	  16
#define BYTES	  (PAGES * PAGE)

static char *ask(int prot)
{
	file_make(FILE_NAME, 1, PAGES);
	int fd = file_open(FILE_NAME);
	char *view = mmap(NULL, BYTES, prot, MAP_PRIVATE | MAP_SNAPSHOT, fd, 0);

	must(view != MAP_FAILED && close(fd) == 0);
	return view;
}

static void is_snapshot(char *view, unsigned int generation, const char *when)
{
	struct mmfence_snapshot info;

	must(mmfence_snapshot_info(view + PAGE, &info) == 0);
	promise(info.address == view && info.length == BYTES && info.offset == 0,
		"%s: %zu bytes at %p", when, (size_t)info.length, info.address);
	view_check(view, generation, 0, PAGES, when);
}

static void refreshed(const void *prot)
{
	char *view = ask(*(const int *)prot);

	is_snapshot(view, 1, "asked for");
	file_overwrite(FILE_NAME, 2, 0, PAGES);
	is_snapshot(view, 1, "after a change");
	must(mmfence_snapshot_refresh(view + PAGE) == 0);
	is_snapshot(view, 2, "refreshed");
	file_overwrite(FILE_NAME, 3, 0, PAGES);
	is_snapshot(view, 2, "after another change");
}

/* The name leads to another file: the mapping is as it was. */
CASE(stale)
{
	char *view = ask(PROT_READ);
	must(rename(FILE_NAME, "api.old") == 0);
	file_make(FILE_NAME, 2, PAGES);
	promise(mmfence_snapshot_refresh(view) == -1 && errno == ESTALE, "another file: %s",
		strerror(errno));
	must(unlink(FILE_NAME) == 0);
	promise(mmfence_snapshot_refresh(view) == -1 && errno == ENOENT, "no file: %s",
		strerror(errno));
	/* Nothing to wait for, and no writer to come. */
	must(mkfifo(FILE_NAME, 0600) == 0);
	promise(mmfence_snapshot_refresh(view) == -1 && errno == ESTALE, "a fifo: %s",
		strerror(errno));
	must(unlink(FILE_NAME) == 0);
	is_snapshot(view, 1, "after all that");
}

CASE(preserved)
{
	char *view = ask(PROT_READ);
	must(mmfence_snapshot_preserve(view) == 0);
	promise(strcmp(engine_at(view), "guard"), "the engine is %s", engine_at(view));
	is_snapshot(view, 1, "preserved");
	must(munmap(view, BYTES) == 0);
	promise(mmfence_snapshot_preserve(view) == -1 && errno == ENOENT, "nothing there: %s",
		strerror(errno));
}

CASE_OF("refreshed/read_only", refreshed, AS(int, PROT_READ))
CASE_OF("refreshed/writable", refreshed, AS(int, RW))

CASES_MAIN
