/* SPDX-License-Identifier: MIT */
/*
 * Fault injection: makes every call that can be made to fail, and says which did.
 *
 *	inject calls           each once: the names of those that failed with EDOM, which no
 *	                       kernel gives; a broken promise if one of these did anything
 *	inject pattern N       N times madvise: "." worked, "x" failed with ENOENT
 *	inject threads T N     T threads, N times each: how many failed with ENOENT
 *	inject fork|clone N    the same pattern in a process and then in its child
 *	inject exec N          the same, and then in the program that replaces this one
 *	inject areas LIMIT     goes up to LIMIT areas and tries what a kernel refuses there
 */
#include <dlfcn.h>

#include "helper.h"

#define FILE_NAME "inject.data"

static char own[4 * PAGE] __attribute__((aligned(4096)));

/* --- system calls that no library sees, for what the trials need --- */

static long hidden(long nr, long a, long b, long c)
{
	return by_hand(nr, a, b, c, 0, 0);
}

static char *hidden_map(size_t length, int flags, int fd)
{
	long result = map_by_hand(length, RW, flags, fd);

	must(result > 0 || result < -4095);
	return (char *)result;
}

static int hidden_open(const char *path, int flags)
{
	int fd = (int)hidden(SYS_open, (long)path, flags, 0644);

	must(fd >= 0);
	return fd;
}

/* --- every call once --- */

static int file, memory;
static char *shared, *unnamed;

static bool injected(long result)
{
	return result == -1 && errno == EDOM;
}

ACTS(call, bool, void)
#define CALL(name)	     ACT(call, #name, call_##name) static bool call_##name(void)
#define CALL_IS(name, ...)   CALL(name) RETURNS(__VA_ARGS__)
#define NUMBER(name)	     ACT(call, "#" #name, number_##name) static bool number_##name(void)
#define NUMBER_IS(name, ...) NUMBER(name) RETURNS(__VA_ARGS__)

CALL_IS(anonymous, injected((long)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)))

CALL(fixed)
{
	own[0] = 'k';
	bool failed =
		injected((long)mmap(own, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));

	promise(own[0] == (failed ? 'k' : 0), "a mapping that failed replaced what was there");
	return failed;
}

CALL_IS(private, injected((long)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, file, 0)))
CALL_IS(shared, injected((long)mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file, 0)))

CALL(memory)
{
	long r = (long)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, memory, (long)own & 0x7ffff000);

	must(r == -1);
	return injected(r);
}

CALL(munmap)
{
	bool failed = injected(munmap(own + 3 * PAGE, PAGE));

	promise(failed == is_mapped(own + 3 * PAGE), "munmap that failed took the page away");
	return failed;
}

CALL(mremap)
{
	void *r = mremap(unnamed, 4 * PAGE, 2 * PAGE, 0);
	bool failed = injected((long)r);

	promise(failed == is_mapped(unnamed + 3 * PAGE), "mremap that failed cut the mapping");
	return failed;
}

static bool protect(int result)
{
	bool failed = injected(result);

	promise(!failed || !touch(own + PAGE), "a protection that failed was set");
	hidden(SYS_mprotect, (long)own + (long)PAGE, PAGE, RW);
	return failed;
}

CALL_IS(mprotect, protect(mprotect(own + PAGE, PAGE, PROT_NONE)))
CALL_IS(pkey_none, protect(pkey_mprotect(own + PAGE, PAGE, PROT_NONE, -1)))
CALL_IS(pkey, protect(pkey_mprotect(own + PAGE, PAGE, PROT_NONE, 0)))

static bool advised(bool failed)
{
	promise(own[2 * PAGE] == (failed ? 'a' : 0), "advice that failed was taken");
	return failed;
}

CALL(madvise)
{
	own[2 * PAGE] = 'a';
	return advised(injected(madvise(own + 2 * PAGE, PAGE, MADV_DONTNEED)));
}

CALL(posix_madvise)
{
	errno = 0;
	int r = posix_madvise(own + 2 * PAGE, PAGE, POSIX_MADV_SEQUENTIAL);

	promise(errno == 0, "posix_madvise set errno");
	return r == EDOM;
}

static bool moved(bool failed)
{
	promise(page_is(shared, 1, failed ? 0 : 3), "remap_file_pages that failed moved a page");
	hidden(SYS_munmap, (long)shared, 4 * PAGE, 0);
	shared = hidden_map(4 * PAGE, MAP_SHARED, file);
	return failed;
}

CALL_IS(remap, moved(injected(remap_file_pages(shared, PAGE, 0, 3, 0))))

