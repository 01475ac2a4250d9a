/* SPDX-License-Identifier: MIT */
/*
 * Between read.c, which knows whose record it is, and take.c, which knows
 * what each event adds.
 */
#ifndef MMFENCE_CLI_MODEL_ENTRY_H
#define MMFENCE_CLI_MODEL_ENTRY_H

#include "cli/model/model.h"

/* One record, with what every event needs of it. */
struct entry {
	struct model *model;
	const struct scan *scan;
	struct process *process;
	const char *action, *time;
	bool failed;
	struct site_row *site; /* of events that have one */
	struct file_row *file; /* of those of snapshots */
	struct use *use;
	int64_t calls, failures, refused; /* of those that a process counts, at its end */
	int64_t times;			  /* how often the finding happened; -1: it did not */
};

/* The row with these bytes as its key, a new one of zeros where there was none; NULL: there are too
 * many. Keys are the rows' own. */
#define ROW(rows, bytes, length, most)                                         \
	({                                                                     \
		__typeof__(rows) row_;                                         \
		HASH_FIND(hh, rows, bytes, length, row_);                      \
		if (!row_ && HASH_COUNT(rows) < (most)) {                      \
			row_ = take(sizeof(*row_));                            \
			row_->key = memcpy(take((length) + 1), bytes, length); \
			HASH_ADD_KEYPTR(hh, rows, row_->key, length, row_);    \
		}                                                              \
		row_;                                                          \
	})

void take_action(struct entry *entry);
/* The row of a record's file. */
struct file_row *file_of(struct entry *entry);

void copy_time(char *to, const char *time);
/* Widens a span so that it holds this time. */
void note_span(char *first, char *last, const char *time);
const char *or_unknown(const char *text);
/* It is over, or another has its pid: what it did at its call sites is added to these. */
void process_retire(struct model *model, struct process *process);

/* finding.c. One more of these, so many times; NULL when there are too many. */
struct finding *finding_note(struct entry *entry, enum category category, int64_t times,
			     const char *what);
/* A record, which may be the first of its process. */
void begun_note(struct model *model, const struct scan *scan, bool start);

/* marks.c. What the pictures show of a snapshot, of a number of areas, and of a call that placed
 * pages. */
void mark_snapshot(struct entry *entry, bool guard);
void mark_areas(struct entry *entry, int64_t areas);
void mark_call(struct entry *entry);
/* What the process has of guarded snapshots of the file is now preserved or lost. Plain: its
 * snapshots (of the file, with this id) end. */
void mark_turn(const struct entry *entry, const int64_t *id, enum mark_kind kind);
void marks_retire(struct model *model, struct process *process);

/* missing.c. A process begins; one that began before, by its key; NULL: nothing can be said
 * of its numbers. */
struct numbers *numbers_begin(struct model *model, const struct scan *scan,
			      const struct process_row *row, int64_t early);
struct numbers *numbers_find(struct model *model, const char *key);
void numbers_take(struct process *process, int64_t sequence);
/* What is missing so far has been told. */
void numbers_excuse(struct numbers *numbers);
void numbers_end(struct numbers *numbers, int64_t sequence, int64_t unfinished);
void numbers_finish(struct model *model);

#endif
