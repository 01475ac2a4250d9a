/* SPDX-License-Identifier: MIT */
/*
 * M4: threads store without a pause while the memory that they store to is turned. Each
 * has a word in every page and counts what it added there: no store may be lost.
 */
#include <stdatomic.h>
#include <sys/prctl.h>

#include "views.h"

#define LENGTH	(16UL << 20)
#define PAGES	(LENGTH / PAGE)
#define THREADS 3
#define ROUNDS	8

static char in_bss[LENGTH] __attribute__((aligned(4096)));

static char *source;
static atomic_bool stop;
static atomic_int started;
static atomic_ullong stored[THREADS];

static volatile uint64_t *word_of(size_t page, long thread)
{
	return (volatile uint64_t *)(void *)(source + page * PAGE) + thread * 2;
}

static void *store(void *argument)
{
	long thread = (long)argument;
	uint32_t seed = (uint32_t)thread * 77 + 1;
	uint64_t count = 0;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		seed = seed * 1664525 + 1013904223;
		volatile uint64_t *word = word_of((seed >> 8) % PAGES, thread);
		*word = *word + 1;
		if (++count == 1000)
			atomic_fetch_add(&started, 1);
	}
	atomic_fetch_add(&stored[thread], count);
	return NULL;
}

/* Through system calls: the kernel stores. */
static void *store_by_call(void *argument)
{
	long thread = (long)argument;
	uint32_t seed = (uint32_t)thread * 77 + 1;
	uint64_t count = 0;
	int ends[2];

	must(pipe2(ends, O_CLOEXEC) == 0);
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		seed = seed * 1664525 + 1013904223;
		volatile uint64_t *word = word_of((seed >> 8) % PAGES, thread);
		uint64_t value = *word + 1;
		must(write(ends[1], &value, sizeof(value)) == sizeof(value));
		promise(read(ends[0], (void *)(uintptr_t)word, sizeof(value)) == sizeof(value),
			"read(2) into memory that is turned: %s", strerrorname_np(errno));
		if (++count == 1000)
			atomic_fetch_add(&started, 1);
	}
	atomic_fetch_add(&stored[thread], count);
	close(ends[0]);
	close(ends[1]);
	return NULL;
}

static void judge(void)
{
	unsigned long long total = 0, seen = 0;

	for (long thread = 0; thread < THREADS; thread++) {
		total += atomic_load(&stored[thread]);
		for (size_t page = 0; page < PAGES; page++)
			seen += *word_of(page, thread);
	}
	promise(total == seen, "%llu of %llu stores were lost", total - seen, total);
}

/* Turned as a whole, or piece by piece. */
static void one_round(void *(*body)(void *), size_t pieces)
{
	pthread_t threads[THREADS];

	atomic_store(&stop, false);
	atomic_store(&started, 0);
	for (long i = 0; i < THREADS; i++) {
		atomic_store(&stored[i], 0);
		threads[i] = thread_start(body, (void *)i);
	}
	while (atomic_load(&started) < THREADS)
		sched_yield();
	for (size_t i = 0; i < pieces; i++) {
		char *view = view_of(source + i * (LENGTH / pieces), LENGTH / pieces);
		must(munmap(view, LENGTH / pieces) == 0);
	}
	atomic_store(&stop, true);
	for (int i = 0; i < THREADS; i++)
		thread_end(threads[i]);
	judge();
}

static void rounds(void *(*body)(void *))
{
	for (size_t i = 0; i < ROUNDS; i++) {
		source = anonymous(LENGTH);
		one_round(body, i % 2 ? 64 : 1);
		must(munmap(source, LENGTH) == 0);
	}
}

CASE_NAMED("anonymous", anonymous_memory)
{
	rounds(store);
}

CASE(bss)
{
	source = in_bss;
	one_round(store, 1);
}

CASE_NAMED("calls", by_calls)
{
	rounds(store_by_call);
}

static void become_nobody(void)
{
	must(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
	must(prctl(PR_SET_DUMPABLE, 1) == 0); /* so that /proc/self/mem may be opened */
}

CASE(unprivileged)
{
	become_nobody();
	rounds(store);
}

/* Only that there is a view, and that stores after it are not lost. */
CASE(without)
{
	source = anonymous(LENGTH);
	pthread_t thread;
	thread = thread_start(store, (void *)0);
	while (!atomic_load(&started))
		sched_yield();
	char *view = view_of(source, LENGTH);
	atomic_store(&stop, true);
	thread_end(thread);
	must_be_coherent(source, view, LENGTH, "afterwards");
}

/* A thread forks all the time: no child finds memory that is away. */
static void *fork_often(void *unused)
{
	while (!atomic_load(&stop)) {
		IN_CHILD {
			for (size_t page = 0; page < PAGES; page += 16)
				if (source[page * PAGE + 8] != 'x')
					broken("a child sees an empty page %zu", page);
		}
		atomic_fetch_add(&started, 1);
	}
	return NULL;
}

CASE(forks)
{
	pthread_t thread;

	source = anonymous(LENGTH);
	memset(source, 'x', LENGTH);
	thread = thread_start(fork_often, NULL);
	for (size_t i = 0; i < 256; i++) {
		int before = atomic_load(&started);
		must(munmap(view_of(source + i * (LENGTH / 256), LENGTH / 256), LENGTH / 256) == 0);
		while (i % 64 == 0 && atomic_load(&started) == before)
			sched_yield();
	}
	atomic_store(&stop, true);
	thread_end(thread);
}

CASES_MAIN
