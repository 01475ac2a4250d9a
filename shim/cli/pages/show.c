/* SPDX-License-Identifier: MIT */
/*
 * The census as a table and as JSON: see pages.h. Columns that are empty in all rows but rarely
 * used (unknown) are left out, and what is 0 is a dash, so that what is there is seen.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/pages/pages.h"
#include "cli/text/text.h"
#include "support/sys.h"

static const char *const headers[] = { "private", "file", "shared", "swapped", "never", "unknown" };

static unsigned int sort_by;

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

static char *amount(uint64_t pages)
{
	char text[SIZE_BYTES];

	return keep(pages ? size_text(pages * PAGE_BYTES, text) : "-");
}

static void put_row(struct libscols_table *table, const uint64_t pages[PAGES_CLASSES],
		    const struct pages_count *count, char *place, const char *mapping)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);
	uint64_t all = 0;
	size_t column = 1;

	for (int i = 0; i < PAGES_CLASSES; i++) {
		all += pages[i];
		if (i != PAGES_UNKNOWN || count->result.pages[i])
			table_cell(line, column++, amount(pages[i]));
	}
	table_cell(line, 0, amount(all));
	table_cell(line, column++, place);
	table_cell(line, column, keep(mapping));
}

static char *place_text(const struct pages_area *area)
{
	char protection[5];

	vma_protection_text(area->vma.protection, area->vma.shared, protection);
	return format_text("%s%" PRIx64 " %s", area->changed ? "~" : "", (uint64_t)area->vma.start,
			   protection);
}

static void put_verdict(const struct pages_count *count, FILE *out)
{
	char size[SIZE_BYTES];
	uint64_t shown = count->result.pages[PAGES_FILE],
		 unknown = count->result.pages[PAGES_UNKNOWN];

	if (shown)
		fprintf(out,
			"%s (%" PRIu64
			" page%s) of private mappings still show%s what others write to "
			"their files.\n",
			size_text(shown * PAGE_BYTES, size), shown, plural((int64_t)shown),
			shown == 1 ? "s" : "");
	else
		fprintf(out, "No page of a private mapping shows what others write to its file.\n");
	if (unknown)
		fprintf(out,
			"%s of shared memory could not be looked up in its file (%s): in memory, "
			"swapped or never allocated.\n",
			size_text(unknown * PAGE_BYTES, size), strerror(-count->result.unknown));
	if (count->result.changed)
		fprintf(out, "Mappings changed while they were counted (~ where it is known "
			     "which).\n");
}

void pages_show(const struct pages_count *count, const struct pages_view *view, FILE *out)
{
	struct libscols_table *table = table_new(out);
	size_t rows = view->limit;
	char *name = printable(count->name);

	fprintf(out, "Process %d (%s): %zu mappings\n", (int)count->pid, name, count->count);
	table_column(table, "size", COLUMN_NUMBER);
	for (int i = 0; i < PAGES_CLASSES; i++)
		if (i != PAGES_UNKNOWN || count->result.pages[i])
			table_column(table, headers[i], COLUMN_NUMBER);
	table_column(table, "at", COLUMN_EXTRA);
	table_column(table, "mapping", COLUMN_LONG);
	for (size_t i = 0; i < rows; i++)
		put_row(table, count->areas[i].pages, count, place_text(&count->areas[i]),
			*count->areas[i].name ? count->areas[i].name : "(anonymous)");
	put_row(table, count->result.pages, count, keep("total"), "total");
	table_print(table);
	if (rows < count->count)
		fprintf(out, "%zu mappings are not shown; the total is of all.\n",
			count->count - rows);
	put_verdict(count, out);
	free(name);
}

static json_t *counts_json(const uint64_t pages[PAGES_CLASSES])
{
	json_t *counts = json_object();

	for (int i = 0; i < PAGES_CLASSES; i++)
		json_object_set_new(counts, pages_class_name((enum pages_class)i),
				    json_integer((json_int_t)pages[i]));
	return counts;
}

static json_t *area_json(const struct pages_area *area)
{
	const struct vma *vma = &area->vma;
	char protection[5], start[24], end[24], device[24], *name = printable(area->name);

	vma_protection_text(vma->protection, vma->shared, protection);
	snprintf(start, sizeof(start), "0x%" PRIx64, (uint64_t)vma->start);
	snprintf(end, sizeof(end), "0x%" PRIx64, (uint64_t)vma->end);
	snprintf(device, sizeof(device), "%x:%x", (unsigned int)(vma->device >> 32),
		 (unsigned int)vma->device);
	json_t *json =
		json_pack("{s:s, s:s, s:s, s:I, s:s, s:I, s:s, s:b, s:o}", "start", start, "end",
			  end, "protection", protection, "offset", (json_int_t)vma->offset,
			  "device", device, "inode", (json_int_t)vma->inode, "name", name,
			  "changed", area->changed, "pages", counts_json(area->pages));

	free(name);
	return json;
}

void pages_show_json(const struct pages_count *count, const struct pages_view *view, FILE *out)
{
	char moment[TIME_BYTES], *name = printable(count->name);
	json_t *mappings = json_array();

	for (size_t i = 0; i < view->limit; i++)
		json_array_append_new(mappings, area_json(&count->areas[i]));
	json_t *json = json_pack(
		"{s:s, s:i, s:s, s:s, s:I, s:I, s:b, s:o, s:s*, s:o}", "@timestamp",
		time_text(NULL, moment), "pid", (int)count->pid, "name", name, "way",
		pages_way_name(count->result.way), "page_size", (json_int_t)PAGE_BYTES,
		"mapping_count", (json_int_t)count->result.areas, "changed", count->result.changed,
		"total", counts_json(count->result.pages), "unknown_reason",
		count->result.unknown ? strerrorname_np(-count->result.unknown) : NULL, "mappings",
		mappings);

	json_dumpf(json, out, JSON_INDENT(1));
	fputc('\n', out);
	json_decref(json);
	free(name);
}
