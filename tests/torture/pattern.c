/* SPDX-License-Identifier: MIT */
/*
 * What is in the files: every 16 bytes say which file, generation, page and place they
 * belong to, with a checksum, so that a wrong byte tells where it comes from. Size and
 * holes follow from the generation too.
 */
#include <stdio.h>
#include <string.h>

#include "torture.h"

struct mark {
	uint32_t file, generation, page, check;
};

#define FILE_TAG 0x5ea10000u

static uint32_t mix(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	uint32_t h = a * 0x9e3779b1u ^ (b + 0x7f4a7c15u) * 0x85ebca6bu;

	h ^= (h >> 15) + c * 0xc2b2ae35u;
	h *= 0x27d4eb2fu;
	h ^= (h >> 13) + d * 0x165667b1u;
	h *= 0x9e3779b1u;
	return h ^ h >> 16;
}

/* Smallest and largest, in bytes; how many pages belong together in being a hole, and how many of
 * so many such groups are data: 0 for a file without holes. */
static const struct kind {
	uint32_t least, most, group, data;
} kinds[ACTIVE] = {
	{ 0, PAGE - 1, 0, 0 },
	{ 1, 3 * PAGE, 0, 0 },
	{ 4 * PAGE, 4 * PAGE, 0, 0 },
	{ 3 * PAGE, 40 * PAGE, 0, 0 },
	{ 3 * PAGE, 40 * PAGE, 0, 0 },
	{ 3 * PAGE, 40 * PAGE, 0, 0 },
	{ 200 * PAGE, 400 * PAGE, 0, 0 },
	{ 1000 * PAGE, 1500 * PAGE, 0, 0 },
	{ 10 * PAGE, 60 * PAGE, 1, 2 },
	{ 2000 * PAGE, 4000 * PAGE, 16, 16 },
	{ 1, 16 * PAGE, 0, 0 },
	{ 1, 300, 0, 0 },
};

static const struct kind cold = { 1, 2 * PAGE, 0, 0 };

static const struct kind *kind_of(int file)
{
	return file < ACTIVE ? &kinds[file] : &cold;
}

/* Some generations after one another have the same size: files also change in place. */
uint64_t pattern_size(int file, uint32_t generation)
{
	const struct kind *kind = kind_of(file);

	return kind->least +
	       mix((uint32_t)file, generation / 4, 1, 0) % (kind->most - kind->least + 1);
}

bool pattern_hole(int file, uint32_t generation, uint64_t page)
{
	const struct kind *kind = kind_of(file);

	return kind->data &&
	       mix((uint32_t)file, generation, (uint32_t)page / kind->group, 2) % kind->data;
}

static struct mark mark_of(int file, uint32_t generation, uint64_t page, uint32_t index)
{
	return (struct mark){
		FILE_TAG | (uint32_t)file,
		generation,
		(uint32_t)page,
		mix((uint32_t)file, generation, (uint32_t)page, index + 1000),
	};
}

void pattern_page(int file, uint32_t generation, uint64_t size, uint64_t page, void *out)
{
	struct mark *marks = out;
	uint64_t start = page * PAGE;

	if (start >= size || pattern_hole(file, generation, page)) {
		memset(out, 0, PAGE);
		return;
	}
	for (uint32_t i = 0; i < PAGE / sizeof(*marks); i++)
		marks[i] = mark_of(file, generation, page, i);
	if (size - start < PAGE)
		memset((char *)out + (size - start), 0, PAGE - (size_t)(size - start));
}

static bool all_zero(const unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i])
			return false;
	return true;
}

void pattern_describe(const unsigned char *page, size_t offset, char *out, size_t size)
{
	struct mark mark, right;
	uint32_t index = (uint32_t)(offset / sizeof(mark));

	memcpy(&mark, page + index * sizeof(mark), sizeof(mark));
	right = mark_of((int)(mark.file & 0xffff), mark.generation, mark.page, index);
	if (all_zero((void *)&mark, sizeof(mark)))
		snprintf(out, size, "zeros%s", all_zero(page, PAGE) ? " (all the page)" : "");
	else if ((mark.file & 0xffff0000u) != FILE_TAG || memcmp(&mark, &right, sizeof(mark)))
		snprintf(out, size, "%08x %08x %08x %08x", mark.file, mark.generation, mark.page,
			 mark.check);
	else
		snprintf(out, size, "file %u generation %u page %u", mark.file & 0xffff,
			 mark.generation, mark.page);
}

void path_of(int file, char *out, size_t size)
{
	snprintf(out, size, "%s/file%03d", directory, file);
}
