/* SPDX-License-Identifier: MIT */
/*
 * What several logs come to: tables by file, call site, process and program, whose size
 * depends on how many of these there are, never on how many records. read.c
 * fills it, document.c makes a JSON document of it, and every form that people
 * or machines get (text, JSON, HTML) is made of that document.
 */
#ifndef MMFENCE_CLI_REPORT_REPORT_H
#define MMFENCE_CLI_REPORT_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <uthash.h>

#include "cli/model/scan.h"

#define TIME_BYTES    32
#define REASONS	      4
#define FRAMES	      32
#define POINTS	      512 /* of one picture's line */
#define SERIES	      6	  /* lines and windows that are drawn */
#define LIVES	      256 /* snapshots that are looked at for the time line */
#define PROCESS_ROWS  200
#define MORE_FIELDS   12
#define MISSING_ROWS  200
#define SEQUENCE_MOST (1LL << 53)

/* How often, how much and how long. */
struct sum {
	int64_t count, total, longest;
};

struct reason {
	char *text;
	int64_t count;
};

enum engine { ENGINE_GUARD, ENGINE_MEMORY, ENGINE_SPILL, ENGINE_CLONE, ENGINE_OTHER, ENGINES };
enum consistency { PROVEN, VERIFIED, TORN, CONSISTENCY_OTHER, CONSISTENCIES };
enum fate { UNTOUCHED, PRESERVED, PRIVATE, LOST, FATE_OTHER, FATES };

/* One file of one host. */
struct file_row {
	char *key;
	const char *host;
	const char *path;
	int64_t snapshots, engines[ENGINES], consistencies[CONSISTENCIES], fates[FATES];
	int64_t mapped, copied;
	struct sum took;  /* what the program waited for its snapshots */
	struct sum waits; /* what writers waited */
	int64_t open;	  /* of processes whose end is not on record */
	int64_t preserved, unprotected, denied, lost, grown, drifts, drift_pages;
	struct reason reasons[REASONS];
	UT_hash_handle hh;
};

struct module {
	char *key;
	char *path, *build_id;
	uint32_t number;
	UT_hash_handle hh;
};

struct frame {
	struct module *module; /* NULL: in none that is known */
	uint64_t offset;       /* in the file; without a module, the address itself */
};

/* A number of the event's, and how those of several records become one. */
enum fold { FOLD_SUM, FOLD_MOST, FOLD_LEAST };

struct more {
	char name[40];
	int64_t value;
};

/* One call site, of one program, with one kind of event: the same backtrace, whatever addresses it
 * had in which process. */
struct site {
	void *key;
	char *group, *program;
	char hash[20];
	uint32_t frame_count;
	struct frame frames[FRAMES];
	int64_t records, failed_records;
	int64_t calls, failed, bytes; /* of remap_file_pages, once all is read */
	int64_t areas;		      /* most of a process that called from here */
	int64_t refused;
	char first[TIME_BYTES], last[TIME_BYTES];
	char *path, *error, *detail;
	struct more more[MORE_FIELDS];
	UT_hash_handle hh;
};

/* What one process did at one site: its total counts the calls that were recorded too. */
struct use {
	struct site *site;
	int64_t seen, seen_failed, seen_bytes, total, total_failed, total_bytes;
	uint32_t windows; /* the pictures that its calls are in, a bit each */
	struct use *next;
};

/* A process's snapshots of one file that have not ended. */
struct held {
	struct file_row *file;
	int64_t count;
	struct held *next;
};

struct process_row {
	char *host, *name, *executable, *command_line;
	int64_t pid, exit_code, records, snapshots, areas;
	char first[TIME_BYTES], last[TIME_BYTES];
	bool started, ended;
};

/* The records of one memory: of a process, and of its children of vfork. Numbered from 1. */
struct numbers {
	char *key, *host, *name;
	int64_t pid;
	int64_t highest, count;
	int64_t excused; /* not there, and told elsewhere */
	int64_t before;	 /* the highest of a process with this pid whose end is not on record */
	bool ended, mixed;
	UT_hash_handle hh;
};

struct missing_row {
	char *host, *name;
	int64_t pid, records;
};

struct missing {
	int64_t records, processes;
	struct missing_row rows[MISSING_ROWS];
	size_t row_count;
};

struct process {
	char *key;
	struct numbers *numbers; /* NULL: nothing can be said of its numbers */
	int64_t early;		 /* its last records that may be of one with its pid that begins */
	int64_t serial;		 /* no two have the same */
	struct process_row row;
	struct use *uses;
	struct held *held;
	int64_t census;	      /* its last; 0: none yet */
	int64_t scope_pid[2]; /* which directory's logs, and which process in it */
	bool runs_on;	      /* its end is not on record */
	bool found_by_pid;    /* the last that was started with it */
	UT_hash_handle hh, by_pid;
};

