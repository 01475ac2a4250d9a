/* SPDX-License-Identifier: MIT */
/*
 * What happened in a run, each place once: by category, words, file and the first frame of
 * the call. Kept only where somebody asks for it.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/model/entry.h"

/* The first frame, which is the program's call, as an address in its module. */
static char *place_of(struct entry *entry)
{
	struct frame frames[FRAMES];

	if (!frames_find(entry->model, entry->scan, frames))
		return keep("");
	unsigned long long offset = frames[0].offset;

	if (!frames[0].module)
		return format_text("0x%llx", offset);
	const char *path = frames[0].module->path, *slash = strrchr(path, '/');

	return format_text("%s+0x%llx", slash ? slash + 1 : path, offset);
}

static void note_process(struct model *model, struct finding *finding, int64_t pid)
{
	struct finding_process look = { 0 }, *row;

	look.key.finding = finding;
	look.key.pid = pid;
	HASH_FIND(hh, model->finding_processes, &look.key, sizeof(look.key), row);
	if (row || HASH_COUNT(model->finding_processes) >= FINDINGS_MOST)
		return;
	row = take(sizeof(*row));
	row->key = look.key;
	HASH_ADD(hh, model->finding_processes, key, sizeof(row->key), row);
	finding->processes++;
}

static struct finding *finding_new(struct entry *entry, enum category category, char *key,
				   const char *what, const char *where, char *site)
{
	struct finding *finding = take(sizeof(*finding));

	*finding = (struct finding){ .key = key,
				     .category = category,
				     .what = keep(what),
				     .where = keep(where),
				     .site = site,
				     .process = keep(entry->process->row.name),
				     .pid = entry->process->row.pid };
	HASH_ADD_KEYPTR(hh, entry->model->findings, key, strlen(key), finding);
	return finding;
}

static struct finding *find(struct entry *entry, enum category category, const char *what)
{
	struct model *model = entry->model;
	bool placed = category != CATEGORY_INJECTED;
	const char *where = placed ? scan_text(entry->scan, "file.path") : "";
	char *site = placed ? place_of(entry) : keep("");
	char *key = format_text("%d\n%s\n%s\n%s", (int)category, what, where, site);
	struct finding *finding;

	HASH_FIND_STR(model->findings, key, finding);
	if (!finding) {
		model->found[category]++;
		if (HASH_COUNT(model->findings) < FINDINGS_MOST)
			return finding_new(entry, category, key, what, where, site);
		model->findings_left_out++;
	}
	free(site);
	free(key);
	return finding;
}

struct finding *finding_note(struct entry *entry, enum category category, int64_t times,
			     const char *format, ...)
{
	struct finding *finding;
	va_list list;
	char *what;

	if (!entry->model->by_place)
		return NULL;
	va_start(list, format);
	int length = vasprintf(&what, format, list);
	va_end(list);
	if (length < 0) {
		complain("out of memory");
		exit(STATUS_USAGE);
	}
	finding = find(entry, category, what);
	free(what);
	if (!finding)
		return NULL;
	note_process(entry->model, finding, entry->process->row.pid);
	sum_add(&finding->times, times);
	return finding;
}

void begun_note(struct model *model, const struct scan *scan, bool start)
{
	int64_t pid = scan_number(scan, "process.pid");
	struct begun *begun;

	if (!model->log->whole)
		return;
	HASH_FIND(hh, model->begun, &pid, sizeof(pid), begun);
	if (begun)
		return;
	model->beginning_gone |= !start;
	begun = take(sizeof(*begun));
	begun->pid = pid;
	HASH_ADD(hh, model->begun, pid, sizeof(pid), begun);
}
