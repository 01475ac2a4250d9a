/* SPDX-License-Identifier: MIT */
/*
 * A table of call sites, for rooms that record the first call of each and then count. What is in it
 * is never freed, so that readers need no lock.
 */
#include <string.h>

#include "audit/trace.h"
#include "support/arena.h"

static struct call_site *_Atomic *bucket_of(struct call_sites *sites, uint64_t key)
{
	return &sites->buckets[(key ^ key >> 32) % CALL_SITE_BUCKETS];
}

void *call_site_known(struct call_sites *sites, uint64_t key)
{
	struct call_site *site = atomic_load_explicit(bucket_of(sites, key), memory_order_acquire);

	while (site && site->key != key)
		site = site->next;
	return site;
}

static struct call_site *add(struct call_sites *sites, uint64_t key, const struct trace *trace)
{
	struct call_site *_Atomic *bucket = bucket_of(sites, key);
	bool full = sites->most && sites->count == sites->most;
	struct call_site *site = full ? NULL : arena_alloc(sites->size);

	if (!site)
		return NULL;
	site->key = key;
	site->trace = *trace;
	site->next = atomic_load(bucket);
	site->next_old = sites->all;
	sites->all = site;
	sites->count++;
	atomic_store_explicit(bucket, site, memory_order_release);
	return site;
}

void *call_site_get(struct call_sites *sites, uint64_t key, const struct trace *trace, bool *is_new)
{
	lock_take(&sites->lock);
	struct call_site *site = call_site_known(sites, key);
	*is_new = !site;
	if (!site)
		site = add(sites, key, trace);
	lock_drop(&sites->lock);
	return site;
}

void call_sites_forget(struct call_sites *sites)
{
	lock_reset(&sites->lock);
	if (!sites->all)
		return;
	sites->all = NULL;
	sites->count = 0;
	memset(sites->buckets, 0, CALL_SITE_BUCKETS * sizeof(*sites->buckets));
}
