/* SPDX-License-Identifier: MIT */
/*
 * M4: second views of one's own memory, with selfmem.map=emulate: of every kind of memory,
 * at every place, and what the program does with them afterwards.
 */
#include <malloc.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include "views.h"

#define PAGES 16
#define BYTES (PAGES * PAGE)

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

static char in_bss[BYTES] __attribute__((aligned(4096)));
static char in_data[BYTES] __attribute__((aligned(4096))) = { 'd', 'a', 't', 'a' };

/* The source keeps what it had, the view has it too, and both stay the same. */
static void turns(char *source, size_t pages, const char *what)
{
	fill_pages(source, 1, pages);
	char *view = view_of(source, pages * PAGE);

	view_check(source, 1, 0, pages, what);
	view_check(view, 1, 0, pages, what);
	must_be_coherent(source, view, pages * PAGE, what);
}

PROMISE(M4, anonymous_memory)
{
	turns(anonymous(BYTES), PAGES, "anonymous memory");
	turns(anonymous(PAGE), 1, "a page");
}

CASE(bss)
{
	turns(in_bss, PAGES, "bss");
}

CASE(data)
{
	promise(!memcmp(view_of(in_data, BYTES), "data", 4), "data that was never stored to");
	turns(in_data, PAGES, "data");
}

PROMISE(M4, heap)
{
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	char *block = malloc(BYTES + PAGE);
	char *source = (char *)(((uintptr_t)block + PAGE - 1) & ~(PAGE - 1));

	must(block);
	turns(source, PAGES, "heap");
	/* The allocator goes on. */
	for (int i = 0; i < 200; i++) {
		void *other = malloc(64 << 10);
		must(other);
		memset(other, i, 64 << 10);
		if (i % 3)
			free(other);
	}
	free(block);
	must(malloc_trim(0) >= 0);
	must(malloc(1 << 20));
}

PROMISE(M4, top_of_the_heap)
{
	char *top = (char *)(((uintptr_t)sbrk(0) + PAGE - 1) & ~(PAGE - 1));

	must(brk(top + BYTES) == 0);
	turns(top, PAGES, "top of the heap");
	promise(brk(top + 3 * BYTES) == 0, "brk does not grow");
	promise(page_is_zero(top + BYTES), "new heap is not zero");
	memset(top + BYTES, 1, BYTES);
	promise(brk(top + PAGE) == 0, "brk does not shrink");
	promise(!is_mapped(top + PAGE), "brk shrank and left memory");
	promise(brk(top + BYTES) == 0 && page_is_zero(top + PAGE), "brk does not grow again");
	promise(brk(top) == 0, "brk does not shrink to where it was");
}

CASE(private_file)
{
	file_make("views.file", 3, PAGES);
	char *source = view_make("views.file", RW, 0, PAGES);
	pattern_fill(source + 2 * PAGE, 4, 2);
	char *view = view_of(source, BYTES);

	view_check(view, 3, 0, 2, "file");
	view_check(view + 2 * PAGE, 4, 2, 1, "a page stored to");
	view_check(source + 3 * PAGE, 3, 3, PAGES - 3, "file");
	must_be_coherent(source, view, BYTES, "private file");
	file_overwrite("views.file", 5, 0, PAGES);
	promise(view[3 * PAGE + 7] == 4, "the file shows through");
	must(munmap(source, BYTES) == 0 && munmap(view, BYTES) == 0);
}

/* A guarded snapshot: what was mapped stays, whoever writes to the file. */
PROMISE(M4, guarded_file)
{
	file_make("views.guarded", 3, PAGES);
	char *source = view_make("views.guarded", PROT_READ, 0, PAGES);
	char *view = view_try(NULL, source, BYTES, PROT_READ, MAP_SHARED);

	promise(view != MAP_FAILED, "no view: %s", strerrorname_np(errno));
	file_overwrite("views.guarded", 5, 0, PAGES);
	must(truncate("views.guarded", 0) == 0);
	view_check(view, 3, 0, PAGES, "view of a snapshot");
	view_check(source, 3, 0, PAGES, "source that was a snapshot");
	must(munmap(source, BYTES) == 0);
	view_check(view, 3, 0, PAGES, "view without its source");
}

