/* SPDX-License-Identifier: MIT */
/*
 * The log of a run: see log.h. Never changes what records are in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/run/run.h"
#include "policy/target.h"

#define LOG_FLAGS (O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
#define RECORD	  1024

void log_name(struct log *log, const char *option, const char *command)
{
	*log = (struct log){ .by_default = !*option,
			     .elsewhere = destination_is_elsewhere(option) };
	if (log->elsewhere) {
		log->template = destination_value(option);
		return;
	}
	log->template = template_of(option, command);
	log->name = expand(log->template, false);
	log->pattern = expand(log->template, true);
}

const char *log_shown(const struct log *log)
{
	return log->name ? log->name : log->template;
}

static void fail(const struct log *log, const char *name, int error)
{
	const char *why = error == ELOOP   ? "it is a symbolic link, and mmfence follows none"
			  : error == ENXIO ? "it is a pipe that nobody reads"
					   : strerror(error);

	refuse("the log %s cannot be created: %s%s", name, why,
	       log->by_default ? "; --log FILE says where else" : "");
}

/* Of a name with placeholders only the directory can be tried, if it has none itself. */
static void try_directory(const struct log *log)
{
	char *directory = keep(log->template), *name;

	*strrchr(directory, '/') = 0;
	name = expand(directory, false);
	if (name && access(*name ? name : "/", W_OK | X_OK))
		fail(log, log->template, errno);
	free(name);
	free(directory);
}

/* A part to be read. Under a pattern lies what others put there; root's children may have become
 * others. */
