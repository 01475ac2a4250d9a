/* SPDX-License-Identifier: MIT */
/*
 * P1, P2: threads map and unmap files and anonymous memory and check every byte, while a
 * timer's handler does the same every millisecond, another thread forks, and others load
 * and unload libraries. Ends after so many milliseconds, or hangs if there is a deadlock.
 *
 *	storm [NAME=VALUE]…
 *
 *	ms=500 threads=3 signals=1 fork=1 dlopen=1 captured=1 (0: contents may be today's)
 */
#include <dlfcn.h>
#include <sys/time.h>

#include "helper.h"

#define PAGES 6

static struct {
	size_t ms, threads, signals, fork, dlopen, captured;
} want = { 500, 3, 1, 1, 1, 1 };

static struct timespec deadline;
static volatile sig_atomic_t handled;

static void parse(const char *argument)
{
	const struct {
		const char *name;
		size_t *value;
	} options[] = {
		{ "ms=", &want.ms },	       { "threads=", &want.threads },
		{ "signals=", &want.signals }, { "fork=", &want.fork },
		{ "dlopen=", &want.dlopen },   { "captured=", &want.captured },
	};

	for (size_t i = 0; i < COUNT(options); i++)
		if (!strncmp(argument, options[i].name, strlen(options[i].name)))
			*options[i].value = strtoul(argument + strlen(options[i].name), NULL, 0);
}

static bool over(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > deadline.tv_sec ||
	       (now.tv_sec == deadline.tv_sec && now.tv_nsec >= deadline.tv_nsec);
}

/* --- what a handler does --- */

/* Once: each handler asks for the next signal when it is through, so that something else gets done
 * on a machine where one takes longer than a millisecond. */
static void ask_for_a_signal(void)
{
	struct itimerval soon = { { 0, 0 }, { 0, 1000 } };

	must(setitimer(ITIMER_REAL, &soon, NULL) == 0);
}

static void on_timer(int signal)
{
	int saved = errno;
	int fd = open("storm.steady", O_RDONLY | O_CLOEXEC);
	char page[PAGE];

	handled++;
	promise(fd >= 0, "open in a handler: %s", strerror(errno));
	promise(pread(fd, page, PAGE, 0) == (ssize_t)PAGE && page_is(page, 1, 0),
		"read in a handler");
	char *view = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, PAGE);
	promise(view != MAP_FAILED, "mmap in a handler: %s", strerror(errno));
	view_check(view, 1, 1, 2, "mapped in a handler");
	promise(munmap(view, 2 * PAGE) == 0, "munmap in a handler");
	int copy = dup(fd);
	promise(copy >= 0 && dup2(fd, copy) == copy && close(copy) == 0, "dup2 in a handler");
	promise(close(fd) == 0, "close in a handler");
	ask_for_a_signal();
	errno = saved;
}

static void signals(int how)
{
	sigset_t timer;

	sigemptyset(&timer);
	sigaddset(&timer, SIGALRM);
	must(pthread_sigmask(how, &timer, NULL) == 0);
}

static void start_timer(void)
{
	struct sigaction action = { .sa_handler = on_timer, .sa_flags = SA_RESTART };

	sigaction(SIGALRM, &action, NULL);
	ask_for_a_signal();
}

/* --- what the threads do --- */

static void meddle(char *view, unsigned int generation, unsigned int turn)
{
	switch (turn % 6) {
	case 0:
		must(mprotect(view, PAGE, RW) == 0);
		pattern_fill(view, generation, 0);
		break;
	case 1:
		must(madvise(view, PAGES * PAGE, MADV_DONTNEED) == 0);
		break;
	case 2:
		must(mprotect(view + 2 * PAGE, PAGE, PROT_NONE) == 0);
		must(mprotect(view + 2 * PAGE, PAGE, PROT_READ) == 0);
		break;
	}
}

/* Maps its own file, overwrites it, looks at the mapping, each time one generation further. */
static void map_file(const char *name, unsigned int generation)
{
	int fd = open(name, O_RDWR | O_CLOEXEC);
	size_t length = PAGES * PAGE;

	must(fd >= 0);
	char *view = mmap(NULL, length, PROT_READ, MAP_PRIVATE, fd, 0);
	promise(view != MAP_FAILED, "mmap: %s", strerror(errno));
	if (!want.captured)
		view_check(view, generation, 0, PAGES, "mapped");
	file_fill(fd, generation + 1, 0, PAGES);
	must(close(fd) == 0);
	meddle(view, generation, generation);
	if (want.captured)
		view_check(view, generation, 0, PAGES, "mapped while the file changed");
	if (generation % 5 == 0) {
		char *moved = mremap(view, length, length / 2, MREMAP_MAYMOVE);
		must(moved == view);
		length /= 2;
	}
	must(munmap(view, length) == 0);
}

