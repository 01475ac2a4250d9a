/* SPDX-License-Identifier: MIT */
/*
 * S5: unmapping, protecting, moving and covering parts of snapshots, several at once and
 * ordinary mappings between them: the kernel's result, and the promise for what is left.
 */
#include <sys/ipc.h>
#include <sys/shm.h>

#include "helper.h"

#define PAGES 8
#define BYTES (PAGES * PAGE)

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

/* Three snapshots, a gap and an anonymous mapping:
 *	0-8 a   8-12 nothing   12-20 b   20-24 anonymous   24-32 c	*/
#define AT_A	0
#define AT_GAP	8
#define AT_B	12
#define AT_ANON 20
#define AT_C	24
#define AT_END	32
#define ROOM	96 /* pages, into which nothing else of the process will be put */

static const char *const names[] = { "areas.a", "areas.b", "areas.c" };
static const size_t places[] = { AT_A, AT_B, AT_C };

static void place(char *at, const char *name, int prot)
{
	int fd = file_open(name);

	must(mmap(at, BYTES, prot, MAP_PRIVATE | MAP_FIXED, fd, 0) == at);
	must(close(fd) == 0);
}

static char *row(int prot)
{
	char *base = reserve(ROOM * PAGE);

	for (size_t i = 0; i < COUNT(names); i++) {
		file_make(names[i], (unsigned int)(1 + i), PAGES);
		place(base + places[i] * PAGE, names[i], prot);
	}
	must(munmap(base + AT_GAP * PAGE, 4 * PAGE) == 0);
	must(mmap(base + AT_ANON * PAGE, 4 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		  0) != MAP_FAILED);
	memset(base + AT_ANON * PAGE, 'n', 4 * PAGE);
	return base;
}

/* Overwrites the first half of each file and cuts the second off. */
static void change_all(void)
{
	for (size_t i = 0; i < COUNT(names); i++) {
		file_overwrite(names[i], 9, 0, PAGES / 2);
		must(truncate(names[i], BYTES / 2) == 0);
	}
}

/* Pages [from, to) of the row's snapshot number i. */
static void still(const char *base, size_t i, size_t from, size_t to, const char *what)
{
	view_check(base + (places[i] + from) * PAGE, (unsigned int)(1 + i), from, to - from, what);
}

PROMISE(S5, munmap_across_snapshots)
{
	char *base = row(PROT_READ);

	promise(munmap(base + 4 * PAGE, 24 * PAGE) == 0, "munmap: %s", strerror(errno));
	for (size_t page = 4; page < 28; page++)
		promise(!is_mapped(base + page * PAGE), "page %zu is still there", page);
	change_all();
	still(base, 0, 0, 4, "what is left of a");
	still(base, 2, 4, 8, "what is left of c");
}

PROMISE(S5, munmap_in_the_middle)
{
	char *base = row(RW);

	must(munmap(base + 2 * PAGE, 3 * PAGE) == 0);
	promise(!is_mapped(base + 3 * PAGE), "the middle is still there");
	change_all();
	still(base, 0, 0, 2, "before the hole");
	still(base, 0, 5, 8, "behind the hole");
}

PROMISE(S5, mprotect_splits)
{
	char *base = row(PROT_READ);

	for (size_t page = 0; page < PAGES; page += 2)
		must(mprotect(base + page * PAGE, PAGE, page % 4 ? PROT_NONE : RW) == 0);
	promise(touch(base + 2 * PAGE) == SIGSEGV, "PROT_NONE can be read");
	change_all();
	promise(touch(base + 2 * PAGE) == SIGSEGV, "PROT_NONE can be read after the change");
	base[0] = base[0]; /* writable still */
	must(mprotect(base, BYTES, PROT_READ) == 0);
	still(base, 0, 0, PAGES, "whole again");
}

PROMISE(S5, mprotect_across_snapshots)
{
	char *base = row(PROT_READ);

	must(mprotect(base + 14 * PAGE, 14 * PAGE, RW) == 0);
	memset(base + 15 * PAGE, 's', PAGE);
	memset(base + 25 * PAGE, 's', PAGE);
	change_all();
	still(base, 1, 0, 3, "before the store");
	still(base, 1, 4, 8, "behind the store");
	still(base, 2, 0, 1, "before the second store");
	still(base, 2, 2, 8, "behind the second store");
	promise(base[15 * PAGE] == 's' && base[26 * PAGE - 1] == 's', "the stores are gone");
	promise(base[AT_ANON * PAGE] == 'n', "the anonymous mapping changed");
}

