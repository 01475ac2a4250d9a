/* SPDX-License-Identifier: MIT */
/*
 * A2, A4: makes many records, says on a pipe how many it was told about, and sees to it
 * that neither errno nor a signal tells the program of the log's troubles.
 *
 *	steady [NAME=VALUE]…
 *
 *	count=100  threads=1  processes=1
 *	pipe=FD      writes a 32-bit count there after each mapping
 *	gate=FD      reads a byte from there before each mapping
 *	fsize=BYTES  lowers RLIMIT_FSIZE so that the log meets it; the program's file is made before
 *	unlink=PATH  removed half-way
 *	rmdir=PATH   removed half-way, after that
 */
#include <sys/resource.h>

#include "helper.h"

static struct {
	size_t count, threads, processes, pipe, gate, fsize;
	const char *unlink, *rmdir;
} want = { .count = 100, .threads = 1, .processes = 1 };

static char file_name[64];
static volatile sig_atomic_t signals;

static void on_signal(int signal)
{
	signals++;
}

static void parse(const char *argument)
{
	const struct {
		const char *name;
		size_t *value;
	} numbers[] = {
		{ "count=", &want.count },	   { "threads=", &want.threads },
		{ "processes=", &want.processes }, { "pipe=", &want.pipe },
		{ "fsize=", &want.fsize },	   { "gate=", &want.gate },
	};

	for (size_t i = 0; i < COUNT(numbers); i++)
		if (!strncmp(argument, numbers[i].name, strlen(numbers[i].name)))
			*numbers[i].value = strtoul(argument + strlen(numbers[i].name), NULL, 0);
	if (!strncmp(argument, "unlink=", 7))
		want.unlink = argument + 7;
	if (!strncmp(argument, "rmdir=", 6))
		want.rmdir = argument + 6;
}

static void make_trouble(size_t number)
{
	if (number != want.count / 2)
		return;
	if (want.unlink)
		must(unlink(want.unlink) == 0);
	if (want.rmdir)
		must(rmdir(want.rmdir) == 0);
}

static void one(int fd, uint32_t number)
{
	char go;

	if (want.gate)
		must(read((int)want.gate, &go, 1) == 1);
	errno = 4242;
	char *view = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	promise(errno == 4242, "errno became %s", strerrorname_np(errno));
	promise(view != MAP_FAILED && page_is(view, 1, 0), "the mapping shows something else");
	promise(munmap(view, PAGE) == 0 && errno == 4242, "munmap: %s", strerrorname_np(errno));
	if (want.pipe)
		must(write((int)want.pipe, &number, sizeof(number)) == sizeof(number));
}

static void *work(void *unused)
{
	int fd = file_open(file_name);

	for (size_t i = 1; i <= want.count; i++) {
		one(fd, (uint32_t)i);
		make_trouble(i);
	}
	close(fd);
	return NULL;
}

static void work_in_threads(void)
{
	pthread_t threads[64];

	for (size_t i = 1; i < want.threads; i++)
		threads[i] = thread_start(work, NULL);
	work(NULL);
	for (size_t i = 1; i < want.threads; i++)
		thread_end(threads[i]);
}

static void work_in_processes(void)
{
	pid_t children[64];

	for (size_t i = 1; i < want.processes; i++) {
		children[i] = fork();
		must(children[i] >= 0);
		if (!children[i]) {
			work_in_threads();
			exit(0);
		}
	}
	work_in_threads();
	for (size_t i = 1; i < want.processes; i++)
		child_wait(children[i]);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		parse(argv[i]);
	must(want.threads <= 64 && want.processes <= 64);
	snprintf(file_name, sizeof(file_name), "steady.%d", getpid());
	file_make(file_name, 1, 1);
	signal(SIGXFSZ, on_signal);
	signal(SIGPIPE, on_signal);
	if (want.fsize) {
		struct rlimit limit = { want.fsize, RLIM_INFINITY };
		must(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	}
	work_in_processes();
	promise(signals == 0, "%d signals of the log's reached the program", (int)signals);
	printf("done\n");
	return 0;
}
