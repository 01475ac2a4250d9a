/* SPDX-License-Identifier: MIT */
/*
 * SEMANTICS 7: makes pages of each kind on purpose.
 *
 *	pages CASE [THEN]
 *
 * and says in the file "expected" which mapping must have what: a line of start, end, private,
 * file, shared, swapped, never, unknown (in pages), what it is. "wait" stops it then, until it
 * is told to go on; "storm" the same, and then mappings come and go for good. For the census at
 * exit it ends with all descriptors "closed", its table "full", or its privileges "dropped".
 */
#include <sys/prctl.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include "helper.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#define GUARD_INSTALL 102
#define TMPFS	      0x01021994
#define HUGE_PAGE     (2UL << 20)

enum { PRIVATE, SHOWS_FILE, SHARED, SWAPPED, NEVER, UNKNOWN, CLASSES };

static FILE *expected;

/* ---- places and what must be there ---- */

/* Between pages of PROT_NONE, so that no two areas become one. */
static char *place(size_t pages)
{
	char *at = reserve((pages + 2) * PAGE);

	return at + PAGE;
}

static char *map(size_t pages, int prot, int flags, int fd, size_t first)
{
	return sure(mmap(place(pages), pages * PAGE, prot, flags | MAP_FIXED, fd,
			 (off_t)(first * PAGE)));
}

/* expect(at, pages, "what", .file = 3, .never = 5); zeros: read, and never written */
struct counts {
	size_t private, file, shared, swapped, never, unknown, zeros;
};

/* How many bytes of the area that holds at smaps has in this line. */
static size_t smaps_bytes(const char *at, const char *key)
{
	char line[512];

	return strtoul(smaps_line(at, key, line, sizeof(line)), NULL, 10) * 1024;
}

/* Not every kernel shares one page of zeros: some hosts of virtual machines forbid it. */
static bool zeros_are_shared(void)
{
	volatile char *at = map(1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)*at;
	return !smaps_bytes((const char *)at, "Rss:");
}

static void expect_counts(const char *at, size_t pages, const char *what, struct counts c)
{
	static int shared_zeros = -1;

	if (shared_zeros < 0)
		shared_zeros = zeros_are_shared();
	*(shared_zeros ? &c.shared : &c.private) += c.zeros;
	must(c.private + c.file + c.shared + c.swapped + c.never + c.unknown == pages);
	fprintf(expected, "%lx %lx %zu %zu %zu %zu %zu %zu %s\n", (unsigned long)at,
		(unsigned long)(at + pages * PAGE), c.private, c.file, c.shared, c.swapped, c.never,
		c.unknown, what);
}

#define expect(at, pages, what, ...) expect_counts(at, pages, what, (struct counts){ __VA_ARGS__ })

static void store(char *at, size_t first, size_t pages)
{
	for (size_t i = first; i < first + pages; i++)
		at[i * PAGE] = (char)(i + 1);
}

static void load(const volatile char *at, size_t first, size_t pages)
{
	for (size_t i = first; i < first + pages; i++)
		(void)at[i * PAGE];
}

/* ---- private mappings ---- */

