/* SPDX-License-Identifier: MIT */
/*
 * S4: advice, locks and the flags of mmap do what they do on a plain mapping, and the
 * content stays the captured one.
 */
#include <inttypes.h>

#include "../mounts.h"
#include "helper.h"

#define FILE_NAME "advice.data"
#define PAGES	  8
#define BYTES	  (PAGES * PAGE)

static char *fresh(int prot)
{
	file_make(FILE_NAME, 1, PAGES);
	return view_make(FILE_NAME, prot, 0, PAGES);
}

static void dontneed_brings_back_the_capture(const void *prot)
{
	char *view = fresh(*(const int *)prot);

	view_check(view, 1, 0, PAGES, "at first");
	file_overwrite(FILE_NAME, 2, 0, PAGES);
	must(madvise(view, BYTES, MADV_DONTNEED) == 0);
	view_check(view, 1, 0, PAGES, "after MADV_DONTNEED");
	must(truncate(FILE_NAME, 0) == 0);
	must(madvise(view, BYTES, MADV_DONTNEED) == 0);
	view_check(view, 1, 0, PAGES, "after cutting and MADV_DONTNEED");
}

CASE(dontneed_drops_stores, HOLDS_BARE)
{
	char *view = fresh(RW);

	memset(view, 'x', BYTES);
	must(madvise(view, BYTES, MADV_DONTNEED) == 0);
	view_check(view, 1, 0, PAGES, "the captured content");
}

CASE(dontneed_drops_stores_when_cut)
{
	char *view = fresh(RW);

	memset(view, 'x', BYTES);
	must(truncate(FILE_NAME, 0) == 0);
	must(posix_madvise(view, BYTES, POSIX_MADV_DONTNEED) == 0);
	promise(view[0] == 'x', "posix_madvise threw stores away");
	must(madvise(view, BYTES, MADV_DONTNEED) == 0);
	view_check(view, 1, 0, PAGES, "the captured content");
}

static void has_flag(const void *view, const char *flag, const char *when)
{
	char line[4608], wanted[8];
	const char *flags = smaps_line(view, "VmFlags:", line, sizeof(line));

	snprintf(wanted, sizeof(wanted), " %s ", flag);
	promise(strstr(flags, wanted), "%s: no %s in VmFlags%s", when, flag, flags);
}

struct advice {
	int value;
	const char *flag;
};

static void advice_stays(const void *argument)
{
	const struct advice *advice = argument;
	char *view = fresh(PROT_READ);

	if (madvise(view, BYTES, advice->value))
		skip("this kernel refuses the advice on a file");
	has_flag(view, advice->flag, "at once");
	file_overwrite(FILE_NAME, 2, 0, PAGES);
	has_flag(view, advice->flag, "after the change");
	view_check(view, 1, 0, PAGES, "content");
}

/* The same of each page of count views, in one walk. */
static void flags_of_pages(char *const *views, size_t count, char (*flags)[256])
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	char line[4608];
	uint64_t start = 0, end = 0;

	must(smaps);
	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &start, &end) == 2 ||
		    strncmp(line, "VmFlags:", 8))
			continue;
		for (size_t i = 0; i < count * PAGES; i++) {
			uintptr_t page = (uintptr_t)views[i / PAGES] + i % PAGES * PAGE;
			if (page >= start && page < end)
				snprintf(flags[i], sizeof(flags[i]), "%.255s", line + 8);
		}
	}
	fclose(smaps);
}

/* Areas of one file, each with what it had, and those between them. */
CASE(each_area_keeps_its_own)
{
	enum { AREAS = 60 };
	static const int advice[] = { MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_DONTDUMP };
	static char before[AREAS * PAGES][256], after[AREAS * PAGES][256];
	char *views[AREAS];

	file_make(FILE_NAME, 1, PAGES);
	for (size_t i = 0; i < AREAS; i++) {
		views[i] = view_make(FILE_NAME, PROT_READ, 0, PAGES);
		must(madvise(views[i] + PAGE * (i % 3), PAGE * (1 + i % 5), advice[i % 4]) == 0);
		if (i % 7 == 0 && mlock(views[i] + 4 * PAGE, PAGE))
			skip("mlock: %s", strerror(errno));
	}
	flags_of_pages(views, AREAS, before);
	file_overwrite(FILE_NAME, 2, 0, PAGES);
	flags_of_pages(views, AREAS, after);
	for (size_t i = 0; i < AREAS * PAGES; i++)
		promise(before[i][0] && !strcmp(before[i], after[i]),
			"page %zu of %zu had%s, has%s", i % PAGES, i / PAGES, before[i], after[i]);
	for (size_t i = 0; i < AREAS; i++)
		view_check(views[i], 1, 0, PAGES, "content");
}

