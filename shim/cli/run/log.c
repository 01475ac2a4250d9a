/* SPDX-License-Identifier: MIT */
/*
 * The log of a run: see log.h. Never changes what is in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/run/destination.h"
#include "cli/run/log.h"
#include "kernel/unnamed.h"

#define LOG_READ (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

/* Of a command's name, so that with the rest it stays below NAME_MAX. */
#define NAME_LONGEST 200

/* Letters that mean nothing to a shell, to a template or to a pattern. */
static void add_plain(FILE *out, const char *name)
{
	for (int i = 0; i < NAME_LONGEST && *name; i++, name++) {
		bool plain = (*name >= '0' && *name <= '9') || (*name >= 'a' && *name <= 'z') ||
			     (*name >= 'A' && *name <= 'Z') || strchr("._+-", *name);
		fputc(plain ? *name : '_', out);
	}
}

static void add_directory(FILE *out, const char *directory)
{
	for (; *directory; directory++) {
		if (*directory == '%')
			fputc('%', out);
		fputc(*directory, out);
	}
	fputc('/', out);
}

static char *template_of(const char *directory, const char *option, const char *command, pid_t pid)
{
	const char *slash = strrchr(command, '/');
	char *template = NULL;
	size_t size;
	FILE *out = open_memstream(&template, &size);

	if (!out)
		return NULL;
	if (*option != '/')
		add_directory(out, strcmp(directory, "/") ? directory : "");
	if (*option) {
		fputs(option, out);
	} else {
		fputs("mmfence.", out);
		add_plain(out, slash ? slash + 1 : command);
		fprintf(out, ".%d.jsonl", (int)pid);
	}
	return fclose(out) ? NULL : template;
}

/* Every placeholder becomes a star, everything else stands for itself. */
static char *pattern_of(const char *template)
{
	char *pattern = NULL;
	size_t size;
	FILE *out = open_memstream(&pattern, &size);

	if (!out)
		return NULL;
	for (const char *t = template; *t; t++) {
		if (*t == '%' && t[1] && *++t != '%') {
			fputc('*', out);
			continue;
		}
		if (strchr("*?[\\", *t))
			fputc('\\', out);
		fputc(*t, out);
	}
	return fclose(out) ? NULL : pattern;
}

int log_name(struct log *log, const char *option, const char *command, pid_t pid)
{
	char *directory = getcwd(NULL, 0);

	memset(log, 0, sizeof(*log));
	log->elsewhere = destination_is_elsewhere(option);
	if (log->elsewhere) {
		free(directory);
		log->template = destination_value(option);
		return log->template ? 0 : -1;
	}
	if (!directory && *option != '/') {
		complain("the log cannot be created in the current directory: %m");
		return -1;
	}
	log->template = template_of(directory, option, command, pid);
	log->pattern = log->template ? pattern_of(log->template) : NULL;
	free(directory);
	if (log->pattern)
		return 0;
	complain("out of memory");
	return -1;
}

/* The name without doubled percent signs, or NULL when something in it is not known yet. */
static char *known_name(const char *template)
{
	char *name = format_text("%s", template);
	char *out = name;

	for (const char *t = template; *t; t++) {
		if (*t == '%' && *++t != '%') {
			free(name);
			return NULL;
		}
		*out++ = *t;
	}
	*out = 0;
	return name;
}

char *log_shown(const struct log *log)
{
	char *name = log->elsewhere ? NULL : known_name(log->template);

	return name ? name : format_text("%s", log->template);
}

static int refuse(const char *name, int error)
{
	const char *why = error == ELOOP   ? "it is a symbolic link, and mmfence follows none"
			  : error == ENXIO ? "it is a pipe that nobody reads"
					   : strerror(error);

	complain("the log %s cannot be created: %s", name, why);
	return -1;
}

static int create(const char *name)
{
	int fd =
		open(name,
		     O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		     0600);

	if (fd < 0)
		return refuse(name, errno);
	close(fd);
	return 0;
}

/* Of a name with placeholders only the directory can be tried, if it has none itself. */
static int try_directory(const char *template)
{
	char *directory = format_text("%s", template);
	char *name;
	int result = 0;

	*strrchr(directory, '/') = 0;
	name = known_name(directory);
	if (name && access(*name ? name : "/", W_OK | X_OK))
		result = refuse(template, errno);
	free(name);
	free(directory);
	return result;
}

