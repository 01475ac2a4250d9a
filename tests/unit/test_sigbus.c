/* SPDX-License-Identifier: MIT */
/*
 * S17: what of a mapping is beyond the end of its file.
 */
#include <criterion/criterion.h>
#include <sys/mman.h>

#include "sigbus/sigbus.h"

#define START 0x10000000UL
#define PAGES 16

/* A mapping of a file from this offset on; the file has so many bytes; that page is touched. */
static void given(struct sigbus *it, int64_t mapped_from, int64_t size, size_t page)
{
	*it = (struct sigbus){
		.address = START + page * 4096 + 5,
		.area = { .start = START,
			  .end = START + PAGES * 4096,
			  .offset = (uint64_t)mapped_from,
			  .protection = PROT_READ },
		.offset = mapped_from + (int64_t)page * 4096,
		.size = size,
	};
}

static bool cut(int64_t mapped_from, int64_t size, size_t page)
{
	static struct sigbus it;

	given(&it, mapped_from, size, page);
	sigbus_judge(&it);
	return it.trouble == BEYOND_END;
}

Test(sigbus, a_page_with_a_byte_of_the_file_is_not_cut)
{
	cr_assert(cut(0, 4096, 1));
	cr_assert(!cut(0, 4097, 1));
	cr_assert(!cut(0, 4096, 0));
	cr_assert(cut(0, 0, 0));
	cr_assert(cut(8192, 8192, 0));
	cr_assert(!cut(8192, 8193, 0));
}

Test(sigbus, a_size_that_is_not_known_is_taken_for_cut)
{
	cr_assert(cut(0, -1, 3));
}

/* The first page that is replaced, counted from the start of the mapping. */
static size_t first(int64_t mapped_from, int64_t size, size_t page)
{
	static struct sigbus it;
	struct rescue range;

	given(&it, mapped_from, size, page);
	sigbus_rescue_range(&it, &range);
	cr_assert_eq(range.end, START + PAGES * 4096);
	cr_assert_eq(range.protection, PROT_READ);
	cr_assert_eq(range.start % 4096, 0);
	return (range.start - START) / 4096;
}

Test(sigbus, zeros_begin_at_the_first_page_without_the_file)
{
	cr_assert_eq(first(0, 0, 9), 0);
	cr_assert_eq(first(0, 1, 9), 1);
	cr_assert_eq(first(0, 4096, 9), 1);
	cr_assert_eq(first(0, 4097, 9), 2);
	cr_assert_eq(first(0, 9 * 4096, 9), 9);
}

Test(sigbus, zeros_of_a_part_begin_within_it)
{
	cr_assert_eq(first(5 * 4096, 4096, 9), 0);
	cr_assert_eq(first(5 * 4096, 7 * 4096 + 1, 9), 3);
	cr_assert_eq(first(5LL << 32, (5LL << 32) + 4097, 9), 2);
}

Test(sigbus, zeros_of_a_file_of_unknown_size_begin_at_the_page)
{
	cr_assert_eq(first(0, -1, 9), 9);
}
