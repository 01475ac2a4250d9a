/* SPDX-License-Identifier: MIT */
/*
 * The rooms that several threads use at once, in a plain program for the thread sanitizer, under
 * which Criterion does not run: memory, the index (one writer, lock-free readers), the budget, call
 * sites, records.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/event.h"
#include "audit/sink.h"
#include "nonlinear/nonlinear.h"
#include "kernel/thread.h"
#include "policy/policy.h"
#include "mapping/index.h"
#include "snapshot/snapshot.h"
#include "support/arena.h"
#include "support/scope.h"

#define THREADS 4
#define ROUNDS	2000
#define PAGE	4096UL

static void must(bool held, const char *what)
{
	if (!held) {
		fprintf(stderr, "%s\n", what);
		exit(1);
	}
}

static void use_memory(size_t round)
{
	size_t size = 1 + round * 37 % 9000;
	unsigned char *block = arena_alloc(size);

	must(block && !block[0] && !block[size - 1], "memory that is not zero");
	memset(block, 0xff, size);
	arena_free(block, size);
}

static void use_budget(void)
{
	const char *reason;

	if (!budget_charge(PAGE, &reason))
		budget_return(PAGE);
}

static void use_sites(size_t round)
{
	struct trace trace = { .count = 2, .frame = { 0x1000 + round % 50, 0x2000 } };
	struct placing placing = { .address = PAGE, .size = PAGE, .page = round };
	bool first;
	struct site *site = site_known(SITE_REMAP, &trace) ?: site_get(SITE_REMAP, &trace, &first);

	if (site)
		site_count(site, &placing, 0);
}

static void use_records(size_t round)
{
	struct record *record = record_begin(EVENT_SNAPSHOT_LOST, OUTCOME_FAILURE, NULL);

	record_str(record, "file.path", "/nowhere");
	record_uint(record, "mmfence.snapshot.id", round);
	record_emit(record);
}

static void drop_piece(const struct piece *piece, void *context)
{
	(void)piece;
	(void)context;
}

static void use_index(size_t round, bool writes)
{
	uintptr_t start = (1 + round % 64) * PAGE;
	struct piece piece = { start, start + PAGE, 0, (struct snapshot *)(uintptr_t)1 };

	if (!writes) {
		index_may_touch(start, start + PAGE);
		return;
	}
	must(!index_reserve(), "no memory for the index");
	index_remove(start, start + PAGE, drop_piece, NULL);
	index_add(&piece);
}

static void *work(void *number)
{
	struct scope scope;

	signals_block(&scope);
	for (size_t round = 0; round < ROUNDS; round++) {
		use_memory(round);
		use_budget();
		use_sites(round);
		use_index(round, !number);
		if (round % 10 == 0)
			use_records(round);
	}
	signals_restore(&scope);
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];

	home_settle();
	policy_defaults(&the_policy);
	sink_configure(getenv("ROOMS_LOG") ?: "/dev/null");
	for (size_t i = 0; i < THREADS; i++)
		must(!pthread_create(&threads[i], NULL, work, (void *)i), "pthread_create");
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	must(index_count() == 64, "the index has lost a piece");
	return 0;
}
