/* SPDX-License-Identifier: MIT */
/*
 * M4: second views of every kind of one's own memory, with selfmem.map=emulate.
 */
#include <malloc.h>
#include <sys/uio.h>

#include "view_source.h"

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
	char *view = view_get(NULL, source, BYTES, PROT_READ, MAP_SHARED);
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
	char *view = view_get(NULL, source, BYTES, PROT_READ, MAP_SHARED);
	file_overwrite("views.shared", 5, 0, PAGES);
	view_check(source, 3, 0, PAGES, "shared snapshot");
	view_check(view, 3, 0, PAGES, "view of a shared snapshot");
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

	view_over(room, base, 4 * BYTES);
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

/* A copy at that moment, whose stores are its own. */
CASE(private_view)
{
	char *base = row();
	char *view = view_get(NULL, base, 4 * BYTES, RW, MAP_PRIVATE);
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
	char *source = filled(), *view = view_of(source, BYTES);

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

CASE_OF("lock_and_advice_stay", lock_and_advice_stay, AS(bool, true))
CASE_OF("advice_stays", lock_and_advice_stay, AS(bool, false))

CASES_MAIN
