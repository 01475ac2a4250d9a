/* SPDX-License-Identifier: MIT */
/*
 * The census: areas in batches, what the page table has of them, what the files have of
 * the rest. Every page of an area that was listed is counted once, whatever happens
 * meanwhile; an area that is another one afterwards is marked.
 */
#include <errno.h>

#include "support/sys.h"
#include "pages/census.h"

struct census {
	struct pages_result *result;
	pages_visit *visit;
	void *context;
	struct areas areas;
	struct table table;
	struct lookup lookup;
};

size_t census_bytes(void)
{
	return sizeof(struct census);
}

const char *pages_class_name(enum pages_class which)
{
	static const char *const names[] = { "resident_private", "resident_file",
					     "resident_shared",	 "swapped",
					     "never_allocated",	 "unknown" };

	return names[which];
}

const char *pages_way_name(enum pages_way way)
{
	return way == PAGES_WAY_SCAN ? "scan" : "pagemap";
}

/* What is neither in the page table nor in a file. */
static void count_rest(struct census *census, struct pages_area *area)
{
	uint64_t all = (area->vma.end - area->vma.start) / PAGE_BYTES, known = 0;
	int r;

	if (area->vma.shared) {
		r = lookup_area(&census->lookup, area);
		if (r && !census->result->unknown)
			census->result->unknown = r;
		return;
	}
	for (int i = 0; i < PAGES_CLASSES; i++)
		known += area->pages[i];
	area->pages[PAGES_NEVER] = all > known ? all - known : 0;
}

static int count_batch(struct census *census)
{
	struct pages_result *result = census->result;
	struct areas *areas = &census->areas;
	int r = table_count(&census->table, areas->area, areas->count);

	for (size_t i = 0; !r && i < areas->count; i++) {
		struct pages_area *area = &areas->area[i];

		r = areas_check(areas, area);
		if (r)
			break;
		count_rest(census, area);
		result->areas++;
		result->changed |= area->changed;
		for (int which = 0; which < PAGES_CLASSES; which++)
			result->pages[which] += area->pages[which];
		census->visit(area, census->context);
	}
	return r;
}

static int count_all(struct census *census)
{
	int r;

	while (!(r = areas_next(&census->areas)))
		if ((r = count_batch(census)))
			return r;
	if (r != -ENOENT || !census->result->areas)
		return r == -ENOENT ? -ESRCH : r;
	return census->areas.text ? areas_check_text(&census->areas, &census->result->changed) : 0;
}

int census_run(struct census *census, const struct pages_source *source, enum pages_way way,
	       pages_visit *visit, void *context, struct pages_result *result)
{
	int r = table_start(&census->table, source->pagemap, way);

	*result = (struct pages_result){ .way = census->table.way };
	if (r)
		return r;
	census->result = result;
	census->visit = visit;
	census->context = context;
	/* Kernels that have no PAGEMAP_SCAN have no queries either, and the other way round. */
	areas_start(&census->areas, source->maps, census->table.way == PAGES_WAY_PAGEMAP);
	lookup_start(&census->lookup, source);
	r = count_all(census);
	lookup_end(&census->lookup);
	return r;
}