/* Looking for what each has takes no longer than the kernel lets the writer wait. */
CASE(thousands_keep_their_own)
{
	enum { AREAS = 4000, OTHERS = 20000 };
	static char *views[AREAS];

	file_make(FILE_NAME, 1, PAGES);
	for (int i = 0; i < OTHERS; i++)
		must(mmap(NULL, PAGE, i % 2 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0) != MAP_FAILED);
	for (size_t i = 0; i < AREAS; i++)
		views[i] = view_make(FILE_NAME, PROT_READ, 0, 1 + i % 2);
	must(madvise(views[1], PAGE, MADV_RANDOM) == 0);
	alarm(PATIENT);
	file_overwrite(FILE_NAME, 2, 0, PAGES);
	for (size_t i = 0; i < AREAS; i++)
		view_check(views[i], 1, 0, 1 + i % 2, "content");
	has_flag(views[1], "rr", "after the change");
}

CASE_NAMED("dontfork", dontfork_keeps_it_from_the_child, HOLDS_BARE)
{
	char *view = fresh(PROT_READ);
	pid_t child;

	must(madvise(view, BYTES, MADV_DONTFORK) == 0);
	child = sure(fork());
	if (!child)
		_exit(touch(view) == SIGSEGV ? 0 : EXIT_BROKEN);
	child_wait(child);
	view_check(view, 1, 0, PAGES, "the parent's");
}

PROMISE(S4, mlock_stays)
{
	char *view = fresh(PROT_READ);

	if (mlock(view, BYTES))
		skip("mlock: %s", strerror(errno));
	has_flag(view, "lo", "at once");
	file_overwrite(FILE_NAME, 2, 0, PAGES);
	has_flag(view, "lo", "after the change");
	view_check(view, 1, 0, PAGES, "content");
	must(munlock(view, BYTES) == 0);
}

PROMISE(S4, protection_key_stays)
{
	char *view = fresh(PROT_READ), line[4608];
	int key = pkey_alloc(0, 0);

	if (key < 0)
		skip("this processor has no protection keys");
	must(pkey_mprotect(view, BYTES, PROT_READ, key) == 0);
	file_overwrite(FILE_NAME, 2, 0, PAGES);
	view_check(view, 1, 0, PAGES, "content");
	promise(atoi(smaps_line(view, "ProtectionKey:", line, sizeof(line))) == key,
		"the protection key is gone");
}

