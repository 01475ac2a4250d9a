/* SPDX-License-Identifier: MIT */
/*
 * What only the whole of a program file tells; the library has no time for it before an exec.
 */
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "kernel/program.h"

static void *map_file(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	void *map = MAP_FAILED;
	struct stat st;

	if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode))
		map = mmap(NULL, *size = (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (fd >= 0)
		close(fd);
	return map == MAP_FAILED ? NULL : map;
}

/* The two bytes of a system call instruction stand in other instructions too; before a real one
 * stands the call's number, or what follows looks at the result or returns. In 1,500 programs of
 * Debian nothing else was found so. */

struct bytes {
	unsigned char length, at[6];
};

/* syscall; int $0x80 and libc's way of it. */
static const struct bytes calls64[] = { { 2, { 0x0f, 0x05 } }, { 0 } };
static const struct bytes calls32[] = { { 2, { 0xcd, 0x80 } },
					{ 6, { 0x65, 0xff, 0x15, 0x10, 0, 0 } },
					{ 0 } };

/* cmp with -4095 or -4096, test, cltq, cmp with a small one, test, ret. */
static const struct bytes after[] = {
	{ 2, { 0x48, 0x3d } },
	{ 3, { 0x48, 0x85, 0xc0 } },
	{ 3, { 0x3d, 0x00, 0xf0 } },
	{ 3, { 0x3d, 0x01, 0xf0 } },
	{ 2, { 0x48, 0x98 } },
	{ 2, { 0x83, 0xf8 } },
	{ 2, { 0x85, 0xc0 } },
	{ 1, { 0xc3 } },
	{ 0 },
};

static size_t one_of(const struct bytes *list, const unsigned char *at, size_t left)
{
	for (; list->length; list++)
		if (list->length <= left && !memcmp(at, list->at, list->length))
			return list->length;
	return 0;
}

/* mov $number, %eax, so many bytes before at most. */
static bool number_before(const unsigned char *code, size_t at, size_t most)
{
	for (size_t back = 5; back <= most && back <= at; back++) {
		const unsigned char *move = code + at - back;

		if (move[0] == 0xb8 && move[2] < 4 && !move[3] && !move[4])
			return true;
	}
	return false;
}

/* The number at once before it, or what looks at the result behind; or the number some way before
 * and, of 64 bits, the result being moved. */
static bool is_call(const unsigned char *code, size_t size, size_t at, size_t length, bool wide)
{
	static const struct bytes moved[] = { { 2, { 0x48, 0x89 } }, { 0 } };
	const unsigned char *behind = code + at + length;
	size_t left = size - at - length;

	return number_before(code, at, 5) || one_of(after, behind, left) ||
	       (number_before(code, at, 24) && (!wide || one_of(moved, behind, left)));
}

static size_t count_calls(const unsigned char *code, size_t size, bool wide)
{
	const struct bytes *calls = wide ? calls64 : calls32;
	size_t count = 0;

	for (size_t i = 0; i < size; i++) {
		size_t length = one_of(calls, code + i, size - i);

		count += length && is_call(code, size, i, length, wide);
	}
	return count;
}

/* The header of a segment as the larger word size has it; false: there is none, or it lies. */
static bool segment_of(const unsigned char *file, size_t size, size_t i, Elf64_Phdr *out)
{
	const Elf64_Ehdr *header = (const void *)file;
	const Elf32_Ehdr *header32 = (const void *)file;
	bool wide = file[EI_CLASS] == ELFCLASS64;
	size_t at = wide ? header->e_phoff : header32->e_phoff;
	size_t each = wide ? sizeof(*out) : sizeof(Elf32_Phdr);
	Elf32_Phdr small;

	if (i >= (wide ? header->e_phnum : header32->e_phnum) || at > size ||
	    (i + 1) * each > size - at)
		return false;
	memcpy(wide ? (void *)out : &small, file + at + i * each, each);
	if (!wide)
		*out = (Elf64_Phdr){ .p_type = small.p_type,
				     .p_flags = small.p_flags,
				     .p_offset = small.p_offset,
				     .p_filesz = small.p_filesz };
	return true;
}

static size_t count_in(const unsigned char *file, size_t size)
{
	const Elf64_Ehdr *header = (const void *)file;
	Elf64_Phdr segment;
	size_t count = 0;

	if (size < sizeof(*header) || memcmp(file, ELFMAG, SELFMAG) ||
	    (header->e_machine != EM_X86_64 && header->e_machine != EM_386))
		return 0;
	for (size_t i = 0; segment_of(file, size, i, &segment); i++)
		if (segment.p_type == PT_LOAD && segment.p_flags & PF_X &&
		    segment.p_offset < size && segment.p_filesz <= size - segment.p_offset)
			count += count_calls(file + segment.p_offset, segment.p_filesz,
					     header->e_machine == EM_X86_64);
	return count;
}

/* Of what needs no loader, yet is no static program, it is the loader itself. */
static bool is_loader(const char *path)
{
	struct program program;

	program_inspect(AT_FDCWD, path, &program);
	return program.kind == PROGRAM_DYNAMIC && !*program.loader;
}

size_t program_own_calls(const char *path)
{
	size_t size, count;
	void *file = is_loader(path) ? NULL : map_file(path, &size);

	if (!file)
		return 0;
	count = count_in(file, size);
	munmap(file, size);
	return count;
}

bool program_libc_is_old(const char *loader)
{
	static const char needed[] = "GLIBC_2.5";
	char path[PATH_MAX], libc[PATH_MAX + 16];
	char *slash = realpath(loader, path) ? strrchr(path, '/') : NULL;
	size_t size;

	snprintf(libc, sizeof(libc), "%.*s/libc.so.6", slash ? (int)(slash - path) : 0, path);
	void *map = slash ? map_file(libc, &size) : NULL;
	bool old = map && !memmem(map, size, needed, sizeof(needed));

	if (map)
		munmap(map, size);
	return old;
}
