/* SPDX-License-Identifier: MIT */
/*
 * Sorting, joining and looking up parts of a file: see windows.h. On bare threads too, so that
 * libc's qsort, which may allocate, is out of the question.
 */
#include <errno.h>

#include "snapshot/windows.h"
#include "support/arena.h"

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

/* ---- a heap sort ---- */

static void swap(struct window *a, struct window *b)
{
	struct window c = *a;

	*a = *b;
	*b = c;
}

static void sift_down(struct window *list, size_t at, size_t count)
{
	for (size_t child; (child = 2 * at + 1) < count; at = child) {
		if (child + 1 < count && list[child].start < list[child + 1].start)
			child++;
		if (list[child].start <= list[at].start)
			return;
		swap(&list[child], &list[at]);
	}
}

static void sort(struct window *list, size_t count)
{
	for (size_t at = count / 2; at-- > 0;)
		sift_down(list, at, count);
	for (; count > 1; count--) {
		swap(&list[0], &list[count - 1]);
		sift_down(list, 0, count - 1);
	}
}

void windows_join(struct windows *windows)
{
	struct window *list = windows->list;
	size_t kept = 0;

	sort(list, windows->count);
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