/* With snapshot.shared: a shared mapping that can only be read. */
CASE_NAMED("shared/guarded", guarded_shared)
{
	file_make("views.shared", 3, PAGES);
	int fd = file_open("views.shared");
	char *source = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, fd, 0);

	must(source != MAP_FAILED && close(fd) == 0);
	char *view = view_try(NULL, source, BYTES, PROT_READ, MAP_SHARED);
	promise(view != MAP_FAILED, "no view: %s", strerrorname_np(errno));
	file_overwrite("views.shared", 5, 0, PAGES);
	view_check(source, 3, 0, PAGES, "shared snapshot");
	view_check(view, 3, 0, PAGES, "view of a shared snapshot");
}

/* Areas of four kinds in a row. */
static char *row(void)
{
	char *base = anonymous(4 * BYTES);
	int fd;

	fill_pages(base, 1, 4 * PAGES);
	file_make("views.row", 7, 4 * PAGES);
	must((fd = open("views.row", O_RDWR | O_CLOEXEC)) >= 0);
	must(mmap(base + BYTES, BYTES, RW, MAP_PRIVATE | MAP_FIXED, fd, BYTES) != MAP_FAILED);
	must(mmap(base + 2 * BYTES, BYTES, RW, MAP_SHARED | MAP_FIXED, fd, 2 * BYTES) !=
	     MAP_FAILED);
	must(close(fd) == 0);
	must(mprotect(base + 3 * BYTES, PAGE, PROT_READ) == 0);
	return base;
}

static void row_check(char *at, const char *what)
{
	view_check(at, 1, 0, PAGES, what);
	view_check(at + BYTES, 7, PAGES, 2 * PAGES, what);
	view_check(at + 3 * BYTES, 1, 3 * PAGES, PAGES, what);
}

CASE(several_areas)
{
	char *base = row();
	char *view = view_of(base, 4 * BYTES);

	row_check(base, "source");
	row_check(view, "view");
	must_be_coherent(base, view, 3 * BYTES, "several areas");
	must_be_coherent(base + 3 * BYTES + PAGE, view + 3 * BYTES + PAGE, BYTES - PAGE, "rest");
	view[3 * BYTES] = 9;
	promise(base[3 * BYTES] == 9, "the area without PROT_WRITE");
}

CASE(several_areas_fixed)
{
	char *base = row(), *room = row();

	promise(view_try(room, base, 4 * BYTES, RW, MAP_SHARED | MAP_FIXED) == room, "no view: %s",
		strerrorname_np(errno));
	row_check(room, "view");
	must_be_coherent(base, room, 3 * BYTES, "several areas");
}

PROMISE(M4, shared_memory)
{
	char *source = sure(mmap(NULL, BYTES, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));

	turns(source, PAGES, "shared memory");
	/* Not turned: a child goes on sharing it. */
	IN_CHILD {
		source[0] = 77;
	}
	promise(source[0] == 77, "shared memory is not shared any more");
}

CASE(same_source_again)
{
	char *source = anonymous(BYTES);
	char *one = view_of(source, BYTES), *two = view_of(source, BYTES);
	char *part = view_of(source + 2 * PAGE, 3 * PAGE);

	must_be_coherent(source, one, BYTES, "first");
	must_be_coherent(one, two, BYTES, "second");
	must_be_coherent(two + 2 * PAGE, part, 3 * PAGE, "part");
}

PROMISE(M4, view_of_a_view)
{
	char *source = anonymous(BYTES), *view = view_of(source, BYTES);
	char *further = view_of(view + PAGE, 2 * PAGE);

	must_be_coherent(source + PAGE, further, 2 * PAGE, "view of a view");
	/* Half turned already. */
	char *wide = anonymous(2 * BYTES);
	must(view_of(wide, BYTES));
	must_be_coherent(wide, view_of(wide, 2 * BYTES), 2 * BYTES, "half turned");
}

PROMISE(M4, either_side_is_unmapped)
{
	char *source = anonymous(2 * BYTES), *view = view_of(source, BYTES);
	char *other = view_of(source + BYTES, BYTES);

	fill_pages(source, 2, 2 * PAGES);
	must(munmap(source, BYTES) == 0);
	view_check(view, 2, 0, PAGES, "view without its source");
	must(munmap(other, BYTES) == 0);
	view_check(source + BYTES, 2, PAGES, PAGES, "source without its view");
}