/* The kernel changes what comes before a gap, then fails with ENOMEM. */
PROMISE(S5, mprotect_over_a_gap)
{
	char *base = row(PROT_READ);

	promise(mprotect(base, 16 * PAGE, PROT_NONE) == -1 && errno == ENOMEM,
		"mprotect over a gap: %s", strerror(errno));
	promise(touch(base + PAGE) == SIGSEGV, "before the gap the protection is the old one");
	promise(touch(base + AT_B * PAGE) == 0, "behind the gap the protection changed");
	must(mprotect(base, BYTES, PROT_READ) == 0);
	change_all();
	still(base, 0, 0, PAGES, "a");
	still(base, 1, 0, PAGES, "b");
}

PROMISE(S5, mremap_shrinks)
{
	char *base = row(PROT_READ);

	must(mremap(base, BYTES, 2 * PAGE + 1, 0) == base);
	promise(!is_mapped(base + 3 * PAGE), "the end is still there");
	change_all();
	still(base, 0, 0, 3, "what is left");
}

/* The mapping reaches the end of the file: growing shows nothing new. */
PROMISE(S5, mremap_grows_at_the_end_of_the_file)
{
	char *base = row(PROT_READ), *grown;

	grown = mremap(base, BYTES, 2 * BYTES, MREMAP_MAYMOVE);
	promise(grown != MAP_FAILED, "mremap: %s", strerror(errno));
	promise(touch(grown + BYTES) == SIGBUS, "a page past the end can be read");
	change_all();
	view_check(grown, 1, 0, PAGES, "the grown mapping");
	promise(touch(grown + BYTES) == SIGBUS, "a page past the end can be read later");
}

/* Only the window was captured: either the promise is extended or the call fails. */
CASE(grow_beyond_window)
{
	char *view, *grown;

	file_make(names[0], 1, PAGES);
	view = view_make(names[0], PROT_READ, 0, 4);
	grown = mremap(view, 4 * PAGE, 6 * PAGE, MREMAP_MAYMOVE);
	promise(grown != MAP_FAILED || errno == ENOMEM, "mremap: %s", strerror(errno));
	file_overwrite(names[0], 9, 0, PAGES);
	if (grown == MAP_FAILED)
		view_check(view, 1, 0, 4, "the old mapping");
	else
		view_check(grown, 1, 0, 6, "the grown mapping");
	printf("%s\n", grown == MAP_FAILED ? "ENOMEM" : "grown");
}

PROMISE(S5, mremap_grows_in_place)
{
	char *base = row(PROT_READ);

	must(munmap(base + AT_END * PAGE, 8 * PAGE) == 0);
	char *grown = mremap(base + AT_C * PAGE, BYTES, BYTES + 2 * PAGE, 0);
	promise(grown == base + AT_C * PAGE, "mremap in place: %s", strerror(errno));
	change_all();
	still(base, 2, 0, PAGES, "the grown mapping");
	promise(touch(grown + BYTES) == SIGBUS, "a page past the end can be read");
}

PROMISE(S5, mremap_without_room_changes_nothing)
{
	char *base = row(PROT_READ);

	promise(mremap(base + AT_B * PAGE, BYTES, 2 * BYTES, 0) == MAP_FAILED && errno == ENOMEM,
		"mremap without room: %s", strerror(errno));
	change_all();
	still(base, 1, 0, PAGES, "the mapping that stayed");
}