/* A file system without executables: a copy elsewhere must not be a way round it. */
static void noexec_stays(const void *prot)
{
	must(mkdir("noexec", 0700) == 0 || errno == EEXIST);
	if (!own_mounts(0) || mount("noexec", "noexec", "tmpfs", MS_NOEXEC, NULL))
		skip("only root can mount: %s", strerror(errno));
	file_make("noexec/data", 1, PAGES);
	int fd = file_open("noexec/data");
	promise(mmap(NULL, BYTES, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED &&
			errno == EPERM,
		"mmap with PROT_EXEC: %s", strerror(errno));
	char *view = view_make("noexec/data", *(const int *)prot, 0, PAGES);
	promise(mprotect(view, BYTES, PROT_READ | PROT_EXEC) == -1 && errno == EACCES,
		"mprotect with PROT_EXEC was allowed");
	must(truncate("noexec/data", 0) == 0);
	promise(mprotect(view, 1, PROT_READ | PROT_EXEC) == -1 && errno == EACCES,
		"mprotect with PROT_EXEC was allowed after a change");
}

/* An ordinary one is: what was mapped to be read may be run later. */
PROMISE(P1, snapshot_is_made_executable, HOLDS_BARE)
{
	file_make(FILE_NAME, 1, PAGES);
	char *view = view_make(FILE_NAME, PROT_READ, 0, PAGES);
	if (mmap(NULL, BYTES, PROT_EXEC, MAP_PRIVATE, file_open(FILE_NAME), 0) == MAP_FAILED)
		skip("no executable mappings here: %s", strerror(errno));
	promise(mprotect(view, BYTES, PROT_READ | PROT_EXEC) == 0, "mprotect with PROT_EXEC: %s",
		strerror(errno));
}

struct flag {
	int prot, flags;
};

static void mmap_flag(const void *argument)
{
	const struct flag *flag = argument;
	char *view;
	int fd;

	file_make(FILE_NAME, 1, PAGES);
	fd = file_open(FILE_NAME);
	view = mmap(NULL, BYTES, flag->prot, MAP_PRIVATE | flag->flags, fd, 0);
	if (view == MAP_FAILED && errno == EAGAIN)
		skip("RLIMIT_MEMLOCK");
	promise(view != MAP_FAILED, "mmap: %s", strerror(errno));
	file_overwrite(FILE_NAME, 2, 0, PAGES);
	must(mprotect(view, BYTES, PROT_READ) == 0);
	view_check(view, 1, 0, PAGES, "content");
#ifdef __x86_64__
	if (flag->flags & MAP_32BIT)
		promise((uintptr_t)view < 1ul << 31, "MAP_32BIT gave %p", (void *)view);
#endif
}

static char *room(void)
{
	char *at = mmap(NULL, 4 * BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(at != MAP_FAILED && munmap(at, 4 * BYTES) == 0);
	return at;
}

static void mmap_at(const void *flags)
{
	char *at = room(), *view;

	file_make(FILE_NAME, 1, PAGES);
	int fd = file_open(FILE_NAME);
	view = mmap(at, BYTES, PROT_READ, MAP_PRIVATE | *(const int *)flags, fd, 0);
	promise(view == at, "mapped at %p, not %p", (void *)view, (void *)at);
	file_overwrite(FILE_NAME, 2, 0, PAGES);
	view_check(view, 1, 0, PAGES, "content");
}

PROMISE(S4, fixed_noreplace_replaces_nothing)
{
	char *view = fresh(PROT_READ);
	int fd = file_open(FILE_NAME);

	promise(mmap(view + PAGE, BYTES, PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, 0) ==
				MAP_FAILED &&
			errno == EEXIST,
		"MAP_FIXED_NOREPLACE over a snapshot");
	file_overwrite(FILE_NAME, 2, 0, PAGES);
	view_check(view, 1, 0, PAGES, "content");
}

/* mov eax, value; ret */
static void write_code(char value)
{
	char code[6] = { (char)0xb8, value, 0, 0, 0, (char)0xc3 };
	int fd = open(FILE_NAME, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);

	must(fd >= 0 && write(fd, code, sizeof(code)) == sizeof(code) && close(fd) == 0);
}

PROMISE(S4, executable_code_stays)
{
	int (*function)(void);
	char *view;

	write_code(42);
	view = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, file_open(FILE_NAME), 0);
	if (view == MAP_FAILED)
		skip("no executable mappings here: %s", strerror(errno));
	write_code(43);
	memcpy(&function, &view, sizeof(view));
	promise(function() == 42, "other code ran");
}

#define SPARSE (64ul << 20)

/* 512-byte blocks of whatever file is mapped there, where we may ask. */
static int64_t blocks_behind(const void *view)
{
	struct stat file;
	char path[96];

	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)(uintptr_t)view,
		 (unsigned long)((uintptr_t)view + SPARSE));
	return stat(path, &file) ? -1 : (int64_t)file.st_blocks;
}