PROMISE(M4, protection_is_each_its_own)
{
	char *source = anonymous(BYTES), *view = view_of(source, BYTES);

	must(mprotect(source, BYTES, PROT_NONE) == 0);
	view[5] = 5;
	promise(touch(source) == SIGSEGV, "the source is not protected");
	must(mprotect(view, BYTES, PROT_READ) == 0 && mprotect(source, BYTES, RW) == 0);
	source[6] = 6;
	promise(source[5] == 5 && view[6] == 6, "the views are not the same");
	/* Protected before: stays so. */
	char *closed = anonymous(BYTES);
	closed[1] = 1;
	must(mprotect(closed, BYTES, PROT_NONE) == 0);
	promise(view_of(closed, BYTES)[1] == 1, "memory that was protected");
	promise(touch(closed) == SIGSEGV, "the protection of the source went");
}

PROMISE(M4, fixed_over_mappings)
{
	char *source = anonymous(BYTES), *room = anonymous(3 * BYTES);

	fill_pages(source, 1, PAGES);
	fill_pages(room, 2, 3 * PAGES);
	must(mprotect(room + BYTES + PAGE, PAGE, PROT_NONE) == 0);
	promise(view_try(room + BYTES, source, BYTES, RW, MAP_SHARED | MAP_FIXED) == room + BYTES,
		"no view: %s", strerrorname_np(errno));
	view_check(room + BYTES, 1, 0, PAGES, "view");
	view_check(room, 2, 0, PAGES, "before it");
	view_check(room + 2 * BYTES, 2, 2 * PAGES, PAGES, "after it");
	must_be_coherent(source, room + BYTES, BYTES, "fixed");
}

/* Over a snapshot, which ends. */
PROMISE(M4, fixed_over_a_snapshot)
{
	file_make("views.under", 3, 2 * PAGES);
	char *room = view_make("views.under", PROT_READ, 0, 2 * PAGES), *source = anonymous(BYTES);

	promise(view_try(room, source, BYTES, RW, MAP_SHARED | MAP_FIXED) == room, "no view: %s",
		strerrorname_np(errno));
	must_be_coherent(source, room, BYTES, "fixed");
	file_overwrite("views.under", 5, 0, 2 * PAGES);
	must_be_coherent(source, room, BYTES, "fixed");
	view_check(room + BYTES, 3, PAGES, PAGES, "what is left of the snapshot");
}

PROMISE(M4, overlapping)
{
	char *source = anonymous(BYTES);

	fill_pages(source, 1, PAGES);
	promise(view_try(source + 4 * PAGE, source, 8 * PAGE, RW, MAP_SHARED | MAP_FIXED) ==
			source + 4 * PAGE,
		"no view: %s", strerrorname_np(errno));
	view_check(source + 4 * PAGE, 1, 0, 8, "view");
	view_check(source, 1, 0, 4, "what the view left");
	view_check(source + 12 * PAGE, 1, 12, 4, "after it");
	must_be_coherent(source, source + 4 * PAGE, 4 * PAGE, "overlapping");
	/* Onto itself: the same as before. */
	char *same = anonymous(BYTES);
	fill_pages(same, 2, PAGES);
	promise(view_try(same, same, BYTES, RW, MAP_SHARED | MAP_FIXED) == same, "onto itself");
	view_check(same, 2, 0, PAGES, "onto itself");
}

PROMISE(M4, noreplace_and_hint)
{
	char *source = anonymous(BYTES), *room = anonymous(BYTES);

	promise(view_try(room, source, BYTES, RW, MAP_SHARED | MAP_FIXED_NOREPLACE) == MAP_FAILED &&
			errno == EEXIST,
		"MAP_FIXED_NOREPLACE replaced something");
	must(munmap(room, BYTES) == 0);
	promise(view_try(room, source, BYTES, RW, MAP_SHARED | MAP_FIXED_NOREPLACE) == room,
		"MAP_FIXED_NOREPLACE");
	must_be_coherent(source, room, BYTES, "noreplace");
	char *hint = anonymous(BYTES);
	must(munmap(hint, BYTES) == 0);
	promise(view_try(hint, source, BYTES, RW, MAP_SHARED) == hint, "the hint was ignored");
	if (sizeof(void *) == 4)
		return;
	char *low = view_try(NULL, source, BYTES, RW, MAP_SHARED | MAP_32BIT);
	promise(low != MAP_FAILED && (uintptr_t)low < 1UL << 31, "MAP_32BIT gave %p", low);
	must_be_coherent(source, low, BYTES, "low");
}

