/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a file's mappings: this command maps it with the library in it, and
 * says what the library recorded, in the words of `mmfence log'.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/doctor/doctor.h"
#include "cli/log/log.h"
#include "kernel/file.h"
#include "sigbus/sigbus.h"
#include "sigbus/writer.h"

#define TRIAL_BYTES (1 << 20) /* of a file of any size, what is preserved */

/* Mapped as programs do: to be read, to be stored into, and to be read when it is written to, as a
 * lease's break would have it: making it writable does the same. */
int probe_main(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return STATUS_USAGE;
	size_t size = st.st_size ? (size_t)st.st_size : 1;
	size_t part = size < TRIAL_BYTES ? size : TRIAL_BYTES;

	for (int protection = PROT_READ; protection <= (PROT_READ | PROT_WRITE); protection += 2) {
		void *map = mmap(NULL, size, protection, MAP_PRIVATE, fd, 0);

		if (map != MAP_FAILED)
			munmap(map, size);
	}
	void *map = mmap(NULL, part, PROT_READ, MAP_PRIVATE, fd, 0);

	if (map != MAP_FAILED)
		mprotect(map, part, PROT_READ | PROT_WRITE);
	return 0;
}

struct trial {
	int seen, told;
	bool guarded;
	const char *path;
	char reason[128];
};

/* Once for one reason. */
static void say_cure(struct trial *trial, const struct scan *scan)
{
	static struct sigbus look;
	const char *reason = scan_text(scan, "mmfence.snapshot.reason");
	struct sigbus_writer writer = { 0 };

	if (!*reason)
		reason = scan_text(scan, "error.message");
	if (trial->told > 1 && !strcmp(reason, trial->reason))
		return;
	snprintf(trial->reason, sizeof(trial->reason), "%s", reason);
	if (cure_of(reason))
		doctor_say(ABSENT, "advice", "%s", cure_of(reason));
	if (strcmp(reason, "somebody has the file open for writing") != 0)
		return;
	snprintf(look.path, sizeof(look.path), "%s", trial->path);
	sigbus_find_writer(&look, &writer);
	if (writer.pid)
		doctor_say(ABSENT, "writer", "%d (%s)", (int)writer.pid, writer.name);
}

static void say_record(struct trial *trial, const struct scan *scan)
{
	static const char *const names[] = { "read-only private mapping",
					     "writable private mapping", "when somebody writes" };
	const char *action = scan_text(scan, "event.action");
	bool created = !strcmp(action, "snapshot.create");
	bool preserved = !strcmp(action, "snapshot.preserve");
	char *words;
	int turn;

	if (!created && !preserved && strcmp(action, "snapshot.unprotected") != 0 &&
	    strcmp(action, "snapshot.lost") != 0)
		return;
	turn = trial->seen < 2 && !preserved ? trial->seen++ : 2;
	/* The third mapping of its own is as the first. */
	if (turn == 2 && (created || !trial->guarded))
		return;
	trial->guarded |= !strcmp(scan_text(scan, "mmfence.snapshot.engine"), "guard");
	trial->told++;
	words = log_words(scan);
	doctor_say(created || preserved ? WORKS : ABSENT, names[turn], "%s", words);
	free(words);
	if (turn < 2)
		say_cure(trial, scan);
}

static void say_records(int log, const char *path)
{
	struct trial trial = { .path = path };
	struct scan scan = { 0 };
	struct lines lines;
	size_t length;
	char *line;

	lseek(log, 0, SEEK_SET);
	lines_open(&lines, log);
	while (lines_next(&lines, &line, &length) > 0)
		if (!scan_line(&scan, line, length))
			say_record(&trial, &scan);
	lines_close(&lines);
	scan_free(&scan);
	if (!trial.told)
		doctor_say(ABSENT, "mappings",
			   "left alone: the settings say so, or it is of a kind that gets no "
			   "snapshots");
}

/* This command with the library in it: its wait status, or -1. */
static int run_probe(const char *path, const struct library *preload, int log, int errors)
{
	char *arguments[] = { (char *)"mmfence", (char *)"doctor", (char *)"--probe", (char *)path,
			      NULL };
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		setenv("MMFENCE_AUDIT_LOG", format_text("fd:%d", log), 1);
		setenv("LD_PRELOAD", preload->name, 1);
		if (!fcntl(log, F_SETFD, 0) && dup2(errors, STDOUT_FILENO) >= 0 &&
		    dup2(errors, STDERR_FILENO) >= 0)
			execv("/proc/self/exe", arguments);
		_exit(STATUS_NOT_RUNNABLE);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid ? status : -1;
}

/* What the dynamic linker has to say; what the library says of settings is said elsewhere. */
static bool say_preloading(const struct library *preload, int errors)
{
	char text[4096] = "", *complaint;
	ssize_t got = pread(errors, text, sizeof(text) - 1, 0);

	text[got > 0 ? got : 0] = 0;
	complaint = strstr(text, "ERROR: ld.so");
	if (complaint)
		doctor_say(BROKEN, "preloading", "%.*s", (int)strcspn(complaint, "\n"), complaint);
	else
		doctor_say(WORKS, "preloading", "LD_PRELOAD=%s", preload->name);
	return !complaint;
}

static void try_file(const char *path, const struct library *preload)
{
	int log = unnamed_memory("mmfence-doctor", 0), errors = unnamed_memory("mmfence-doctor", 0);

	if (log < 0 || errors < 0) {
		doctor_say(BROKEN, "memory files", "%s", strerror(log < 0 ? -log : -errors));
		return;
	}
	int status = run_probe(path, preload, log, errors);

	if (status < 0)
		doctor_say(BROKEN, "mappings", "they cannot be tried: %m");
	else if (status)
		doctor_say(BROKEN, "mappings", "the process that tried them ended with %s %d",
			   WIFSIGNALED(status) ? "signal" : "status",
			   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	if (say_preloading(preload, errors) && !status)
		say_records(log, path);
	close(errors);
}

static void say_place(const char *what, const char *path, int place)
{
	struct statfs fs;
	const char *name = fstatfs(place, &fs) ? NULL : filesystem_name((uint32_t)fs.f_type);

	doctor_say(WORKS, what, "%s, on %s", path, name ? name : "a file system of no known name");
}

/* Opening some devices does something: only what can be mapped is opened. */
void doctor_file(const char *path, const struct library *preload)
{
	int place = open(path, O_PATH | O_CLOEXEC);
	char *whole = realpath(path, NULL);
	struct stat st;

	if (place < 0 || fstat(place, &st))
		doctor_say(BROKEN, "file", "%s: %m", path);
	else if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		doctor_say(ABSENT, "file", "%s is no file that can be mapped", path);
	else if (access(path, R_OK))
		doctor_say(BROKEN, "file", "%s: %m", path);
	else {
		say_place("file", whole ? whole : path, place);
		try_file(whole ? whole : path, preload);
	}
	free(whole);
	close(place);
}

void doctor_directory(const char *directory, const struct library *preload)
{
	char *whole = realpath(directory, NULL);
	char *name = format_text("%s/.mmfence-doctor.XXXXXX", whole ? whole : directory);
	char page[4096] = "mmfence";
	int place = open(directory, O_PATH | O_CLOEXEC), fd;

	say_place("directory", directory, place);
	close(place);
	fd = mkostemp(name, O_CLOEXEC);
	bool made = fd >= 0 && write(fd, page, sizeof(page)) > 0;

	if (!made)
		doctor_say(ABSENT, "mappings", "not tried, as no file can be made: %m");
	close(fd);
	if (made)
		try_file(name, preload);
	if (fd >= 0)
		unlink(name);
	free(name);
	free(whole);
}
