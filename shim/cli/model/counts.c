/* SPDX-License-Identifier: MIT */
/*
 * The names of all events, how many there were of each, and the files of snapshots.
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
