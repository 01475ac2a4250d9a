/* SPDX-License-Identifier: MIT */
/*
 * N2: random programs of mmap, remap_file_pages, mprotect, mlock, munmap, loads and stores
 * on shared mappings of a file, run step by step on two sides that begin alike: on one
 * remap_file_pages is the kernel's, on the other it is libc's, that is, the emulation.
 * Results, errno, /proc/self/maps (and VmFlags, where there are locks) and every byte must
 * agree.
 *
 *	differential SEED PROGRAMS
 */
#include <sys/uio.h>

#include "helper.h"

#define FILE_PAGES 48
#define ROOM	   40 /* pages of address space in which a program plays */
#define STEPS	   24
#define BATCH	   50 /* programs in one process; every hundredth has locks and advice */
#define SIDE_BYTES 0x8000000UL
#define FIRST_SIDE 0x10000000UL

struct side {
	const char *name;
	char *base;
	int fd;
	bool kernel;
};

static struct side sides[2] = {
	{ .name = "differential.k", .kernel = true },
	{ .name = "differential.e" },
};
static uint64_t state;
static unsigned int program;
static char steps[STEPS + 1][160];
static int step_count;
static bool with_locks;

static uint32_t random_below(uint32_t bound)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((state >> 33) % bound);
}

static bool one_in(uint32_t n)
{
	return random_below(n) == 0;
}

/* --- saying what differs --- */

__attribute__((format(printf, 1, 2), noreturn)) static void differs(const char *format, ...)
{
	va_list list;

	printf("program %u:\n", program);
	for (int i = 0; i < step_count; i++)
		printf("  %s\n", steps[i]);
	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	printf("\n");
	fflush(stdout);
	_exit(EXIT_BROKEN);
}

__attribute__((format(printf, 1, 2))) static void step(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(steps[step_count++], sizeof(steps[0]), format, list);
	va_end(list);
}

/* --- the calls --- */

static long kernel_remap(uintptr_t address, size_t size, int prot, size_t page, int flags)
{
	return by_hand(SYS_remap_file_pages, (long)address, (long)size, prot, (long)page, flags);
}

static long remap(const struct side *side, uintptr_t address, size_t size, int prot, size_t page,
		  int flags)
{
	if (side->kernel)
		return kernel_remap(address, size, prot, page, flags);
	return remap_file_pages((void *)address, size, prot, page, flags) ? -errno : 0;
}

static long outcome(int result)
{
	return result ? -errno : 0;
}

static void agree(const long result[2])
{
	if (result[0] != result[1])
		differs("the kernel: %s; emulated: %s",
			result[0] ? strerrorname_np((int)-result[0]) : "0",
			result[1] ? strerrorname_np((int)-result[1]) : "0");
}

#define ON_BOTH(call)                                             \
	do {                                                      \
		long result[2];                                   \
		for (int number = 0; number < 2; number++) {      \
			const struct side *side = &sides[number]; \
			char *base = side->base;                  \
			(void)base;                               \
			result[number] = (call);                  \
		}                                                 \
		agree(result);                                    \
	} while (0)

/* --- steps --- */

struct range {
	size_t page, pages;
};

static struct range random_range(void)
{
	struct range range = { .page = random_below(ROOM) };
	uint32_t most = ROOM - (uint32_t)range.page;

	range.pages = 1 + random_below(most < 6 || one_in(6) ? most : 6);
	return range;
}

/* Some that no file can have. In a 32-bit process every offset is legal, and what lies beyond
 * 32 GB is reached through a descriptor: contents agree, but areas do not merge. */
static size_t random_page(void)
{
#ifdef __x86_64__
	static const size_t odd[] = { 1UL << 19, 1UL << 20,	  0xfffffffe,	0xffffffff,
				      1UL << 51, (1UL << 51) - 2, SIZE_MAX - 2, SIZE_MAX };
#else
	static const size_t odd[] = { 1UL << 19, 1UL << 20, 1UL << 22 };
#endif

	return one_in(40) ? odd[random_below(COUNT(odd))] : random_below(FILE_PAGES + 4);
}

static size_t random_size(const struct range *range)
{
	static const size_t odd[] = { 0, 1, PAGE - 1, SIZE_MAX, SIZE_MAX - PAGE, 1UL << 30 };
	size_t size = range->pages * PAGE;

	if (one_in(40))
		return odd[random_below(COUNT(odd))];
	return one_in(10) ? size + random_below(PAGE) : size;
}

