/* SPDX-License-Identifier: MIT */
/*
 * A heap sort.
 */
#include <string.h>

#include "support/sort.h"

struct heap {
	char *list;
	size_t size;
	sort_key *key;
};

static char *at(const struct heap *heap, size_t i)
{
	return heap->list + i * heap->size;
}

static uint64_t key_at(const struct heap *heap, size_t i)
{
	return heap->key(at(heap, i));
}

static void swap(const struct heap *heap, size_t i, size_t j)
{
	char other[64];

	memcpy(other, at(heap, i), heap->size);
	memcpy(at(heap, i), at(heap, j), heap->size);
	memcpy(at(heap, j), other, heap->size);
}

static void sift_down(const struct heap *heap, size_t i, size_t count)
{
	for (size_t child; (child = 2 * i + 1) < count; i = child) {
		if (child + 1 < count && key_at(heap, child) < key_at(heap, child + 1))
			child++;
		if (key_at(heap, child) <= key_at(heap, i))
			return;
		swap(heap, child, i);
	}
}

void sort(void *list, size_t count, size_t size, sort_key *key)
{
	const struct heap heap = { list, size, key };

	for (size_t i = count / 2; i-- > 0;)
		sift_down(&heap, i, count);
	while (count > 1) {
		swap(&heap, 0, --count);
		sift_down(&heap, 0, count);
	}
}
