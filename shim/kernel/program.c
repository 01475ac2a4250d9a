/* SPDX-License-Identifier: MIT */
/*
 * Reading program files: see program.h. Raw calls, one page of stack at most: it runs
 * before exec, also in a child of vfork.
 */
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

#include "kernel/program.h"
#include "support/sys.h"

#define HEAD_BYTES	  256
#define INTERPRETER_DEPTH 5 /* as the kernel has it */
#define MAX_HEADERS	  64

static bool changes_identity(int fd, const struct statx *st)
{
	char capability[32];
	struct statfs64 fs;

	if (sys_prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ||
	    (!sys_fstatfs(fd, &fs) && fs.f_flags & ST_NOSUID))
		return false;
	if (st->stx_mode & S_ISUID && st->stx_uid != sys_getuid())
		return true;
	if ((st->stx_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
	    st->stx_gid != sys_getgid())
		return true;
	return sys_getuid() != 0 &&
	       sys_fgetxattr(fd, "security.capability", capability, sizeof(capability)) > 0;
}

/* ---- what both word sizes have, as the larger has it ---- */

static bool is_64_bit(const Elf64_Ehdr *header)
{
	return header->e_ident[EI_CLASS] == ELFCLASS64;
}

static bool read_segment(int fd, const Elf64_Ehdr *header, int i, Elf64_Phdr *out)
{
	const Elf32_Ehdr *header32 = (const void *)header;
	Elf32_Phdr small;

	if (is_64_bit(header))
		return i < header->e_phnum &&
		       sys_pread(fd, out, sizeof(*out),
				 (int64_t)header->e_phoff + (int64_t)i * header->e_phentsize) ==
			       sizeof(*out);
	if (i >= header32->e_phnum ||
	    sys_pread(fd, &small, sizeof(small),
		      (int64_t)header32->e_phoff + (int64_t)i * header32->e_phentsize) !=
		    sizeof(small))
		return false;
	*out = (Elf64_Phdr){ .p_type = small.p_type, .p_offset = small.p_offset };
	return true;
}

static bool find_segment(int fd, const Elf64_Ehdr *header, uint32_t type, Elf64_Phdr *out)
{
	for (int i = 0; i < MAX_HEADERS && read_segment(fd, header, i, out); i++)
		if (out->p_type == type)
			return true;
	return false;
}

static bool read_dynamic(int fd, const Elf64_Ehdr *header, uint64_t at, int i, Elf64_Dyn *out)
{
	Elf32_Dyn small;

	if (is_64_bit(header))
		return sys_pread(fd, out, sizeof(*out), (int64_t)at + i * (int)sizeof(*out)) ==
		       sizeof(*out);
	if (sys_pread(fd, &small, sizeof(small), (int64_t)at + i * (int)sizeof(small)) !=
	    sizeof(small))
		return false;
	out->d_tag = small.d_tag;
	out->d_un.d_val = small.d_un.d_val;
	return true;
}

/* The dynamic linker itself, started by hand, preloads as when the kernel starts it. In its file
 * the strings are where they are in memory. */
static bool is_loader(int fd, const Elf64_Ehdr *header)
{
	static const char name[] = "ld-linux";
	char found[sizeof(name) - 1];
	uint64_t strings = 0, at = 0;
	Elf64_Phdr segment;
	Elf64_Dyn entry;

	if (!find_segment(fd, header, PT_DYNAMIC, &segment))
		return false;
	for (int i = 0; i < MAX_HEADERS && read_dynamic(fd, header, segment.p_offset, i, &entry) &&
			entry.d_tag != DT_NULL;
	     i++) {
		if (entry.d_tag == DT_STRTAB)
			strings = entry.d_un.d_val;
		if (entry.d_tag == DT_SONAME)
			at = entry.d_un.d_val;
	}
	return strings && at &&
	       sys_pread(fd, found, sizeof(found), (int64_t)(strings + at)) == sizeof(found) &&
	       !memcmp(found, name, sizeof(found));
}

static void inspect_elf(int fd, const Elf64_Ehdr *header, struct program *out)
{
	Elf64_Phdr interpreter;

	out->kind = PROGRAM_FOREIGN; /* e_machine is at the same place in both */
	if (is_64_bit(header) && header->e_machine == EM_X86_64)
		out->bits = 64;
	else if (header->e_ident[EI_CLASS] == ELFCLASS32 && header->e_machine == EM_386)
		out->bits = 32;
	else
		return;
	bool loaded = find_segment(fd, header, PT_INTERP, &interpreter);

	if (loaded)
		sys_pread(fd, out->loader, sizeof(out->loader) - 1, (int64_t)interpreter.p_offset);
	out->kind = loaded || is_loader(fd, header) ? PROGRAM_DYNAMIC : PROGRAM_STATIC;
	if (strstr(out->loader, "/ld-musl"))
		out->kind = PROGRAM_MUSL;
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
	long got = sys_pread(fd, head, HEAD_BYTES - 1, 0);

	if (got < 0 || sys_fstat(fd, &st))
		return 0;
	head[got] = 0;
	if (got >= 2 && head[0] == '#' && head[1] == '!')
		return 1;
	if ((size_t)got < sizeof(Elf64_Ehdr) || memcmp(head, ELFMAG, SELFMAG))
		return 0;
	inspect_elf(fd, (const Elf64_Ehdr *)head, out);
	if (out->kind == PROGRAM_DYNAMIC && changes_identity(fd, &st))
		out->kind = PROGRAM_SET_ID;
	return 0;
}

/* What may be executed without being read: that it changes identity can be seen all the same. */
static void inspect_unreadable(int directory, const char *path, struct program *out)
{
	int fd = sys_openat(directory, path, O_PATH | O_CLOEXEC, 0);
	struct statx st;

	if (fd < 0)
		return;
	if (!sys_fstat(fd, &st) && S_ISREG(st.stx_mode) && !sys_faccessat(directory, path, X_OK))
		out->kind = changes_identity(fd, &st) ? PROGRAM_SET_ID : PROGRAM_UNREADABLE;
	sys_close(fd);
}

void program_inspect(int directory, const char *path, struct program *out)
{
	char head[HEAD_BYTES] __attribute__((aligned(8))), link[FD_LINK_BYTES];

	*out = (struct program){ .kind = PROGRAM_UNKNOWN };
	/* A descriptor that only names its file cannot be read from. */
	if (path && !path[0] && sys_fcntl(directory, F_GETFL, 0) & O_PATH) {
		sys_fd_link(directory, link);
		path = link;
	}
	for (int depth = 0; path && depth <= INTERPRETER_DEPTH; depth++) {
		bool empty = !path[0];
		int fd = empty ? directory
			       : sys_openat(directory, path,
					    O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
		if (fd == -EACCES)
			inspect_unreadable(directory, path, out);
		if (fd < 0)
			return;
		int script = inspect_file(fd, head, out);
		if (!empty)
			sys_close(fd);
		if (!script)
			return;
		path = interpreter_of(head);
		memcpy(out->interpreter, path ? path : "", path ? strlen(path) + 1 : 1);
		directory = AT_FDCWD;
	}
}

/* Among the notes of one segment. */
static bool is_go_note(const ElfW(Nhdr) * note, size_t size)
{
	while (size >= sizeof(*note) + 4) {
		size_t length = sizeof(*note) + ((note->n_namesz + 3) & ~3UL) +
				((note->n_descsz + 3) & ~3UL);

		if (note->n_namesz == 4 && !memcmp(note + 1, "Go", 3))
			return true;
		if (length >= size)
			return false;
		note = (const void *)((const char *)note + length);
		size -= length;
	}
	return false;
}

bool program_is_go(void)
{
	const ElfW(Phdr) *segments = (const void *)auxiliary(AT_PHDR);
	unsigned long count = segments ? auxiliary(AT_PHNUM) : 0;
	uintptr_t bias = 0;
	bool found = false;

	for (unsigned long i = 0; i < count; i++)
		if (segments[i].p_type == PT_PHDR)
			bias = (uintptr_t)segments - segments[i].p_vaddr;
	for (unsigned long i = 0; i < count && !found; i++)
		found = segments[i].p_type == PT_NOTE &&
			is_go_note((const void *)(bias + segments[i].p_vaddr), segments[i].p_memsz);
	return found;
}

const struct gap *program_gap(const struct program *program, bool library)
{
	static const struct gap gaps[] = {
		[PROGRAM_STATIC] = { "static", "statically linked, so that no library can be "
					       "preloaded into it" },
		[PROGRAM_SET_ID] = { "set-id", "set-uid, set-gid or has file capabilities, so that "
					       "the dynamic linker drops the preload" },
		[PROGRAM_FOREIGN] = { "architecture", "a program for another architecture, and "
						      "mmfence is for x86-64 and i386" },
		[PROGRAM_UNREADABLE] = { "unreadable",
					 "not to be read, so that nobody knows whether a library "
					 "can be preloaded into it" },
		[PROGRAM_MUSL] = { "libc", "linked with the C library musl, and mmfence is made "
					   "for glibc" },
	};
	static const struct gap word_sizes[] = {
		{ "architecture",
		  "a 64-bit program, and the 64-bit libmmfence.so is not installed" },
		{ "architecture",
		  "a 32-bit program, and the 32-bit libmmfence.so is not installed" },
	};

	if (program->kind == PROGRAM_UNKNOWN)
		return NULL;
	if (program->kind != PROGRAM_DYNAMIC)
		return &gaps[program->kind];
	return library ? NULL : &word_sizes[program->bits == 32];
}