/* A descriptor that is no more than an open file: which one that is must not change either. */
static bool opened(int fd)
{
	bool failed = injected(fd);

	if (failed)
		fd = hidden_open(FILE_NAME, O_RDONLY);
	promise(fd >= 0, "no descriptor: %s", strerror(errno));
	hidden(SYS_close, fd, 0, 0);
	return failed;
}

CALL_IS(open, opened(open(FILE_NAME, O_RDONLY)))
CALL_IS(openat, opened(openat(AT_FDCWD, FILE_NAME, O_RDONLY)))
CALL_IS(open_memory, opened(open("/proc/self/mem", O_RDONLY)))

CALL(fopen_memory)
{
	FILE *stream = fopen("/proc/self/mem", "r");

	return opened(stream ? fileno(stream) : -1);
}

#ifdef __x86_64__
#define SYS_MAP SYS_mmap
#else
#define SYS_MAP SYS_mmap2
#endif

NUMBER_IS(mmap,
	  injected(syscall(SYS_MAP, NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)))
NUMBER_IS(munmap,
	  injected(syscall(SYS_munmap, hidden_map(PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1), PAGE)))

NUMBER_IS(mremap, injected(syscall(SYS_mremap, own, PAGE, PAGE, 0)))
NUMBER_IS(mprotect, protect((int)syscall(SYS_mprotect, own + PAGE, PAGE, PROT_NONE)))
NUMBER_IS(pkey, protect((int)syscall(SYS_pkey_mprotect, own + PAGE, PAGE, PROT_NONE, 0)))

NUMBER(madvise)
{
	own[2 * PAGE] = 'a';
	return advised(injected(syscall(SYS_madvise, own + 2 * PAGE, PAGE, MADV_DONTNEED)));
}

NUMBER_IS(remap, moved(injected(syscall(SYS_remap_file_pages, shared, PAGE, 0, 3, 0))))
NUMBER_IS(open, opened((int)syscall(SYS_open, FILE_NAME, O_RDONLY, 0)))
NUMBER_IS(openat, opened((int)syscall(SYS_openat, AT_FDCWD, FILE_NAME, O_RDONLY, 0)))