static void make_anonymous(void)
{
	char *at = map(8, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	store(at, 0, 2);
	load(at, 2, 1);
	expect(at, 8, "anonymous", .private = 2, .zeros = 1, .never = 5);
	expect(map(262144, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), 262144,
	       "a reserve", .never = 262144);
}

static void make_private_file(int fd, const char *what)
{
	char *at = map(8, PROT_READ, MAP_PRIVATE, fd, 0);
	char name[64];

	load(at, 0, 8);
	snprintf(name, sizeof(name), "read of %s", what);
	expect(at, 8, name, .file = 8);
	at = map(8, RW, MAP_PRIVATE, fd, 8);
	store(at, 0, 3);
	load(at, 3, 5);
	snprintf(name, sizeof(name), "written of %s", what);
	expect(at, 8, name, .private = 3, .file = 5);
	snprintf(name, sizeof(name), "untouched of %s", what);
	expect(map(8, PROT_READ, MAP_PRIVATE, fd, 4), 8, name, .never = 8);
	at = map(8, PROT_READ, MAP_PRIVATE, open("/dev/zero", O_RDWR | O_CLOEXEC), 0);
	load(at, 0, 4);
	expect(at, 8, "/dev/zero", .zeros = 4, .never = 4);
}

/* As many runs of like pages as there are pages: more than one call of PAGEMAP_SCAN returns. */
static void make_stripes(int fd)
{
	char *at = map(4096, RW, MAP_PRIVATE, fd, 0);

	load(at, 0, 4096);
	for (size_t i = 0; i < 4096; i += 2)
		store(at, i, 1);
	expect(at, 4096, "stripes", .private = 2048, .file = 2048);
}

/* More than one call of PAGEMAP_SCAN takes. */
static void make_large(void)
{
	size_t pages = 76800;
	char *at = map(pages, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	load(at, 0, pages);
	expect(at, pages, "zeros", .zeros = pages);
}

static void make_guarded(void)
{
	struct utsname name;
	int major = 0, minor = 0;
	char *at = map(8, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	store(at, 0, 8);
	/* Kernels 6.13 and 6.14 have guard pages, but do not tell them from swapped ones. */
	uname(&name);
	sscanf(name.release, "%d.%d", &major, &minor);
	if (major * 1000 + minor >= 6015 && !madvise(at + 4 * PAGE, 2 * PAGE, GUARD_INSTALL))
		expect(at, 8, "guard pages", .private = 6, .never = 2);
}

/* Two huge pages' worth, where one may begin. */
static char *map_huge(int flags, int fd)
{
	char *at = place(3 * HUGE_PAGE / PAGE);

	at = (char *)(((uintptr_t)at + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
	must(mmap(at, 2 * HUGE_PAGE, RW, MAP_PRIVATE | MAP_FIXED | flags, fd, 0) == at);
	madvise(at, 2 * HUGE_PAGE, MADV_HUGEPAGE);
	return at;
}

/* Huge pages, of one's own and of zeros, where the kernel gives any; small ones elsewhere. */
static void make_huge(void)
{
	char *at = map_huge(MAP_ANONYMOUS, -1);

	*at = 1;
	load(at + HUGE_PAGE, 0, 512);
	if (smaps_bytes(at, "AnonHugePages:") == HUGE_PAGE)
		expect(at, 1024, "huge pages", .private = 512, .zeros = 512);
	at = map_huge(0, open("/dev/zero", O_RDWR | O_CLOEXEC));
	load(at, 0, 1024);
	expect(at, 1024, "huge pages of /dev/zero", .zeros = 1024);
}

/* ---- shared mappings ---- */

static void make_shared_file(int fd)
{
	struct statfs fs;
	char *at = map(8, RW, MAP_SHARED, fd, 0);

	store(at, 0, 8);
	expect(at, 8, "shared file", .shared = 8);
	must(!fstatfs(fd, &fs));
	at = map(8, PROT_READ, MAP_SHARED, fd, 0);
	if (fs.f_type == TMPFS)
		expect(at, 8, "shared file in memory", .shared = 8);
	else
		expect(at, 8, "shared file, untouched", .never = 8);
}

static void make_memfd(void)
{
	int fd = file_in_memory();
	char *at;

	must(!ftruncate(fd, 11 * PAGE));
	must(!fchmod(fd, 0400)); /* its owner may ask all the same */
	file_fill(fd, 1, 0, 2);	 /* none of the mapping's */
	file_fill(fd, 1, 3, 3);	 /* in memory, though in no page table */
	at = map(8, RW, MAP_SHARED, fd, 3);
	store(at, 4, 2);
	expect(at, 8, "shared memfd", .shared = 5, .never = 3);
	fd = file_in_memory();
	file_fill(fd, 1, 0, 16);
	make_private_file(fd, "a memfd");
	/* Past the end of what mincore is asked at a time. */
	fd = file_in_memory();
	must(!ftruncate(fd, 20480 * PAGE));
	for (size_t i = 0; i < 20480; i += 4096)
		file_fill(fd, 1, i + 7, 1);
	expect(map(20480, PROT_READ, MAP_SHARED, fd, 0), 20480, "sparse memfd", .shared = 5,
	       .never = 20475);
}

static void make_shared_anonymous(void)
{
	char *at = map(8, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	store(at, 0, 3);
	must(!madvise(at, PAGE, MADV_DONTNEED)); /* the page table forgets it */
	if (geteuid() == 0)			 /* may look at files */
		expect(at, 8, "shared anonymous", .shared = 3, .never = 5);
	else
		expect(at, 8, "shared anonymous", .shared = 2, .unknown = 6);
}

/* Of which mincore says that all is there. */
#define FOREIGN 200

static void make_foreign(void)
{
	if (fcntl(FOREIGN, F_GETFD))
		return;
	char *at = map(4, PROT_READ, MAP_SHARED, FOREIGN, 0);
	load(at, 1, 1);
	expect(at, 4, "memory of another", .shared = 1, .unknown = 3);
}

static int make_file(const char *name, size_t pages)
{
	file_make(name, 1, pages);
	return sure(open(name, O_RDWR | O_CLOEXEC));
}

static void kinds(void)
{
	int fd = make_file("census.data", 4096);

	make_anonymous();
	make_private_file(fd, "a file");
	make_stripes(fd);
	make_large();
	make_guarded();
	make_huge();
	make_shared_file(fd);
	make_memfd();
	make_foreign();
	make_shared_anonymous();
	must(unlink("census.data") == 0);
}

/* ---- many areas, and a family ---- */

static void many(void)
{
	size_t count = 700;
	char *at = anonymous(2 * count * PAGE);

	for (size_t i = 0; i < count; i++) {
		char *page = at + (2 * i + 1) * PAGE;
		*page = 1;
		must(!mprotect(page, PAGE, PROT_READ));
		expect(page, 1, "one of many", .private = 1);
	}
}

/* Downwards and upwards, more that show a file than are told of, and all of them more than any
 * library does. */
static void ranked(void)
{
	size_t least = 1024;
	int fd = make_file("census.data", least + 12);

	for (size_t i = 0; i < 12; i++) {
		size_t pages = least + i * 5 % 12;
		load(map(pages, PROT_READ, MAP_PRIVATE, fd, 0), 0, pages);
	}
}

/* What a fork shares is nobody's own, until somebody writes. */
static void family(void)
{
	char *at = map(8, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), byte;
	int both[2], status;

	must(!pipe2(both, O_CLOEXEC));
	store(at, 0, 6);
	pid_t child = sure(fork());
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(both[1]);
		raise(SIGSTOP); /* what both share must not change while it is counted */
		_exit(read(both[0], &byte, 1) != 0);
	}
	must(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
	store(at, 0, 2);
	expect(at, 8, "after a fork", .private = 2, .shared = 4, .never = 2);
}

/* ---- swapped pages ---- */

/* Until as many are out: pages under way, or in another processor's list, take another turn. */
static void swap_out(char *at, size_t pages)
{
	size_t wanted = smaps_bytes(at, "Swap:") + pages * PAGE;

	for (int turn = 0; smaps_bytes(at, "Swap:") < wanted; turn++) {
		if (turn == 2000)
			skip("the kernel swaps no page out here");
		must(!madvise(at, pages * PAGE, MADV_PAGEOUT));
		sched_yield();
	}
}

/* What was written to a disk may stay in memory for a while besides, and then it is resident: the
 * test knows how many mappings there must be. */
static void swap_out_shared(char *at, const char *what)
{
	unsigned char here[4];

	store(at, 0, 6);
	swap_out(at, 4);
	must(!mincore(at, 4 * PAGE, here));
	if (here[0] & 1 || here[1] & 1 || here[2] & 1 || here[3] & 1)
		return;
	expect(at, 8, what, .shared = 2, .swapped = 4, .never = 2);
}

static void one_processor(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void swapped(void)
{
	int prot = RW, fd = make_file("swapped.data", 16);
	char *at;

	one_processor();
	at = map(8, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	store(at, 0, 7);
	swap_out(at, 5);
	expect(at, 8, "anonymous, swapped", .private = 2, .swapped = 5, .never = 1);
	at = map(8, prot, MAP_PRIVATE, fd, 0);
	load(at, 0, 8);
	store(at, 0, 4);
	swap_out(at, 4);
	expect(at, 8, "private file, swapped", .file = 4, .swapped = 4);
	swap_out_shared(map(8, prot, MAP_SHARED | MAP_ANONYMOUS, -1, 0),
			"shared anonymous, swapped");
	fd = file_in_memory();
	must(!ftruncate(fd, 8 * PAGE));
	at = map(8, prot, MAP_SHARED, fd, 0);
	swap_out_shared(at, "memfd, swapped");
	at = map(8, PROT_READ, MAP_PRIVATE, fd, 0);
	expect(at, 8, "private memfd, swapped", .never = 8);
}

/* ---- mappings that come and go ---- */

static _Noreturn void churn(void)
{
	for (;;) {
		char *at = anonymous(64 * PAGE);
		store(at, 0, 64);
		must(!mprotect(at + 8 * PAGE, 8 * PAGE, PROT_READ));
		must(!munmap(at + 16 * PAGE, 8 * PAGE));
		must(!munmap(at, 64 * PAGE));
	}
}

static void fill_table(void)
{

	limit_set(RLIMIT_NOFILE, 64);
	while (dup(STDOUT_FILENO) >= 0)
		;
	must(errno == EMFILE);
}

static const struct {
	const char *name;
	void (*make)(void);
} cases[] = { { "kinds", kinds },
	      { "many", many },
	      { "family", family },
	      { "ranked", ranked },
	      { "swapped", swapped } };

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "", *then = argc > 2 ? argv[2] : "";

	alarm(120);
	expected = fopen("expected", "we");
	must(expected);
	for (size_t i = 0; i < COUNT(cases); i++)
		if (!strcmp(name, cases[i].name))
			cases[i].make();
	must(!fclose(expected));
	if (!strcmp(then, "wait") || !strcmp(then, "storm"))
		must(!raise(SIGSTOP));
	if (!strcmp(then, "storm"))
		churn();
	if (!strcmp(then, "closed"))
		must(!skip_without(syscall(SYS_close_range, 0, ~0U, 0), CLOSE_RANGE_SINCE));
	if (!strcmp(then, "full"))
		fill_table();
	if (!strcmp(then, "dropped"))
		must(!setresgid(65534, 65534, 65534) && !setresuid(65534, 65534, 65534));
	return 0;
}