static void step_remap(void)
{
	struct range range = random_range();
	uintptr_t within = range.page * PAGE + (one_in(10) ? random_below(PAGE) : 0);
	size_t size = random_size(&range), page = random_page();
	int prot = one_in(20) ? 1 + (int)random_below(7) : 0;
	int flags = one_in(3) ? MAP_NONBLOCK : one_in(20) ? (int)random_below(1u << 20) : 0;

	step("remap_file_pages(base + %#lx, %#lx, %d, %zu, %#x)", (unsigned long)within,
	     (unsigned long)size, prot, page, flags);
	ON_BOTH(remap(side, (uintptr_t)base + within, size, prot, page, flags));
}

static long map_at(char *at, size_t size, int prot, int flags, int fd, size_t page)
{
	void *got = mmap(at, size, prot, flags | MAP_FIXED, fd, (off_t)(page * PAGE));

	return outcome(got == MAP_FAILED);
}

static void step_map(void)
{
	static const int kinds[] = { MAP_SHARED,  MAP_SHARED,
				     MAP_SHARED,  MAP_PRIVATE | MAP_ANONYMOUS,
				     MAP_PRIVATE, MAP_SHARED | MAP_ANONYMOUS };
	struct range range = random_range();
	int prot = one_in(4) ? PROT_READ : RW;
	int flags = kinds[random_below(COUNT(kinds))];
	size_t page = flags & MAP_ANONYMOUS ? 0 : random_below(FILE_PAGES);

	step("mmap(base + %#lx, %#lx, %d, %#x, file, page %zu)", range.page * PAGE,
	     range.pages * PAGE, prot, flags, page);
	ON_BOTH(map_at(base + range.page * PAGE, range.pages * PAGE, prot, flags,
		       flags & MAP_ANONYMOUS ? -1 : side->fd, page));
}

static void step_protect(void)
{
	static const int prots[] = { PROT_NONE, PROT_READ, RW, RW, PROT_READ | PROT_EXEC };
	struct range range = random_range();
	int prot = prots[random_below(COUNT(prots))];

	step("mprotect(base + %#lx, %#lx, %d)", range.page * PAGE, range.pages * PAGE, prot);
	ON_BOTH(outcome(mprotect(base + range.page * PAGE, range.pages * PAGE, prot)));
}

static void step_unmap(void)
{
	struct range range = random_range();

	step("munmap(base + %#lx, %#lx)", range.page * PAGE, range.pages * PAGE);
	ON_BOTH(outcome(munmap(base + range.page * PAGE, range.pages * PAGE)));
}

static void step_lock(void)
{
	static const int advices[] = { MADV_RANDOM, MADV_SEQUENTIAL, MADV_NORMAL, MADV_DONTFORK,
				       MADV_DOFORK };
	struct range range = random_range();
	int advice = advices[random_below(COUNT(advices))];

	switch (with_locks ? random_below(3) : 3) {
	case 0:
		step("mlock(base + %#lx, %#lx)", range.page * PAGE, range.pages * PAGE);
		ON_BOTH(outcome(mlock(base + range.page * PAGE, range.pages * PAGE)));
		break;
	case 1:
		step("munlock(base + %#lx, %#lx)", range.page * PAGE, range.pages * PAGE);
		ON_BOTH(outcome(munlock(base + range.page * PAGE, range.pages * PAGE)));
		break;
	case 2:
		step("madvise(base + %#lx, %#lx, %d)", range.page * PAGE, range.pages * PAGE,
		     advice);
		ON_BOTH(outcome(madvise(base + range.page * PAGE, range.pages * PAGE, advice)));
		break;
	default:
		break;
	}
}

/* By the kernel, which says EFAULT where the program would get a signal. */
static long store(char *at, uint64_t value)
{
	struct iovec local = { &value, sizeof(value) }, remote = { at, sizeof(value) };

	return process_vm_writev(getpid(), &local, 1, &remote, 1, 0) < 0 ? -errno : 0;
}

static void step_store(void)
{
	size_t at = random_below(ROOM * PAGE / 8) * 8;
	uint64_t value = state;

	step("store at base + %#lx", (unsigned long)at);
	ON_BOTH(store(base + at, value));
}

static void step_close(void)
{
	step("close");
	for (int i = 0; i < 2; i++) {
		close(sides[i].fd);
		sides[i].fd = -1;
	}
}

static void random_step(void)
{
	uint32_t kind = random_below(20);

	if (kind < 10)
		step_remap();
	else if (kind < 12)
		step_map();
	else if (kind < 14)
		step_protect();
	else if (kind < 15)
		step_unmap();
	else if (kind < 17)
		step_lock();
	else if (kind < 19 || sides[0].fd < 0)
		step_store();
	else
		step_close();
}

/* --- what there is --- */

#define TEXT_BYTES 65536

