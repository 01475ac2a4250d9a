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

#include "cli/pages/pages.h"
#include "cli/text/text.h"
#include "support/sys.h"

#define KERNEL_THREAD 0x00200000 /* PF_KTHREAD */

static pid_t parse_pid(const char *text)
{
	char *end;
	long number = strtol(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end || number <= 0 || number != (pid_t)number)
		refuse("\"%s\" is not the number of a process", text);
	return (pid_t)number;
}

static bool read_text(int process, const char *file, char *text, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", process, file);
	return sys_read_file(path, text, size) > 0;
}

/* The process that a thread is of, which /proc/TID does not say by its name; 0: it is gone. */
static pid_t process_of(int process)
{
	char text[4096];
	const char *line;

	if (!read_text(process, "status", text, sizeof(text)))
		return 0;
	line = strstr(text, "\nTgid:");
	return line ? (pid_t)strtol(line + strlen("\nTgid:"), NULL, 10) : 0;
}

/* "pid (name) state ppid pgrp session tty tpgid flags …": the state, 'X' where there is none. */
static char read_stat(int process, struct pages_count *count, unsigned long *flags)
{
	char text[1024], state = 'X', *open, *end;

	if (!read_text(process, "stat", text, sizeof(text)))
		return 'X';
	open = strchr(text, '(');
	end = strrchr(text, ')');
	if (!open || !end || sscanf(end + 1, " %c %*d %*d %*d %*d %*d %lu", &state, flags) != 2)
		return 'X';
	snprintf(count->name, sizeof(count->name), "%.*s", (int)(end - open - 1), open + 1);
	return state;
}

static int open_table(const struct pages_count *count, int process, const char *name)
{
	int fd = openat(process, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0 && (errno == EACCES || errno == EPERM))
		refuse("process %d (%s) may not be looked at by this user (it takes the same user, "
		       "and a process that may be traced, or CAP_SYS_PTRACE)",
		       (int)count->pid, count->name);
	if (fd < 0)
		refuse("the page table of process %d (%s) cannot be read: %m", (int)count->pid,
		       count->name);
	return fd;
}

/* /proc/PID of a process, or of a thread. */
static int open_directory(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* A thread of it that lives: where the first has ended, which takes the process's memory out of its
 * sight, others may live on. */
static int open_thread(struct pages_count *count)
{
	char path[64], state = 'X';
	struct dirent *thread;
	unsigned long flags = 0;
	int found = -1;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)count->pid);
	DIR *threads = opendir(path);

	while (threads && found < 0 && (thread = readdir(threads))) {
		found = open_directory(atoi(thread->d_name));
		if (found >= 0 && process_of(found) == count->pid)
			state = read_stat(found, count, &flags);
		if (found >= 0 && (state == 'Z' || state == 'X')) {
			close(found);
			found = -1;
		}
	}
	if (threads)
		closedir(threads);
	if (found < 0)
		refuse("process %d (%s) has ended: it has no pages any more", (int)count->pid,
		       count->name);
	if (flags & KERNEL_THREAD)
		refuse("process %d (%s) is a thread of the kernel: it has no pages of its own",
		       (int)count->pid, count->name);
	return found;
}

/* The number of any of its threads is one of the process. */
void pages_open(const char *pid, struct pages_source *source, struct pages_count *count)
{
	int given = open_directory(parse_pid(pid)), error = errno;

	count->pid = given < 0 ? 0 : process_of(given);
	if (given >= 0)
		close(given);
	if (!count->pid && given < 0 && error != ENOENT && error != ESRCH)
		refuse("process %s cannot be looked at: %s", pid, strerror(error));
	if (!count->pid)
		refuse(access("/proc/self", F_OK)
			       ? "there is no /proc here, which tells of process %s"
			       : "there is no process %s",
		       pid);
	source->self = count->pid == getpid();
	source->process = open_thread(count);
	source->maps = open_table(count, source->process, "maps");
	source->pagemap = open_table(count, source->process, "pagemap");
}

static void keep_area(const struct pages_area *area, void *context)
{
	struct pages_count *count = context;

	if (count->count == count->room) {
		count->room = count->room ? 2 * count->room : 256;
		count->areas = resize(count->areas, count->room * sizeof(*count->areas));
	}
	count->areas[count->count] = *area;
	count->areas[count->count++].name = keep(area->name);
}

int pages_take(const struct pages_source *source, enum pages_way way, struct pages_count *count)
{
	struct census *census = take(census_bytes());
	int r = census_run(census, source, way, keep_area, count, &count->result);

	free(census);
	if (!r)
		return 0;
	if (r == -ESRCH)
		complain("process %d (%s) ended, or became another program, while its pages were "
			 "counted",
			 (int)count->pid, count->name);
	else if (r == -ENOTTY && way == PAGES_WAY_SCAN)
		complain("this kernel has no PAGEMAP_SCAN");
	else
		complain("the page table of process %d (%s) cannot be read: %s", (int)count->pid,
			 count->name, strerror(-r));
	return r == -ESRCH ? STATUS_BAD : STATUS_USAGE;
}