CASE(holes_stay_holes)
{
	static const size_t data[] = { 0, 5000, 16383 };
	int fd = open(FILE_NAME, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	char *view;

	must(fd >= 0 && ftruncate(fd, SPARSE) == 0);
	for (size_t i = 0; i < COUNT(data); i++)
		file_fill(fd, 1, data[i], 1);
	must(close(fd) == 0);
	view = view_make(FILE_NAME, PROT_READ, 0, SPARSE / PAGE);
	int64_t blocks = blocks_behind(view);
	promise(blocks < 2048, "%jd blocks hold three pages", (intmax_t)blocks);
	must(truncate(FILE_NAME, 0) == 0);
	for (size_t i = 0; i < COUNT(data); i++)
		view_check(view + data[i] * PAGE, 1, data[i], 1, "data");
	promise(page_is_zero(view + PAGE) && page_is_zero(view + 9000 * PAGE), "a hole has data");
	printf("%jd blocks\n", (intmax_t)blocks);
}

#ifdef __x86_64__
#endif

/* The kernel gets as far as the first area that it refuses. */
CASE(noexec_behind_memory, HOLDS_BARE)
{
	char line[256];

	must(mkdir("noexec", 0700) == 0 || errno == EEXIST);
	if (!own_mounts(0) || mount("noexec", "noexec", "tmpfs", MS_NOEXEC, NULL))
		skip("only root can mount: %s", strerror(errno));
	file_make("noexec/data", 1, PAGES);
	int fd = file_open("noexec/data");
	char *at = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(at != MAP_FAILED &&
	     mmap(at + PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) == at + PAGE);
	promise(mprotect(at, 2 * PAGE, PROT_READ | PROT_EXEC) == -1 && errno == EACCES,
		"mprotect with PROT_EXEC was allowed");
	promise(strstr(smaps_line(at, "VmFlags:", line, sizeof(line)), " ex"),
		"the memory before it is not executable:%s", line);
}

CASE_OF("dontneed_ro", dontneed_brings_back_the_capture, AS(int, PROT_READ))
CASE_OF("dontneed_rw", dontneed_brings_back_the_capture, AS(int, RW))
CASE_OF("advice_dontfork", advice_stays, AS(struct advice, MADV_DONTFORK, "dc"))
CASE_OF("advice_dontdump", advice_stays, AS(struct advice, MADV_DONTDUMP, "dd"))
CASE_OF("advice_hugepage", advice_stays, AS(struct advice, MADV_HUGEPAGE, "hg"))
CASE_OF("advice_nohugepage", advice_stays, AS(struct advice, MADV_NOHUGEPAGE, "nh"))
CASE_OF("advice_random", advice_stays, AS(struct advice, MADV_RANDOM, "rr"))
CASE_OF("advice_sequential", advice_stays, AS(struct advice, MADV_SEQUENTIAL, "sr"))
CASE_OF("noexec_ro", noexec_stays, AS(int, PROT_READ), HOLDS_BARE)
CASE_OF("noexec_rw", noexec_stays, AS(int, RW), HOLDS_BARE)
CASE_OF("map_locked", mmap_flag, AS(struct flag, PROT_READ, MAP_LOCKED))
CASE_OF("map_populate", mmap_flag, AS(struct flag, PROT_READ, MAP_POPULATE))
CASE_OF("map_nonblock", mmap_flag, AS(struct flag, PROT_READ, MAP_POPULATE | MAP_NONBLOCK))
CASE_OF("map_noreserve", mmap_flag, AS(struct flag, RW, MAP_NORESERVE))
CASE_OF("map_exec", mmap_flag, AS(struct flag, PROT_READ | PROT_EXEC, 0))
CASE_OF("map_none", mmap_flag, AS(struct flag, PROT_NONE, 0))
CASE_OF("map_write_only", mmap_flag, AS(struct flag, PROT_WRITE, 0))
CASE_OF("map_denywrite", mmap_flag, AS(struct flag, PROT_READ, MAP_DENYWRITE | MAP_EXECUTABLE))
CASE_OF("map_stack", mmap_flag, AS(struct flag, RW, MAP_STACK))
#ifdef __x86_64__
CASE_OF("map_32bit", mmap_flag, AS(struct flag, PROT_READ, MAP_32BIT))
#endif
CASE_OF("map_hint", mmap_at, AS(int, 0))
CASE_OF("map_fixed", mmap_at, AS(int, MAP_FIXED))
CASE_OF("map_fixed_noreplace", mmap_at, AS(int, MAP_FIXED_NOREPLACE))

CASES_MAIN
