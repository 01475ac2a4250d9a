/* SPDX-License-Identifier: MIT */
/*
 * M3, M4: where no view can be had, or none that can be written, all is as it was.
 */
#include <sys/resource.h>

#include "view_source.h"

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
	char *source = filled();

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
		view = view_readonly(source, BYTES);
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
	char *source = filled();

	char *before = areas_of(source, BYTES);
	refuses(source, BYTES, ENOMEM, "no memfd");
	promise(!strcmp(before, areas_of(source, BYTES)), "the source has changed");
	must_be_private(source);
}

PROMISE(M4, limit_on_file_size)
{
	char *source = anonymous(4 << 20);

	limit_set(RLIMIT_FSIZE, 1 << 20);
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
	char *source = filled(), *room = anonymous(BYTES);

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

CASES_MAIN
