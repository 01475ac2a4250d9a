/* SPDX-License-Identifier: MIT */
/*
 * S4, S5, P1: prints what the memory calls return on a private file mapping, for a
 * comparison with the same program's output without mmfence.
 */
#include "helper.h"

#define FILE_NAME "values.data"
#define PAGES	  8
#define BYTES	  (PAGES * PAGE)

#ifndef MADV_COLD
#define MADV_COLD    20
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

static char *view;

static void say(const char *what, long result)
{
	if (result < 0)
		printf("%s = %ld %s\n", what, result, strerrorname_np(errno));
	else
		printf("%s = %ld\n", what, result);
}

#define SAY(call) say(#call, (long)(call))

/* Addresses differ from run to run: only whether it worked, and where relative to another. */
#define SAY_AT(call, near)                                                                         \
	do {                                                                                       \
		char *at_ = (char *)(call);                                                        \
		if (at_ == MAP_FAILED)                                                             \
			printf("%s = %s\n", #call, strerrorname_np(errno));                        \
		else                                                                               \
			printf("%s = %s\n", #call, at_ == (char *)(near) ? "there" : "elsewhere"); \
	} while (0)

static void fresh(int prot)
{
	file_make(FILE_NAME, 1, PAGES);
	view = view_make(FILE_NAME, prot, 0, PAGES);
}

static void residency(void)
{
	unsigned char pages[PAGES + 1] = { 0 };
	int resident = 0;

	fresh(PROT_READ);
	SAY(madvise(view, BYTES, MADV_POPULATE_READ));
	SAY(mincore(view, BYTES, pages));
	for (size_t i = 0; i < PAGES; i++)
		resident += pages[i] & 1;
	printf("%d resident\n", resident);
	SAY(mincore(view + 1, BYTES, pages));
	SAY(mincore(view, BYTES, NULL));
	must(munmap(view + 4 * PAGE, PAGE) == 0);
	SAY(mincore(view, BYTES, pages));
}

static void syncing(int prot)
{
	fresh(prot);
	SAY(msync(view, BYTES, MS_SYNC));
	SAY(msync(view, BYTES, MS_ASYNC));
	SAY(msync(view, BYTES, MS_INVALIDATE));
	SAY(msync(view, BYTES, MS_SYNC | MS_INVALIDATE));
	SAY(msync(view, BYTES, MS_SYNC | MS_ASYNC));
	SAY(msync(view + 1, BYTES, MS_SYNC));
	SAY(mlock(view, BYTES));
	SAY(msync(view, BYTES, MS_SYNC | MS_INVALIDATE));
	SAY(munlock(view, BYTES));
	SAY(mlock2(view, BYTES, MLOCK_ONFAULT));
	SAY(munlock(view, BYTES));
	must(munmap(view + 4 * PAGE, PAGE) == 0);
	SAY(msync(view, BYTES, MS_SYNC));
	SAY(mlock(view, BYTES));
	SAY(munlock(view, BYTES));
}

static void advising(int prot)
{
	static const int advices[] = {
		MADV_NORMAL,
		MADV_RANDOM,
		MADV_SEQUENTIAL,
		MADV_WILLNEED,
		MADV_DONTNEED,
		MADV_FREE,
		MADV_REMOVE,
		MADV_DONTFORK,
		MADV_DOFORK,
		MADV_DONTDUMP,
		MADV_DODUMP,
		MADV_WIPEONFORK,
		MADV_KEEPONFORK,
		MADV_COLD,
		MADV_PAGEOUT,
		MADV_POPULATE_READ,
		MADV_POPULATE_WRITE,
		MADV_DONTNEED_LOCKED,
		12345,
		-1,
	};

	fresh(prot);
	for (size_t i = 0; i < COUNT(advices); i++) {
		printf("advice %d: ", advices[i]);
		SAY(madvise(view, BYTES, advices[i]));
		SAY(madvise(view, 0, advices[i]));
		SAY(madvise(view + 1, PAGE, advices[i]));
	}
	for (int advice = -1; advice < 7; advice++) {
		errno = 0;
		SAY(posix_madvise(view, BYTES, advice));
		SAY(errno);
	}
	must(munmap(view + 4 * PAGE, PAGE) == 0);
	SAY(madvise(view, BYTES, MADV_DONTNEED));
	SAY(madvise(view, BYTES, MADV_WILLNEED));
	SAY(posix_madvise(view, BYTES, POSIX_MADV_WILLNEED));
}

static void protecting(int prot)
{
	fresh(prot);
	for (int wanted = 0; wanted < 16; wanted++) {
		printf("prot %d: ", wanted);
		SAY(mprotect(view, BYTES, wanted));
	}
	SAY(mprotect(view, BYTES, PROT_READ | PROT_GROWSDOWN));
	SAY(mprotect(view, BYTES, PROT_READ | PROT_GROWSUP));
	SAY(mprotect(view + 1, PAGE, PROT_READ));
	SAY(mprotect(view, 0, PROT_READ));
	SAY(mprotect(view, 1, PROT_READ));
	SAY(mprotect(view, SIZE_MAX - 10000, PROT_READ));
	SAY(pkey_mprotect(view, BYTES, PROT_READ, -1));
	SAY(pkey_mprotect(view, BYTES, PROT_READ, 1));
	SAY(pkey_mprotect(view, BYTES, PROT_READ, 99));
	must(munmap(view + 4 * PAGE, PAGE) == 0);
	SAY(mprotect(view, BYTES, PROT_READ));
	SAY(mprotect(view + 4 * PAGE, PAGE, PROT_READ));
}

static void moving(int prot)
{
	fresh(prot);
	SAY_AT(mremap(view, BYTES, BYTES, 0), view);
	SAY_AT(mremap(view, BYTES, BYTES, MREMAP_MAYMOVE), view);
	SAY_AT(mremap(view, BYTES, 2 * PAGE, 0), view);
	fresh(prot);
	SAY_AT(mremap(view, 0, PAGE, 0), view);
	SAY_AT(mremap(view, 0, PAGE, MREMAP_MAYMOVE), view);
	SAY_AT(mremap(view, BYTES, 0, 0), view);
	SAY_AT(mremap(view + 1, PAGE, PAGE, 0), view);
	SAY_AT(mremap(view, BYTES, BYTES, MREMAP_FIXED, view), view);
	SAY_AT(mremap(view, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, view), view);
	SAY_AT(mremap(view, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, view + PAGE), view);
	SAY_AT(mremap(view, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, view + 1), view);
	SAY_AT(mremap(view, BYTES, BYTES, 64), view);
	SAY_AT(mremap(view, BYTES, 2 * BYTES, MREMAP_DONTUNMAP | MREMAP_MAYMOVE), view);
	SAY_AT(mremap(view, BYTES, BYTES, MREMAP_DONTUNMAP), view);
	SAY_AT(mremap(view, 2 * BYTES, 3 * BYTES, MREMAP_MAYMOVE), view);
	SAY_AT(mremap(view, SIZE_MAX / 2, BYTES, MREMAP_MAYMOVE), view);
	fresh(prot);
	must(munmap(view + 4 * PAGE, PAGE) == 0);
	SAY_AT(mremap(view, BYTES, 2 * BYTES, MREMAP_MAYMOVE), view);
	SAY_AT(mremap(view + 4 * PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE), view);
}

static void unmapping(void)
{
	fresh(PROT_READ);
	SAY(munmap(view + 1, PAGE));
	SAY(munmap(view, 0));
	SAY(munmap(view, SIZE_MAX));
	SAY(munmap(view, 1));
	SAY(touch(view));
	SAY(touch(view + PAGE));
	SAY(munmap(view, BYTES));
	SAY(munmap(view, BYTES));
	SAY(munmap(NULL, PAGE));
}

static void nonlinear(void)
{
	fresh(PROT_READ);
	SAY(remap_file_pages(view, PAGE, 0, 1, 0));
	SAY(remap_file_pages(view, PAGE, PROT_READ, 1, 0));
	SAY(remap_file_pages(view + 1, PAGE, 0, 1, 0));
	SAY(remap_file_pages(view, 0, 0, 1, 0));
	SAY(remap_file_pages(NULL, PAGE, 0, 1, 0));
	view_check(view, 1, 0, PAGES, "after refused remaps");
}

static void covering(void)
{
	int fd;

	fresh(PROT_READ);
	fd = file_open(FILE_NAME);
	SAY_AT(mmap(view, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, 0), view);
	SAY_AT(mmap(view, PAGE, PROT_READ, MAP_PRIVATE, fd, 0), view);
	SAY_AT(mmap(view, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0), view);
	SAY_AT(mmap(view, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 1), view);
	SAY_AT(mmap(view, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, -1, 0), view);
	SAY_AT(mmap(view, 0, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0), view);
	SAY(touch(view));
}

int main(void)
{
	residency();
	syncing(PROT_READ);
	syncing(RW);
	advising(PROT_READ);
	advising(RW);
	protecting(PROT_READ);
	protecting(RW);
	moving(PROT_READ);
	moving(RW);
	unmapping();
	nonlinear();
	covering();
	return 0;
}
