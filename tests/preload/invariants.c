/* SPDX-License-Identifier: MIT */
/*
 * What holds at the end of every run, whatever its test is about: see invariants.h.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "invariants.h"
#include "records.h"

#define ASKED_MOST 32

/* A test is a process of its own. */
static const char *asked[ASKED_MOST];

void invariants_expect(const char *action)
{
	size_t i = 0;

	while (i < ASKED_MOST && asked[i] && strcmp(asked[i], action))
		i++;
	if (i < ASKED_MOST)
		asked[i] = action;
}

static bool expected(const struct run *run, const char *action)
{
	for (size_t i = 0; i < ASKED_MOST && asked[i]; i++)
		if (!strcmp(asked[i], action))
			return true;
	for (size_t i = 0; i < RUN_EXPECTS && run->expects[i]; i++)
		if (!strcmp(run->expects[i], action))
			return true;
	return false;
}

static const char *action_of(const json_t *record)
{
	return field_string(record, "event.action");
}

static bool is(const json_t *record, const char *action)
{
	return !strcmp(action_of(record), action);
}

/* --- no record of trouble that the test did not ask for --- */

/* What failed of our own; what was refused to the program is the tests' matter. */
static bool is_trouble(const json_t *record)
{
	static const char *const troubles[] = { "coverage.gap",	  "log.dropped",
						"snapshot.lost",  "snapshot.unprotected",
						"snapshot.grow",  "mapping.sigbus",
						"mapping.rescued" };

	for (size_t i = 0; i < sizeof(troubles) / sizeof(*troubles); i++)
		if (is(record, troubles[i]))
			return true;
	return false;
}

static void no_surprise(const struct run *run)
{
	for (size_t i = 0; i < run->record_count; i++)
		if (is_trouble(run->records[i]) && !is_forged(run->records[i]) &&
		    !expected(run, action_of(run->records[i])))
			cr_assert_fail("the test did not expect %s",
				       json_dumps(run->records[i], JSON_COMPACT));
}

/* --- what is mapped is described; who is refused a view is told why --- */

static bool gives_views(const struct run *run)
{
	for (size_t i = 0; i < RUN_MOST && run->options[i]; i++)
		if (!strncmp(run->options[i], "selfmem.map=emulate", 19))
			return true;
	return false;
}

static void views_are_explained(const struct run *run)
{
	bool views = gives_views(run);

	for (size_t i = 0; i < run->record_count; i++) {
		const json_t *record = run->records[i];
		if (!is(record, "selfmem.map") || is_forged(record))
			continue;
		bool reason = !views || field(record, "error.message") ||
			      strcmp(field_string(record, "event.outcome"), "failure") != 0 ||
			      strcmp(field_string(record, "mmfence.selfmem.kind"), "process") != 0;
		cr_assert(reason && field(record, "mmfence.mapping.length"), "no %s: %s",
			  reason ? "length" : "reason", json_dumps(record, JSON_COMPACT));
	}
}

/* --- each memory's numbers are whole --- */

struct memory {
	json_int_t pid;
	json_int_t count, highest, excused;
	json_int_t unprotected, told; /* records, and what the end said; -1: there was none */
	bool dropped, begun;
	struct memory *shared; /* a child of vfork goes on with its parent's numbers */
	struct memory *before;
};

static struct memory *memory_find(struct memory *last, json_int_t pid)
{
	while (last && last->pid != pid)
		last = last->before;
	return last && last->shared ? last->shared : last;
}

static struct memory *memory_add(struct memory **last, json_int_t pid)
{
	struct memory *memory = calloc(1, sizeof(*memory));

	memory->pid = pid;
	memory->told = -1;
	memory->before = *last;
	return *last = memory;
}

/* A number 1 is that of another program (exec), or of another process with the number. */
static void memory_begin(struct memory **last, const json_t *start)
{
	json_int_t pid = field_number(start, "process.pid");
	json_int_t whose = field_number(start, "mmfence.memory_of");
	bool first = field_number(start, "event.sequence") == 1;
	struct memory *memory = memory_find(*last, whose);

	if (!memory || (first && memory->begun))
		memory = memory_add(last, whose);
	memory->begun = true;
	if (whose != pid)
		memory_add(last, pid)->shared = memory;
}

static void memory_take(struct memory *memory, const json_t *record)
{
	json_int_t number = field_number(record, "event.sequence");
	json_int_t unfinished = field_number(record, "mmfence.unfinished");

	memory->count++;
	if (number > memory->highest)
		memory->highest = number;
	memory->dropped |= is(record, "log.dropped");
	memory->unprotected += is(record, "snapshot.unprotected");
	if (is(record, "process.end"))
		memory->told = field_number(record, "mmfence.unprotected");
	memory->excused += unfinished > 0 ? unfinished : 0;
}

