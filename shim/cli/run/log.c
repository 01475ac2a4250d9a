/* SPDX-License-Identifier: MIT */
/*
 * The log of a run: see log.h. Never changes what records are in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
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

/* A process's id, with a number behind it where the name was taken; or a time. */
#define NUMBER "+([0-9])?(-+([0-9]))"

void log_name(struct log *log, const char *option, const char *command)
{
	*log = (struct log){ .by_default = !*option,
			     .fd = -1,
			     .elsewhere = destination_is_elsewhere(option) };
	if (log->elsewhere) {
		log->template = destination_value(option);
		return;
	}
	log->template = template_of(option, command);
	log->name = expand(log->template, NULL);
	log->pattern = expand(log->template, "*");
	log->fits = expand(log->template, NUMBER);
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
	name = expand(directory, NULL);
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

/* How the next record would fare. The room for it is asked for, and stays beyond the end; the time
 * of the last record stays too. */
static int refusal(const char *path, const struct stat *st)
{
	const struct timespec times[] = { { .tv_nsec = UTIME_OMIT }, st->st_mtim };
	struct rlimit limit;
	int fd, error = 0;

	if (!getrlimit(RLIMIT_FSIZE, &limit) && (rlim_t)st->st_size + RECORD > limit.rlim_cur)
		return EFBIG;
	fd = open(path, O_WRONLY | LOG_FLAGS);
	if (fd >= 0 && fallocate(fd, FALLOC_FL_KEEP_SIZE, st->st_size, RECORD))
		error = errno;
	else if (fd >= 0)
		futimens(fd, times);
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
	int error = refusal(part->path, &part->st);
	int fd = open(part->path, O_WRONLY | O_APPEND | LOG_FLAGS);
	char last = '\n';

	log->mark = mark_line();
	ssize_t length = (ssize_t)strlen(log->mark);

	errno = error ? error : ENOSPC;
	if (!error && part->start && pread(log->fd, &last, 1, part->start - 1) == 1 &&
	    last != '\n' && write(fd, "\n", 1) != 1)
		error = errno;
	if (error || write(fd, log->mark, (size_t)length) != length)
		refuse("the log %s cannot be written: %m", part->path);
	part->start = lseek(fd, 0, SEEK_CUR) - length;
	close(fd);
}

/* What there is now. */
static glob_t files_of(const struct log *log)
{
	glob_t found = { 0 };
	size_t count = 0;

	if (log->elsewhere || glob(log->pattern, 0, NULL, &found))
		return (glob_t){ 0 };
	for (size_t i = 0; i < found.gl_pathc; i++) {
		char *path = found.gl_pathv[i];

		if (fnmatch(log->fits, path, FNM_PATHNAME | FNM_EXTMATCH))
			free(path);
		else
			found.gl_pathv[count++] = path;
	}
	found.gl_pathc = count;
	return found;
}

/* The first ones may be torn, where the disk was full, or who rotates it cut in the middle. */
#define FIRST_LINES 16

static bool begins_with_a_record(int fd)
{
	struct scan scan = { 0 };
	struct lines lines;
	bool does = false;
	size_t length;
	char *line;

	lines_open(&lines, fd);
	for (int i = 0; !does && i < FIRST_LINES && lines_next(&lines, &line, &length) > 0; i++)
		does = !scan_line(&scan, line, length) && *scan_text(&scan, "event.action");
	lines_close(&lines);
	scan_free(&scan);
	return does;
}

static void note_part(struct log *log, const char *path)
{
	struct log_part part = { .is_log = true };
	int fd = open_part(path, &part.st);

	if (fd < 0)
		return;
	part.path = keep(path);
	part.start = part.st.st_size;
	if (log->name)
		log->fd = fd;
	else
		part.is_log = begins_with_a_record(fd);
	log->parts[log->count++] = part;
}

void log_prepare(struct log *log, bool mark)
{
	glob_t found;

	if (log->elsewhere)
		destination_try(log->template);
	else if (log->name)
		create(log);
	else
		try_directory(log);
	found = files_of(log);
	log->parts = take((found.gl_pathc + 1) * sizeof(*log->parts));
	for (size_t i = 0; i < found.gl_pathc; i++)
		note_part(log, found.gl_pathv[i]);
	globfree(&found);
	if (log->name && mark && log->count)
		put_mark(log);
}

static bool mark_is_gone(const struct log *log)
{
	size_t length = strlen(log->mark);
	char *there = take(length);
	bool gone = pread(log->fd, there, length, log->parts[0].start) != (ssize_t)length ||
		    memcmp(there, log->mark, length);

	free(there);
	return gone;
}

static int compare_path(const void *path, const void *part)
{
	return strcmp(path, ((const struct log_part *)part)->path);
}

/* NULL: this file is new. */
static const struct log_part *part_of(const struct log *log, const char *path,
				      const struct stat *st)
{
	const struct log_part *part =
		bsearch(path, log->parts, log->count, sizeof(*part), compare_path);

	return part && same_file(&part->st, st) ? part : NULL;
}

/* As the library makes it for a process: nobody else may read it. */
static bool is_made(const struct log *log, const struct stat *st)
{
	return strcmp(log->pattern, log->fits) && !(st->st_mode & 077);
}

/* Takes over the descriptor. What was cut since then is all new. 0, or -errno. */
static int read_part(struct log *log, const char *path, int fd, off_t start, bool whole)
{
	lseek(fd, start, SEEK_SET);
	model_log(log->model, path);
	log->model->log->whole = whole;
	return model_read(log->model, fd, NULL, NULL);
}

static void read_name(struct log *log, const char *path)
{
	struct stat st;
	int fd = open_part(path, &st);

	if (fd < 0)
		return;
	const struct log_part *part = part_of(log, path, &st);
	off_t start = part && part->start <= st.st_size ? part->start : 0;
	bool is_read = !read_part(log, path, fd, start, !part), is_new = !part && is_made(log, &st);
	const struct log_row *row = log->model->log;

	if (!row->records && row->damaged && !(part && part->is_log) && !is_made(log, &st)) {
		log->model->damaged -= row->damaged;
		log->model->log_count--;
		return;
	}
	log->files += is_read;
	log->unread |= !is_read;
	if (!log->full && (row->records || is_new || (part && part->is_log)))
		log->full = refusal(path, &st);
}

/* Emptied, cut, replaced, or gone. */
static bool is_cut(const struct log *log, const struct log_part *part)
{
	struct stat st;

	return part->is_log && (stat(part->path, &st) || !same_file(&st, &part->st) ||
				st.st_size < part->start || (log->mark && mark_is_gone(log)));
}

void log_read(struct log *log)
{
	glob_t found = files_of(log);

	log->model = model_new();
	for (size_t i = 0; i < found.gl_pathc; i++)
		read_name(log, found.gl_pathv[i]);
	for (size_t i = 0; i < log->count; i++)
		log->cut |= is_cut(log, &log->parts[i]);
	globfree(&found);
	model_finish(log->model);
}

void log_read_there(struct log *log, char *const *names, size_t count)
{
	struct inputs inputs = { 0 };
	struct stat st;

	for (size_t i = 0; i < count; i++) {
		log_name(log, names[i], "");
		glob_t found = files_of(log);

		if (!found.gl_pathc)
			refuse("there is no log %s", names[i]);
		for (size_t j = 0; j < found.gl_pathc; j++) {
			const char *path = found.gl_pathv[j];

			if (!stat(path, &st) && !S_ISREG(st.st_mode))
				refuse("the log %s is no file", path);
			inputs_add(&inputs, path);
		}
	}
	log->model = model_new();
	inputs_read(&inputs, log->model);
	log->files = log->model->log_count;
	model_finish(log->model);
}

char *log_doubt(const struct log *log, bool started)
{
	if (log->unread)
		return keep("not all of the log could be read, so that what else happened is not "
			    "known");
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
static bool drop_if_empty(const struct log *log, const char *path)
{
	struct stat st;
	int fd = open_part(path, &st);
	bool is_ours =
		fd >= 0 && (log->by_default || (!part_of(log, path, &st) && is_made(log, &st)));
	bool drops = is_ours && !st.st_size && !fcntl(fd, F_SETLEASE, F_WRLCK) && !unlink(path);

	if (fd >= 0)
		close(fd);
	return drops;
}

bool log_drop_empty(const struct log *log)
{
	bool left = log->elsewhere || (log->name && !log->by_default);
	glob_t found = left ? (glob_t){ 0 } : files_of(log);

	close(log->fd);
	for (size_t i = 0; i < found.gl_pathc; i++)
		left |= !drop_if_empty(log, found.gl_pathv[i]);
	globfree(&found);
	return !left;
}
