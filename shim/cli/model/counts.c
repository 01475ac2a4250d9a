/* SPDX-License-Identifier: MIT */
/*
 * The names of all events, how many there were of each, the files of snapshots, and the last page
 * census of each program.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/model/entry.h"

const char *const event_names[] = {
#define EVENT(id, action, category, type, doc) action,
#define FIELD(id, name, type, doc)
#include "audit/events.def"
#undef EVENT
#undef FIELD
	NULL,
};

const size_t event_kinds = sizeof(event_names) / sizeof(*event_names) - 1;

void event_count(int64_t *counts, const char *action)
{
	size_t i = 0;

	while (i < event_kinds && strcmp(event_names[i], action))
		i++;
	counts[i]++;
}

void tally_count(struct model *model, const char *action, const char *program, const char *host)
{
	char *key = format_text("%s %s %s", action, host, program);
	struct tally *tally = ROW(model->tallies, key, strlen(key), ANY_NUMBER);

	free(key);
	if (!tally->action) {
		tally->action = keep(action);
		tally->program = keep(program);
		tally->host = keep(host);
	}
	tally->count++;
}

static struct file_row *file_at(struct model *model, const char *host, const char *path,
				size_t most)
{
	char *key = format_text("%s %s", host, path);
	struct file_row *row = ROW(model->files, key, strlen(key), most);

	free(key);
	if (!row)
		return file_at(model, "", OTHERS, ANY_NUMBER);
	if (!row->host) {
		row->host = keep(host);
		row->path = row->key + strlen(host) + 1;
	}
	return row;
}

struct file_row *file_of(struct entry *entry)
{
	return file_at(entry->model, entry->process->row.host,
		       or_unknown(scan_text(entry->scan, "file.path")), ROWS_MOST);
}

void take_census(struct entry *entry)
{
	const struct scan_value *pages = scan_get(entry->scan, "mmfence.pages");
	const char *program = entry->process->row.name;
	struct census_row *census = ROW(entry->model->census, program, strlen(program), ROWS_MOST);

	if (!census)
		census = ROW(entry->model->census, OTHERS, strlen(OTHERS), ANY_NUMBER);
	census->pid = entry->process->row.pid;
	copy_time(census->time, entry->time);
	memset(census->more, 0, sizeof(census->more));
	for (const struct scan_value *key = pages ? scan_first(entry->scan, pages) : NULL; key;
	     key = scan_next(entry->scan, pages, key + 1))
		if (key[1].type == SCAN_INTEGER)
			more_take(census->more, key->text, key[1].integer, FOLD_SUM);
}
