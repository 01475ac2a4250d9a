/* SPDX-License-Identifier: MIT */
/*
 * What happened in a run, each place once: by category, words, file and the first frame of
 * the call. Kept only where somebody asks for it.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/model/entry.h"
#include "policy/policy.h"

static void note_process(struct model *model, struct finding *finding, int64_t pid)
{
	int64_t key[] = { (intptr_t)finding, pid };
	size_t before = HASH_COUNT(model->finding_processes);

	ROW(model->finding_processes, key, sizeof(key), FINDINGS_MOST);
	finding->processes += HASH_COUNT(model->finding_processes) > before;
}

/* Each place once: by category, words, file and the program's call. NULL when there are too many.
 */
static struct finding *finding_get(struct model *model, enum category category, const char *what,
				   const char *where, struct frame frame)
{
	char *key = format_text("%d\n%s\n%s\n%p+%llx", (int)category, what, where,
				(void *)frame.module, (unsigned long long)frame.offset);
	size_t before = HASH_COUNT(model->findings);
	struct finding *finding = ROW(model->findings, key, strlen(key), FINDINGS_MOST);

	free(key);
	model->found[category] += !finding || HASH_COUNT(model->findings) > before;
	model->findings_left_out += !finding;
	if (finding && !finding->what) {
		finding->category = category;
		finding->what = keep(what);
		finding->where = keep(where);
		finding->frame = frame;
		finding->cure = cure_of(what) ? keep(cure_of(what)) : NULL;
	}
	return finding;
}

void model_note_gap(struct model *model, const char *path, const char *what)
{
	struct finding *finding =
		finding_get(model, CATEGORY_GAP, what, path, (struct frame){ NULL, 0 });

	if (finding && !finding->times)
		finding->times = 1;
}

struct finding *finding_note(struct entry *entry, enum category category, int64_t times,
			     const char *what)
{
	bool placed = category != CATEGORY_INJECTED;
	struct frame frames[FRAMES] = { { NULL, 0 } };

	if (placed)
		frames_find(entry->model, entry->scan, frames);
	struct finding *finding =
		finding_get(entry->model, category, what,
			    placed ? scan_text(entry->scan, "file.path") : "", frames[0]);

	if (!finding)
		return NULL;
	if (!finding->process) {
		finding->process = keep(entry->process->row.name);
		finding->pid = entry->process->row.pid;
	}
	note_process(entry->model, finding, entry->process->row.pid);
	sum_add(&finding->times, times);
	return finding;
}

const char *cure_of(const char *reason)
{
	static const char *const cures[][2] = {
		{ "no lease: not the file's owner",
		  "run as the file's owner, or with CAP_LEASE as an ambient capability "
		  "(AmbientCapabilities=CAP_LEASE in the systemd unit, or setpriv "
		  "--inh-caps=+lease --ambient-caps=+lease); with setcap the library is not loaded" },
		{ "no lease: RLIMIT_NOFILE", "ulimit -n with a larger number" },
		{ "larger than snapshot.copy-limit",
		  "--snapshot FILE, or -o snapshot.copy-limit=SIZE" },
		{ "larger than snapshot.max-copy", "-o snapshot.max-copy=SIZE" },
		{ "snapshot.memory is used up",
		  "-o snapshot.memory=SIZE, or -o snapshot.spill-dir=DIR" },
		{ "not enough memory is available", "-o snapshot.spill-dir=DIR" },
		{ "there is no snapshot.spill-dir to write to", "-o snapshot.spill-dir=DIR" },
		{ "RLIMIT_FSIZE is less than the file's size", "ulimit -f unlimited" },
		{ "no lease: the file is larger than RLIMIT_FSIZE", "ulimit -f unlimited" },
	};

	for (size_t i = 0; i < sizeof(cures) / sizeof(*cures); i++)
		if (!strcmp(cures[i][0], reason))
			return cures[i][1];
	return NULL;
}

int64_t model_allow_gaps(struct model *model, const char *patterns)
{
	struct finding *finding, *next;
	int64_t allowed = 0;

	HASH_ITER (hh, model->findings, finding, next) {
		if (finding->category != CATEGORY_GAP || !patterns ||
		    !glob_list_match(patterns, finding->where))
			continue;
		HASH_DEL(model->findings, finding);
		model->found[CATEGORY_GAP]--;
		allowed++;
	}
	return allowed;
}

void executable_note(struct model *model, const char *path)
{
	if (*path)
		ROW(model->executables, path, strlen(path), ROWS_MOST);
}

void begun_note(struct model *model, const struct scan *scan, bool start)
{
	int64_t pid = scan_number(scan, "process.pid");
	size_t before = HASH_COUNT(model->begun);

	if (!model->log->whole)
		return;
	ROW(model->begun, &pid, sizeof(pid), ROWS_MOST);
	model->beginning_gone |= !start && HASH_COUNT(model->begun) > before;
}
