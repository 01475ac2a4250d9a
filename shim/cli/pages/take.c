/* SPDX-License-Identifier: MIT */
/*
 * Finding the process and counting it: see pages.h. All that is opened is opened below
 * one descriptor of /proc/PID, so that it is of one process, whoever gets its number next.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/pages/pages.h"

#define KERNEL_THREAD 0x00200000 /* PF_KTHREAD */

static int complain_of(const struct pages_count *count, const char *what)
{
	complain("process %d (%s) %s", (int)count->pid, count->name, what);
	return STATUS_USAGE;
}

/* ---- who it is ---- */

static bool parse_pid(const char *text, pid_t *pid)
{
	char *end;
	long number = strtol(text, &end, 10);

	*pid = (pid_t)number;
	return text[0] >= '0' && text[0] <= '9' && !*end && number > 0 && number == *pid;
}

/* 0 or -errno. */
static int read_text(int process, const char *file, char *text, size_t size)
{
	int fd = openat(process, file, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, size - 1);
	int error = errno;

	if (fd >= 0)
		close(fd);
	if (got <= 0)
		return got < 0 ? -error : -ESRCH;
	text[got] = 0;
	return 0;
}

/* The process that a thread is of, which /proc/TID does not say by its name; 0: it is gone. */
static pid_t process_of(int process)
{
	char text[4096];
	const char *line;

	if (read_text(process, "status", text, sizeof(text)))
		return 0;
	line = strstr(text, "\nTgid:");
	return line ? (pid_t)strtol(line + strlen("\nTgid:"), NULL, 10) : 0;
}

/* "pid (name) state ppid pgrp session tty tpgid flags …": 0 or -errno. */
static int read_stat(int process, struct pages_count *count, char *state, unsigned long *flags)
{
	char text[1024];
	int r = read_text(process, "stat", text, sizeof(text));

	if (r)
		return r;
	char *open = strchr(text, '('), *end = strrchr(text, ')');
	if (!open || !end || sscanf(end + 1, " %c %*d %*d %*d %*d %*d %lu", state, flags) != 2)
		return -EIO;
	snprintf(count->name, sizeof(count->name), "%.*s", (int)(end - open - 1), open + 1);
	return 0;
}

static int no_process(const char *pid, int error)
{
	if (error == ENOENT || error == ESRCH)
		complain("there is no process %s", pid);
	else
		complain("process %s cannot be looked at: %s", pid, strerror(error));
	return STATUS_USAGE;
}

/* ---- what is opened of it ---- */

static int refuse(const struct pages_count *count, int error)
{
	if (error == EACCES || error == EPERM)
		return complain_of(count, "may not be looked at by this user (it takes the same "
					  "user, and a process that may be traced, or "
					  "CAP_SYS_PTRACE)");
	complain("the page table of process %d (%s) cannot be read: %s", (int)count->pid,
		 count->name, strerror(error));
	return STATUS_USAGE;
}

static int open_tables(const struct pages_count *count, struct pages_source *source)
{
	source->maps = openat(source->process, "maps", O_RDONLY | O_CLOEXEC);
	if (source->maps < 0)
		return refuse(count, errno);
	source->pagemap = openat(source->process, "pagemap", O_RDONLY | O_CLOEXEC);
	if (source->pagemap < 0)
		return refuse(count, errno);
	return 0;
}

/* /proc/PID of a process, or of a thread. */
static int open_directory(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* A thread of it that lives: where the first has ended, which takes the process's memory out of its
 * sight, others may live on. 0, or with a sentence said. */
static int open_thread(struct pages_count *count, struct pages_source *source)
{
	char path[64], state = 'X';
	struct dirent *thread;
	unsigned long flags;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)count->pid);
	DIR *threads = opendir(path);

	source->process = -1;
	while (threads && source->process < 0 && (thread = readdir(threads))) {
		int fd = open_directory(atoi(thread->d_name));

		if (fd >= 0 && process_of(fd) == count->pid &&
		    !read_stat(fd, count, &state, &flags) && state != 'Z' && state != 'X')
			source->process = fd;
		else if (fd >= 0)
			close(fd);
	}
	if (threads)
		closedir(threads);
	if (source->process < 0)
		return complain_of(count, "has ended: it has no pages any more");
	if (flags & KERNEL_THREAD)
		return complain_of(count, "is a thread of the kernel: it has no pages of its own");
	return 0;
}

/* The number of any of its threads is one of the process. */
int pages_open(const char *pid, struct pages_source *source, struct pages_count *count)
{
	pid_t number;

	if (!parse_pid(pid, &number)) {
		complain("\"%s\" is not the number of a process", pid);
		return STATUS_USAGE;
	}
	int given = open_directory(number), error = errno;

	count->pid = given < 0 ? 0 : process_of(given);
	if (given >= 0)
		close(given);
	if (!count->pid)
		return no_process(pid, given < 0 ? error : ESRCH);
	source->self = count->pid == getpid();
	int status = open_thread(count, source);

	return status ? status : open_tables(count, source);
}

/* ---- counting ---- */

/* Names are kept by their place until there are no more of them: the block may move. */
static void keep_area(const struct pages_area *area, void *context)
{
	struct pages_count *count = context;
	size_t length = strlen(area->name) + 1;

	if (count->count == count->room) {
		count->room = count->room ? 2 * count->room : 256;
		count->areas = resize(count->areas, count->room * sizeof(*count->areas));
	}
	if (count->names_used + length > count->names_room) {
		count->names_room = 2 * count->names_room + length;
		count->names = resize(count->names, count->names_room);
	}
	count->areas[count->count] = *area;
	count->areas[count->count++].name = (const char *)count->names_used;
	memcpy(count->names + count->names_used, area->name, length);
	count->names_used += length;
}

int pages_take(const struct pages_source *source, enum pages_way way, struct pages_count *count)
{
	struct census *census = take(census_bytes());

	count->count = count->names_used = 0;
	int r = census_run(census, source, way, keep_area, count, &count->result);
	free(census);
	for (size_t i = 0; i < count->count; i++)
		count->areas[i].name = count->names + (size_t)count->areas[i].name;
	if (!r)
		return 0;
	if (r == -ESRCH)
		complain_of(count, "ended, or became another program, while its pages were "
				   "counted");
	else if (r == -ENOTTY && way == PAGES_WAY_SCAN)
		complain("this kernel has no PAGEMAP_SCAN");
	else
		complain("the page table of process %d (%s) cannot be read: %s", (int)count->pid,
			 count->name, strerror(-r));
	return STATUS_BAD;
}
