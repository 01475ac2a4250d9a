/* SPDX-License-Identifier: MIT */
/*
 * P1: programs that hide what the linker left in their memory, as packers do: a record that is
 * made meanwhile, with a stack through them, does not touch it.
 */
#include <link.h>

#include "helper.h"

extern const char __ehdr_start[];

static char *header, *frames; /* the ELF header; .eh_frame_hdr */

static int find(struct dl_phdr_info *info, size_t size, void *unused)
{
	header = (char *)((uintptr_t)__ehdr_start & ~(PAGE - 1));
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_GNU_EH_FRAME)
			frames = (char *)((info->dlpi_addr + info->dlpi_phdr[i].p_vaddr) &
					  ~(PAGE - 1));
	return 1;
}

/* ---- ways to hide a page; each undoes what it did ---- */

typedef void hiding(char *page, bool hidden);

static void forbid(char *page, bool hidden)
{
	must(mprotect(page, PAGE, hidden ? PROT_NONE : PROT_READ) == 0);
}

static void move_away(char *page, bool hidden)
{
	static char *elsewhere;

	if (!elsewhere)
		elsewhere = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(mremap(hidden ? page : elsewhere, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		    hidden ? elsewhere : page) == (hidden ? elsewhere : page));
}

static void exchange(char *page, const char *other, char *before)
{
	must(mprotect(page, PAGE, RW) == 0);
	if (before)
		memcpy(before, page, PAGE);
	memcpy(page, other, PAGE);
	must(mprotect(page, PAGE, PROT_READ) == 0);
}

/* Notes that lie nowhere, in segments that are everywhere. */
static void redirect(char *page, bool hidden)
{
	static char before[PAGE], wild[PAGE];
	ElfW(Ehdr) *elf = (void *)wild;

	memcpy(wild, page, PAGE);
	ElfW(Phdr) *segment = (void *)(wild + elf->e_phoff);
	for (int i = 0; hidden && i < elf->e_phnum; i++) {
		if (segment[i].p_type == PT_LOAD)
			segment[i].p_vaddr = 0, segment[i].p_filesz = SIZE_MAX / 2;
		if (segment[i].p_type == PT_NOTE)
			segment[i].p_vaddr = SIZE_MAX / 4, segment[i].p_memsz = PAGE;
	}
	exchange(page, hidden ? wild : before, hidden ? before : NULL);
}

/* ---- a record meanwhile ---- */

struct way {
	hiding *hide;
	char **page;
};

static __attribute__((noinline)) int open_hidden(hiding *hide, char *page, const char *path)
{
	hide(page, true);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	hide(page, false);
	return fd;
}

/* First with another page and a file that nothing is said of: the dynamic linker binds what is
 * called here, and looks into the program for that. */
static void record(const void *argument)
{
	char path[] = "/proc/self/mem", nothing[] = "/dev/null";
	const struct way *way = argument;
	char *other = sure(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	must(dl_iterate_phdr(find, NULL) && *way->page);
	must(open_hidden(way->hide, other, nothing) >= 0);
	must(open_hidden(way->hide, *way->page, path) >= 0);
}

CASE_OF("header/forbid", record, AS(struct way, forbid, &header), HOLDS_BARE)
CASE_OF("header/move", record, AS(struct way, move_away, &header), HOLDS_BARE)
CASE_OF("header/redirect", record, AS(struct way, redirect, &header), HOLDS_BARE)
CASE_OF("frames/forbid", record, AS(struct way, forbid, &frames), HOLDS_BARE)
CASE_OF("frames/move", record, AS(struct way, move_away, &frames), HOLDS_BARE)

CASES_MAIN
