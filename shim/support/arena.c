/* SPDX-License-Identifier: MIT */
/*
 * Power-of-two size classes with free lists, cut from chunks of raw mmap; what is
 * larger than a chunk's half has a mapping of its own. See arena.h.
 */
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "support/sys.h"
#include "support/arena.h"
#include "support/fault.h"
#include "support/lock.h"

#define CHUNK_BYTES (64 * 1024UL)
#define CLASS_MIN   4  /* 16 bytes */
#define CLASS_MAX   15 /* 32 KiB */
#define CLASS_COUNT (CLASS_MAX - CLASS_MIN + 1)

struct free_block {
	struct free_block *next;
};

static struct lock arena_lock;
static struct free_block *free_lists[CLASS_COUNT];
static char first[CHUNK_BYTES] LARGE __attribute__((aligned(16)));
static char *chunk = first, *chunk_end = first + CHUNK_BYTES;
static size_t in_use;

static void *pages_get(size_t size)
{
	long r = place_map(size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return sys_failed(r) ? NULL : (void *)r;
}

static int class_of(size_t size)
{
	int class = CLASS_MIN;

	while (((size_t)1 << class) < size)
		class ++;
	return class;
}

static void *cut(size_t size)
{
	if ((size_t)(chunk_end - chunk) < size) {
		char *fresh = pages_get(CHUNK_BYTES);
		if (!fresh)
			return NULL;
		/* The tail of the old chunk is lost: at most half a chunk, and seldom. */
		chunk = fresh;
		chunk_end = fresh + CHUNK_BYTES;
	}
	void *block = chunk;
	chunk += size;
	return block;
}

static void *small_alloc(size_t size)
{
	int class = class_of(size);
	struct free_block *block = free_lists[class - CLASS_MIN];

	if (!block)
		return cut((size_t)1 << class);
	free_lists[class - CLASS_MIN] = block->next;
	return block;
}

static void *block_get(size_t size)
{
	if (size > (size_t)1 << CLASS_MAX)
		return size > SIZE_MAX - PAGE_BYTES ? NULL : pages_get(PAGE_UP(size));
	lock_take(&arena_lock);
	void *block = small_alloc(size);
	lock_drop(&arena_lock);
	return block ? memset(block, 0, size) : NULL;
}

void *arena_alloc(size_t size)
{
	size = size ? size : 1;
	void *block = FAULT(FAULT_ARENA) ? NULL : block_get(size);
	if (block)
		__atomic_add_fetch(&in_use, size, __ATOMIC_RELAXED);
	return block;
}

void arena_free(void *block, size_t size)
{
	if (!block)
		return;
	if (!size)
		size = 1;
	__atomic_sub_fetch(&in_use, size, __ATOMIC_RELAXED);
	if (size > (size_t)1 << CLASS_MAX) {
		place_unmap((long)block, size);
		return;
	}
	struct free_block *freed = block;
	lock_take(&arena_lock);
	freed->next = free_lists[class_of(size) - CLASS_MIN];
	free_lists[class_of(size) - CLASS_MIN] = freed;
	lock_drop(&arena_lock);
}

void *arena_room(void *array, size_t size, size_t count, size_t *room)
{
	size_t wanted = *room ? *room : 16;

	while (wanted < count)
		wanted *= 2;
	if (wanted == *room)
		return array;
	void *larger = arena_alloc(wanted * size);
	if (!larger)
		return NULL;
	if (array)
		memcpy(larger, array, *room * size);
	arena_free(array, *room * size);
	*room = wanted;
	return larger;
}

char *arena_strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = arena_alloc(size);

	return copy ? memcpy(copy, text, size) : NULL;
}

size_t arena_in_use(void)
{
	return __atomic_load_n(&in_use, __ATOMIC_RELAXED);
}

void arena_after_fork(void)
{
	if (!lock_try(&arena_lock)) {
		chunk = chunk_end = NULL;
		for (int i = 0; i < CLASS_COUNT; i++)
			free_lists[i] = NULL;
	}
	lock_reset(&arena_lock);
}

/* ---- Large buffers that may not live on the program's stack, which can be a signal stack of 2
 * KiB. A fixed pool, taken without a lock. Call with signals blocked: then whoever holds a
 * buffer is running, and waiting for one ends. Hold one at a time: threads that wait for a
 * second would wait for each other. The pool of scratch.h. In BSS, so that a process which needs
 * none pays nothing. ---- */

#define SCRATCH_COUNT 8

static char buffers[SCRATCH_COUNT][SCRATCH_BYTES] LARGE __attribute__((aligned(64)));
static atomic_flag taken[SCRATCH_COUNT];

void *scratch_take(void)
{
	for (;;) {
		for (int i = 0; i < SCRATCH_COUNT; i++)
			if (!atomic_flag_test_and_set(&taken[i]))
				return buffers[i];
		sys_sched_yield();
	}
}

void scratch_put(void *buffer)
{
	long i = ((char *)buffer - buffers[0]) / SCRATCH_BYTES;

	atomic_flag_clear(&taken[i]);
}

void scratch_reset(void)
{
	for (int i = 0; i < SCRATCH_COUNT; i++)
		atomic_flag_clear(&taken[i]);
}
