/* SPDX-License-Identifier: MIT */
/*
 * Finds a program and follows its #! lines as the kernel would: see program.h.
 * Starts nothing. Whether it can be fenced is judged in gap.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/run/program.h"

#define LINE_BYTES   256 /* as much of a #! line as the kernel reads */
#define SCRIPT_DEPTH 5	 /* as many as the kernel follows */

/* 0 when execve would take it as far as its name and mode go, or an errno. */
static int runnable(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? EISDIR : EACCES;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) ? errno : 0;
}

static const char *search_path(void)
{
	static char standard[256];
	const char *path = getenv("PATH");

	if (path)
		return path;
	confstr(_CS_PATH, standard, sizeof(standard));
	return standard;
}

/* As a shell: the first that can be run; if none, and one was seen there, EACCES. A directory that
 * this user may not search shows none. */
static int search(const char *name, char *out, size_t size)
{
	int error = ENOENT;
	const char *next;

	for (const char *p = search_path(); p; p = next) {
		int length = (int)strcspn(p, ":");

		next = p[length] ? p + length + 1 : NULL;
		if (snprintf(out, size, "%.*s%s%s", length, p, length ? "/" : "", name) >=
		    (int)size)
			continue;
		int r = runnable(out);
		if (!r)
			return 0;
		if ((r == EACCES || r == EISDIR) && !access(out, F_OK))
			error = EACCES;
	}
	return error;
}

static int locate(const char *name, char *out, size_t size)
{
	if (!*name)
		return ENOENT;
	if (!strchr(name, '/'))
		return search(name, out, size);
	if (snprintf(out, size, "%s", name) >= (int)size)
		return ENAMETOOLONG;
	return runnable(out);
}

/* The interpreter of a "#!" line: its length, 0 when it is no script, or -errno. */
static int read_interpreter(const char *path, char *out, size_t size)
{
	char line[LINE_BYTES + 1];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	ssize_t got = read(fd, line, LINE_BYTES);
	close(fd);
	if (got < 2 || memcmp(line, "#!", 2))
		return 0;
	line[got] = 0;
	const char *start = line + 2 + strspn(line + 2, " \t");
	int length = (int)strcspn(start, " \t\n");
	return snprintf(out, size, "%.*s", length, start);
}

/* "x: not found", "/bin/i: not found (to run x)". */
static int fail(int error, char *sentence, size_t size, const char *name, const char *purpose,
		const char *program)
{
	const char *why = error == ENOENT ? "not found" : strerror(error);

	if (purpose)
		snprintf(sentence, size, "%.2000s: %s (to %s %.2000s)", name, why, purpose,
			 program);
	else
		snprintf(sentence, size, "%.2000s: %s", name, why);
	return error == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_RUNNABLE;
}

static int follow(struct program *program, char *sentence, size_t size)
{
	char interpreter[PATH_MAX];

	for (int depth = 0;; depth++) {
		int length = read_interpreter(program->binary, interpreter, sizeof(interpreter));

		if (length <= 0)
			return 0;
		int error = depth < SCRIPT_DEPTH ? runnable(interpreter) : ELOOP;
		if (error)
			return fail(error, sentence, size, interpreter, "run", program->path);
		program->script = true;
		memcpy(program->binary, interpreter, sizeof(interpreter));
	}
}

int program_find(const char *name, struct program *out, char *sentence, size_t size)
{
	memset(out, 0, sizeof(*out));
	int error = locate(name, out->path, sizeof(out->path));
	if (error)
		return fail(error, sentence, size, name, NULL, NULL);
	memcpy(out->binary, out->path, sizeof(out->binary));

	int status = follow(out, sentence, size);
	if (status)
		return status;
	out->unknown = elf_read(out->binary, &out->elf) != 0;
	if (!out->unknown && out->elf.loader[0] && access(out->elf.loader, F_OK))
		return fail(errno, sentence, size, out->elf.loader, "load", out->binary);
	return 0;
}
