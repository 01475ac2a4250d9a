/* SPDX-License-Identifier: MIT */
/*
 * A6: what a program file is, as exec finds it: ELF files made by hand, scripts, chains of scripts.
 */
#include <criterion/criterion.h>
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/program.h"

#define HEAD 256 /* BINPRM_BUF_SIZE */

static char directory[64];

static void enter(void)
{
	strcpy(directory, "/tmp/mmfence-program-XXXXXX");
	cr_assert_not_null(mkdtemp(directory));
}

static void leave(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", directory);
	cr_assert_eq(system(command), 0);
}

TestSuite(program, .init = enter, .fini = leave);

/* A file of that name; the path is the caller's until the next. */
static const char *make(const char *name, const void *bytes, size_t size)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0755);
	cr_assert(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
	close(fd);
	return path;
}

static struct program inspect(const char *path)
{
	struct program program;

	program_inspect(AT_FDCWD, path, &program);
	return program;
}

static const char *make_elf_64(const char *name, int machine, uint32_t second_header)
{
	struct {
		Elf64_Ehdr head;
		Elf64_Phdr programs[2];
	} elf = { .head = { .e_ident = ELFMAG "\2\1\1",
			    .e_machine = (Elf64_Half)machine,
			    .e_phoff = sizeof(elf.head),
			    .e_phentsize = sizeof(elf.programs[0]),
			    .e_phnum = 2 },
		  .programs = { { .p_type = PT_LOAD }, { .p_type = second_header } } };

	return make(name, &elf, sizeof(elf));
}

static const char *make_elf_32(const char *name, int machine, uint32_t second_header)
{
	struct {
		Elf32_Ehdr head;
		Elf32_Phdr programs[2];
	} elf = { .head = { .e_ident = ELFMAG "\1\1\1",
			    .e_machine = (Elf32_Half)machine,
			    .e_phoff = sizeof(elf.head),
			    .e_phentsize = sizeof(elf.programs[0]),
			    .e_phnum = 2 },
		  .programs = { { .p_type = PT_LOAD }, { .p_type = second_header } } };

	return make(name, &elf, sizeof(elf));
}

static void is(struct program program, enum program_kind kind, int bits)
{
	cr_assert_eq(program.kind, kind, "kind %d instead of %d", program.kind, kind);
	cr_assert_eq(program.bits, bits, "%d bits instead of %d", program.bits, bits);
}

Test(program, elf_files)
{
	is(inspect(make_elf_64("a", EM_X86_64, PT_INTERP)), PROGRAM_DYNAMIC, 64);
	is(inspect(make_elf_64("a", EM_X86_64, PT_NOTE)), PROGRAM_STATIC, 64);
	is(inspect(make_elf_64("a", EM_AARCH64, PT_INTERP)), PROGRAM_FOREIGN, 0);
	is(inspect(make_elf_32("a", EM_386, PT_INTERP)), PROGRAM_DYNAMIC, 32);
	is(inspect(make_elf_32("a", EM_386, PT_NOTE)), PROGRAM_STATIC, 32);
	is(inspect(make_elf_32("a", EM_ARM, PT_INTERP)), PROGRAM_FOREIGN, 0);
	is(inspect(make_elf_32("a", EM_X86_64, PT_INTERP)), PROGRAM_FOREIGN, 0);
}

Test(program, no_program)
{
	is(inspect(make("a", "", 0)), PROGRAM_UNKNOWN, 0);
	is(inspect(make("a", ELFMAG, SELFMAG)), PROGRAM_UNKNOWN, 0);
	is(inspect(make("a", "#", 1)), PROGRAM_UNKNOWN, 0);
	is(inspect(make("a", "#!  \n", 5)), PROGRAM_UNKNOWN, 0);
	is(inspect("/nowhere/at/all"), PROGRAM_UNKNOWN, 0);
	is(inspect(directory), PROGRAM_UNKNOWN, 0);
}

Test(program, set_id)
{
	if (getuid() != 0)
		cr_skip_test("only root can do this");
	const char *path = make_elf_64("a", EM_X86_64, PT_INTERP);
	cr_assert(!chown(path, 65534, 65534) && !chmod(path, 04755));
	is(inspect(path), PROGRAM_SET_ID, 64);
	cr_assert(!chmod(path, 02755));
	is(inspect(path), PROGRAM_SET_ID, 64);
	/* Without the group's right to execute it means a lock. */
	cr_assert(!chmod(path, 02745));
	is(inspect(path), PROGRAM_DYNAMIC, 64);
	cr_assert(!chown(path, 0, 65534) && !chmod(path, 04755));
	is(inspect(path), PROGRAM_DYNAMIC, 64);
}

/* What exec takes: five scripts, and then a program (Linux 6.18: execv of a sixth is ELOOP). */
Test(program, chain_of_scripts)
{
	char before[PATH_MAX], text[PATH_MAX + 16], name[16];

	strcpy(before, make_elf_64("program", EM_X86_64, PT_NOTE));
	for (int depth = 1; depth <= 6; depth++) {
		snprintf(name, sizeof(name), "script%d", depth);
		snprintf(text, sizeof(text), "#! \t%s -x\n", before);
		strcpy(before, make(name, text, strlen(text)));
		is(inspect(before), depth <= 5 ? PROGRAM_STATIC : PROGRAM_UNKNOWN,
		   depth <= 5 ? 64 : 0);
	}
}

/* The kernel looks at the first 256 bytes, of which the last is never the name's. */
Test(program, name_at_the_end_of_the_head)
{
	for (size_t length = HEAD - 4; length < HEAD; length++) {
		char text[2 * HEAD] = "#!", *path = text + 2;
		strcpy(path, make_elf_64("program", EM_X86_64, PT_NOTE));
		/* Slashes, so that the path has this length. */
		size_t there = strlen(path), name = strlen("program");
		memmove(path + length - name, path + there - name, name);
		memset(path + there - name, '/', length - there);
		memset(path + length, '\n', 1);
		bool fits = 2 + length < HEAD;
		is(inspect(make("script", text, 2 + length + 1)),
		   fits ? PROGRAM_STATIC : PROGRAM_UNKNOWN, fits ? 64 : 0);
	}
}