PROMISE(M4, flags_of_the_view)
{
	char *source = anonymous(BYTES);
	unsigned char there[PAGES];
	char *view = view_try(NULL, source, BYTES, RW, MAP_SHARED | MAP_LOCKED | MAP_POPULATE);

	promise(view != MAP_FAILED, "no view: %s", strerrorname_np(errno));
	must(mincore(view, BYTES, there) == 0);
	promise(there[PAGES - 1] & 1, "MAP_POPULATE did not populate");
	must_be_coherent(source, view, BYTES, "locked");
	int file = file_open("/proc/self/exe");
	bool known = mmap(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE, file, 0) != MAP_FAILED;
	view = view_try(NULL, source, BYTES, RW, MAP_SHARED_VALIDATE);
	promise(known == (view != MAP_FAILED), "MAP_SHARED_VALIDATE"); /* not before 4.15 */
}

/* A copy at that moment, whose stores are its own. */
CASE(private_view)
{
	char *base = row();
	char *view = view_try(NULL, base, 4 * BYTES, RW, MAP_PRIVATE);

	promise(view != MAP_FAILED, "no view: %s", strerrorname_np(errno));
	memset(base, 1, 3 * BYTES);
	row_check(view, "private view");
	view[9] = 99;
	promise(base[9] == 1, "a private view stored to its source");
	/* The source is not turned: a child has its own. */
	IN_CHILD {
		base[0] = view[0] = 55;
	}
	promise(base[0] == 1 && view[0] != 55, "a private view made its source shared");
	promise(view_through("/proc/self/mem", O_RDONLY, NULL, base, PAGE, RW, MAP_PRIVATE) !=
			MAP_FAILED,
		"a private view of a descriptor that reads");
}

static uint64_t shmem_kib(void)
{
	char line[128];

	return strtoull(proc_line("/proc/self/status", "RssShmem:", line, sizeof(line)), NULL, 10);
}

static uint64_t blocks_in_use(const void *address)
{
	char path[64];
	struct stat64 st;
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long start, end;

	must(maps);
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx", &start, &end) == 2 && (uintptr_t)address >= start &&
		    (uintptr_t)address < end)
			break;
	fclose(maps);
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", start, end);
	if (stat64(path, &st))
		skip("map_files: %s", strerror(errno));
	return (uint64_t)st.st_blocks;
}

/* Three pages in 512 MiB, one of them only looked at. */
PROMISE(M4, sparse_memory_stays_sparse)
{
	size_t length = 512UL << 20;
	volatile char *source = anonymous(length);

	source[0] = 1;
	source[length - 1] = 2;
	(void)source[length / 2];
	volatile char *view = view_of(source, length);
	promise(blocks_in_use((const void *)view) <= 3 * PAGE / 512, "%llu blocks for three pages",
		(unsigned long long)blocks_in_use((const void *)view));
	promise(shmem_kib() < 1024, "%llu KiB of shared memory", (unsigned long long)shmem_kib());
	promise(view[0] == 1 && view[length - 1] == 2 && !view[length / 2], "sparse memory");
}

PROMISE(M4, source_grows)
{
	char *source = anonymous(BYTES);

	fill_pages(source, 1, PAGES);
	char *view = view_of(source, BYTES);
	char *larger = mremap(source, BYTES, 2 * BYTES, MREMAP_MAYMOVE);
	promise(larger != MAP_FAILED, "mremap: %s", strerrorname_np(errno));
	view_check(larger, 1, 0, PAGES, "grown source");
	promise(page_is_zero(larger + BYTES), "what it grew by is not zero");
	larger[2 * BYTES - 1] = 1;
	must_be_coherent(larger, view, BYTES, "grown");
}

/* Through the descriptor itself. */
PROMISE(M4, memory_file_still_works)
{
	char *source = anonymous(BYTES), *view = view_of(source, BYTES);
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	char seen[8];

	must(fd >= 0);
	promise(pwrite64(fd, "through", 8, (off64_t)(uintptr_t)(source + 100)) == 8,
		"write to the source: %s", strerrorname_np(errno));
	promise(!strcmp(view + 100, "through"), "the view does not see it");
	strcpy(view + PAGE, "as well");
	promise(pread64(fd, seen, 8, (off64_t)(uintptr_t)(source + PAGE)) == 8 &&
			!strcmp(seen, "as well"),
		"read of the source");
	promise(pwrite64(fd, "again", 6, (off64_t)(uintptr_t)view) == 6 && !strcmp(source, "again"),
		"write to the view");
	struct iovec from = { view, 6 }, to = { seen, 6 };
	promise(process_vm_readv(getpid(), &to, 1, &from, 1, 0) == 6, "process_vm_readv");
}

