/* SPDX-License-Identifier: MIT */
/*
 * Joining and looking up parts of a file. On bare threads too.
 */
#include <errno.h>

#include "snapshot/windows.h"
#include "support/arena.h"
#include "support/sort.h"

int windows_alloc(struct windows *windows, size_t capacity)
{
	*windows = (struct windows){ .capacity = capacity ? capacity : 1 };
	windows->list = arena_alloc(windows->capacity * sizeof(*windows->list));
	return windows->list ? 0 : -ENOMEM;
}

void windows_free(struct windows *windows)
{
	arena_free(windows->list, windows->capacity * sizeof(*windows->list));
	windows->list = NULL;
}

void windows_add(struct windows *windows, const struct window *window)
{
	if (window->start < window->end)
		windows->list[windows->count++] = *window;
}

/* Files have no negative offsets. */
static uint64_t start_of(const void *window)
{
	return (uint64_t)((const struct window *)window)->start;
}

void windows_join(struct windows *windows)
{
	struct window *list = windows->list;
	size_t kept = 0;

	sort(list, windows->count, sizeof(*list), start_of);
	for (size_t i = 0; i < windows->count; i++) {
		if (!kept || list[i].start > list[kept - 1].end)
			list[kept++] = list[i];
		else if (list[i].end > list[kept - 1].end)
			list[kept - 1].end = list[i].end;
	}
	windows->count = kept;
}

/* How many begin at or below at. */
static size_t begin_by(const struct windows *windows, int64_t at)
{
	size_t low = 0, high = windows->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (windows->list[middle].start <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool windows_gap(const struct windows *windows, int64_t at, int64_t end, struct window *out)
{
	size_t next = begin_by(windows, at);

	if (next && windows->list[next - 1].end > at)
		at = windows->list[next - 1].end;
	if (next < windows->count && windows->list[next].start < end)
		end = windows->list[next].start;
	*out = (struct window){ at, end };
	return at < end;
}
