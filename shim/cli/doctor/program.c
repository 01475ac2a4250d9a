/* SPDX-License-Identifier: MIT */
/*
 * A program before it is run: whether the library will be in it, and which of the
 * wrapped calls it and its libraries import. The libraries are those that the
 * dynamic linker lists; nothing of the program is run for that.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/doctor/doctor.h"

static const struct call {
	const char *name;
	const char *means;
} calls[] = {
	{ "mmap", "may map files" },
	{ "mremap", "may resize mappings" },
	{ "mprotect", "may make mappings writable" },
	{ "remap_file_pages", "makes nonlinear mappings" },
	{ "syscall", "may make calls by number" },
};

#define CALL_COUNT (sizeof(calls) / sizeof(*calls))

struct imports {
	const char *file;     /* looked at now */
	char *by[CALL_COUNT]; /* "ls, libz.so.1" */
	size_t files;
	bool complete;
};

/* A file that has both mmap and mmap64 is named once. */
static bool ends_with(const char *list, const char *name)
{
	size_t length = strlen(list);
	size_t tail = strlen(name);

	return length >= tail && !strcmp(list + length - tail, name) &&
	       (length == tail || list[length - tail - 1] == ' ');
}

static void take_symbol(const char *symbol, void *context)
{
	struct imports *imports = context;
	const char *slash = strrchr(imports->file, '/');
	const char *name = slash ? slash + 1 : imports->file;

	if (!strcmp(symbol, "mmap64"))
		symbol = "mmap";
	for (size_t i = 0; i < CALL_COUNT; i++) {
		const char *before = imports->by[i] ? imports->by[i] : "";

		if (strcmp(symbol, calls[i].name) || ends_with(before, name))
			continue;
		char *joined = format_text("%s%s%s", before, *before ? ", " : "", name);

		free(imports->by[i]);
		imports->by[i] = joined;
	}
}

static void take_file(struct imports *imports, const char *path)
{
	const char *slash = strrchr(path, '/');

	/* What libc and the loader do themselves goes round every preload library. */
	if (slash && (!strncmp(slash, "/libc.so", 8) || !strncmp(slash, "/ld-linux", 9)))
		return;
	imports->file = path;
	if (!elf_imports(path, take_symbol, imports))
		imports->files++;
}

/* Only a dynamic linker that this system itself uses is started: not one that the program names. */
static const char *trusted_loader(const struct program *program)
{
	static struct elf_facts self;

	if (program->elf.bits == 32)
		return strcmp(program->elf.loader, "/lib/ld-linux.so.2") ? NULL
									 : program->elf.loader;
	if (elf_read("/proc/self/exe", &self) || strcmp(program->elf.loader, self.loader))
		return NULL;
	return program->elf.loader;
}

/* Lines are "	libz.so.1 => /lib/libz.so.1 (0x…)" and "	/lib64/ld-linux-x86-64.so.2 (0x…)".
 */
static void take_listing(struct imports *imports, FILE *in)
{
	char *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, in) > 0) {
		char *path = strchr(line, '/');
		char *end = path ? strstr(path, " (0x") : NULL;

		if (!end)
			continue;
		*end = 0;
		take_file(imports, path);
	}
	free(line);
}

/* Whether the libraries could be listed. */
static bool take_libraries(struct imports *imports, const struct program *program)
{
	const char *loader = trusted_loader(program);
	int pipes[2], status = -1;

	if (!loader || pipe2(pipes, O_CLOEXEC))
		return false;
	pid_t pid = fork();
	if (!pid) {
		dup2(pipes[1], STDOUT_FILENO);
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
		unsetenv("LD_PRELOAD");
		execl(loader, loader, "--list", program->binary, NULL);
		_exit(STATUS_NOT_RUNNABLE);
	}
	close(pipes[1]);
	FILE *in = fdopen(pipes[0], "r");
	if (in) {
		take_listing(imports, in);
		fclose(in);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

static void say_imports(struct imports *imports)
{
	const char *what = imports->complete
				   ? "the program and its libraries"
				   : "the program itself; its libraries were not looked at";

	doctor_say(WORKS, "calls looked for in", "%zu file%s (%s)", imports->files,
		   imports->files == 1 ? "" : "s", what);
	for (size_t i = 0; i < CALL_COUNT; i++) {
		if (imports->by[i])
			doctor_say(WORKS, calls[i].name, "imported by %s (%s)", imports->by[i],
				   calls[i].means);
		else
			doctor_say(ABSENT, calls[i].name, "imported by none of them");
		free(imports->by[i]);
	}
}

void doctor_program(const struct program *program, const struct preload *preload)
{
	char sentence[8192];
	struct imports imports = { 0 };
	enum gap gap = program_gap(program, preload, sentence, sizeof(sentence));

	if (gap) {
		doctor_say(BROKEN, "program", "%s", sentence);
		return;
	}
	if (program->script)
		doctor_say(WORKS, "script", "%s, run by %s", program->path, program->binary);
	if (program->unknown) {
		doctor_say(ABSENT, "program", "%s cannot be read as an ELF file", program->binary);
		return;
	}
	doctor_say(WORKS, "program", "%s, %d-bit, dynamically linked, not set-uid", program->binary,
		   program->elf.bits);
	take_file(&imports, program->binary);
	imports.complete = take_libraries(&imports, program);
	say_imports(&imports);
}