static int open_part(const char *path, struct stat *st)
{
	int fd = open(path, O_RDONLY | LOG_FLAGS);
	uid_t user = geteuid();

	if (fd >= 0 && !fstat(fd, st) && S_ISREG(st->st_mode) && (!user || st->st_uid == user))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static void create(const struct log *log)
{
	int made = open(log->name, O_WRONLY | O_CREAT | O_EXCL | LOG_FLAGS, 0600);
	int fd = made < 0 && errno == EEXIST ? open(log->name, O_WRONLY | O_APPEND | LOG_FLAGS)
					     : made;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		fail(log, log->name, errno);
	close(fd);
	const char *why =
		made < 0 ? target_refusal(st.st_mode, st.st_uid, (uint32_t)st.st_nlink, geteuid())
			 : NULL;
	if (why)
		refuse("the log %s is not used: %s", log->name, why);
}

/* How the next record would fare. The room for it is asked for, and stays beyond the end. */
static int refusal(const char *path, off_t size)
{
	struct rlimit limit;
	int fd, error = 0;

	if (!getrlimit(RLIMIT_FSIZE, &limit) && (rlim_t)size + RECORD > limit.rlim_cur)
		return EFBIG;
	fd = open(path, O_WRONLY | LOG_FLAGS);
	if (fd >= 0 && fallocate(fd, FALLOC_FL_KEEP_SIZE, size, RECORD))
		error = errno;
	if (fd >= 0)
		close(fd);
	return error == ENOSPC || error == EDQUOT || error == EFBIG ? error : 0;
}

/* No two are alike, because of their times and process ids. */
static char *mark_line(void)
{
	char moment[TIME_BYTES];

	return format_text(
		"{\"@timestamp\":\"%s\",\"ecs\":{\"version\":\"8.11.0\"},\"event\":{\"kind\":"
		"\"event\",\"action\":\"check.start\",\"category\":[\"process\"],\"type\":[\"info\"],"
		"\"outcome\":\"success\",\"sequence\":1},\"process\":{\"pid\":%d,\"thread\":{\"id\":%d},"
		"\"name\":\"mmfence\"},\"mmfence\":{\"version\":\"" MMFENCE_VERSION "\"}}\n",
		time_text(NULL, moment), (int)getpid(), (int)getpid());
}

/* Where the kernel has put it: others append too. A log may end in part of a record. */
static void put_mark(struct log *log)
{
	struct log_part *part = &log->parts[0];
	int error = refusal(part->path, part->start);
	int fd = open(part->path, O_WRONLY | O_APPEND | LOG_FLAGS);
	char last = '\n';

	log->mark = mark_line();
	ssize_t length = (ssize_t)strlen(log->mark);

	errno = error ? error : ENOSPC;
	if (!error && part->start && pread(part->fd, &last, 1, part->start - 1) == 1 &&
	    last != '\n' && write(fd, "\n", 1) != 1)
		error = errno;
	if (error || write(fd, log->mark, (size_t)length) != length)
		refuse("the log %s cannot be written: %m", part->path);
	part->start = lseek(fd, 0, SEEK_CUR) - length;
	close(fd);
}

void log_prepare(struct log *log, bool mark)
{
	glob_t found = { 0 };
	struct stat st;

	if (log->elsewhere)
		destination_try(log->template);
	else if (log->name)
		create(log);
	else
		try_directory(log);
	if (log->elsewhere || glob(log->pattern, 0, NULL, &found))
		return;
	log->parts = take(found.gl_pathc * sizeof(*log->parts));
	for (size_t i = 0; i < found.gl_pathc; i++) {
		int fd = open_part(found.gl_pathv[i], &st);

		if (fd >= 0)
			log->parts[log->count++] =
				(struct log_part){ keep(found.gl_pathv[i]), fd, st, st.st_size };
	}
	globfree(&found);
	if (log->name && mark && log->count)
		put_mark(log);
}

static bool mark_is_gone(const struct log *log, const struct log_part *part)
{
	size_t length = strlen(log->mark);
	char *there = take(length);
	bool gone = pread(part->fd, there, length, part->start) != (ssize_t)length ||
		    memcmp(there, log->mark, length);

	free(there);
	return gone;
}

static const struct log_part *part_of(const struct log *log, const struct stat *st)
{
	for (size_t i = 0; i < log->count; i++)
		if (same_file(&log->parts[i].st, st))
			return &log->parts[i];
	return NULL;
}

/* Takes over the descriptor. What was cut since then is all new. */
static void read_part(struct log *log, const char *path, int fd, off_t start, bool whole)
{
	struct stat st;

	log->cut |= fstat(fd, &st) || st.st_size < start;
	lseek(fd, st.st_size < start ? 0 : start, SEEK_SET);
	model_log(log->model, path);
	log->model->log->whole = whole;
	log->files += !model_read(log->model, fd, NULL, NULL);
}

static void read_name(struct log *log, const char *path)
{
	const struct log_part *part;
	struct stat st;
	int fd = open_part(path, &st);

	if (fd < 0)
		return;
	part = part_of(log, &st);
	log->cut |= part && log->mark && mark_is_gone(log, part);
	read_part(log, path, fd, part ? part->start : 0, !part);
	if (!log->full)
		log->full = refusal(path, st.st_size);
}

void log_read(struct log *log)
{
	glob_t found = { 0 };
	struct stat st;

	if (!log->elsewhere && glob(log->pattern, 0, NULL, &found))
		found.gl_pathc = 0;
	log->model = model_new(found.gl_pathc);
	for (size_t i = 0; i < found.gl_pathc; i++)
		read_name(log, found.gl_pathv[i]);
	/* Replaced, or gone. */
	for (size_t i = 0; i < log->count; i++)
		log->cut |= stat(log->parts[i].path, &st) || !same_file(&st, &log->parts[i].st);
	if (found.gl_pathc)
		globfree(&found);
	model_finish(log->model);
}

void log_read_there(struct log *log, char *const *names, size_t count)
{
	glob_t found = { 0 };
	struct stat st;

	for (size_t i = 0; i < count; i++) {
		log_name(log, names[i], "");
		if (log->elsewhere || glob(log->pattern, i ? GLOB_APPEND : 0, NULL, &found))
			refuse("there is no log %s", names[i]);
	}
	log->model = model_new(found.gl_pathc);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		const char *path = found.gl_pathv[i];

		if (!stat(path, &st) && !S_ISREG(st.st_mode))
			refuse("the log %s is no file", path);
		read_part(log, path, lines_open_file(path), 0, false);
	}
	globfree(&found);
	model_finish(log->model);
}

char *log_doubt(const struct log *log, bool started)
{
	if (!log->files && started && (!log->name || log->count))
		return keep("the log is gone, so that what happened is not known");
	if (log->model->beginning_gone || log->cut)
		return keep("the log was emptied, cut or replaced while the command ran, so that "
			    "what else happened is not known");
	if (log->full)
		return format_text("no record can be written to it: %s, so that what else happened "
				   "is not known",
				   strerror(log->full));
	return NULL;
}

/* A lease for writing shows that nobody else has it open, whose records would go nowhere. */
static bool drop_if_empty(const char *path, int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISREG(st.st_mode) && !st.st_size &&
	       !fcntl(fd, F_SETLEASE, F_WRLCK) && !unlink(path);
}

bool log_drop_empty(const struct log *log)
{
	glob_t found = { 0 };
	bool any = false;

	for (size_t i = 0; i < log->count; i++)
		close(log->parts[i].fd);
	if (log->elsewhere || (log->name && !log->by_default) ||
	    glob(log->pattern, 0, NULL, &found))
		return false;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		int fd = open(found.gl_pathv[i], O_RDWR | LOG_FLAGS);

		any |= fd < 0 || !drop_if_empty(found.gl_pathv[i], fd);
		if (fd >= 0)
			close(fd);
	}
	globfree(&found);
	return !any;
}
