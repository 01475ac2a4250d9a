/* SPDX-License-Identifier: MIT */
/*
 * The census as JSON: see pages.h. Written as it goes, with the names that the events
 * have for the counts.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <time.h>

#include "audit/json.h"
#include "cli/pages/pages.h"
#include "support/sys.h"

static void show_string(const char *string, FILE *out)
{
	static char buffer[6 * PATH_MAX + 16];
	struct text text;

	text_init(&text, buffer, sizeof(buffer));
	json_add_string(&text, string, strlen(string), sizeof(buffer) - 1);
	fputs(buffer, out);
}

static void show_counts(const uint64_t pages[PAGES_CLASSES], FILE *out)
{
	for (int i = 0; i < PAGES_CLASSES; i++)
		fprintf(out, "%s\"%s\":%" PRIu64, i ? "," : "",
			pages_class_name((enum pages_class)i), pages[i]);
}

static void show_area(const struct pages_area *area, FILE *out)
{
	const struct vma *vma = &area->vma;
	char protection[5];

	vma_protection_text(vma->protection, vma->shared, protection);
	fprintf(out,
		"{\"start\":\"0x%" PRIx64 "\",\"end\":\"0x%" PRIx64 "\",\"protection\":\"%s\","
		"\"offset\":%" PRIu64 ",\"device\":\"%x:%x\",\"inode\":%" PRIu64 ",\"name\":",
		(uint64_t)vma->start, (uint64_t)vma->end, protection, vma->offset,
		(unsigned int)(vma->device >> 32), (unsigned int)vma->device, vma->inode);
	show_string(area->name, out);
	fprintf(out, ",\"changed\":%s,\"pages\":{", area->changed ? "true" : "false");
	show_counts(area->pages, out);
	fputs("}}", out);
}

static void show_time(FILE *out)
{
	char text[32];
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	fprintf(out, "\"@timestamp\":\"%s.%03ldZ\",", text, now.tv_nsec / 1000000);
}

void pages_show_json(const struct pages_count *count, const struct pages_view *view, FILE *out)
{
	const char *newline = view->each ? "" : "\n";
	size_t rows = count->count < view->limit ? count->count : view->limit;

	fputc('{', out);
	show_time(out);
	fprintf(out, "\"pid\":%d,\"name\":", (int)count->pid);
	show_string(count->name, out);
	fprintf(out,
		",\"way\":\"%s\",\"page_size\":%lu,\"mapping_count\":%" PRIu64 ",\"changed\":%s,%s"
		"\"total\":{",
		pages_way_name(count->result.way), PAGE_BYTES, count->result.areas,
		count->result.changed ? "true" : "false", newline);
	show_counts(count->result.pages, out);
	fputs("}", out);
	if (count->result.unknown)
		fprintf(out, ",\"unknown_reason\":\"%s\"", strerrorname_np(-count->result.unknown));
	fprintf(out, ",\"mappings\":[%s", newline);
	for (size_t i = 0; i < rows; i++) {
		show_area(&count->areas[i], out);
		fprintf(out, "%s%s", i + 1 < rows ? "," : "", newline);
	}
	fputs("]}\n", out);
}