static void lock_and_advice_stay(const void *argument)
{
	char *source = anonymous(BYTES);
	bool locked = *(const bool *)argument;
	char line[4608];

	must(madvise(source, BYTES, MADV_DONTDUMP) == 0);
	must(!locked || mlock(source, BYTES) == 0);
	must(view_of(source, BYTES));
	const char *flags = smaps_line(source, "VmFlags:", line, sizeof(line));
	promise(!strstr(flags, " lo") == !locked && strstr(flags, " dd"), "the source has flags %s",
		flags);
}

/* --- fork --- */

static void store_in_child(char *source, char *view)
{
	promise(view[1] == 1, "the child does not see what was there");
	must_be_coherent(source, view, BYTES, "child");
	source[2] = 22;
	promise(view[2] == 22, "the child's views are not the same");
}

PROMISE(M4, fork_shares)
{
	char *source = anonymous(BYTES), *view = view_of(source, BYTES);

	source[1] = 1;
	views_in_child(store_in_child, source, view);
	promise(source[2] == 22 && view[2] == 22, "selfmem.fork=share: the parent does not see it");
}

static void split_child(char *source, char *view)
{
	store_in_child(source, view);
	/* And once more. */
	views_in_child(store_in_child, source, view);
	source[3] = 33;
	must(munmap(source, BYTES) == 0);
	promise(view[3] == 33, "the child's view without its source");
}

CASE_NAMED("split/views", fork_splits)
{
	char *source = anonymous(2 * BYTES), *view = view_of(source, 2 * BYTES);
	char *part = view_of(source + 2 * PAGE, PAGE);
	char *other = anonymous(BYTES), *second = view_of(other, BYTES);

	source[1] = other[1] = 1;
	must(mprotect(source + BYTES, PAGE, PROT_READ) == 0);
	memset(view + BYTES + PAGE, 9, PAGE);
	views_in_child(split_child, source, view);
	views_in_child(store_in_child, other, second);
	promise(source[2] == 0 && view[2] == 0 && source[3] == 0,
		"selfmem.fork=split: the parent sees stores of its child");
	promise(page_is_zero(part), "the third view");
	must_be_coherent(source, view, BYTES, "parent");
	must_be_coherent(source + 2 * PAGE, part, PAGE, "parent");
	promise(view[BYTES + PAGE] == 9, "the parent lost something");
}

/* Views of two processes, of which one goes on storing. */
CASE_NAMED("split/at_once", fork_splits_at_once)
{
	volatile char *source = anonymous(PAGE), *view = view_of(source, PAGE);
	int go[2];
	char byte;

	must(pipe2(go, O_CLOEXEC) == 0);
	source[0] = 1;
	pid_t pid = sure(fork());
	if (!pid) {
		must(read(go[0], &byte, 1) == 1);
		promise(source[0] == 1 && view[0] == 1,
			"the child sees what its parent stored after the fork");
		_exit(0);
	}
	source[0] = 2;
	must(write(go[1], "", 1) == 1);
	child_wait(pid);
}

/* Neighbours that are areas of their own, more than there may be descriptors: of each page but one
 * nothing is copied all the same. */
CASE_NAMED("split/areas", fork_splits_many_areas)
{
	struct rlimit few = { 12, 12 };
	char *source = anonymous(3 * BYTES), *view = view_of(source, 3 * BYTES);

	source[1] = 1;
	for (size_t i = 0; i < 3 * BYTES; i += 2 * PAGE)
		must(!mprotect(source + i + PAGE, PAGE, PROT_READ) &&
		     !mprotect(view + i + PAGE, PAGE, PROT_READ));
	must(!setrlimit(RLIMIT_NOFILE, &few));
	IN_CHILD {
		promise(view[1] == 1, "the child does not see what was there");
		view[2] = 22;
		promise(source[2] == 22, "the child's views are not the same");
	}
	promise(!source[2], "the parent sees stores of its child");
}

