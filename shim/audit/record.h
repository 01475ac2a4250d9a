/* SPDX-License-Identifier: MIT */
/*
 * The inside of a record, for the files of audit/ alone. It fills one scratch
 * buffer: this struct, then four regions. Names below mmfence have a region of
 * their own, because they come last whatever the order of the calls; so have the
 * bytes of strings that are no UTF-8. record_close puts the regions together.
 */
#ifndef MMFENCE_AUDIT_RECORD_H
#define MMFENCE_AUDIT_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "audit/event.h"
#include "audit/identity.h"
#include "audit/sink.h"
#include "audit/trace.h"
#include "support/arena.h"
#include "support/text.h"

#define RECORD_NAME    80  /* longest dotted name and its NUL */
#define RECORD_RESERVE 128 /* kept free in each region for what closes it */

#define RECORD_HEAD_BYTES  512
#define RECORD_MAIN_BYTES  12288
#define RECORD_EXTRA_BYTES 6144
#define RECORD_RAW_BYTES   9216
#define RECORD_WORK_BYTES                                                             \
	(SCRATCH_BYTES - RECORD_HEAD_BYTES - RECORD_MAIN_BYTES - RECORD_EXTRA_BYTES - \
	 RECORD_RAW_BYTES)

/* The longest value of one string, escaped: more than a path has unless it is hostile. */
#define RECORD_VALUE_BYTES 5120

struct region {
	struct text text;
	char group[RECORD_NAME]; /* the open objects, as in "file." or "process.thread." */
};

struct record {
	struct region main;  /* all but mmfence.* */
	struct region extra; /* mmfence.*, without that prefix */
	struct text raw;     /* members of mmfence.raw */
	bool truncated;
	int level; /* as in struct line */
};

/* record_begin without what must come before a record. who may not be NULL. */
struct record *record_open(enum event_action action, enum event_outcome outcome,
			   const struct trace *trace, const struct identity *who);

/* Ends the text. What is returned lies in the record. */
struct line record_close(struct record *record);

/* RECORD_WORK_BYTES for the caller's own preparations. */
char *record_work(struct record *record);

/* ---- preface.c ---- */

void preface_write(const struct identity *who);

/* ---- stack.c ---- */

/* Appends "stack":[…],"modules":[…] as far as limit bytes go; false when some did not fit. */
bool stack_add(struct text *out, const struct trace *trace, size_t limit);

#endif
