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

static void dontneed_drops_stores(const void *unused)
{
	char *view = fresh(PROT_READ | PROT_WRITE);

	(void)unused;
	memset(view, 'x', BYTES);
	must(madvise(view, BYTES, MADV_DONTNEED) == 0);
	view_check(view, 1, 0, PAGES, "the captured content");
}

static void dontneed_drops_stores_when_cut(const void *unused)
{
	char *view = fresh(PROT_READ | PROT_WRITE);

	(void)unused;
	memset(view, 'x', BYTES);
	must(truncate(FILE_NAME, 0) == 0);
	must(posix_madvise(view, BYTES, POSIX_MADV_DONTNEED) == 0);
	promise(view[0] == 'x', "posix_madvise threw stores away");
	must(madvise(view, BYTES, MADV_DONTNEED) == 0);
	view_check(view, 1, 0, PAGES, "the captured content");
}

/* The VmFlags of the area at view, as /proc/self/smaps has them. */
static void flags_of(const void *view, char *flags, size_t size)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	char line[4608];
	bool here = false;

	must(smaps);
	flags[0] = 0;
	while (fgets(line, sizeof(line), smaps)) {
		uint64_t start, end;
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &start, &end) == 2)
			here = (uintptr_t)view >= start && (uintptr_t)view < end;
		else if (here && !strncmp(line, "VmFlags:", 8))
			snprintf(flags, size, "%.*s", (int)size - 1, line + 8);
	}
	fclose(smaps);
}

static void has_flag(const void *view, const char *flag, const char *when)
{
	char flags[256], wanted[8];

	flags_of(view, flags, sizeof(flags));
	snprintf(wanted, sizeof(wanted), " %s ", flag);
	promise(strstr(flags, wanted), "%s: no %s in VmFlags%s", when, flag, flags);
}

struct advice {
	int value;
	const char *flag;
};