/* --- what cannot be had --- */

/* The lines of /proc/self/maps within [at, at + length). */
static char *areas_of(const volatile char *at, size_t length)
{
	static char texts[2][4096];
	static int next;
	char *text = texts[next++ % 2], line[512];
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long start, end;

	must(maps);
	text[0] = 0;
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx", &start, &end) == 2 && end > (uintptr_t)at &&
		    start < (uintptr_t)at + length && strlen(text) + strlen(line) < 4096)
			strcat(text, line);
	fclose(maps);
	return text;
}

static void store_two(char *source, char *view)
{
	(void)view;
	source[0] = 2;
}

/* Private memory that is private still. */
static void must_be_private(char *source)
{
	char before = source[0];

	views_in_child(store_two, source, source);
	promise(source[0] == before, "a refused view made its source shared");
}

static void refuses(const volatile void *source, size_t length, int error, const char *what)
{
	char *view = view_try(NULL, source, length, RW, MAP_SHARED);

	promise(view == MAP_FAILED, "%s: a view", what);
	promise(errno == error, "%s: %s", what, strerrorname_np(errno));
}

PROMISE(M4, hole_in_the_source)
{
	char *source = anonymous(BYTES);

	fill_pages(source, 1, PAGES);
	must(mprotect(source + 2 * PAGE, PAGE, PROT_READ) == 0);
	must(munmap(source + 4 * PAGE, PAGE) == 0);
	char *before = areas_of(source, BYTES);
	refuses(source, BYTES, EINVAL, "a hole");
	refuses(source + 4 * PAGE, PAGE, EINVAL, "nothing");
	refuses(source + PAGE, 0, EINVAL, "no length");
	refuses(source + 1, PAGE, EINVAL, "no page");
	promise(!strcmp(before, areas_of(source, BYTES)), "the source was\n%sand is\n%s", before,
		areas_of(source, BYTES));
	view_check(source, 1, 0, 4, "before the hole");
	view_check(source + 5 * PAGE, 1, 5, PAGES - 5, "after the hole");
	must_be_private(source);
}

/* The room that it was to cover keeps what it had. */
PROMISE(M4, refused_view_leaves_its_place_alone, HOLDS_BARE)
{
	char *source = anonymous(BYTES), *room = anonymous(BYTES);

	fill_pages(room, 2, PAGES);
	must(munmap(source + 4 * PAGE, PAGE) == 0);
	promise(view_try(room, source, BYTES, RW, MAP_SHARED | MAP_FIXED) == MAP_FAILED, "a view");
	view_check(room, 2, 0, PAGES, "the room");
	must_be_private(room);
}

PROMISE(M4, source_outside_the_address_space)
{
	refuses((void *)0, PAGE, EINVAL, "page 0");
	int fd = sure(open("/proc/self/mem", O_RDWR | O_CLOEXEC));
	errno = 0;
	promise(mmap64(NULL, PAGE, RW, MAP_SHARED, fd, 1LL << 43) == MAP_FAILED, "far away");
	promise(errno == EINVAL, "far away: %s", strerrorname_np(errno));
	char *source = anonymous(BYTES);
	promise(view_try(NULL, source, SIZE_MAX / 2 - PAGE, RW, MAP_SHARED) == MAP_FAILED,
		"half of the address space");
	must_be_private(source);
}

/* What the kernel would not survive, or the program. */
CASE(what_cannot_be_turned)
{
	char here = 0;
	char *stack = (char *)((uintptr_t)&here & ~(PAGE - 1));
	char *text = (char *)((uintptr_t)what_cannot_be_turned & ~(PAGE - 1));

	char *before = areas_of(stack, PAGE);
	refuses(stack, PAGE, ENODEV, "the stack");
	promise(!strcmp(before, areas_of(stack, PAGE)), "the stack has changed");
	refuses(text, PAGE, ENODEV, "executable text");
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long start;
	must(maps);
	while (fgets(line, sizeof(line), maps))
		if ((strstr(line, "[vdso]") || strstr(line, "[vvar]")) &&
		    sscanf(line, "%lx", &start) == 1)
			refuses((void *)start, PAGE, ENODEV, "the vdso");
	fclose(maps);
	/* Text may be looked at. */
	char *view =
		view_through("/proc/self/mem", O_RDONLY, NULL, text, PAGE, PROT_READ, MAP_SHARED);
	promise(view != MAP_FAILED, "text, to be read: %s", strerrorname_np(errno));
	promise(!memcmp(view, text, PAGE), "text, to be read, is another one");
	view = view_try(NULL, stack, PAGE, RW, MAP_PRIVATE);
	promise(view != MAP_FAILED, "a private view of the stack");
}

