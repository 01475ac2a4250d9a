/* SPDX-License-Identifier: MIT */
/*
 * The shim's own memory: zeroed, aligned, given back, and never the program's malloc.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "support/arena.h"

static long map_one(void)
{
	return place_map(4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* What was mapped last is the first to be used again, and what stands before it stays. */
Test(arena, addresses_are_used_again)
{
	long first = map_one(), second = map_one();

	for (int i = 0; i < 3; i++) {
		place_unmap(second, 4096);
		cr_assert_eq(map_one(), second);
	}
	place_unmap(first, 4096);
	cr_assert_neq(map_one(), second);
}

static int is_zero(const unsigned char *block, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (block[i])
			return 0;
	return 1;
}

Test(arena, blocks_are_zeroed_and_aligned)
{
	for (size_t size = 0; size < 100000; size = size * 2 + 1) {
		unsigned char *block = arena_alloc(size);
		cr_assert_not_null(block);
		cr_assert_eq((uintptr_t)block % 16, 0);
		cr_assert(is_zero(block, size), "%zu bytes", size);
		memset(block, 0xff, size);
		arena_free(block, size);
		block = arena_alloc(size);
		cr_assert(is_zero(block, size), "%zu bytes, used before", size);
		arena_free(block, size);
	}
}

Test(arena, blocks_do_not_overlap)
{
	enum { COUNT = 3000 };
	static unsigned char *blocks[COUNT];
	static size_t sizes[COUNT];

	srand(7);
	for (size_t i = 0; i < COUNT; i++) {
		sizes[i] = (size_t)rand() % 3000;
		blocks[i] = arena_alloc(sizes[i]);
		cr_assert_not_null(blocks[i]);
		memset(blocks[i], (int)i, sizes[i]);
	}
	for (size_t i = 0; i < COUNT; i++)
		for (size_t j = 0; j < sizes[i]; j++)
			cr_assert_eq(blocks[i][j], (unsigned char)i);
	for (size_t i = 0; i < COUNT; i++)
		arena_free(blocks[i], sizes[i]);
}

Test(arena, what_is_given_back_is_used_again)
{
	size_t before = arena_in_use();
	void *block = arena_alloc(100), *again;

	cr_assert_eq(arena_in_use(), before + 100);
	arena_free(block, 100);
	cr_assert_eq(arena_in_use(), before);
	again = arena_alloc(120); /* the same size class */
	cr_assert_eq(again, block);
	arena_free(again, 120);
	arena_free(NULL, 5);
	cr_assert_eq(arena_in_use(), before);
}

Test(arena, large_blocks)
{
	size_t size = (10u << 20) + 1, before = arena_in_use();
	char *block = arena_alloc(size);

	cr_assert_not_null(block);
	block[0] = block[size - 1] = 1;
	cr_assert_eq(arena_in_use(), before + size);
	arena_free(block, size);
	cr_assert_eq(arena_in_use(), before);
	cr_assert(msync(block + size - 1, 1, MS_ASYNC) == -1 && errno == ENOMEM, "still mapped");
	cr_assert_null(arena_alloc(SIZE_MAX));
	cr_assert_null(arena_alloc(SIZE_MAX / 2));
	cr_assert_eq(arena_in_use(), before, "a failure was counted");
}

Test(arena, strings)
{
	char *copy = arena_strdup("a path with \377 in it");

	cr_assert_str_eq(copy, "a path with \377 in it");
	arena_free(copy, strlen(copy) + 1);
	copy = arena_strdup("");
	cr_assert_str_empty(copy);
	arena_free(copy, 1);
}

static void *churn(void *seed)
{
	unsigned int state = (unsigned int)(uintptr_t)seed;
	unsigned char *blocks[32] = { 0 };
	size_t sizes[32] = { 0 };

	for (int i = 0; i < 20000; i++) {
		size_t slot = (size_t)rand_r(&state) % 32;
		if (blocks[slot]) {
			cr_assert_eq(blocks[slot][0], (unsigned char)(uintptr_t)seed);
			cr_assert_eq(blocks[slot][sizes[slot] - 1], (unsigned char)(uintptr_t)seed);
			arena_free(blocks[slot], sizes[slot]);
		}
		sizes[slot] = 1 + (size_t)rand_r(&state) % 40000;
		blocks[slot] = arena_alloc(sizes[slot]);
		blocks[slot][0] = blocks[slot][sizes[slot] - 1] = (unsigned char)(uintptr_t)seed;
	}
	for (size_t slot = 0; slot < 32; slot++)
		arena_free(blocks[slot], sizes[slot]);
	return NULL;
}

Test(arena, threads)
{
	pthread_t threads[4];
	size_t before = arena_in_use();

	for (uintptr_t i = 0; i < 4; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)), 0);
	for (size_t i = 0; i < 4; i++)
		cr_assert_eq(pthread_join(threads[i], NULL), 0);
	cr_assert_eq(arena_in_use(), before);
}
