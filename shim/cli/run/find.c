/* SPDX-License-Identifier: MIT */
/*
 * Finds the library, and a program as the kernel would, and asks what it is. Starts nothing.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cli/run/run.h"
#include "kernel/program.h"

/* What $LIB may stand for in 32-bit programs: Debian, then Fedora and Arch, then others. */
static const char *const places32[] = { "lib32", "lib/i386-linux-gnu", "lib", NULL };

static void find_file(char *out, const char *prefix, const char *const *places, int bits)
{
	struct program library;

	for (; *places; places++) {
		if (snprintf(out, PATH_MAX, "%s/%s/libmmfence.so", prefix, *places) >= PATH_MAX)
			continue;
		program_inspect(AT_FDCWD, out, &library);
		if (library.bits == bits)
			return;
	}
	*out = 0;
}

/* What $LIB is to this machine's dynamic linker: asked to load a directory, it names it. A library
 * elsewhere would be found here, and by no program. */
static const char *linkers_place(char *out, size_t size)
{
	const char *error = dlopen("/$LIB/", RTLD_LAZY) ? NULL : dlerror();
	const char *end = error ? strstr(error, "/: ") : NULL;

	if (!end || *error != '/' || error[1] == '$')
		return NULL;
	snprintf(out, size, "%.*s", (int)(end - error - 1), error + 1);
	return out;
}

/* The dynamic linker would complain, and start the program without it. */
static bool is_noexec(const char *file)
{
	struct statvfs fs;

	return !statvfs(file, &fs) && fs.f_flag & ST_NOEXEC;
}

char *preload_find(struct library *out)
{
	char prefix[PATH_MAX] = "", named[PATH_MAX];
	const char *place = linkers_place(named, sizeof(named)) ?: "lib64";

	memset(out, 0, sizeof(*out));
	if (readlink("/proc/self/exe", prefix, sizeof(prefix) - 1) < 0)
		return format_text(
			"/proc/self/exe, which tells where this command is, cannot be read: %m");
	/* The directory above the one that holds the command; "" for /. */
	for (int i = 0; i < 2; i++)
		if (strrchr(prefix, '/'))
			*strrchr(prefix, '/') = 0;
	find_file(out->file64, prefix, (const char *[]){ place, NULL }, 64);
	find_file(out->file32, prefix, places32, 32);
	if (!out->file64[0])
		return format_text("libmmfence.so for 64-bit programs is not in %s/%s, where the "
				   "dynamic linker looks for it",
				   prefix, place);
	if (strpbrk(prefix, " :$"))
		return format_text("the dynamic linker cannot preload a library from %s, because "
				   "this name has a space, a colon or a $",
				   prefix);
	if (is_noexec(out->file64))
		return format_text(
			"the dynamic linker cannot preload a library from %s, because it "
			"is mounted noexec",
			prefix);
	if (snprintf(out->name, sizeof(out->name), "%s/$LIB/libmmfence.so", prefix) < PATH_MAX)
		return NULL;
	return format_text("the name of the directory %s is too long", prefix);
}

void preload_export(const struct library *preload)
{
	const char *before = getenv("LD_PRELOAD");
	size_t length = strlen(preload->name);

	/* Already there: one mmfence runs under another. */
	if (before && !strncmp(before, preload->name, length) &&
	    (!before[length] || strchr(" :", before[length])))
		return;
	char *value = format_text("%s%s%s", preload->name, before && *before ? ":" : "",
				  before ? before : "");
	setenv("LD_PRELOAD", value, 1);
	free(value);
}

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

/* As a shell: the first that can be run; if none, and one was seen there, EACCES. A directory that
 * this user may not search shows none. */
static int search(const char *name, char *out, size_t size)
{
	int error = ENOENT;
	const char *next;

	for (const char *p = getenv("PATH") ?: "/bin:/usr/bin"; p; p = next) {
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

/* "x: not found", "/bin/i: not found (to run x)". */
static int fail(int error, char **sentence, const char *name, const char *purpose,
		const char *program)
{
	const char *why = error == ENOENT ? "not found" : strerror(error);

	*sentence = purpose ? format_text("%s: %s (to %s %s)", name, why, purpose, program)
			    : format_text("%s: %s", name, why);
	return error == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_RUNNABLE;
}

const char *command_binary(const struct command *command)
{
	const char *interpreter = command->program.interpreter;

	return *interpreter ? interpreter : command->path;
}

int command_find(const char *name, struct command *out, char **sentence)
{
	struct program *program = &out->program;
	int error = locate(name, out->path, sizeof(out->path));

	if (error)
		return fail(error, sentence, name, NULL, NULL);
	program_inspect(AT_FDCWD, out->path, program);
	error = *program->interpreter ? runnable(program->interpreter) : 0;
	if (error)
		return fail(error, sentence, program->interpreter, "run", out->path);
	if (*program->loader && access(program->loader, F_OK))
		return fail(errno, sentence, program->loader, "load", command_binary(out));
	return 0;
}

char *command_gap(const struct command *command, const struct library *preload)
{
	const struct program *program = &command->program;
	const struct gap *gap = program_gap(program, program->bits != 32 || preload->file32[0]);
	const char *why = gap ? gap->message : NULL;

	if (!why && program->kind == PROGRAM_DYNAMIC && *program->loader &&
	    program_libc_is_old(program->loader))
		why = "linked with a C library older than glibc 2.5, which cannot load mmfence's";
	if (!why)
		return NULL;
	if (*program->interpreter)
		return format_text("%s is run by %s, which is %s", command->path,
				   program->interpreter, why);
	return format_text("%s is %s", command->path, why);
}
