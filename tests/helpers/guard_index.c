/* SPDX-License-Identifier: MIT */
/*
 * S1, S5, P1: what is listed is what is mapped, also after calls that did only a part of their
 * work, or that no library saw: System V segments, moves of several areas, memory that a child does
 * not have.
 */
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/socket.h>

#include "../mounts.h"
#define PAGES 4
#include "guard_file.h"

#define HOLE (16 * PAGE)

/* Two places where nothing is. */
static char *holes(char **other)
{
	char *one = reserve(HOLE);

	*other = mmap(NULL, HOLE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(*other != MAP_FAILED && munmap(one, HOLE) == 0 && munmap(*other, HOLE) == 0);
	return one;
}

static char *map_at(char *at, int prot, size_t first, size_t pages)
{
	int fd = file_open(FILE_NAME);
	char *view =
		mmap(at, pages * PAGE, prot, MAP_PRIVATE | MAP_FIXED, fd, (off_t)(first * PAGE));

	must(view == at && close(fd) == 0);
	return view;
}

static char *memory_at(char *at, int prot)
{
	char *memory = mmap(at, PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	must(memory == at);
	return memory;
}

static void not_listed(const char *at, const char *what)
{
	promise(!mmfence_active() || !strcmp(engine_at(at), "none"),
		"%s: still listed as a snapshot (%s)", what, engine_at(at));
}

/* --- System V segments --- */

/* A file and a segment with one inode number between them. */
static int twin_segment(void)
{
	struct stat file;
	int id;

	if (geteuid() || !own_mounts(CLONE_NEWIPC))
		skip("only root makes namespaces");
	must((mkdir("mounted", 0700) == 0 || errno == EEXIST) &&
	     mount("none", "mounted", "tmpfs", 0, NULL) == 0);
	must(chdir("mounted") == 0);
	file_make(FILE_NAME, 1, PAGES);
	must(stat(FILE_NAME, &file) == 0);
	do
		id = shmget(IPC_PRIVATE, BYTES, IPC_CREAT | 0600);
	while (id >= 0 && (ino_t)id < file.st_ino);
	if ((ino_t)id != file.st_ino)
		skip("no segment is numbered as the file is");
	return id;
}

typedef void *attach(int id, const void *at, int flags);

static void *attach_by_number(int id, const void *at, int flags)
{
#ifdef SYS_ipc
	unsigned long result;

	return syscall(SYS_ipc, 21, id, flags, &result, at) ? (void *)-1 : (void *)result;
#else
	return (void *)syscall(SYS_shmat, id, at, flags);
#endif
}

static void *attach_by_hand(int id, const void *at, int flags)
{
#ifdef __i386__
	return (void *)by_hand(397, id, (long)at, flags, 0, 0);
#else
	return (void *)by_hand(SYS_shmat, id, (long)at, flags, 0, 0);
#endif
}

struct segment {
	attach *attach;
	bool seen;
};

static void segment_replaces(const void *argument)
{
	const struct segment *segment = argument;
	int id = twin_segment();
	struct other other = other_start(change_by_other, NULL);
	char *view = view_make(FILE_NAME, PROT_READ, 0, PAGES);

	guarded_check(view, "before the segment");
	char *writable = shmat(id, NULL, 0);
	must(writable != (void *)-1);
	memset(writable, 7, BYTES);
	must(segment->attach(id, view, SHM_REMAP | SHM_RDONLY) == view);
	must(shmctl(id, IPC_RMID, NULL) == 0);
	if (segment->seen)
		not_listed(view, "replaced by a segment");
	other_go(&other);
	for (size_t i = 0; i < BYTES; i++)
		promise(view[i] == 7, "byte %zu of the segment was overwritten", i);
	must(shmdt(view) == 0 && !is_mapped(view));
	/* Snapshots go on. */
	must(munmap(view_make(FILE_NAME, PROT_READ, 0, PAGES), BYTES) == 0);
	other_end(&other);
}

PROMISE_WIDTHS(P1, segments_attach_as_the_kernel_has_it, HOLDS_BARE)
{
	int id = shmget(IPC_PRIVATE, BYTES, IPC_CREAT | 0600);
	char *at = shmat(id, NULL, 0);

	must(at != (void *)-1);
	promise(shmat(id, at, 0) == (void *)-1 && errno == EINVAL, "over itself: %s",
		strerror(errno));
	promise(shmat(id, at + 1, SHM_REMAP) == (void *)-1 && errno == EINVAL, "unaligned: %s",
		strerror(errno));
	promise(shmat(id, NULL, SHM_REMAP) == (void *)-1 && errno == EINVAL, "nowhere: %s",
		strerror(errno));
	promise(shmat(id, at + 1, SHM_REMAP | SHM_RND) == at, "rounded: %s", strerror(errno));
	must(shmctl(id, IPC_RMID, NULL) == 0);
	promise(shmat(id + 4096, NULL, 0) == (void *)-1 && errno == EINVAL, "no segment: %s",
		strerror(errno));
	promise(shmdt(at) == 0 && !is_mapped(at), "detached");
	promise(shmdt(at) == -1 && errno == EINVAL, "detached twice: %s", strerror(errno));
}

/* --- moves of several areas --- */

/* The second area cannot be moved; Linux 6.17 has moved the first by then. */
static void moved_in_part(const void *prot)
{
	struct other other = other_start(change_by_other, NULL);
	char *to, *from = holes(&to);

	file_make(FILE_NAME, 1, PAGES);
	char *view = map_at(from, *(const int *)prot, 0, PAGES);
	char *sealed = memory_at(from + BYTES, PROT_READ);
	if (by_hand(462 /* mseal */, (long)sealed, PAGE, 0, 0, 0))
		skip("this kernel seals no memory");
	promise(mremap(from, BYTES + PAGE, BYTES + PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) ==
			MAP_FAILED,
		"sealed memory was moved");
	bool moved = is_mapped(to);
	if (moved)
		not_listed(from, "moved away");
	view = moved ? to : view;
	promise(!mmfence_active() || strcmp(engine_at(view), "none"), "not listed where it is");
	other_last(&other);
	check(view, moved ? "moved" : "not moved");
}

/* What was at the target may be unmapped although nothing came there. */
PROMISE_WIDTHS(S5, target_of_a_failed_move_is_looked_at, HOLDS_BARE)
{
	char *to, *from = holes(&to);

	file_make(FILE_NAME, 1, PAGES);
	memory_at(from, PROT_READ);
	char *sealed = memory_at(from + PAGE, RW);
	char *first = map_at(to, PROT_READ, 0, 1), *second = map_at(to + PAGE, PROT_READ, 2, 1);
	if (by_hand(462, (long)sealed, PAGE, 0, 0, 0))
		skip("this kernel seals no memory");
	promise(mremap(from, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED,
		"sealed memory was moved");
	if (!is_mapped(from))
		not_listed(first, "replaced by what was moved");
	if (is_mapped(second))
		guarded_check(second, "not replaced");
}

/* Between two areas that are moved is a gap: what the target has there stays. */
PROMISE_WIDTHS(S5, target_between_moved_areas_is_kept)
{
	struct other other = other_start(change_by_other, NULL);
	char *to, *from = holes(&to);

	file_make(FILE_NAME, 1, PAGES);
	memory_at(from, PROT_READ);
	memory_at(from + 2 * PAGE, PROT_READ);
	map_at(to + PAGE, PROT_READ, 1, 1);
	if (mremap(from, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED)
		skip("this kernel moves one area at a time");
	other_last(&other);
	view_check(to + PAGE, 1, 1, 1, "in the gap");
}

/* mmap has unmapped what was there before the socket refuses. */
PROMISE_WIDTHS(S5, what_a_failed_mmap_unmapped_is_gone, HOLDS_BARE)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	file_make(FILE_NAME, 1, PAGES);
	char *view = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	guarded_check(view, "at first");
	if (fd < 0)
		skip("no sockets here");
	promise(mmap(view, BYTES, RW, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED,
		"a socket was mapped for writing");
	if (!is_mapped(view))
		not_listed(view, "unmapped by a call that failed");
}

/* --- a child that does not have it --- */

/* Memory of the child's own where the parent has a snapshot, by calls that no library sees. */
static void memory_in_the_hole(char *at, char *memory)
{
	must(!is_mapped(at));
	must(by_hand(SYS_mremap, (long)memory, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		     (long)at) == (long)at);
}

static void grows_in_the_hole(char *at, char *memory)
{
	memory_in_the_hole(at, memory);
	char *grown = mremap(at, PAGE, 2 * BYTES, MREMAP_MAYMOVE);
	promise(grown != MAP_FAILED, "the child's own memory does not grow: %s", strerror(errno));
	memset(grown, 1, 2 * BYTES);
}

static void executes_in_the_hole(char *at, char *memory)
{
	memory_in_the_hole(at, memory);
	promise(mprotect(at, PAGE, PROT_READ | PROT_EXEC) == 0,
		"the child's own memory does not become executable: %s", strerror(errno));
}

static void in_a_child(void (*act)(char *, char *))
{
	char *memory = anonymous(PAGE);

	file_make(FILE_NAME, 1, PAGES);
	char *view = view_make(FILE_NAME, RW, 0, 1);
	must(madvise(view, PAGE, MADV_DONTFORK) == 0);
	IN_CHILD {
		act(view, memory);
	}
	view_check(view, 1, 0, 1, "in the parent");
}

CASE_NAMED("child/grows", child_grows, HOLDS_BARE)
{
	in_a_child(grows_in_the_hole);
}

CASE_NAMED("child/executes", child_executes, HOLDS_BARE)
{
	if (geteuid() || !own_mounts(0))
		skip("only root mounts");
	must(mkdir("noexec", 0700) == 0 && mount("none", "noexec", "tmpfs", MS_NOEXEC, NULL) == 0 &&
	     chdir("noexec") == 0);
	in_a_child(executes_in_the_hole);
}

/* A huge page covers more than was asked for. */
PROMISE(S5, a_huge_page_ends_what_it_covers)
{
	enum { HUGE = 2 << 20 };
	char *room = sure(mmap(NULL, 2 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	char *at = room + -(uintptr_t)room % HUGE;

	file_make(FILE_NAME, 1, PAGES);
	int fd = file_open(FILE_NAME);
	must(mmap(at, BYTES, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) == at);
	guarded_check(at, "before");
	if (mmap(at, PAGE, PROT_READ,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_HUGETLB | 21 << MAP_HUGE_SHIFT, -1,
		 0) != at)
		skip("no huge pages: %s", strerror(errno));
	promise(!strcmp(engine_at(at + PAGE), "none"), "still a snapshot: %s",
		engine_at(at + PAGE));
}

/* Its process has nothing to preserve. */
PROMISE(S4, what_a_child_does_not_inherit_is_not_preserved)
{
	struct other other = other_start(change_by_other, NULL);

	char *view = guarded_make(FILE_NAME, PROT_READ, PAGES);
	must(madvise(view, BYTES, MADV_DONTFORK) == 0);
	IN_CHILD {
		other_go(&other);
		promise(strcmp(fate_at(view), "preserved") != 0, "it is preserved");
	}
	view_check(view, 1, 0, PAGES, "in the parent");
	other_end(&other);
}

CASE_OF("segment_replaces/libc", segment_replaces, AS(struct segment, shmat, true), HOLDS_BARE)
CASE_OF("segment_replaces/number", segment_replaces, AS(struct segment, attach_by_number, true),
	HOLDS_BARE)
CASE_OF("segment_replaces/hand", segment_replaces, AS(struct segment, attach_by_hand, false),
	HOLDS_BARE)
CASE_OF("moved_in_part/guarded", moved_in_part, AS(int, PROT_READ))
CASE_OF("moved_in_part/copied", moved_in_part, AS(int, RW))

CASES_MAIN