/* What stands before a part's start; zeros where nothing can be read. */
static void read_tail(const struct log_part *part, char tail[LOG_TAIL])
{
	off_t length = part->start < LOG_TAIL ? part->start : LOG_TAIL;
	int fd = part->path ? open(part->path, LOG_READ) : -1;

	memset(tail, 0, LOG_TAIL);
	if (fd < 0)
		return;
	if (pread(fd, tail, (size_t)length, part->start - length) != length)
		memset(tail, 0, LOG_TAIL);
	close(fd);
}

static void remember(struct log *log)
{
	glob_t found;

	if (glob(log->pattern, 0, NULL, &found))
		return;
	log->parts = calloc(found.gl_pathc, sizeof(*log->parts));
	for (size_t i = 0; log->parts && i < found.gl_pathc; i++) {
		struct stat st;

		log->parts[i].path = strdup(found.gl_pathv[i]);
		if (!stat(found.gl_pathv[i], &st))
			log->parts[i].start = st.st_size;
		read_tail(&log->parts[i], log->parts[i].tail);
		log->count++;
	}
	globfree(&found);
}

int log_prepare(struct log *log)
{
	if (log->elsewhere)
		return destination_try(log->template);
	char *name = known_name(log->template);

	log->known = name;
	int result = name ? create(name) : try_directory(log->template);

	free(name);
	if (!result)
		remember(log);
	return result;
}

bool log_is_cut(const struct log *log)
{
	char tail[LOG_TAIL];

	for (size_t i = 0; i < log->count; i++) {
		read_tail(&log->parts[i], tail);
		if (memcmp(tail, log->parts[i].tail, LOG_TAIL) != 0)
			return true;
	}
	return false;
}

static const struct log_part *part_of(const struct log *log, const char *path)
{
	for (size_t i = 0; i < log->count; i++) {
		if (log->parts[i].path && !strcmp(log->parts[i].path, path))
			return &log->parts[i];
	}
	return NULL;
}

/* Whether it could be read: a regular file, and not a pipe that would wait. */
static bool read_part(struct model *model, const char *path, const struct log_part *part)
{
	int fd = open(path, LOG_READ);
	struct stat st;

	if (fd < 0)
		return false;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return false;
	}
	/* Cut since then: all of it is new. */
	if (part && part->start <= st.st_size)
		lseek(fd, part->start, SEEK_SET);
	model_log(model, path);
	model->log->whole = !part;
	return !model_read(model, fd, NULL, NULL);
}

struct model *log_read(const struct log *log, size_t *files)
{
	struct model *model;
	glob_t found;

	*files = 0;
	if (log->elsewhere || glob(log->pattern, 0, NULL, &found))
		return model_new(0);
	model = model_new(found.gl_pathc);
	model->by_place = true;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		const char *path = found.gl_pathv[i];

		*files += read_part(model, path, part_of(log, path));
	}
	globfree(&found);
	model_finish(model);
	return model;
}

bool log_is_gone(const struct log *log)
{
	char *name = known_name(log->template);
	struct stat st;
	bool gone = name && lstat(name, &st) && errno == ENOENT;

	free(name);
	return gone;
}

/* A record's worth in a nameless file next to the log, as far into it. */
static int try_append(const char *path, off_t size)
{
	static const char record[1024];
	struct sigaction ignore = { .sa_handler = SIG_IGN }, before; /* past RLIMIT_FSIZE */
	char *directory = format_text("%s", path);

	strrchr(directory, '/')[1] = 0;
	int fd = unnamed_file(directory, ".mmfence");
	free(directory);
	if (fd < 0)
		return fd == -ENOSPC || fd == -EDQUOT ? -fd : 0;
	sigaction(SIGXFSZ, &ignore, &before);
	ssize_t written = pwrite(fd, record, sizeof(record), size);
	int error = written < 0 ? errno : written < (ssize_t)sizeof(record) ? EFBIG : 0;
	sigaction(SIGXFSZ, &before, NULL);
	close(fd);
	return error == ENOSPC || error == EDQUOT || error == EFBIG ? error : 0;
}

int log_refuses(const struct log *log)
{
	glob_t found;
	int error = 0;

	if (log->elsewhere || glob(log->pattern, 0, NULL, &found))
		return 0;
	for (size_t i = 0; !error && i < found.gl_pathc; i++) {
		struct stat st;

		if (!lstat(found.gl_pathv[i], &st) && S_ISREG(st.st_mode))
			error = try_append(found.gl_pathv[i], st.st_size);
	}
	globfree(&found);
	return error;
}