static void prepare_file(void)
{
	char page[PAGE];
	int fd = hidden_open(FILE_NAME, O_RDWR | O_CREAT | O_TRUNC);

	for (size_t i = 0; i < 4; i++) {
		pattern_fill(page, 1, i);
		must(pwrite(fd, page, PAGE, (off_t)(i * PAGE)) == (ssize_t)PAGE);
	}
	file = fd;
	memory = hidden_open("/proc/self/mem", O_RDONLY);
	shared = hidden_map(4 * PAGE, MAP_SHARED, file);
	unnamed = hidden_map(4 * PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static int each_call(void)
{
	prepare_file();
	for (size_t i = 0; i < call_count; i++) {
		errno = 0;
		if (calls[i].act())
			printf("%s ", calls[i].name);
	}
	putchar('\n');
	return 0;
}

/* --- when --- */

static char one_call(void)
{
	errno = 0;
	int r = madvise(own, PAGE, MADV_NORMAL);

	promise(r == 0 ? errno == 0 : errno == ENOENT, "madvise: %d, %s", r, strerror(errno));
	return r ? 'x' : '.';
}

static void pattern(size_t count)
{
	char line[512];

	must(count < sizeof(line));
	for (size_t i = 0; i < count; i++)
		line[i] = one_call();
	line[count] = '\n';
	must(write(STDOUT_FILENO, line, count + 1) == (ssize_t)count + 1);
}

static void *thread(void *argument)
{
	size_t count = *(size_t *)argument, failed = 0;

	for (size_t i = 0; i < count; i++)
		failed += one_call() == 'x';
	return (void *)failed;
}

static int in_threads(size_t threads, size_t count)
{
	pthread_t all[64];
	size_t failed = 0;

	must(threads <= COUNT(all));
	for (size_t i = 0; i < threads; i++)
		all[i] = thread_start(thread, &count);
	for (size_t i = 0; i < threads; i++) {
		void *result;

		must(pthread_join(all[i], &result) == 0);
		failed += (size_t)result;
	}
	printf("%zu of %zu failed\n", failed, threads * count);
	return 0;
}

/* By libc's fork, and by a clone that libc knows nothing of. */
static int in_child(bool raw, size_t count)
{
	pattern(count);
	pid_t child = raw ? (pid_t)hidden(SYS_clone, SIGCHLD, 0, 0) : fork();

	must(child >= 0);
	if (!child) {
		pattern(count);
		_exit(0);
	}
	child_wait(child);
	pattern(count);
	return 0;
}

static int in_place(size_t count, char *number)
{
	pattern(count);
	execl("/proc/self/exe", "inject", "pattern", number, (char *)NULL);
	die("exec");
}

/* --- areas --- */

static size_t count_areas(void)
{
	static char text[65536];
	int fd = hidden_open("/proc/self/maps", O_RDONLY);
	size_t lines = 0;
	ssize_t got, last = 0;

	while ((got = read(fd, text, sizeof(text))) > 0) {
		for (ssize_t i = 0; i < got; i++)
			lines += text[i] == '\n';
		last = got;
	}
	close(fd);
	/* The kernel does not count the vsyscall page. */
	return lines - (last > 11 && !memcmp(text + last - 11, "[vsyscall]\n", 11));
}

static size_t limit;

/* How it went, and how many areas there are then, seen from the limit. */
static void say(const char *what, long result)
{
	const char *how = result == -1 ? strerrorname_np(errno) : "worked";

	printf("%s: %s, %+ld\n", what, how, (long)count_areas() - (long)limit);
}

#define TRY(call)                           \
	do {                                \
		errno = 0;                  \
		long result = (long)(call); \
		say(#call, result);         \
	} while (0)

static char *strip, *window, *moved_window;
static size_t next_odd = 1;

static void fill(size_t until)
{
	size_t there = count_areas();

	/* Each makes two. */
	for (; there + 1 < until; there += 2, next_odd += 2)
		must(mprotect(strip + next_odd * PAGE, PAGE, PROT_READ) == 0);
	if (there < until)
		must(mmap(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
	promise(count_areas() == until, "%zu areas instead of %zu", count_areas(), until);
}

static void *one_more(void)
{
	return mmap(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

#define SHARE (MAP_SHARED | MAP_ANONYMOUS)
#define OVER  (MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED)

static void near_the_limit(void)
{
	fill(limit - 4);
	TRY(mremap(moved_window, PAGE, 40 * PAGE, MREMAP_MAYMOVE));
	fill(limit - 3);
	TRY(mremap(moved_window + PAGE, PAGE, 40 * PAGE, MREMAP_MAYMOVE));
	TRY(mremap(moved_window + PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, strip));
	TRY(mprotect(window, 2 * PAGE, PROT_READ));
	TRY(mprotect(window + 40 * PAGE, PAGE, PROT_READ)); /* makes two more */
}

static void at_the_limit(void)
{
	TRY(mprotect(window + 50 * PAGE, 14 * PAGE, PROT_READ));
	TRY(mprotect(window, 3 * PAGE, PROT_READ)); /* moves a border */
	TRY(munmap(window + 30 * PAGE, PAGE));
	TRY(mremap(window + 30 * PAGE, 2 * PAGE, PAGE, 0));
	TRY(mremap(moved_window + 6 * PAGE, 2 * PAGE, PAGE, 0)); /* leaves no hole */
	TRY(mmap(window + 30 * PAGE, PAGE, PROT_READ, OVER, -1, 0));
	TRY(remap_file_pages(shared + PAGE, PAGE, 0, 3, 0));
	TRY(one_more());
}

static void past_the_limit(void)
{
	TRY(one_more());
	TRY(mmap(window, PAGE, PROT_READ, OVER, -1, 0));
	TRY(mmap(NULL, 0, PROT_READ, SHARE, -1, 0));
	TRY(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, 9999, 0));
	TRY(remap_file_pages(shared, PAGE, 0, 3, 0));
	TRY(remap_file_pages(shared, PAGE, PROT_READ, 3, 0));
	TRY(remap_file_pages(own, PAGE, 0, 3, 0));
	TRY(mprotect(window, 64 * PAGE, RW)); /* makes one of two */
	TRY(munmap(window, 64 * PAGE));
	TRY(one_more());
	TRY(one_more());
}

static int areas(size_t wanted)
{
	static char buffer[16384]; /* one from the heap would be an area more */

	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	limit = wanted;
	prepare_file();
	strip = mmap(NULL, 2 * limit * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		     -1, 0);
	/* Shared: areas of different objects never merge. */
	window = mmap(NULL, 64 * PAGE, RW, SHARE, -1, 0);
	moved_window = mmap(NULL, 8 * PAGE, RW, SHARE, -1, 0);
	must(strip != MAP_FAILED && window != MAP_FAILED && moved_window != MAP_FAILED);
	near_the_limit();
	at_the_limit();
	past_the_limit();
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	size_t number = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;

	if (!strcmp(what, "calls"))
		return each_call();
	if (!strcmp(what, "threads"))
		return in_threads(number, argc > 3 ? strtoul(argv[3], NULL, 10) : 0);
	if (!strcmp(what, "fork") || !strcmp(what, "clone"))
		return in_child(!strcmp(what, "clone"), number);
	if (!strcmp(what, "exec"))
		return in_place(number, argv[2]);
	if (!strcmp(what, "areas"))
		return areas(number);
	must(!strcmp(what, "pattern"));
	pattern(number);
	return 0;
}