static void on_this_stack(int signal)
{
	(void)signal;
	what_cannot_be_turned(NULL);
}

PROMISE(M4, signal_stack_is_refused)
{
	struct sigaction act = { .sa_handler = on_this_stack, .sa_flags = SA_ONSTACK };
	stack_t stack = { .ss_sp = anonymous(BYTES), .ss_size = BYTES };

	must(sigaltstack(&stack, NULL) == 0);
	must(sigaction(SIGUSR1, &act, NULL) == 0);
	must(raise(SIGUSR1) == 0);
}

CASE(past_the_end)
{
	file_make("views.short", 3, 2);
	char *source = view_make("views.short", RW, 0, 4);

	refuses(source, 4 * PAGE, EINVAL, "past the end of a file");
	view_check(source, 3, 0, 2, "the source");
	promise(touch(source + 3 * PAGE) == SIGBUS, "past the end there is something");
	must_be_private(source);
}

CASE(readonly_descriptor)
{
	char *source = anonymous(BYTES), *view;

	promise(view_through("/proc/self/mem", O_RDONLY, NULL, source, BYTES, RW, MAP_SHARED) ==
				MAP_FAILED &&
			errno == EACCES,
		"a writable view of a descriptor that reads");
	for (int i = 0; i < 2; i++) { /* turned, and doubled */
		view = view_through("/proc/self/mem", O_RDONLY, NULL, source, BYTES, PROT_READ,
				    MAP_SHARED);
		promise(view != MAP_FAILED, "no view: %s", strerrorname_np(errno));
		source[3] = (char)(3 + i);
		promise(view[3] == 3 + i, "the view does not see a store");
		promise(mprotect(view, BYTES, RW) && errno == EACCES, "made writable");
		char *moved =
			mremap(view, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, anonymous(BYTES));
		must(moved != MAP_FAILED);
		promise(syscall(SYS_mprotect, moved, PAGE, RW) && errno == EACCES,
			"moved and made writable");
		must(mprotect(source, BYTES, PROT_READ) == 0 && mprotect(source, BYTES, RW) == 0);
		must(munmap(moved, BYTES) == 0);
		/* What comes to be there instead is not meant. */
		char *other = mmap(moved, BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				   -1, 0);
		promise(other == moved && mprotect(other, BYTES, RW) == 0,
			"other memory in its place");
	}
}

/* selfmem.map=emulate-readonly. */
CASE_NAMED("readonly/policy", readonly_policy)
{
	char *source = anonymous(BYTES), *view;

	refuses(source, BYTES, ENODEV, "a writable view");
	must_be_private(source);
	for (int i = 0; i < 2; i++) {
		view = view_try(NULL, source, BYTES, PROT_READ, MAP_SHARED);
		promise(view != MAP_FAILED, "no view: %s", strerrorname_np(errno));
		source[3] = (char)(3 + i);
		promise(view[3] == 3 + i, "the view does not see a store");
		promise(mprotect(view, BYTES, RW) && errno == EACCES, "made writable");
	}
	promise(view_try(NULL, source, BYTES, RW, MAP_PRIVATE) != MAP_FAILED, "a private view");
}

/* Another's memory: a parent's, through a descriptor from before the fork. */
PROMISE(M4, memory_of_another_is_refused)
{
	char *source = anonymous(BYTES);
	int fd = sure(open("/proc/self/mem", O_RDWR | O_CLOEXEC));

	source[0] = 1;
	IN_CHILD {
		char *view = mmap64(NULL, BYTES, RW, MAP_SHARED, fd, (off64_t)(uintptr_t)source);
		promise(view == MAP_FAILED && errno == ENODEV, "a view of the parent's memory");
		promise(view_of(source, BYTES)[0] == 1, "a view of its own");
	}
	must_be_private(source);
}

