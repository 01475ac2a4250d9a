/* SPDX-License-Identifier: MIT */
/*
 * Records that are not there: each process numbers its own (event.sequence), and a
 * number that nobody wrote was lost or cut out. Counted, not listed: threads write out
 * of order, so only in the end a hole is one. Where it cannot be known whose numbers
 * these are, or from which on, nothing is said.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/model/entry.h"

#define EARLY_MOST 256 /* numbers that were begun, and are not written yet */

static struct numbers *find(struct model *model, const char *key)
{
	struct numbers *numbers;

	HASH_FIND_STR(model->numbers, key, numbers);
	return numbers;
}

static int64_t holes(const struct numbers *numbers)
{
	int64_t missing = numbers->highest - numbers->count - numbers->excused;

	return numbers->mixed || missing < 0 ? 0 : missing;
}

/* The rows are of those that miss most; of equals the first that came. */
static void note_row(struct missing *missing, const struct numbers *numbers, int64_t records)
{
	size_t at = missing->row_count;

	if (at == MISSING_ROWS && missing->rows[at - 1].records >= records)
		return;
	if (at == MISSING_ROWS) {
		at--;
		free(missing->rows[at].host);
		free(missing->rows[at].name);
	} else {
		missing->row_count++;
	}
	for (; at > 0 && missing->rows[at - 1].records < records; at--)
		missing->rows[at] = missing->rows[at - 1];
	missing->rows[at] = (struct missing_row){ .host = keep(numbers->host),
						  .name = keep(numbers->name),
						  .pid = numbers->pid,
						  .records = records };
}

static void judge(struct model *model, const struct numbers *numbers)
{
	int64_t records = holes(numbers);

	if (!records)
		return;
	sum_add(&model->missing.records, records);
	model->missing.processes++;
	note_row(&model->missing, numbers, records);
}

/* The first number of a memory: another program has it (exec), or another process the pid. */
static struct numbers *begin_anew(struct model *model, struct numbers *numbers, char *key,
				  const struct process_row *row)
{
	int64_t before = numbers && !numbers->ended ? numbers->highest : 0;

	if (numbers) {
		judge(model, numbers);
		free(key);
		free(numbers->host);
		free(numbers->name);
		key = numbers->key;
		numbers->count = numbers->highest = numbers->excused = 0;
		numbers->mixed = numbers->ended = false;
	} else {
		numbers = take(sizeof(*numbers));
		numbers->key = key;
		HASH_ADD_KEYPTR(hh, model->numbers, key, strlen(key), numbers);
	}
	numbers->before = before;
	numbers->pid = row->pid;
	numbers->host = keep(row->host);
	numbers->name = keep(row->name);
	return numbers;
}

/* A child of vfork goes on with its parent's numbers. A process whose first attempts to write its
 * start failed begins late too: what is between may be its own, and is nobody's loss. */
struct numbers *numbers_begin(struct model *model, const struct scan *scan,
			      const struct process_row *row, int64_t early)
{
	int64_t sequence = scan_number(scan, "event.sequence");
	int64_t memory = scan_number(scan, "mmfence.memory_of");
	struct numbers *numbers;
	char *key;

	if (sequence <= 0 || memory <= 0)
		return NULL;
	key = format_text("%s %lld", row->host, (long long)memory);
	numbers = find(model, key);
	if (sequence == 1) {
		numbers = begin_anew(model, numbers, key, row);
		numbers->count = early;
		return numbers;
	}
	free(key);
	if (numbers && sequence > numbers->highest + 1)
		numbers->excused += sequence - numbers->highest - 1;
	return numbers;
}

struct numbers *numbers_find(struct model *model, const char *key)
{
	return find(model, key);
}

/* A number that does not follow here, but where somebody else's ended whose pid this one has, or
 * that comes long after the end: two processes with one pid at a time, as in two containers. */
static bool belongs_elsewhere(const struct numbers *numbers, int64_t sequence)
{
	return sequence > numbers->highest + 1 &&
	       (numbers->ended || sequence == numbers->before + 1);
}

/* Where threads are many and processors few, records may stand before their process.start: low
 * numbers at the end of what was taken for another process. */
static void note_early(struct process *process, int64_t sequence)
{
	const struct numbers *numbers = process->numbers;
	bool follows = numbers && !numbers->ended && sequence > numbers->highest;

	if (sequence < 2 || follows || sequence > process->early + EARLY_MOST)
		process->early = 0;
	else
		process->early++;
}

void numbers_take(struct process *process, int64_t sequence)
{
	struct numbers *numbers = process->numbers;

	note_early(process, sequence);
	if (!numbers)
		return;
	if (sequence <= 0 || sequence > SEQUENCE_MOST) {
		numbers->mixed = true;
		return;
	}
	if (belongs_elsewhere(numbers, sequence))
		numbers->mixed = true;
	numbers->count++;
	if (sequence > numbers->highest)
		numbers->highest = sequence;
}

/* Threads that were writing records may have ended with the process before they had: those that it
 * counted when it took this number for its own end, and those that began behind it. */
void numbers_end(struct numbers *numbers, int64_t sequence, int64_t unfinished)
{
	numbers->ended = true;
	if (unfinished > 0 && unfinished < SEQUENCE_MOST)
		numbers->excused += unfinished;
	if (sequence > 0 && sequence < numbers->highest)
		numbers->excused += numbers->highest - sequence;
}

/* What was dropped has been counted by the process itself, and attempts to say so have numbers
 * too. */
void numbers_excuse(struct numbers *numbers)
{
	if (numbers->highest - numbers->count > numbers->excused)
		numbers->excused = numbers->highest - numbers->count;
}

void numbers_finish(struct model *model)
{
	for (const struct numbers *it = model->numbers; it; it = it->hh.next)
		judge(model, it);
}