static void memory_is_whole(const struct memory *memory)
{
	cr_assert(memory->told < 0 || memory->told == memory->unprotected || memory->dropped,
		  "process %lld left %lld mappings alone, and said %lld at its end", memory->pid,
		  memory->unprotected, memory->told);
	cr_assert(memory->count + memory->excused >= memory->highest || memory->dropped,
		  "process %lld has %lld records, and the highest number is %lld",
		  (long long)memory->pid, (long long)memory->count, (long long)memory->highest);
	cr_assert(memory->count <= memory->highest, "process %lld gave a number twice",
		  (long long)memory->pid);
}

static void numbers_are_whole(const struct run *run)
{
	struct memory *last = NULL;

	for (size_t i = 0; i < run->record_count; i++) {
		const json_t *record = run->records[i];
		if (is(record, "process.start"))
			memory_begin(&last, record);
		json_int_t pid = field_number(record, "process.pid");
		struct memory *memory = memory_find(last, pid);
		/* Another thread's record may overtake the first. */
		memory_take(memory ? memory : memory_add(&last, pid), record);
	}
	while (last) {
		struct memory *before = last->before;
		if (!last->shared && last->begun && !expected(run, "holes"))
			memory_is_whole(last);
		free(last);
		last = before;
	}
}

/* --- what a helper left (tests/helpers/state.h) --- */

static void descriptors_are_the_programs(const char *state)
{
	for (const char *line = state; *line; line += strcspn(line, "\n") + 1) {
		int name = 0;
		sscanf(line, "fd %*d %n", &name);
		cr_assert(!name || strncmp(line + name, "/memfd:mmfence", 14),
			  "a descriptor of ours: %.*s", (int)strcspn(line, "\n"), line);
	}
}

/* --- each snapshot has its end, or is there still --- */

static bool overlaps(const char *area, unsigned long long start, unsigned long long end)
{
	unsigned long long from, to;

	return sscanf(area, "%llx-%llx", &from, &to) == 2 && from < end && start < to;
}

/* The place is mapped from a file, or a file of that name, or a copy of ours, is mapped elsewhere.
 */
static bool is_alive(const json_t *create, const char *state)
{
	const char *path = field_string(create, "file.path");
	unsigned long long start =
		strtoull(field_string(create, "mmfence.mapping.address"), NULL, 16);
	unsigned long long end =
		start + (unsigned long long)field_number(create, "mmfence.mapping.length");

	for (const char *line = state; *line && strncmp(line, "fd ", 3);
	     line += strcspn(line, "\n") + 1) {
		size_t length = strcspn(line, "\n");
		const char *name = memchr(line, '/', length);
		length -= name ? (size_t)(name - line) : 0;
		if (!name)
			continue;
		if (overlaps(line, start, end) || memmem(name, length, "(deleted)", 9) ||
		    (path && !strncmp(name, path, strlen(path))))
			return true;
	}
	return false;
}

static bool ends(const json_t *record, const json_t *create)
{
	if (is(record, "snapshot.lost"))
		return !strcmp(field_string(record, "file.path") ?: "",
			       field_string(create, "file.path") ?: "");
	return is(record, "snapshot.end") && field_number(record, "mmfence.snapshot.id") ==
						     field_number(create, "mmfence.snapshot.id");
}

static bool has_end(const struct run *run, size_t at)
{
	json_int_t pid = field_number(run->records[at], "process.pid");

	for (size_t i = at + 1; i < run->record_count; i++)
		if (field_number(run->records[i], "process.pid") == pid &&
		    (ends(run->records[i], run->records[at]) ||
		     is(run->records[i], "process.start")))
			return true;
	return false;
}

static void snapshots_end(const struct run *run, json_int_t pid, const char *state)
{
	for (size_t i = 0; i < run->record_count; i++)
		if (is(run->records[i], "snapshot.create") &&
		    field_number(run->records[i], "process.pid") == pid && !has_end(run, i) &&
		    !is_alive(run->records[i], state))
			cr_assert_fail("nothing is mapped any more, and no snapshot.end: %s",
				       json_dumps(run->records[i], JSON_COMPACT));
}

static void judge_process(const struct run *run, json_int_t pid)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/state/%lld", run->dir, (long long)pid);
	char *state = read_whole(path);
	if (*state) {
		descriptors_are_the_programs(state);
		snapshots_end(run, pid, state);
	}
	free(state);
}

static void judge_processes(const struct run *run)
{
	for (size_t i = 0; i < run->record_count; i++)
		if (is(run->records[i], "process.end"))
			judge_process(run, field_number(run->records[i], "process.pid"));
}

void invariants_hold(const struct run *run)
{
	if (!run->records || run->log || run->may_be_torn)
		return;
	no_surprise(run);
	views_are_explained(run);
	numbers_are_whole(run);
	judge_processes(run);
}