static size_t read_text(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t got;

	must(fd >= 0);
	while (used < size - 1 && (got = read(fd, out + used, size - 1 - used)) > 0)
		used += (size_t)got;
	out[used] = 0;
	close(fd);
	return used;
}

/* The lines about the side's room, addresses counted from its base: start, end, protection, offset
 * and, from smaps, the flags. */
static void describe(const char *text, const struct side *side, char *out, size_t size)
{
	uintptr_t base = (uintptr_t)side->base;
	bool inside = false;
	size_t used = 0;

	out[0] = 0;
	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		unsigned long start, end;
		unsigned long long offset;
		char prot[5];
		if (sscanf(line, "%lx-%lx %4s %llx", &start, &end, prot, &offset) == 4) {
			inside = start >= base && end <= base + SIDE_BYTES;
			if (inside)
				used += (size_t)snprintf(out + used, size - used,
							 "    %#lx-%#lx %s %#llx\n", start - base,
							 end - base, prot, offset);
		} else if (inside && !strncmp(line, "VmFlags:", 8)) {
			used += (size_t)snprintf(out + used, size - used, "      %.*s\n",
						 (int)strcspn(line, "\n"), line);
		}
	}
}

static void compare_maps(void)
{
	static char text[4 * TEXT_BYTES], seen[2][TEXT_BYTES];

	read_text(with_locks ? "/proc/self/smaps" : "/proc/self/maps", text, sizeof(text));
	for (int i = 0; i < 2; i++)
		describe(text, &sides[i], seen[i], sizeof(seen[i]));
	if (strcmp(seen[0], seen[1]))
		differs("the kernel's areas:\n%semulated:\n%s", seen[0], seen[1]);
}

static long load(const char *at, char *out)
{
	struct iovec local = { out, PAGE }, remote = { (char *)(uintptr_t)at, PAGE };

	memset(out, 0, PAGE);
	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) < 0 ? -errno : 0;
}

static void compare_bytes(void)
{
	char page[2][PAGE];

	for (size_t i = 0; i < ROOM; i++) {
		long result[2];
		for (int s = 0; s < 2; s++)
			result[s] = load(sides[s].base + i * PAGE, page[s]);
		if (result[0] != result[1] || memcmp(page[0], page[1], PAGE))
			differs("page %zu of the room shows other bytes", i);
	}
}

static void compare_files(void)
{
	static char text[2][FILE_PAGES * PAGE];

	for (int i = 0; i < 2; i++) {
		int fd = file_open(sides[i].name);
		must(pread(fd, text[i], sizeof(text[i]), 0) == (ssize_t)sizeof(text[i]));
		close(fd);
	}
	if (memcmp(text[0], text[1], sizeof(text[0])))
		differs("the files differ");
}

/* --- programs --- */

static void begin(void)
{
	size_t first = one_in(3) ? random_below(8) : 0;
	struct range range = { random_below(8), 8 + random_below(ROOM - 16) };

	step("window of %zu pages at base + %#lx from page %zu of the file", range.pages,
	     range.page * PAGE, first);
	for (int i = 0; i < 2; i++) {
		struct side *side = &sides[i];
		must(munmap(side->base, SIDE_BYTES) == 0);
		if (side->fd < 0)
			side->fd = open(side->name, O_RDWR | O_CLOEXEC);
		must(side->fd >= 0);
		must(map_at(side->base + range.page * PAGE, range.pages * PAGE, RW, MAP_SHARED,
			    side->fd, first) == 0);
	}
}

static void run_program(void)
{
	step_count = 0;
	begin();
	while (step_count < STEPS) {
		int before = step_count;
		random_step();
		if (step_count == before) /* it had nothing to do here */
			step("nothing");
	}
	compare_maps();
	compare_bytes();
}

static void run_batch(uint64_t seed, unsigned int number)
{
	state = seed + (uint64_t)number * 0x9e3779b97f4a7c15u;
	with_locks = number % 100 == 9;
	for (unsigned int i = 0; i < BATCH; i++) {
		program = number * BATCH + i;
		run_program();
	}
	compare_files();
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)getpid() << 20;
	unsigned int programs = argc > 2 ? (unsigned int)strtoul(argv[2], NULL, 10) : 1000;

	printf("seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	for (int i = 0; i < 2; i++) {
		sides[i].base = (char *)(FIRST_SIDE + (unsigned int)i * SIDE_BYTES);
		sides[i].fd = -1;
		file_make(sides[i].name, 1, FILE_PAGES);
	}
	for (unsigned int batch = 0; batch * BATCH < programs; batch++) {
		IN_CHILD {
			run_batch(seed, batch);
		}
	}
	printf("%u programs agree\n", programs);
	return 0;
}
