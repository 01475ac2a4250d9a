/* SPDX-License-Identifier: MIT */
/*
 * Records that are not there: each process numbers its own (event.sequence), and a
 * number that nobody wrote was lost or cut out. Counted, not listed: threads write out
 * of order, so only in the end a hole is one. Where it cannot be known whose numbers
 * these are, or from which on, nothing is said.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/model/entry.h"

#define EARLY_MOST 256 /* numbers that were begun, and are not written yet */

struct numbers *numbers_find(struct model *model, const char *key)
{
	struct numbers *numbers;

	HASH_FIND_STR(model->numbers, key, numbers);
	return numbers;
}

static int64_t holes(const struct numbers *numbers)
{
	int64_t missing = numbers->highest - numbers->count;

	return numbers->mixed || missing < numbers->excused ? 0 : missing - numbers->excused;
}

/* Numbers far behind one that is not there are not looked at any more. */
static void note_whole(struct numbers *numbers, int64_t sequence)
{
	int64_t behind = sequence - numbers->whole - 1;

	if (numbers->whole < 0 || behind < 0 || behind >= 64)
		return;
	numbers->ahead |= UINT64_C(1) << behind;
	for (; numbers->ahead & 1; numbers->ahead >>= 1)
		numbers->whole++;
}

/* Where some of them were told elsewhere it may be one of these. */
static int64_t first_of(const struct numbers *numbers)
{
	return numbers->excused || numbers->whole < 0 ? 0 : numbers->whole + 1;
}

static void judge(struct model *model, const struct numbers *numbers)
{
	struct missing *missing = &model->missing;
	int64_t records = holes(numbers);

	if (!records)
		return;
	sum_add(&missing->records, records);
	missing->rows =
		resize(missing->rows, (size_t)(missing->processes + 1) * sizeof(*missing->rows));
	missing->rows[missing->processes++] = (struct missing_row){ .host = keep(numbers->host),
								    .name = keep(numbers->name),
								    .pid = numbers->pid,
								    .records = records,
								    .first = first_of(numbers) };
}

/* The first number of a memory: another program has it (exec), or another process the pid. */
static void begin_anew(struct model *model, struct numbers *numbers, const struct process_row *row)
{
	int64_t before = !numbers->ended ? numbers->highest : 0;

	judge(model, numbers);
	free(numbers->host);
	free(numbers->name);
	numbers->count = numbers->highest = numbers->excused = 0;
	numbers->mixed = numbers->ended = false;
	numbers->before = before;
	numbers->pid = row->pid;
	numbers->host = keep(row->host);
	numbers->name = keep(row->name);
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

	if (sequence <= 0 || memory <= 0 || HASH_COUNT(model->numbers) >= ROWS_MOST)
		return NULL;
	key = format_text("%s %lld", row->host, (long long)memory);
	numbers = numbers_find(model, key);
	if (sequence == 1) {
		numbers = ROW(model->numbers, key, strlen(key), ROWS_MOST);
		free(key);
		begin_anew(model, numbers, row);
		numbers->count = early;
		numbers->whole = early ? -1 : 0;
		numbers->ahead = 0;
		return numbers;
	}
	free(key);
	if (numbers && sequence > numbers->highest + 1)
		sum_add(&numbers->excused, sequence - numbers->highest - 1);
	return numbers;
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
	note_whole(numbers, sequence);
	if (sequence > numbers->highest)
		numbers->highest = sequence;
}

/* Threads that were writing records may have ended with the process before they had: those that it
 * counted when it took this number for its own end, and those that began behind it. */
void numbers_end(struct numbers *numbers, int64_t sequence, int64_t unfinished)
{
	numbers->ended = true;
	if (unfinished > 0 && unfinished < SEQUENCE_MOST)
		sum_add(&numbers->excused, unfinished);
	if (sequence > 0 && sequence < numbers->highest)
		sum_add(&numbers->excused, numbers->highest - sequence);
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
