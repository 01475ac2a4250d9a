/* SPDX-License-Identifier: MIT */
/*
 * The process counts its own pages when it ends (pages.census=exit), and the log says what came of
 * it. Only in the library. On a thread with a descriptor table of its own; and where /proc/self may
 * no longer be opened (the program gave up its privileges, or has another root directory), on the
 * lease thread, if there is one, which opened it in time.
 */
#include <fcntl.h>
#include <string.h>

#include "audit/event.h"
#include "kernel/vma.h"
#include "support/sys.h"
#include "kernel/thread.h"
#include "pages/pages.h"
#include "policy/policy.h"
#include "kernel/lease_thread.h"
#include "support/arena.h"

#define TOP	  8
#define TOP_BYTES 1024

struct top {
	struct pages_area area;
	char name[TOP_BYTES];
};

struct exit_census {
	struct pages_result result;
	int error;
	size_t count;
	struct top top[TOP]; /* by what they show of others, most first */
	max_align_t work[];  /* struct census */
};

/* Runs without libc's qsort: eight are sorted as they come. */
static void keep_top(const struct pages_area *area, void *context)
{
	struct exit_census *it = context;
	uint64_t shown = area->pages[PAGES_FILE];
	size_t at = it->count < TOP ? it->count : TOP - 1;

	if (!shown || (it->count == TOP && it->top[at].area.pages[PAGES_FILE] >= shown))
		return;
	it->count += it->count < TOP;
	for (; at > 0 && it->top[at - 1].area.pages[PAGES_FILE] < shown; at--)
		it->top[at] = it->top[at - 1];
	struct top *top = &it->top[at];
	size_t length = strnlen(area->name, TOP_BYTES - 1);
	top->area = *area;
	memcpy(top->name, area->name, length);
	top->name[length] = 0;
}

static void run(struct exit_census *it, struct pages_source *source)
{
	source->process = sys_open("/proc/self", O_PATH | O_DIRECTORY, 0);
	source->self = true;
	it->count = 0;
	it->error = source->pagemap < 0 ? source->pagemap
		    : source->maps < 0	? source->maps
					: census_run((struct census *)it->work, source,
						     PAGES_WAY_AUTO, keep_top, it, &it->result);
	sys_close_if_open(source->process);
}

static void on_thread(void *argument)
{
	struct exit_census *it = argument;
	struct pages_source source;

	it->error = thread_own_table(-1);
	if (it->error)
		return;
	source.pagemap = proc_open_own(-1, "pagemap", O_RDONLY);
	source.maps = proc_open_own(-1, "maps", O_RDONLY);
	run(it, &source);
}

static void on_lease_thread(void *argument)
{
	struct pages_source source = { .pagemap = lease_thread_pagemap(),
				       .maps = lease_thread_files.maps };

	run(argument, &source);
}

static void record_pages(struct record *record, const uint64_t pages[PAGES_CLASSES])
{
	char name[48] = "mmfence.pages.";
	size_t prefix = strlen(name);

	for (int i = 0; i < PAGES_CLASSES; i++) {
		strcpy(name + prefix, pages_class_name((enum pages_class)i));
		record_uint(record, name, pages[i]);
	}
}

static void report(const struct exit_census *it)
{
	struct record *record = record_begin(EVENT_PAGES_CENSUS,
					     it->error ? OUTCOME_FAILURE : OUTCOME_SUCCESS, NULL);

	if (it->error) {
		record_error(record, it->error, "the page table of the process cannot be read");
		record_emit(record);
		return;
	}
	record_str(record, "mmfence.pages.way", pages_way_name(it->result.way));
	record_uint(record, "mmfence.pages.page_size", PAGE_BYTES);
	record_uint(record, "mmfence.pages.mappings", it->result.areas);
	record_bool(record, "mmfence.pages.changed", it->result.changed);
	record_pages(record, it->result.pages);
	record_emit(record);
}

static void report_mapping(const struct top *top)
{
	struct record *record = record_begin(EVENT_PAGES_MAPPING, OUTCOME_SUCCESS, NULL);
	const struct vma *vma = &top->area.vma;

	record_str(record, "file.path", top->name);
	record_number_string(record, "file.inode", vma->inode);
	record_mapping(record, vma->start, vma->end - vma->start, (int64_t)vma->offset,
		       vma->protection, vma->shared);
	record_pages(record, top->area.pages);
	record_emit(record);
}

void pages_at_exit(void)
{
	size_t size = sizeof(struct exit_census) + census_bytes();
	struct exit_census *it;

	if (the_policy.pages_census != CENSUS_EXIT || !audit_enabled())
		return;
	it = arena_alloc(size);
	if (!it)
		return;
	int r = thread_run(on_thread, it);
	if (r)
		it->error = r;
	if (it->error)
		lease_thread_call_running(on_lease_thread, it);
	report(it);
	for (size_t i = 0; !it->error && i < it->count; i++)
		report_mapping(&it->top[i]);
	arena_free(it, size);
}
