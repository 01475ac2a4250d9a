/* SPDX-License-Identifier: MIT */
/*
 * The census as a table: see pages.h. Columns that are empty in all rows but rarely used
 * (unknown) are left out, and what is 0 is a dash, so that what is there is seen.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/doctor.h"
#include "cli/pages.h"
#include "kernel/raw.h"

#define CELL_BYTES 32

static const char *const headers[] = { "private", "file", "shared", "swapped", "never", "unknown" };

/* ---- order ---- */

static int sort_by;

static uint64_t rank(const struct pages_area *area)
{
	return sort_by == PAGES_BY_ADDRESS ? 0
	       : sort_by == PAGES_BY_SIZE  ? area->vma.end - area->vma.start
					   : area->pages[sort_by];
}

static int compare(const void *a, const void *b)
{
	const struct pages_area *one = a, *other = b;
	uint64_t x = rank(one), y = rank(other);

	if (x != y)
		return x < y ? 1 : -1;
	return one->vma.start < other->vma.start ? -1 : one->vma.start > other->vma.start;
}

void pages_sort(struct pages_count *count, const struct pages_view *view)
{
	sort_by = view->sort;
	if (sort_by != PAGES_BY_ADDRESS)
		qsort(count->areas, count->count, sizeof(*count->areas), compare);
}

/* ---- cells ---- */

static const char *amount(uint64_t pages, enum pages_unit unit, char out[CELL_BYTES])
{
	char size[DOCTOR_SIZE_BYTES];

	if (!pages)
		snprintf(out, CELL_BYTES, "-");
	else if (unit == UNIT_HUMAN)
		snprintf(out, CELL_BYTES, "%s", doctor_size(pages * PAGE_BYTES, size));
	else
		snprintf(out, CELL_BYTES, "%" PRIu64,
			 unit == UNIT_PAGES ? pages : pages * PAGE_BYTES);
	return out;
}

static void show_cells(const uint64_t pages[PAGES_CLASSES], const struct pages_count *count,
		       const struct pages_view *view, FILE *out)
{
	int width = view->unit == UNIT_BYTES ? 15 : 11;
	char cell[CELL_BYTES];
	uint64_t all = 0;

	for (int i = 0; i < PAGES_CLASSES; i++)
		all += pages[i];
	fprintf(out, "%*s", width, amount(all, view->unit, cell));
	for (int i = 0; i < PAGES_CLASSES; i++)
		if (i != PAGES_UNKNOWN || count->result.pages[i])
			fprintf(out, "%*s", width, amount(pages[i], view->unit, cell));
}

static void show_header(const struct pages_count *count, const struct pages_view *view, FILE *out)
{
	int width = view->unit == UNIT_BYTES ? 15 : 11;

	fprintf(out, "%*s", width, "size");
	for (int i = 0; i < PAGES_CLASSES; i++)
		if (i != PAGES_UNKNOWN || count->result.pages[i])
			fprintf(out, "%*s", width, headers[i]);
	fprintf(out, "  mapping\n");
}

/* The kernel escapes no more than newlines: what a terminal would take for a command is not shown.
 */
static void show_name(const char *name, FILE *out)
{
	for (; *name; name++)
		fputc((unsigned char)*name < ' ' || *name == 127 ? '?' : *name, out);
}

static void show_row(const struct pages_area *area, const struct pages_count *count,
		     const struct pages_view *view, FILE *out)
{
	char protection[5];

	vma_protection_text(area->vma.protection, area->vma.shared, protection);
	show_cells(area->pages, count, view, out);
	fprintf(out, "%s %" PRIx64 " %s ", area->changed ? " ~" : "  ", (uint64_t)area->vma.start,
		protection);
	show_name(*area->name ? area->name : "(anonymous)", out);
	fputc('\n', out);
}

/* ---- the table ---- */

static void show_verdict(const struct pages_count *count, FILE *out)
{
	char size[DOCTOR_SIZE_BYTES];
	uint64_t shown = count->result.pages[PAGES_FILE],
		 unknown = count->result.pages[PAGES_UNKNOWN];

	if (shown)
		fprintf(out,
			"%s (%" PRIu64 " %s) of private mappings still show%s what others write to "
			"their files.\n",
			doctor_size(shown * PAGE_BYTES, size), shown, shown == 1 ? "page" : "pages",
			shown == 1 ? "s" : "");
	else
		fprintf(out, "No page of a private mapping shows what others write to its file.\n");
	if (unknown)
		fprintf(out,
			"%s of shared memory could not be looked up in its file (%s): in memory, "
			"swapped or never allocated.\n",
			doctor_size(unknown * PAGE_BYTES, size), strerror(-count->result.unknown));
	if (count->result.changed)
		fprintf(out, "Mappings changed while they were counted (~ where it is known "
			     "which).\n");
}

void pages_show(const struct pages_count *count, const struct pages_view *view, FILE *out)
{
	size_t rows = count->count < view->limit ? count->count : view->limit;

	fprintf(out, "Process %d (", (int)count->pid);
	show_name(count->name, out);
	fprintf(out, "): %zu mappings\n", count->count);
	show_header(count, view, out);
	for (size_t i = 0; i < rows; i++)
		show_row(&count->areas[i], count, view, out);
	show_cells(count->result.pages, count, view, out);
	if (rows < count->count)
		fprintf(out, "  total, with %zu mappings that are not shown\n",
			count->count - rows);
	else
		fprintf(out, "  total\n");
	show_verdict(count, out);
}
