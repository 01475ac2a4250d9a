/* SPDX-License-Identifier: MIT */
/*
 * The watchdog: notices threads that make no progress, and says where all processes
 * are, in the kernel's words.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "torture.h"

static const char *const doing_names[] = {
	"nothing", "mmap", "check",	 "munmap", "mremap",	    "mprotect", "store",
	"madvise", "fork", "mmap-fixed", "wait",   "open to write", "change",
};

/* ---- who there is ---- */

static pid_t parent_of(pid_t pid)
{
	char path[64], text[512];
	int parent = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	if (got <= 0)
		return 0;
	text[got] = 0;
	char *end = strrchr(text, ')'); /* names may hold anything */
	if (end)
		sscanf(end + 1, " %*c %d", &parent);
	return parent;
}

static bool comes_from_us(pid_t pid)
{
	for (int i = 0; pid > 1 && i < 64; i++) {
		pid = parent_of(pid);
		if (pid == getpid())
			return true;
	}
	return false;
}

size_t descendants(pid_t *out, size_t most)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	size_t count = 0;

	while (proc && count < most && (entry = readdir(proc))) {
		pid_t pid = atoi(entry->d_name);
		if (pid > 0 && comes_from_us(pid))
			out[count++] = pid;
	}
	if (proc)
		closedir(proc);
	return count;
}

/* ---- where they are ---- */

static void print_file(const char *format, pid_t pid, const char *thread, const char *name)
{
	char path[128], text[4096];

	snprintf(path, sizeof(path), format, (int)pid, thread, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	if (got < 0)
		snprintf(text, sizeof(text), "(%s)", strerror(errno));
	else
		text[got] = 0;
	size_t length = strlen(text);
	fprintf(stderr, "    %s: %s%s", name, text, length && text[length - 1] == '\n' ? "" : "\n");
}

static void print_status(pid_t pid)
{
	char path[64], line[256];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *file = fopen(path, "re");
	fprintf(stderr, "process %d\n", (int)pid);
	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, "Name", 4) || !strncmp(line, "State", 5) ||
		    !strncmp(line, "PPid", 4) || !strncmp(line, "Threads", 7) ||
		    !strncmp(line, "Sig", 3) || !strncmp(line, "Shd", 3))
			fprintf(stderr, "  %s", line);
	if (file)
		fclose(file);
}

static const struct worker *worker_of(int thread)
{
	for (size_t i = 0; i < WORKERS; i++)
		if (state->workers[i].thread == thread)
			return &state->workers[i];
	return NULL;
}

static void print_worker(const struct worker *worker)
{
	if (worker)
		fprintf(stderr, "    role %c, doing: %s, file %d, beat %u\n", worker->role,
			doing_names[worker->doing], worker->file, worker->beat);
}

static void print_process(pid_t pid)
{
	char path[64];
	struct dirent *entry;

	print_status(pid);
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	DIR *tasks = opendir(path);
	while (tasks && (entry = readdir(tasks))) {
		if (entry->d_name[0] == '.')
			continue;
		fprintf(stderr, "  thread %s\n", entry->d_name);
		print_worker(worker_of(atoi(entry->d_name)));
		print_file("/proc/%d/task/%s/%s", pid, entry->d_name, "wchan");
		print_file("/proc/%d/task/%s/%s", pid, entry->d_name, "syscall");
		print_file("/proc/%d/task/%s/%s", pid, entry->d_name, "stack");
	}
	if (tasks)
		closedir(tasks);
}

void watch_report(void)
{
	static pid_t pids[1024];
	size_t count = descendants(pids, COUNT(pids));

	for (size_t i = 0; i < count; i++)
		print_process(pids[i]);
	for (int file = 0; file < FILES; file++)
		fprintf(stderr, "file %d: generation %u, owner %u, last change %s\n", file,
			state->slots[file].generation, state->slots[file].owner,
			change_name(state->slots[file].last_change));
	fprintf(stderr, "/proc/locks:\n");
	FILE *locks = fopen("/proc/locks", "re");
	char line[256];
	while (locks && fgets(line, sizeof(line), locks))
		fprintf(stderr, "  %s", line);
	if (locks)
		fclose(locks);
}

/* In hundredths of a second; *runs: it could use a processor now. */
static long cpu_time(const struct worker *worker, int thread, bool *runs)
{
	unsigned long user = 0, system = 0;
	char path[64], now = '?';

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", worker->process, thread);
	FILE *file = fopen(path, "re");
	*runs = file &&
		fscanf(file, "%*[^)]) %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &now,
		       &user, &system) == 3 &&
		now == 'R';
	if (file)
		fclose(file);
	return (long)(user + system);
}

/* Of a low priority, in a full quota, a thread may wait for a processor longer than any hang. */
#define STARVED 100

const struct worker *watch_stuck(int seconds)
{
	static struct {
		unsigned int beat;
		int thread;
		int64_t since_us;
		long cpu_time;
	} seen[WORKERS];
	bool runs;
	int64_t now = now_us();

	for (size_t i = 0; i < WORKERS; i++) {
		struct worker *worker = &state->workers[i];
		int thread = atomic_load(&worker->thread);
		if (thread <= 0 || thread != seen[i].thread || worker->beat != seen[i].beat) {
			seen[i].thread = thread;
			seen[i].beat = worker->beat;
			seen[i].since_us = now;
			seen[i].cpu_time = -1;
		} else if (seen[i].cpu_time < 0) {
			seen[i].cpu_time = cpu_time(worker, thread, &runs);
		} else if (now - seen[i].since_us > (int64_t)seconds * 1000000) {
			if (cpu_time(worker, thread, &runs) - seen[i].cpu_time < STARVED && runs)
				continue;
			if (!kill(worker->process, 0))
				return worker;
			atomic_store(&worker->thread, 0);
		}
	}
	return NULL;
}
