/* SPDX-License-Identifier: MIT */
/*
 * A record of the audit log: built in a scratch buffer, written with one write(2).
 * Takes no lock and allocates nothing, so that async-signal-safe wrappers may use
 * it. Call inside a scope (signals blocked). Knows nothing of what it reports.
 *
 *	struct record *r = record_begin(EVENT_SELFMEM_OPEN, OUTCOME_SUCCESS, &trace);
 *	record_str(r, "file.path", path);
 *	record_str(r, "mmfence.selfmem.mode", "rw");
 *	record_emit(r);
 *
 * Names are dotted; record_emit nests them. Fields of one group (file, error,
 * mmfence, mmfence.snapshot, …) must follow each other. All functions take NULL
 * for the record and then do nothing: that is what record_begin returns when
 * there is no log.
 */
#ifndef MMFENCE_AUDIT_EVENT_H
#define MMFENCE_AUDIT_EVENT_H

#include <stdbool.h>
#include <stdint.h>

enum event_action {
#define EVENT(id, action, category, type, doc) EVENT_##id,
#define FIELD(id, name, type, doc)
#include "events.def"
#undef EVENT
#undef FIELD
	EVENT_COUNT
};

enum event_outcome { OUTCOME_SUCCESS, OUTCOME_FAILURE, OUTCOME_UNKNOWN };

struct call;
struct record;
struct trace;

/* trace may be NULL. A trace adds mmfence.stack and mmfence.modules. */
struct record *record_begin(enum event_action action, enum event_outcome outcome,
			    const struct trace *trace);
/* With the backtrace of a wrapped call. */
struct record *record_of_call(enum event_action action, enum event_outcome outcome,
			      const struct call *call);
void record_str(struct record *record, const char *name, const char *value);
void record_int(struct record *record, const char *name, int64_t value);
void record_uint(struct record *record, const char *name, uint64_t value);
void record_bool(struct record *record, const char *name, bool value);
/* A string "0x…": JSON numbers lose the low bits of a 64-bit address in many readers. */
void record_address(struct record *record, const char *name, uintptr_t value);
/* An unsigned number as a decimal string (ECS has file.inode so). */
void record_number_string(struct record *record, const char *name, uint64_t value);
/* mmfence.mapping: address (0: none), length, offset in the file, "rw-p" and the like. */
void record_mapping(struct record *record, uintptr_t address, uint64_t length, int64_t offset,
		    int protection, bool shared);
/* mmfence.site: a call site, by the hash of its backtrace. */
void record_site(struct record *record, uint64_t hash);
/* error.code as the errno's name ("ENOMEM"), and error.message if given; error 0: no code. */
void record_error(struct record *record, int error, const char *message);
/* Writes it, and gives the buffer back. */
void record_emit(struct record *record);

/* Whether records go anywhere: a cheap test before costly preparations. */
bool audit_enabled(void);
/* Whether this process has written any record. */
bool audit_process_started(void);
/* The same without a system call; also of another process that lives in this memory. */
bool audit_any_record(void);

#endif