PROMISE(S5, mremap_moves)
{
	char *base = row(RW), *to = base + 40 * PAGE;

	pattern_fill(base + PAGE, 7, 1);
	must(mremap(base, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	promise(!is_mapped(base), "the old place is still there");
	change_all();
	view_check(to, 1, 0, 1, "moved");
	promise(page_is(to + PAGE, 7, 1), "the store did not move along");
	view_check(to + 2 * PAGE, 1, 2, PAGES - 2, "moved");
}

PROMISE(S5, mremap_moves_the_middle)
{
	char *base = row(PROT_READ), *to = base + 40 * PAGE;

	must(mremap(base + 2 * PAGE, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	change_all();
	still(base, 0, 0, 2, "left of what moved");
	still(base, 0, 5, 8, "right of what moved");
	view_check(to, 1, 2, 3, "moved");
}

PROMISE(S5, mremap_moves_onto_another)
{
	char *base = row(PROT_READ), *to = base + (AT_C + 2) * PAGE;

	must(mremap(base + AT_B * PAGE, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) ==
	     to);
	change_all();
	still(base, 1, 4, 8, "left of b");
	still(base, 2, 0, 2, "left of c");
	still(base, 2, 6, 8, "right of c");
	view_check(to, 2, 0, 4, "b on c");
}

PROMISE(S5, mremap_moves_and_leaves)
{
	char *base = row(PROT_READ), *to = base + 40 * PAGE;

	if (mremap(base, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to) != to)
		skip("no MREMAP_DONTUNMAP for files");
	change_all();
	view_check(to, 1, 0, PAGES, "moved");
	still(base, 0, 0, PAGES, "left behind");
}

PROMISE(S5, map_fixed_anonymous_over_the_middle)
{
	char *base = row(PROT_READ);

	must(mmap(base + 6 * PAGE, 8 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
	     MAP_FAILED);
	memset(base + 6 * PAGE, 'c', 8 * PAGE);
	change_all();
	still(base, 0, 0, 6, "left of the cover");
	still(base, 1, 2, 8, "right of the cover");
	for (size_t i = 6 * PAGE; i < 14 * PAGE; i++)
		promise(base[i] == 'c', "the cover changed");
	must(madvise(base + 6 * PAGE, 8 * PAGE, MADV_DONTNEED) == 0);
	for (size_t page = 6; page < 14; page++)
		promise(page_is_zero(base + page * PAGE), "the cover is not anonymous");
}

PROMISE(S5, map_fixed_snapshot_over_the_middle)
{
	char *base = row(PROT_READ);

	place(base + 4 * PAGE, names[2], PROT_READ);
	change_all();
	still(base, 0, 0, 4, "left of the cover");
	view_check(base + 4 * PAGE, 3, 0, PAGES, "the cover");
	still(base, 1, 0, PAGES, "right of the cover");
}

PROMISE(S5, map_fixed_shared_over_the_middle)
{
	char *base = row(PROT_READ);
	int fd;

	file_make("areas.shared", 5, PAGES);
	fd = open("areas.shared", O_RDWR | O_CLOEXEC);
	must(mmap(base + 2 * PAGE, 3 * PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 0) == base + 2 * PAGE);
	change_all();
	file_fill(fd, 6, 0, 3);
	still(base, 0, 0, 2, "left of the cover");
	still(base, 0, 5, 8, "right of the cover");
	view_check(base + 2 * PAGE, 6, 0, 3, "the cover must show the file of today");
}

/* No wrapped call: the shim cannot know that its mapping is gone. */
PROMISE(S5, shmat_over_the_middle)
{
	char *base = row(PROT_READ);
	int segment = shmget(IPC_PRIVATE, 2 * PAGE, IPC_CREAT | 0600);

	if (segment < 0)
		skip("shmget: %s", strerror(errno));
	void *at = shmat(segment, base + 2 * PAGE, SHM_REMAP);
	shmctl(segment, IPC_RMID, NULL);
	must(at == base + 2 * PAGE);
	memset(at, 'v', 2 * PAGE);
	change_all();
	still(base, 0, 0, 2, "left of the segment");
	still(base, 0, 4, 8, "right of the segment");
	promise(base[2 * PAGE] == 'v' && base[4 * PAGE - 1] == 'v', "the segment changed");
	must(madvise(at, 2 * PAGE, MADV_DONTNEED) == 0);
	promise(base[2 * PAGE] == 'v', "the segment was taken for a snapshot");
}

PROMISE(S5, address_can_be_used_again, HOLDS_BARE)
{
	char *base = row(PROT_READ);

	must(munmap(base, AT_END * PAGE) == 0);
	must(mmap(base, AT_END * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		  0) == base);
	memset(base, 'u', AT_END * PAGE);
	change_all();
	for (size_t i = 0; i < AT_END * PAGE; i++)
		promise(base[i] == 'u', "byte %zu changed", i);
	must(madvise(base, AT_END * PAGE, MADV_DONTNEED) == 0);
	promise(page_is_zero(base) && page_is_zero(base + 14 * PAGE), "not anonymous");
	must(mprotect(base, PAGE, PROT_READ) == 0 && munmap(base, AT_END * PAGE) == 0);
}

PROMISE(S5, many_pieces)
{
	enum { MANY = 512 };
	char *base = mmap(NULL, 2 * MANY * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd;

	file_make(names[0], 1, PAGES);
	fd = file_open(names[0]);
	for (size_t i = 0; i < MANY; i++)
		must(mmap(base + 2 * i * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd,
			  (off_t)(i % PAGES * PAGE)) != MAP_FAILED);
	for (size_t i = 0; i < MANY; i += 3)
		must(munmap(base + 2 * i * PAGE, PAGE) == 0);
	file_overwrite(names[0], 9, 0, PAGES);
	for (size_t i = 0; i < MANY; i++)
		if (i % 3)
			view_check(base + 2 * i * PAGE, 1, i % PAGES, 1, "one of many");
}

CASES_MAIN