static void map_anonymous(unsigned int turn)
{
	size_t length = (1 + turn % 7) * PAGE;
	char *memory = mmap(NULL, length, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(memory != MAP_FAILED);
	memset(memory, (int)turn, length);
	memory = sure(mremap(memory, length, 2 * length, MREMAP_MAYMOVE));
	for (size_t i = 0; i < length; i++)
		promise(memory[i] == (char)turn, "anonymous memory changed");
	for (size_t i = length; i < 2 * length; i++)
		promise(memory[i] == 0, "new anonymous memory is not zero");
	must(munmap(memory, 2 * length) == 0);
}

/* Sizes that make an allocator call mmap, mremap and munmap. */
static void allocate(unsigned int turn)
{
	size_t size = (size_t)1000 << turn % 10;
	char *block = malloc(size);

	must(block);
	memset(block, (int)turn, size);
	block = realloc(block, 2 * size);
	must(block && block[size - 1] == (char)turn);
	free(block);
}

static void *mapper(void *number)
{
	char name[32];
	unsigned int generation = 1;

	snprintf(name, sizeof(name), "storm.%zu", (size_t)(uintptr_t)number);
	file_make(name, generation, PAGES);
	for (; !over(); generation++) {
		map_file(name, generation);
		map_anonymous(generation);
		allocate(generation);
	}
	return (void *)(uintptr_t)generation;
}

static void *forker(void *unused)
{
	size_t forks = 0;

	for (; !over(); forks++) {
		IN_CHILD {
			char *view = view_make("storm.steady", PROT_READ, 0, PAGES);
			view_check(view, 1, 0, PAGES, "mapped in a child");
			must(munmap(view, PAGES * PAGE) == 0);
			allocate(7);
		}
	}
	return NULL;
}

static void *loader(void *unused)
{
	static const char *const libraries[] = { "libresolv.so.2", "libanl.so.1", "libm.so.6",
						 "libnsl.so.1", "libBrokenLocale.so.1" };

	for (size_t i = 0; !over(); i++) {
		void *handle = dlopen(libraries[i % COUNT(libraries)], RTLD_NOW | RTLD_LOCAL);
		if (handle)
			dlclose(handle);
	}
	return NULL;
}

struct beginning {
	void *(*body)(void *);
	size_t number;
};

/* libeatmydata gets ready at the first open of each thread, and fails a handler's that comes in
 * between: so the first one is made before any signal can come. */
static void *begin(void *argument)
{
	struct beginning beginning = *(struct beginning *)argument;

	free(argument);
	must(close(open("storm.steady", O_RDONLY | O_CLOEXEC)) == 0);
	must(close(open64("storm.steady", O_RDONLY | O_CLOEXEC)) == 0);
	signals(SIG_UNBLOCK);
	return beginning.body((void *)(uintptr_t)beginning.number);
}

static pthread_t start(void *(*body)(void *), size_t number)
{
	struct beginning *beginning = malloc(sizeof(*beginning));

	must(beginning);
	*beginning = (struct beginning){ body, number };
	signals(SIG_BLOCK);
	pthread_t thread = thread_start(begin, beginning);
	signals(SIG_UNBLOCK);
	return thread;
}

int main(int argc, char **argv)
{
	pthread_t threads[20];
	size_t count = 0, turns = 0;
	void *result;

	for (int i = 1; i < argc; i++)
		parse(argv[i]);
	must(want.threads <= 16);
	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += (time_t)(want.ms / 1000);
	deadline.tv_nsec += (long)(want.ms % 1000) * 1000000;
	deadline.tv_sec += deadline.tv_nsec / 1000000000;
	deadline.tv_nsec %= 1000000000;
	file_make("storm.steady", 1, PAGES);
	if (want.signals)
		start_timer();
	for (size_t i = 0; i < want.threads; i++)
		threads[count++] = start(mapper, i);
	for (size_t i = 0; i < want.dlopen; i++)
		threads[count++] = start(loader, i);
	if (want.fork)
		threads[count++] = start(forker, 0);
	for (size_t i = 0; i < count; i++) {
		must(pthread_join(threads[i], &result) == 0);
		turns += (uintptr_t)result;
	}
	promise(turns > want.threads, "nothing was done");
	promise(!want.signals || handled, "no signal came");
	printf("%zu turns, %d signals\n", turns, (int)handled);
	return 0;
}
