/* SPDX-License-Identifier: MIT */
/*
 * The census as a table: see pages.h. Columns that are empty in all rows but rarely used
 * (unknown) are left out, and what is 0 is a dash, so that what is there is seen.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/doctor/doctor.h"
#include "cli/pages/pages.h"
#include "support/sys.h"
#include "support/text.h"

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

/* Tens of thousands of rows are made without printf, which would take as long as the census. */
static char *add_number(char *end, uint64_t number)
{
	do
		*--end = (char)('0' + number % 10);
	while (number /= 10);
	return end;
}

/* "1.5 MiB", the number rounded to a tenth; ends where end is. */
static char *add_size(char *end, uint64_t bytes)
{
	static const char *const units[] = { " KiB", " MiB", " GiB", " TiB", " PiB", " EiB" };
	unsigned int shift = 10, unit = 0;

	/* What would be rounded to 1024.0 is 1.0 of the next. */
	while (unit < 5 && bytes >= ((uint64_t)10240 << shift) / 10 - ((1ULL << shift) / 20)) {
		shift += 10;
		unit++;
	}
	uint64_t whole = bytes >> shift, rest = bytes & ((1ULL << shift) - 1);
	uint64_t tenths = whole * 10 + ((rest >> (shift - 10)) * 10 + 512) / 1024;
	end -= 4;
	memcpy(end, units[unit], 4);
	*--end = (char)('0' + tenths % 10);
	*--end = '.';
	return add_number(end, tenths / 10);
}

/* To the right of width columns. */
static void show_amount(uint64_t pages, enum pages_unit unit, int width, FILE *out)
{
	char cell[CELL_BYTES], *end = cell + CELL_BYTES, *start;

	memset(cell, ' ', sizeof(cell));
	if (!pages)
		*(start = end - 1) = '-';
	else if (unit == UNIT_HUMAN)
		start = add_size(end, pages * PAGE_BYTES);
	else
		start = add_number(end, unit == UNIT_PAGES ? pages : pages * PAGE_BYTES);
	if (end - start < width)
		start = end - width;
	fwrite(start, 1, (size_t)(end - start), out);
}

static int column_width(const struct pages_view *view)
{
	return view->unit == UNIT_BYTES ? 15 : 11;
}

static void show_cells(const uint64_t pages[PAGES_CLASSES], const struct pages_count *count,
		       const struct pages_view *view, FILE *out)
{
	uint64_t all = 0;

	for (int i = 0; i < PAGES_CLASSES; i++)
		all += pages[i];
	show_amount(all, view->unit, column_width(view), out);
	for (int i = 0; i < PAGES_CLASSES; i++)
		if (i != PAGES_UNKNOWN || count->result.pages[i])
			show_amount(pages[i], view->unit, column_width(view), out);
}

static void show_header(const struct pages_count *count, const struct pages_view *view, FILE *out)
{
	int width = column_width(view);

	fprintf(out, "%*s", width, "size");
	for (int i = 0; i < PAGES_CLASSES; i++)
		if (i != PAGES_UNKNOWN || count->result.pages[i])
			fprintf(out, "%*s", width, headers[i]);
	fprintf(out, "  mapping\n");
}

static void show_address(const struct pages_area *area, FILE *out)
{
	char protection[5], buffer[32];
	struct text text;

	vma_protection_text(area->vma.protection, area->vma.shared, protection);
	text_init(&text, buffer, sizeof(buffer));
	text_add(&text, area->changed ? " ~" : "  ");
	text_add_hex(&text, area->vma.start, 1);
	text_add_char(&text, ' ');
	text_add(&text, protection);
	text_add_char(&text, ' ');
	fwrite(buffer, 1, text.length, out);
}

/* The kernel escapes no more than newlines: what a terminal would take for a command is not shown.
 */
static void show_name(const char *name, FILE *out)
{
	for (; *name; name++)
		putc_unlocked((unsigned char)*name < ' ' || *name == 127 ? '?' : *name, out);
}

static void show_row(const struct pages_area *area, const struct pages_count *count,
		     const struct pages_view *view, FILE *out)
{
	show_cells(area->pages, count, view, out);
	show_address(area, out);
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
