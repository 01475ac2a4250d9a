/* SPDX-License-Identifier: MIT */
/*
 * P1, P2: a second preloaded library whose constructor and destructor call what the shim
 * wraps, before or after the shim's own constructor has run. What went wrong is said on
 * standard output, and the process ends with 1.
 */
#include "../helper.h"

#define PAGES 4

void early_check(const char *name);

static void check_stream(const char *name)
{
	FILE *file = fopen(name, "r");

	promise(file, "fopen in a constructor: %s", strerror(errno));
	file = freopen("/dev/null", "r", file);
	promise(file && fclose(file) == 0, "freopen in a constructor: %s", strerror(errno));
}

static void check_anonymous(void)
{
	char *memory =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	promise(memory != MAP_FAILED, "mmap in a constructor: %s", strerror(errno));
	memory = mremap(memory, 2 * PAGE, PAGE, 0);
	promise(memory != MAP_FAILED && mprotect(memory, PAGE, PROT_READ) == 0,
		"mremap or mprotect in a constructor");
	promise(madvise(memory, PAGE, MADV_DONTNEED) == 0 && munmap(memory, PAGE) == 0,
		"madvise or munmap in a constructor");
}

static void check_descriptors(const char *name)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 30);

	promise(fd >= 0 && copy >= 30, "open in a constructor: %s", strerror(errno));
	promise(dup2(fd, copy) == copy && dup3(fd, copy, O_CLOEXEC) == copy,
		"dup in a constructor");
	promise(close_range((unsigned int)copy, (unsigned int)copy, 0) == 0 ||
			(errno == ENOSYS && close(copy) == 0),
		"close_range in a constructor");
	promise(close(fd) == 0, "close in a constructor");
	promise(syscall(SYS_getpid) == getpid(), "syscall in a constructor");
	promise(open("/nonexistent", O_RDONLY) == -1 && errno == ENOENT, "errno in a constructor");
}

static void check_process(void)
{
	pid_t child = fork();

	promise(child >= 0, "fork in a constructor");
	if (!child)
		_exit(0);
	child_wait(child);
}

void early_check(const char *name)
{
	char *view;

	file_make(name, 1, PAGES);
	view = view_make(name, PROT_READ, 0, PAGES);
	check_stream(name);
	check_anonymous();
	check_descriptors(name);
	check_process();
	file_overwrite(name, 2, 0, PAGES);
	if (!getenv("EARLY_PLAIN"))
		view_check(view, 1, 0, PAGES, name);
	promise(munmap(view, PAGES * PAGE) == 0, "munmap in a constructor");
	unlink(name);
}

__attribute__((constructor)) static void begin(void)
{
	early_check("early.constructor");
}

__attribute__((destructor)) static void end(void)
{
	early_check("early.destructor");
}