PROMISE(M4, no_address_space)
{
	char *source = anonymous(BYTES * 16);
	struct rlimit small = { 0, RLIM_INFINITY };

	fill_pages(source, 1, PAGES);
	char *before = areas_of(source, BYTES * 16);
	must(setrlimit(RLIMIT_AS, &small) == 0);
	refuses(source, BYTES * 16, ENOMEM, "no address space");
	small.rlim_cur = RLIM_INFINITY;
	must(setrlimit(RLIMIT_AS, &small) == 0);
	promise(!strcmp(before, areas_of(source, BYTES * 16)), "the source has changed");
	view_check(source, 1, 0, PAGES, "the source");
	must_be_private(source);
	must_be_coherent(source, view_of(source, BYTES * 16), BYTES * 16, "afterwards");
}

/* At each place where it may fail for want of areas: a view, or all as it was. */
PROMISE(M4, no_more_areas)
{
	char *source = row(), *before = areas_of(source, 4 * BYTES), *filler;
	FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
	unsigned long limit, count = 0;
	int given = 0, refused = 0;

	must(file && fscanf(file, "%lu", &limit) == 1);
	fclose(file);
	if (limit > 300000)
		skip("vm.max_map_count is %lu", limit);
	filler = sure(mmap(NULL, (limit + 2) * 2 * PAGE, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
	while (!mprotect(filler + (2 * count + 1) * PAGE, PAGE, PROT_READ))
		count++;
	must(errno == ENOMEM);
	while (given < 3 && refused < 60) {
		char *view = view_try(NULL, source, 4 * BYTES, RW, MAP_SHARED);
		if (view != MAP_FAILED) {
			must(munmap(view, 4 * BYTES) == 0);
			given++;
			continue;
		}
		promise(errno == ENOMEM, "no areas: %s", strerrorname_np(errno));
		refused++;
		promise(!strcmp(before, areas_of(source, 4 * BYTES)),
			"the source was\n%sand is\n%s", before, areas_of(source, 4 * BYTES));
		count--;
		must(mprotect(filler + (2 * count + 1) * PAGE, PAGE, PROT_NONE) == 0);
	}
	promise(refused && given, "refused %d times, given %d times", refused, given);
	row_check(source, "the source");
}

/* With a seccomp filter that the runner installs. */
CASE_NAMED("seccomp/memfd", no_memfd)
{
	char *source = anonymous(BYTES);

	fill_pages(source, 1, PAGES);
	char *before = areas_of(source, BYTES);
	refuses(source, BYTES, ENOMEM, "no memfd");
	promise(!strcmp(before, areas_of(source, BYTES)), "the source has changed");
	must_be_private(source);
}

PROMISE(M4, limit_on_file_size)
{
	struct rlimit limit = { 1 << 20, 1 << 20 };
	char *source = anonymous(4 << 20);

	must(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	fill_pages(source, 1, PAGES);
	must_be_coherent(source, view_of(source, BYTES), BYTES, "small enough");
	memset(source + BYTES, 7, (4 << 20) - BYTES);
	refuses(source + BYTES, (4 << 20) - BYTES, ENOMEM, "more than RLIMIT_FSIZE");
	promise(source[2 << 20] == 7, "the source has changed");
	must_be_private(source + BYTES);
}

/* M3, with the default policy: writable at open, and what is asked for could be made so. */
CASE_NAMED("default/refused", refused_by_default, HOLDS_BARE)
{
	char *source = anonymous(BYTES), *room = anonymous(BYTES);

	fill_pages(source, 1, PAGES);
	fill_pages(room, 2, PAGES);
	promise(view_try(room, source, BYTES, PROT_READ, MAP_SHARED | MAP_FIXED) == MAP_FAILED &&
			errno == ENODEV,
		"a shared view that can be read");
	promise(view_try(room, source, BYTES, RW, MAP_SHARED | MAP_FIXED) == MAP_FAILED &&
			errno == ENODEV,
		"a shared view");
	promise(view_try(room, source, BYTES, RW, MAP_PRIVATE | MAP_FIXED) == MAP_FAILED &&
			errno == ENODEV,
		"a private view");
	must(mprotect(room, BYTES, PROT_READ) == 0 && mprotect(room, BYTES, RW) == 0);
	view_check(room, 2, 0, PAGES, "the room");
	must_be_private(room);
	must_be_private(source);
}

static const bool yes = true, no = false;
CASE_OF("lock_and_advice_stay", lock_and_advice_stay, &yes)
CASE_OF("advice_stays", lock_and_advice_stay, &no)

CASES_MAIN
