/* SPDX-License-Identifier: MIT */
/*
 * Looks for system call instructions in a program's code: see own_calls.h. The two bytes of one
 * stand in other instructions too; before a real one stands the call's number, or what follows
 * looks at the result or returns. In 1,500 programs of Debian nothing else was found so.
 */
#include <fcntl.h>
#include <gelf.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/run/run.h"

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

static size_t look_at(Elf *elf)
{
	size_t size = 0, segments = 0, count = 0;
	const unsigned char *file = (void *)elf_rawfile(elf, &size);
	GElf_Ehdr header;
	GElf_Phdr segment;

	if (!file || !gelf_getehdr(elf, &header) || elf_getphdrnum(elf, &segments) ||
	    (header.e_machine != EM_X86_64 && header.e_machine != EM_386))
		return 0;
	for (size_t i = 0; i < segments && gelf_getphdr(elf, (int)i, &segment); i++)
		if (segment.p_type == PT_LOAD && segment.p_flags & PF_X &&
		    segment.p_offset < size && segment.p_filesz <= size - segment.p_offset)
			count += count_calls(file + segment.p_offset, segment.p_filesz,
					     header.e_machine == EM_X86_64);
	return count;
}

size_t own_calls(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	size_t count = 0;

	elf_version(EV_CURRENT);
	if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode)) {
		Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);

		count = elf ? look_at(elf) : 0;
		elf_end(elf);
	}
	if (fd >= 0)
		close(fd);
	return count;
}
