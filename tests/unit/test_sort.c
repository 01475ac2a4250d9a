/* SPDX-License-Identifier: MIT */
/*
 * What is put in order without memory.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/sort.h"

struct element {
	uint64_t key;
	char rest[40]; /* is to go with it */
};

static uint64_t key_of(const void *element)
{
	return ((const struct element *)element)->key;
}

static void check(const struct element *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		cr_assert(!i || list[i - 1].key <= list[i].key, "element %zu of %zu", i, count);
		cr_assert((uint64_t)atoll(list[i].rest) == list[i].key);
	}
}

Test(sort, any_number_in_any_order)
{
	enum { MOST = 300 };
	static struct element list[MOST];

	srand(1);
	for (size_t count = 0; count <= MOST; count++) {
		for (size_t i = 0; i < count; i++) {
			list[i].key = (uint64_t)rand() % (count + 1);
			snprintf(list[i].rest, sizeof(list[i].rest), "%d", (int)list[i].key);
		}
		sort(list, count, sizeof(*list), key_of);
		check(list, count);
	}
}