struct point {
	double x;
	int64_t y, z;
	bool odd; /* a call that failed */
};

/* Points in the order of the records; when there are too many, every second goes. */
struct series {
	int64_t process, pid;
	char *program, *path;
	struct point points[POINTS];
	size_t count, stride, skipped;
	int64_t seen, top, limit;
	int64_t calls;	/* all that its call sites made, recorded or not; 0: not known */
	bool uncounted; /* those of one are not */
};

/* The life of one snapshot. */
struct life {
	struct process *process; /* NULL: that one is over */
	struct file_row *file;
	int64_t id, pid;
	char *program;
	enum engine engine;
	double start, preserved, end;
	enum fate fate;
	bool open;
};

struct gap_row {
	char *key;
	const char *reason, *path;
	char *program, *message;
	int64_t count;
	UT_hash_handle hh;
};

/* A page census of a program, or (with a path) of its mappings of one file. */
struct census {
	char *key;
	char *program, *path;
	int64_t pid;
	int64_t number; /* of the census that it is part of */
	char time[TIME_BYTES];
	struct more more[MORE_FIELDS];
	UT_hash_handle hh;
};

/* The logs of one directory: collected logs have one for each machine. */
struct scope {
	char *directory;
	char *host; /* the last that a record named; NULL: none yet */
	int64_t number;
	UT_hash_handle hh;
};

struct log_row {
	const char *path;
	struct scope *scope;
	int64_t records, damaged, bytes;
	char first[TIME_BYTES], last[TIME_BYTES];
};

struct report {
	struct log_row *logs, *log;
	size_t log_count;
	int64_t *actions; /* see event_count */
	int64_t records, damaged, truncated;
	double first, last;
	char first_text[TIME_BYTES], last_text[TIME_BYTES];

	struct file_row *files;
	struct site *sites;
	struct module *modules;
	struct gap_row *gaps;
	struct scope *scopes;
	struct process *processes, *pids;
	struct numbers *numbers;
	struct missing missing;
	int64_t process_count, ended_count;
	struct process_row rows[PROCESS_ROWS];
	size_t row_count;

	int64_t dropped;
	struct reason drop_reasons[REASONS];
	struct series *pressure[SERIES], *windows[SERIES];
	struct life lives[LIVES];
	size_t life_count;
	int64_t lives_left_out;
	struct census *census;
	int64_t census_count;
};

/* A block of zeros, and a copy; the command ends when there is no memory. */
void *take(size_t size);
char *keep(const char *text);

/* Sums that stop at the largest number, since a log may say anything. */
void sum_add(int64_t *to, int64_t n);
void sum_take(struct sum *sum, int64_t n);
void reason_count(struct reason *reasons, const char *text);
void more_take(struct more *more, const char *name, int64_t value, enum fold fold);

/* By number of the event in events.def, the last for those that are not there. */
extern const char *const event_names[];
extern const size_t event_kinds;
void event_count(int64_t *counts, const char *action);

/* What comes next is of this log. */
void report_log(struct report *report, struct log_row *log, const char *path);
/* The line is changed. */
void report_line(struct report *report, struct scan *scan, char *line, size_t length);
void report_damaged(struct report *report);
/* After the last: what can only be said then. */
void report_finish(struct report *report);

/* site.c */
struct site *site_of(struct report *report, const struct scan *scan, const char *group,
		     const char *program);

/* life.c: what the pictures show. */
double report_seconds(const char *timestamp);
void life_begin(struct report *report, struct process *process, struct file_row *file,
		const struct scan *scan, enum engine engine, double now);
void life_change(struct report *report, const struct process *process, const struct file_row *file,
		 enum fate fate, double now);
void life_end(struct report *report, const struct process *process, int64_t id, enum fate fate,
	      double now);
void life_process_end(struct report *report, struct process *process, double now);
void pressure_point(struct report *report, struct process *process, int64_t areas, int64_t limit,
		    double now);
/* The number of the picture that the call is in; -1: in none. */
int window_point(struct report *report, struct process *process, const struct scan *scan,
		 bool failed);
/* What a call site made in all, whose calls are in these pictures; -1: that is not known. */
void window_total(struct report *report, uint32_t windows, int64_t calls);

/* document.c */
struct symbols;
json_t *report_document(struct report *report, struct symbols *symbols);
/* The verdict, of the rest of the document. */
json_t *report_verdict(const json_t *document);

/* The forms. */
void report_text(const json_t *document, FILE *out);
void report_folded(const json_t *document, FILE *out);
void report_html(const json_t *document, FILE *out);

extern const char *const engine_names[ENGINES];
extern const char *const consistency_names[CONSISTENCIES];
extern const char *const fate_names[FATES];

#endif
