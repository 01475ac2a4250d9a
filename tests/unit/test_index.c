/* SPDX-License-Identifier: MIT */
/*
 * S5: the interval index against a model that is too simple to be wrong: an array with an
 * entry for each page.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "mapping/index.h"

#define PAGE  4096UL
#define PAGES 256
#define BASE  0x100000UL

/* The index only hands the pointer on. */
static struct snapshot *snapshot_number(size_t number)
{
	return (struct snapshot *)(uintptr_t)(number + 1);
}

static uintptr_t at(size_t page)
{
	return BASE + page * PAGE;
}

/* --- the model --- */

static struct cell {
	struct snapshot *snapshot; /* NULL: nothing here */
	int64_t offset;
} model[PAGES], model_removed[PAGES];

static size_t removed_pages;

static void on_removed(const struct piece *piece, void *context)
{
	cr_assert_eq(context, model);
	cr_assert(piece->start < piece->end && piece->start % PAGE == 0 && piece->end % PAGE == 0);
	for (uintptr_t address = piece->start; address < piece->end; address += PAGE) {
		size_t page = (address - BASE) / PAGE;
		cr_assert_eq(model_removed[page].snapshot, piece->snapshot, "page %zu", page);
		cr_assert_eq(model_removed[page].offset,
			     piece->offset + (int64_t)(address - piece->start), "page %zu", page);
		model_removed[page].snapshot = NULL;
		removed_pages++;
	}
}

static size_t model_count(size_t first, size_t last)
{
	size_t count = 0;

	for (size_t page = first; page < last; page++)
		count += model[page].snapshot != NULL;
	return count;
}

static void remove_range(size_t first, size_t last)
{
	size_t expected = model_count(first, last);

	memcpy(model_removed, model, sizeof(model));
	removed_pages = 0;
	cr_assert_eq(index_reserve(), 0);
	index_remove(at(first), at(last), on_removed, model);
	cr_assert_eq(removed_pages, expected, "%zu pages were removed, not %zu", removed_pages,
		     expected);
	memset(&model[first], 0, (last - first) * sizeof(model[0]));
}

static void add_range(size_t first, size_t last, size_t number, int64_t offset)
{
	struct piece piece = { at(first), at(last), offset, snapshot_number(number) };

	cr_assert_eq(index_reserve(), 0);
	index_add(&piece);
	for (size_t page = first; page < last; page++)
		model[page] =
			(struct cell){ piece.snapshot, offset + (int64_t)((page - first) * PAGE) };
}

static void move_range(size_t first, size_t last, size_t target)
{
	struct cell moved[PAGES];
	size_t count = last - first, expected = model_count(target, target + count);

	memcpy(moved, &model[first], count * sizeof(moved[0]));
	memcpy(model_removed, model, sizeof(model));
	removed_pages = 0;
	cr_assert_eq(index_reserve(), 0);
	index_move(at(first), at(last), at(target), on_removed, model);
	cr_assert_eq(removed_pages, expected);
	memset(&model[first], 0, count * sizeof(moved[0]));
	memcpy(&model[target], moved, count * sizeof(moved[0]));
}

/* Walks the index from one end to the other. */
static void compare(void)
{
	struct piece piece;
	size_t pieces = 0, page = 0;
	uintptr_t address = 0;

	for (; index_next(address, &piece); address = piece.end, pieces++) {
		cr_assert(piece.start >= address && piece.start < piece.end, "pieces overlap");
		for (; at(page) < piece.start; page++)
			cr_assert_null(model[page].snapshot, "page %zu is missing", page);
		for (; at(page) < piece.end; page++) {
			cr_assert_eq(model[page].snapshot, piece.snapshot, "page %zu", page);
			cr_assert_eq(model[page].offset,
				     piece.offset + (int64_t)(at(page) - piece.start), "page %zu",
				     page);
		}
	}
	for (; page < PAGES; page++)
		cr_assert_null(model[page].snapshot, "page %zu is missing", page);
	cr_assert_eq(index_count(), pieces);
}

/* May say yes too often, never no too often. */
static void never_misses(void)
{
	for (size_t page = 0; page < PAGES; page++)
		if (model[page].snapshot)
			cr_assert(index_may_touch(at(page), at(page + 1)), "page %zu", page);
	if (!model_count(0, PAGES))
		cr_assert_not(index_may_touch(at(0), at(PAGES)), "nothing is there");
}

/* --- the tests --- */

Test(index, empty)
{
	struct piece piece;

	cr_assert_not(index_next(0, &piece));
	cr_assert_not(index_may_touch(0, UINTPTR_MAX));
	cr_assert_eq(index_count(), 0);
	remove_range(0, PAGES);
}

Test(index, removing_the_middle_leaves_both_ends)
{
	struct piece piece;

	add_range(10, 20, 1, 5 * PAGE);
	remove_range(13, 17);
	compare();
	cr_assert(index_next(at(12), &piece));
	cr_assert_eq(piece.end, at(13));
	cr_assert(index_next(at(13), &piece));
	cr_assert_eq(piece.start, at(17));
	cr_assert_eq(piece.offset, (int64_t)(12 * PAGE));
}

Test(index, removing_across_many)
{
	for (size_t i = 0; i < 20; i++)
		add_range(10 * i, 10 * i + 7, i, 0);
	remove_range(13, 174);
	compare();
	cr_assert_eq(index_count(), 5);
}

Test(index, moving_carries_pieces_along)
{
	add_range(0, 4, 1, 0);
	add_range(6, 9, 2, PAGE);
	add_range(100, 120, 3, 0);
	move_range(2, 8, 108);
	compare();
	cr_assert_eq(index_count(), 6, "%zu pieces", index_count());
}

Test(index, extending)
{
	add_range(3, 5, 1, 0);
	index_extend(at(5), at(9));
	for (size_t page = 5; page < 9; page++)
		model[page] = (struct cell){ snapshot_number(1), (int64_t)((page - 3) * PAGE) };
	compare();
	never_misses();
	index_extend(at(50), at(60)); /* nothing ends there */
	compare();
}

static void random_step(size_t number)
{
	size_t first = (size_t)rand() % PAGES, last = first + 1 + (size_t)rand() % 24;
	size_t target = (size_t)rand() % PAGES;

	if (last > PAGES)
		last = PAGES;
	switch (rand() % 4) {
	case 0:
	case 1:
		remove_range(first, last);
		add_range(first, last, number, (int64_t)((size_t)rand() % 64 * PAGE));
		break;
	case 2:
		remove_range(first, last);
		break;
	default:
		if (target + (last - first) <= PAGES &&
		    (target >= last || target + (last - first) <= first))
			move_range(first, last, target);
	}
}

Test(index, random_against_the_model)
{
	srand(1998);
	for (size_t step = 0; step < 20000; step++) {
		random_step(step);
		if (step % 7 == 0) {
			compare();
			never_misses();
		}
	}
	remove_range(0, PAGES);
	compare();
	never_misses();
}

/* Depth that grows with the number of pieces would take the stack. */
Test(index, many_in_order)
{
	struct piece piece = { .snapshot = snapshot_number(1) };

	for (size_t i = 0; i < 200000; i++) {
		piece.start = BASE + 2 * i * PAGE;
		piece.end = piece.start + PAGE;
		cr_assert_eq(index_reserve(), 0);
		index_add(&piece);
	}
	cr_assert_eq(index_count(), 200000);
	for (size_t i = 0; i < 200000; i += 997) {
		cr_assert(index_next(BASE + 2 * i * PAGE, &piece));
		cr_assert_eq(piece.start, BASE + 2 * i * PAGE);
	}
}
