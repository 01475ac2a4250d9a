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
#define ROOM	96

static const char *const names[] = { "areas.a", "areas.b", "areas.c" };
static const size_t places[] = { AT_A, AT_B, AT_C };

/* Room that nothing else of the process will be put into. */
static char *reserve(void)
{
	char *base = mmap(NULL, ROOM * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(base != MAP_FAILED);
	return base;
}

static void place(char *at, const char *name, int prot)
{
	int fd = file_open(name);

	must(mmap(at, BYTES, prot, MAP_PRIVATE | MAP_FIXED, fd, 0) == at);
	must(close(fd) == 0);
}

static char *row(int prot)
{
	char *base = reserve();

	for (size_t i = 0; i < COUNT(names); i++) {
		file_make(names[i], (unsigned int)(1 + i), PAGES);
		place(base + places[i] * PAGE, names[i], prot);
	}
	must(munmap(base + AT_GAP * PAGE, 4 * PAGE) == 0);
	must(mmap(base + AT_ANON * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
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

static void unmap_across(const void *unused)
{
	char *base = row(PROT_READ);

	(void)unused;
	promise(munmap(base + 4 * PAGE, 24 * PAGE) == 0, "munmap: %s", strerror(errno));
	for (size_t page = 4; page < 28; page++)
		promise(!is_mapped(base + page * PAGE), "page %zu is still there", page);
	change_all();
	still(base, 0, 0, 4, "what is left of a");
	still(base, 2, 4, 8, "what is left of c");
}

static void unmap_middle(const void *unused)
{
	char *base = row(PROT_READ | PROT_WRITE);

	(void)unused;
	must(munmap(base + 2 * PAGE, 3 * PAGE) == 0);
	promise(!is_mapped(base + 3 * PAGE), "the middle is still there");
	change_all();
	still(base, 0, 0, 2, "before the hole");
	still(base, 0, 5, 8, "behind the hole");
}

static void protect_splits(const void *unused)
{
	char *base = row(PROT_READ);

	(void)unused;
	for (size_t page = 0; page < PAGES; page += 2)
		must(mprotect(base + page * PAGE, PAGE,
			      page % 4 ? PROT_NONE : PROT_READ | PROT_WRITE) == 0);
	promise(touch(base + 2 * PAGE) == SIGSEGV, "PROT_NONE can be read");
	change_all();
	promise(touch(base + 2 * PAGE) == SIGSEGV, "PROT_NONE can be read after the change");
	base[0] = base[0]; /* writable still */
	must(mprotect(base, BYTES, PROT_READ) == 0);
	still(base, 0, 0, PAGES, "whole again");
}

static void protect_across(const void *unused)
{
	char *base = row(PROT_READ);

	(void)unused;
	must(mprotect(base + 14 * PAGE, 14 * PAGE, PROT_READ | PROT_WRITE) == 0);
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
static void protect_over_a_gap(const void *unused)
{
	char *base = row(PROT_READ);

	(void)unused;
	promise(mprotect(base, 16 * PAGE, PROT_NONE) == -1 && errno == ENOMEM,
		"mprotect over a gap: %s", strerror(errno));
	promise(touch(base + PAGE) == SIGSEGV, "before the gap the protection is the old one");
	promise(touch(base + AT_B * PAGE) == 0, "behind the gap the protection changed");
	must(mprotect(base, BYTES, PROT_READ) == 0);
	change_all();
	still(base, 0, 0, PAGES, "a");
	still(base, 1, 0, PAGES, "b");
}

static void shrink(const void *unused)
{
	char *base = row(PROT_READ);

	(void)unused;
	must(mremap(base, BYTES, 3 * PAGE, 0) == base);
	promise(!is_mapped(base + 3 * PAGE), "the end is still there");
	change_all();
	still(base, 0, 0, 3, "what is left");
}

/* The mapping reaches the end of the file: growing shows nothing new. */
static void grow_at_end_of_file(const void *unused)
{
	char *base = row(PROT_READ), *grown;

	(void)unused;
	grown = mremap(base, BYTES, 2 * BYTES, MREMAP_MAYMOVE);
	promise(grown != MAP_FAILED, "mremap: %s", strerror(errno));
	promise(touch(grown + BYTES) == SIGBUS, "a page past the end can be read");
	change_all();
	view_check(grown, 1, 0, PAGES, "the grown mapping");
	promise(touch(grown + BYTES) == SIGBUS, "a page past the end can be read later");
}

/* Only the window was captured: either the promise is extended or the call fails. */
static void grow_beyond_window(const void *unused)
{
	char *view, *grown;

	(void)unused;
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

static void grow_in_place(const void *unused)
{
	char *base = row(PROT_READ);

	(void)unused;
	must(munmap(base + AT_END * PAGE, 8 * PAGE) == 0);
	char *grown = mremap(base + AT_C * PAGE, BYTES, BYTES + 2 * PAGE, 0);
	promise(grown == base + AT_C * PAGE, "mremap in place: %s", strerror(errno));
	change_all();
	still(base, 2, 0, PAGES, "the grown mapping");
	promise(touch(grown + BYTES) == SIGBUS, "a page past the end can be read");
}

static void no_room_to_grow(const void *unused)
{
	char *base = row(PROT_READ);

	(void)unused;
	promise(mremap(base + AT_B * PAGE, BYTES, 2 * BYTES, 0) == MAP_FAILED && errno == ENOMEM,
		"mremap without room: %s", strerror(errno));
	change_all();
	still(base, 1, 0, PAGES, "the mapping that stayed");
}

static void move(const void *unused)
{
	char *base = row(PROT_READ | PROT_WRITE), *to = base + 40 * PAGE;

	(void)unused;
	pattern_fill(base + PAGE, 7, 1);
	must(mremap(base, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	promise(!is_mapped(base), "the old place is still there");
	change_all();
	view_check(to, 1, 0, 1, "moved");
	promise(page_is(to + PAGE, 7, 1), "the store did not move along");
	view_check(to + 2 * PAGE, 1, 2, PAGES - 2, "moved");
}

static void move_middle(const void *unused)
{
	char *base = row(PROT_READ), *to = base + 40 * PAGE;

	(void)unused;
	must(mremap(base + 2 * PAGE, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	change_all();
	still(base, 0, 0, 2, "left of what moved");
	still(base, 0, 5, 8, "right of what moved");
	view_check(to, 1, 2, 3, "moved");
}

static void move_onto_another(const void *unused)
{
	char *base = row(PROT_READ), *to = base + (AT_C + 2) * PAGE;

	(void)unused;
	must(mremap(base + AT_B * PAGE, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) ==
	     to);
	change_all();
	still(base, 1, 4, 8, "left of b");
	still(base, 2, 0, 2, "left of c");
	still(base, 2, 6, 8, "right of c");
	view_check(to, 2, 0, 4, "b on c");
}

static void move_and_leave(const void *unused)
{
	char *base = row(PROT_READ), *to = base + 40 * PAGE;

	(void)unused;
	if (mremap(base, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to) != to)
		skip("no MREMAP_DONTUNMAP for files");
	change_all();
	view_check(to, 1, 0, PAGES, "moved");
	still(base, 0, 0, PAGES, "left behind");
}

static void cover_with_anonymous(const void *unused)
{
	char *base = row(PROT_READ);

	(void)unused;
	must(mmap(base + 6 * PAGE, 8 * PAGE, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
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

static void cover_with_snapshot(const void *unused)
{
	char *base = row(PROT_READ);

	(void)unused;
	place(base + 4 * PAGE, names[2], PROT_READ);
	change_all();
	still(base, 0, 0, 4, "left of the cover");
	view_check(base + 4 * PAGE, 3, 0, PAGES, "the cover");
	still(base, 1, 0, PAGES, "right of the cover");
}

static void cover_with_shared(const void *unused)
{
	char *base = row(PROT_READ);
	int fd;

	(void)unused;
	file_make("areas.shared", 5, PAGES);
	fd = open("areas.shared", O_RDWR | O_CLOEXEC);
	must(mmap(base + 2 * PAGE, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		  0) == base + 2 * PAGE);
	change_all();
	file_fill(fd, 6, 0, 3);
	still(base, 0, 0, 2, "left of the cover");
	still(base, 0, 5, 8, "right of the cover");
	view_check(base + 2 * PAGE, 6, 0, 3, "the cover must show the file of today");
}

/* No wrapped call: the shim cannot know that its mapping is gone. */
static void cover_with_sysv(const void *unused)
{
	char *base = row(PROT_READ);
	int segment = shmget(IPC_PRIVATE, 2 * PAGE, IPC_CREAT | 0600);

	(void)unused;
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

static void address_used_again(const void *unused)
{
	char *base = row(PROT_READ);

	(void)unused;
	must(munmap(base, AT_END * PAGE) == 0);
	must(mmap(base, AT_END * PAGE, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == base);
	memset(base, 'u', AT_END * PAGE);
	change_all();
	for (size_t i = 0; i < AT_END * PAGE; i++)
		promise(base[i] == 'u', "byte %zu changed", i);
	must(madvise(base, AT_END * PAGE, MADV_DONTNEED) == 0);
	promise(page_is_zero(base) && page_is_zero(base + 14 * PAGE), "not anonymous");
	must(mprotect(base, PAGE, PROT_READ) == 0 && munmap(base, AT_END * PAGE) == 0);
}

static void many_pieces(const void *unused)
{
	enum { MANY = 512 };
	char *base = mmap(NULL, 2 * MANY * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd;

	(void)unused;
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

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "unmap_across", unmap_across, NULL, false },
		{ "unmap_middle", unmap_middle, NULL, false },
		{ "protect_splits", protect_splits, NULL, false },
		{ "protect_across", protect_across, NULL, false },
		{ "protect_over_a_gap", protect_over_a_gap, NULL, false },
		{ "shrink", shrink, NULL, false },
		{ "grow_at_end_of_file", grow_at_end_of_file, NULL, false },
		{ "grow_beyond_window", grow_beyond_window, NULL, false },
		{ "grow_in_place", grow_in_place, NULL, false },
		{ "no_room_to_grow", no_room_to_grow, NULL, false },
		{ "move", move, NULL, false },
		{ "move_middle", move_middle, NULL, false },
		{ "move_onto_another", move_onto_another, NULL, false },
		{ "move_and_leave", move_and_leave, NULL, false },
		{ "cover_with_anonymous", cover_with_anonymous, NULL, false },
		{ "cover_with_snapshot", cover_with_snapshot, NULL, false },
		{ "cover_with_shared", cover_with_shared, NULL, false },
		{ "cover_with_sysv", cover_with_sysv, NULL, false },
		{ "address_used_again", address_used_again, NULL, HOLDS_BARE },
		{ "many_pieces", many_pieces, NULL, false },
	};

	return cases_main(cases, COUNT(cases), argc, argv);
}