static const struct advice dontfork = { MADV_DONTFORK, "dc" };
static const struct advice dontdump = { MADV_DONTDUMP, "dd" };
static const struct advice hugepage = { MADV_HUGEPAGE, "hg" };
static const struct advice nohugepage = { MADV_NOHUGEPAGE, "nh" };
static const struct advice random_access = { MADV_RANDOM, "rr" };
static const struct advice sequential = { MADV_SEQUENTIAL, "sr" };

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
static void each_area_keeps_its_own(const void *unused)
{
	enum { AREAS = 60 };
	static const int advice[] = { MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_DONTDUMP };
	static char before[AREAS * PAGES][256], after[AREAS * PAGES][256];
	char *views[AREAS];

	(void)unused;
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
static void thousands_keep_their_own(const void *unused)
{
	enum { AREAS = 4000, OTHERS = 20000 };
	static char *views[AREAS];

	(void)unused;
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

static void dontfork_keeps_it_from_the_child(const void *unused)
{
	char *view = fresh(PROT_READ);
	pid_t child;

	(void)unused;
	must(madvise(view, BYTES, MADV_DONTFORK) == 0);
	child = fork();
	must(child >= 0);
	if (!child)
		_exit(touch(view) == SIGSEGV ? 0 : EXIT_BROKEN);
	child_wait(child);
	view_check(view, 1, 0, PAGES, "the parent's");
}

static void lock_stays(const void *unused)
{
	char *view = fresh(PROT_READ);

	(void)unused;
	if (mlock(view, BYTES))
		skip("mlock: %s", strerror(errno));
	has_flag(view, "lo", "at once");
	file_overwrite(FILE_NAME, 2, 0, PAGES);
	has_flag(view, "lo", "after the change");
	view_check(view, 1, 0, PAGES, "content");
	must(munlock(view, BYTES) == 0);
}

static void key_stays(const void *unused)
{
	char *view = fresh(PROT_READ), line[256] = "";
	int key = pkey_alloc(0, 0), seen;
	FILE *smaps;
	bool found = false;

	(void)unused;
	if (key < 0)
		skip("this processor has no protection keys");
	must(pkey_mprotect(view, BYTES, PROT_READ, key) == 0);
	file_overwrite(FILE_NAME, 2, 0, PAGES);
	view_check(view, 1, 0, PAGES, "content");
	smaps = fopen("/proc/self/smaps", "re");
	must(smaps);
	while (fgets(line, sizeof(line), smaps))
		found |= sscanf(line, "ProtectionKey: %d", &seen) == 1 && seen == key;
	fclose(smaps);
	promise(found, "the protection key is gone");
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
	promise(mprotect(view, BYTES, PROT_READ | PROT_EXEC) == -1 && errno == EACCES,
		"mprotect with PROT_EXEC was allowed after a change");
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

static void noreplace_replaces_nothing(const void *unused)
{
	char *view = fresh(PROT_READ);
	int fd = file_open(FILE_NAME);

	(void)unused;
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

static void code_stays(const void *unused)
{
	int (*function)(void);
	char *view;

	(void)unused;
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

static void holes_stay_holes(const void *unused)
{
	static const size_t data[] = { 0, 5000, 16383 };
	int fd = open(FILE_NAME, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	char *view;

	(void)unused;
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

static const int ro = PROT_READ, rw = PROT_READ | PROT_WRITE;
static const int hint = 0, fixed = MAP_FIXED, noreplace = MAP_FIXED_NOREPLACE;
static const struct flag locked = { PROT_READ, MAP_LOCKED };
static const struct flag populate = { PROT_READ, MAP_POPULATE };
static const struct flag nonblock = { PROT_READ, MAP_POPULATE | MAP_NONBLOCK };
static const struct flag noreserve = { PROT_READ | PROT_WRITE, MAP_NORESERVE };
static const struct flag executable = { PROT_READ | PROT_EXEC, 0 };
static const struct flag none = { PROT_NONE, 0 };
static const struct flag write_only = { PROT_WRITE, 0 };
static const struct flag denywrite = { PROT_READ, MAP_DENYWRITE | MAP_EXECUTABLE };
static const struct flag stack = { PROT_READ | PROT_WRITE, MAP_STACK };
#ifdef __x86_64__
static const struct flag low = { PROT_READ, MAP_32BIT };
#endif

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "dontneed_ro", dontneed_brings_back_the_capture, &ro, false },
		{ "dontneed_rw", dontneed_brings_back_the_capture, &rw, false },
		{ "dontneed_drops_stores", dontneed_drops_stores, NULL, HOLDS_BARE },
		{ "dontneed_drops_stores_when_cut", dontneed_drops_stores_when_cut, NULL, false },
		{ "advice_dontfork", advice_stays, &dontfork, false },
		{ "advice_dontdump", advice_stays, &dontdump, false },
		{ "advice_hugepage", advice_stays, &hugepage, false },
		{ "advice_nohugepage", advice_stays, &nohugepage, false },
		{ "advice_random", advice_stays, &random_access, false },
		{ "advice_sequential", advice_stays, &sequential, false },
		{ "dontfork", dontfork_keeps_it_from_the_child, NULL, HOLDS_BARE },
		{ "each_area_keeps_its_own", each_area_keeps_its_own, NULL, false },
		{ "thousands_keep_their_own", thousands_keep_their_own, NULL, false },
		{ "lock_stays", lock_stays, NULL, false },
		{ "key_stays", key_stays, NULL, false },
		{ "noexec_ro", noexec_stays, &ro, HOLDS_BARE },
		{ "noexec_rw", noexec_stays, &rw, HOLDS_BARE },
		{ "map_locked", mmap_flag, &locked, false },
		{ "map_populate", mmap_flag, &populate, false },
		{ "map_nonblock", mmap_flag, &nonblock, false },
		{ "map_noreserve", mmap_flag, &noreserve, false },
		{ "map_exec", mmap_flag, &executable, false },
		{ "map_none", mmap_flag, &none, false },
		{ "map_write_only", mmap_flag, &write_only, false },
		{ "map_denywrite", mmap_flag, &denywrite, false },
		{ "map_stack", mmap_flag, &stack, false },
#ifdef __x86_64__
		{ "map_32bit", mmap_flag, &low, false },
#endif
		{ "map_hint", mmap_at, &hint, false },
		{ "map_fixed", mmap_at, &fixed, false },
		{ "map_fixed_noreplace", mmap_at, &noreplace, false },
		{ "noreplace_replaces_nothing", noreplace_replaces_nothing, NULL, false },
		{ "code_stays", code_stays, NULL, false },
		{ "holes_stay_holes", holes_stay_holes, NULL, false },
	};

	return cases_main(cases, COUNT(cases), argc, argv);
}
