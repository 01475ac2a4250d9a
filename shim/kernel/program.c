/* SPDX-License-Identifier: MIT */
/*
 * Reading program files: see program.h. Raw calls, one page of stack at most: it runs
 * before exec, also in a child of vfork.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "kernel/program.h"
#include "kernel/raw.h"

#define HEAD_BYTES	  256
#define INTERPRETER_DEPTH 5 /* as the kernel has it */
#define MAX_HEADERS	  64

static bool changes_identity(int fd, const struct statx *st)
{
	char capability[32];

	if (raw(SYS_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return false;
	if (st->stx_mode & S_ISUID && st->stx_uid != (uint32_t)raw(SYS_getuid))
		return true;
	if ((st->stx_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
	    st->stx_gid != (uint32_t)raw(SYS_getgid))
		return true;
	return raw(SYS_getuid) != 0 &&
	       raw(SYS_fgetxattr, fd, "security.capability", capability, sizeof(capability)) > 0;
}

static bool has_interpreter_64(int fd, const Elf64_Ehdr *header)
{
	for (int i = 0; i < header->e_phnum && i < MAX_HEADERS; i++) {
		Elf64_Phdr program;
		int64_t at = (int64_t)header->e_phoff + (int64_t)i * header->e_phentsize;
		if (raw_pread(fd, &program, sizeof(program), at) == sizeof(program) &&
		    program.p_type == PT_INTERP)
			return true;
	}
	return false;
}

static bool has_interpreter_32(int fd, const Elf32_Ehdr *header)
{
	for (int i = 0; i < header->e_phnum && i < MAX_HEADERS; i++) {
		Elf32_Phdr program;
		int64_t at = (int64_t)header->e_phoff + (int64_t)i * header->e_phentsize;
		if (raw_pread(fd, &program, sizeof(program), at) == sizeof(program) &&
		    program.p_type == PT_INTERP)
			return true;
	}
	return false;
}

static void inspect_elf(int fd, const void *head, struct program *out)
{
	const Elf64_Ehdr *header64 = head;
	const Elf32_Ehdr *header32 = head;
	bool interpreted;

	out->kind = PROGRAM_FOREIGN;
	if (header64->e_ident[EI_CLASS] == ELFCLASS64 && header64->e_machine == EM_X86_64) {
		out->bits = 64;
		interpreted = has_interpreter_64(fd, header64);
	} else if (header32->e_ident[EI_CLASS] == ELFCLASS32 && header32->e_machine == EM_386) {
		out->bits = 32;
		interpreted = has_interpreter_32(fd, header32);
	} else {
		return;
	}
	out->kind = interpreted ? PROGRAM_DYNAMIC : PROGRAM_STATIC;
}

/* "#! /path argument": the path, ended with a NUL, in place; NULL when there is none. */
static char *interpreter_of(char *head)
{
	char *at = head + 2;

	while (*at == ' ' || *at == '\t')
		at++;
	at[strcspn(at, " \t\n")] = 0;
	return *at ? at : NULL;
}

/* 0: inspected. 1: head holds a script. */
static int inspect_file(int fd, char *head, struct program *out)
{
	struct statx st;
	long got = raw_pread(fd, head, HEAD_BYTES - 1, 0);

	if (got < 0 || raw_fstat(fd, &st))
		return 0;
	head[got] = 0;
	if (got >= 2 && head[0] == '#' && head[1] == '!')
		return 1;
	if ((size_t)got < sizeof(Elf64_Ehdr) || memcmp(head, ELFMAG, SELFMAG))
		return 0;
	inspect_elf(fd, head, out);
	if (out->kind == PROGRAM_DYNAMIC && changes_identity(fd, &st))
		out->kind = PROGRAM_SET_ID;
	return 0;
}

void program_inspect(int directory, const char *path, struct program *out)
{
	char head[HEAD_BYTES] __attribute__((aligned(8)));

	*out = (struct program){ .kind = PROGRAM_UNKNOWN };
	for (int depth = 0; path && depth <= INTERPRETER_DEPTH; depth++) {
		bool empty = !path[0];
		int fd = empty ? directory
			       : (int)raw(SYS_openat, directory, path,
					  O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
		if (fd < 0)
			return;
		int script = inspect_file(fd, head, out);
		if (!empty)
			raw_close(fd);
		if (!script)
			return;
		path = interpreter_of(head);
		directory = AT_FDCWD;
	}
}
