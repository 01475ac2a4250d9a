/* SPDX-License-Identifier: MIT */
/*
 * S14: the list of what was copied, against a map of every single page.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "snapshot/preserve.h"

#define PAGES 64

static void random_windows(struct windows *windows, char *map)
{
	size_t count = (size_t)rand() % 20;

	cr_assert(windows_alloc(windows, count) == 0);
	memset(map, 0, PAGES);
	for (size_t i = 0; i < count; i++) {
		struct window window = { rand() % PAGES, 0 };
		window.end = window.start + rand() % 8;
		if (window.end > PAGES)
			window.end = PAGES;
		windows_add(windows, &window);
		memset(map + window.start, 1, (size_t)(window.end - window.start));
	}
	windows_join(windows);
}

Test(S14, windows_are_in_order_and_apart)
{
	struct windows windows;
	char map[PAGES];

	for (int round = 0; round < 2000; round++) {
		int64_t at = -1;
		random_windows(&windows, map);
		for (size_t i = 0; i < windows.count; i++) {
			cr_assert(windows.list[i].start > at);
			at = windows.list[i].end;
			cr_assert(at > windows.list[i].start);
		}
		windows_free(&windows);
	}
}

Test(S14, gaps_are_what_no_window_has)
{
	struct windows windows;
	struct window gap;
	char map[PAGES];

	for (int round = 0; round < 2000; round++) {
		random_windows(&windows, map);
		int64_t at = rand() % PAGES, end = at + rand() % 20;
		if (end > PAGES)
			end = PAGES;
		while (windows_gap(&windows, at, end, &gap)) {
			for (; at < gap.start; at++)
				cr_assert(map[at], "page %d is in no window", (int)at);
			for (; at < gap.end; at++)
				cr_assert(!map[at], "page %d is in one", (int)at);
		}
		for (; at < end; at++)
			cr_assert(map[at], "page %d is in no window", (int)at);
		windows_free(&windows);
	}
}
