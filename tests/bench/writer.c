/* SPDX-License-Identifier: MIT */
/*
 *	writer memory|clone ROUNDS FILE VARIABLES
 *
 * How long a writer waits: a program under VARIABLES (NAME=VALUE, separated by spaces) has a
 * guarded snapshot of the whole FILE, this one opens it for writing, and the lease thread of that
 * one puts the pages aside first. Prints for each round the ns of the least that this can
 * cost, done here, and the ns that the open took. The least: for `memory` memfd_create,
 * sendfile and mmap; for `clone` O_TMPFILE beside FILE, FICLONE and mmap. Each time the
 * snapshot is checked to be preserved in that way.
 */
#include <libgen.h>
#include <linux/fs.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/wait.h>
#include "guarded.h"

/* ---- the program with the snapshot: standard input and output lead to the other ---- */

static void expect_byte(int fd)
{
	char byte;

	if (read(fd, &byte, 1) != 1)
		exit(1);
}

static int hold(const char *path, enum mmfence_engine engine)
{
	struct view view;

	view_open(&view, path);
	for (;;) {
		view_map(&view);
		view_expect_guard(&view);
		if (write(STDOUT_FILENO, "m", 1) != 1)
			return 1;
		expect_byte(STDIN_FILENO);
		view_expect(&view, engine, MMFENCE_PRESERVED);
		view_unmap(&view);
	}
}

struct holder {
	int to, from;
};

static void holder_start(struct holder *holder, char **argv)
{
	char *arguments[] = { argv[0], "hold", argv[1], argv[3], NULL };
	char *environment[16] = { NULL };
	int in[2], out[2];
	size_t count = 0;
	posix_spawn_file_actions_t actions;
	pid_t pid;

	for (char *word = strtok(argv[4], " "); word && count < 15; word = strtok(NULL, " "))
		environment[count++] = word;
	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		die("pipe");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
	if (posix_spawn(&pid, "/proc/self/exe", &actions, NULL, arguments, environment))
		die("/proc/self/exe");
	close(in[0]);
	close(out[1]);
	*holder = (struct holder){ in[1], out[0] };
}

/* ---- the writer ---- */

static void map_and_drop(int fd, size_t size, double *end)
{
	struct view view = { .fd = fd, .size = size };

	view_map(&view);
	*end = now_ns();
	view_unmap(&view);
	close(fd);
}

static double copy_ns(const struct view *file, const char *path)
{
	double begin = now_ns(), end;
	int copy = memfd_create("copy", MFD_CLOEXEC);
	off_t offset = 0;

	(void)path;
	while (offset < (off_t)file->size)
		if (sendfile(copy, file->fd, &offset, file->size - (size_t)offset) <= 0)
			die("sendfile");
	map_and_drop(copy, file->size, &end);
	return end - begin;
}

static double clone_ns(const struct view *file, const char *path)
{
	char directory[4096];
	double begin, end;
	int clone;

	snprintf(directory, sizeof(directory), "%s", path);
	dirname(directory);
	begin = now_ns();
	clone = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (clone < 0 || ioctl(clone, FICLONE, file->fd))
		die("clone");
	map_and_drop(clone, file->size, &end);
	return end - begin;
}

static double wait_ns(const struct holder *holder, const char *path)
{
	double begin = now_ns(), took;
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	took = now_ns() - begin;
	if (fd < 0 || close(fd) || write(holder->to, "w", 1) != 1)
		die(path);
	return took;
}

int main(int argc, char **argv)
{
	bool memory = argc > 2 && strcmp(argv[argc == 4 ? 2 : 1], "memory") == 0;
	int rounds = argc == 5 ? atoi(argv[2]) : 0;
	struct holder holder;
	struct view file;

	if (argc == 4 && strcmp(argv[1], "hold") == 0)
		return hold(argv[3], memory ? MMFENCE_MEMORY : MMFENCE_CLONE);
	if (rounds <= 0) {
		fprintf(stderr, "usage: writer memory|clone ROUNDS FILE VARIABLES\n");
		return 2;
	}
	view_open(&file, argv[3]);
	holder_start(&holder, argv);
	for (int i = -1; i < rounds; i++) { /* the first does not count */
		expect_byte(holder.from);
		double least = (memory ? copy_ns : clone_ns)(&file, argv[3]);
		double waited = wait_ns(&holder, argv[3]);
		if (i >= 0)
			printf("%.0f %.0f\n", least, waited);
	}
	return 0;
}
