/* SPDX-License-Identifier: MIT */
/*
 * What several logs come to: tables by file, call site, process and program, whose size
 * depends on how many of these there are, never on how many records. take.c alone knows
 * what an event means; the summary of a run, the rules of a check and every form of a
 * report say what they find here.
 */
#ifndef MMFENCE_CLI_MODEL_MODEL_H
#define MMFENCE_CLI_MODEL_MODEL_H

#include <jansson.h>
#include <limits.h>
#include <sys/types.h>
#include <uthash.h>

#include "cli/model/scan.h"
#include "cli/text/text.h"

#define REASONS	      4
#define FRAMES	      32
#define PROCESS_ROWS  200
#define SEQUENCE_MOST (1LL << 53)
#define FINDINGS_MOST 100000
#define ROWS_MOST     100000 /* of files, sites, …: what comes then is in one row of its own */
#define ANY_NUMBER    INT_MAX
#define OTHERS	      "(others)"
#define SERIES	      32 /* at most of one picture */

/* How often, how much and how long. */
struct sum {
	int64_t count, total, longest;
};

struct reason {
	char *text;
	int64_t count;
};

enum { ENGINE_GUARD, ENGINE_MEMORY, ENGINE_SPILL, ENGINE_CLONE, ENGINE_OTHER, ENGINES };
enum { PROVEN, VERIFIED, TORN, CONSISTENCY_OTHER, CONSISTENCIES };
enum { UNTOUCHED, PRESERVED, PRIVATE, LOST, FATE_OTHER, FATES };

/* One file of one host. */
struct file_row {
	char *key;
	const char *host;
	const char *path;
	int64_t snapshots, engines[ENGINES], consistency[CONSISTENCIES], fates[FATES];
	int64_t mapped_bytes, copied_bytes;
	struct sum program_waited; /* for its snapshots */
	struct sum writers_waited;
	int64_t open; /* without an end: of processes that have none either, or were killed */
	int64_t ended_with_process;
	int64_t preserved, unprotected, denied, lost, grown, drifted, drift_pages;
	struct reason reasons[REASONS];
	UT_hash_handle hh;
};

struct log_module {
	char *key;
	char *path, *build_id;
	UT_hash_handle hh;
};

struct frame {
	struct log_module *module; /* NULL: in none that is known */
	uint64_t offset;	   /* in the file; without a module, the address itself */
};

/* One call site, of one program, with one kind of event: the same backtrace, whatever addresses it
 * had in which process. */
struct site_row {
	void *key;
	char *action, *program;
	char site[20];
	uint32_t frame_count;
	struct frame *frames;
	int64_t records, calls, failed, bytes;
	int64_t areas; /* most of a process that called from here */
	int64_t refused;
	char first[TIME_BYTES], last[TIME_BYTES];
	char *path, *error, *detail;
	UT_hash_handle hh;
};

/* What one process did at one site: its total counts the calls that were recorded too. */
struct use {
	void *key;
	struct site_row *site;
	int64_t seen, seen_failed, seen_bytes, total, total_failed, total_bytes;
	bool refused;
	struct finding *finding;
	struct series *window; /* the picture of its calls; NULL: none */
	UT_hash_handle hh;
};

/* What the page's pictures show: from when to when a snapshot was what it was (until it is
 * preserved or lost, and then), the areas that a process had when, and calls: pages from x0 to x1
 * of memory became those from y on of the file. */
enum picture { PICTURE_LIVES, PICTURE_AREAS, PICTURE_WINDOW, PICTURES };
enum mark_kind { MARK_PLAIN, MARK_GUARD, MARK_KEPT, MARK_BAD, MARK_KINDS };

struct mark {
	double x0, x1, y;
	uint64_t number; /* among all of its series */
	enum mark_kind kind;
};

/* Of one process, and one snapshot or file. */
struct series {
	const struct process *owner; /* NULL: that one is over */
	char *program, *path;
	int64_t pid, id;
	int64_t limit;	      /* of its areas; 0: not known */
	int64_t calls;	      /* of its call sites, on record or not */
	bool uncounted, open; /* those of one are not known; its end is not */
	struct mark *marks;
	size_t count;
	uint64_t seen, mask; /* thinned by the bits of mask in a hash of the number */
};

/* A process's snapshots of one file that have not ended. */
struct held {
	void *key;
	struct file_row *file;
	int64_t count;
	UT_hash_handle hh;
};

struct process_row {
	char *host, *name, *executable, *command_line;
	int64_t pid, exit_code, records, snapshots, areas;
	char first[TIME_BYTES], last[TIME_BYTES];
	bool started, ended;
	bool runs_on; /* its end is not on record */
	bool unseen;  /* since it became, or started, what mmfence cannot look into */
};

/* The records of one memory: of a process, and of its children of vfork. Numbered from 1. */
struct numbers {
	char *key, *host, *name;
	int64_t pid;
	int64_t highest, count;
	int64_t excused; /* not there, and told elsewhere */
	int64_t before;	 /* the highest of a process with this pid whose end is not on record */
	int64_t whole;	 /* all up to this one are there; -1: not known */
	uint64_t ahead;	 /* a bit for each that is there behind it */
	bool ended, mixed;
	UT_hash_handle hh;
};

struct missing_row {
	char *host, *name;
	int64_t pid, records;
	int64_t first; /* the number of the first, or 0 */
};

struct missing {
	int64_t records, processes;
	struct missing_row *rows; /* one for each of these processes */
};

struct process {
	char *key;
	struct numbers *numbers; /* NULL: nothing can be said of its numbers */
	int64_t early;		 /* its last records that may be of one with its pid that begins */
	struct process_row row;
	struct use *uses;
	struct held *held;
	int64_t scope_pid[2]; /* which directory's logs, and which process in it */
	bool found_by_pid;    /* the last that was started with it */
	UT_hash_handle hh, by_pid;
};

/* What may be asked about a run: what happened there, each place once. */
enum category {
	CATEGORY_SIGBUS,
	CATEGORY_NONLINEAR,
	CATEGORY_REWIRE,
	CATEGORY_PRESSURE,
	CATEGORY_SELFMEM,
	CATEGORY_UNPROTECTED,
	CATEGORY_TORN,
	CATEGORY_LOST,
	CATEGORY_DRIFT,
	CATEGORY_GAP,
	CATEGORY_COUNT,
	CATEGORY_INJECTED = CATEGORY_COUNT, /* by rule; nothing that was not asked for */
	CATEGORIES
};

struct finding {
	char *key;
	enum category category;
	char *what, *where;
	struct frame frame; /* the program's call; zeros: not known */
	char *cure;	    /* what would have prevented it, or NULL */
	char *process;
	int64_t times, pid, processes;
	UT_hash_handle hh;
};

/* Of which it is only known that it was there. */
struct member {
	char *key;
	UT_hash_handle hh;
};

/* The logs of one directory: collected logs have one for each machine. */
struct host_scope {
	char *key;  /* its name */
	char *host; /* the last that a record named; NULL: none yet */
	UT_hash_handle hh;
};

struct log_row {
	const char *path;
	struct host_scope *scope;
	int64_t records, damaged, bytes;
	char first[TIME_BYTES], last[TIME_BYTES];
	bool whole; /* its first process made it: the records of each follow its process.start */
};

/* What the sentences and the JSON are made of, by these names. Refused: calls and mappings of all
 * kinds; sigbus: programs that died; rescued: mappings that went on; waits: of writers. */
/* clang-format off */
#define TOTALS(X) \
	X(snapshots) X(files) X(open) X(copied_bytes) X(preserved) X(waits) X(longest_wait) \
	X(lost) X(refused) X(grown) X(denied) X(unprotected) X(drift_pages) X(drifted) \
	X(nonlinear_calls) X(sites) X(failed) X(windows) X(most_areas) X(area_limit) X(sigbus) \
	X(rescued) X(reached) X(memory_opened) X(views) X(gaps) X(dropped) X(missing) X(holed) \
	X(damaged) X(unsynchronised)
/* clang-format on */

struct totals {
#define TOTAL(name) int64_t name;
	TOTALS(TOTAL)
#undef TOTAL
	int64_t engines[ENGINES], consistency[CONSISTENCIES];
	char *engines_text, *consistency_text;
};

/* Records of one event by one program of one host. */
struct tally {
	char *key;
	char *action, *program, *host;
	int64_t count;
	UT_hash_handle hh;
};

struct model {
	struct log_row *logs, *log;
	size_t log_count;
	int64_t *actions; /* see event_count */
	int64_t records, damaged;
	char first[TIME_BYTES], last[TIME_BYTES];

	struct file_row *files;
	struct site_row *sites;
	struct log_module *modules;
	struct host_scope *scopes;
	struct member *hosts;
	struct process *processes, *pids;
	struct numbers *numbers;
	struct missing missing;
	int64_t process_count, ended_count;
	struct process_row rows[PROCESS_ROWS];
	size_t row_count;

	int64_t dropped_at_end;
	struct reason drop_reasons[REASONS];
	struct totals totals;
	struct series series[PICTURES * SERIES]; /* a picture after the other */
	int64_t marks_seen[PICTURES];

	bool by_program, pictures; /* tallies are wanted; series are */
	struct tally *tallies;
	struct finding *findings;
	struct member *finding_processes; /* a finding and a pid each */
	int64_t found[CATEGORIES];	  /* findings, those that are left out too */
	int64_t findings_left_out;
	struct member *executables; /* by path */
	struct member *begun;	    /* processes in logs of which the beginning must be there */
	bool beginning_gone;	    /* of a log that is whole otherwise */
};

/* Sums that stop at the largest number, since a log may say anything. */
void sum_add(int64_t *to, int64_t n);
void sum_take(struct sum *sum, int64_t n);
void reason_count(struct reason *reasons, const char *text);

/* By number of the event in events.def, up to NULL; what is counted has one more, for others. */
extern const char *const event_names[];
extern const size_t event_kinds;
void event_count(int64_t *counts, const char *action);

/* For so many logs. */
struct model *model_new(void);
/* What comes next is of the next log. */
void model_log(struct model *model, const char *path);
/* Reads it to its end, and tells how far it is from time to time. 0, or -errno. Closes fd. */
int model_read(struct model *model, int fd, void (*at)(void *context, off_t offset), void *context);

/* inputs.c: logs that are there. */
struct input {
	const char *path;
	int fd; /* of what cannot be opened twice, or -1 */
	struct stat st;
	char first[TIME_BYTES]; /* "" when that cannot be known before it is read */
	size_t place;		/* in which it was added */
};

struct inputs {
	struct input *list;
	size_t count;
};

/* One more, which is opened, unless it is there under another name. The path is not copied. Ends
 * the command where it cannot be read. */
void inputs_add(struct inputs *inputs, const char *path);
/* All of them, in the order of time. Ends the command where one cannot be read. */
void inputs_read(struct inputs *inputs, struct model *model);

/* finding.c: a program that ran. */
void executable_note(struct model *model, const char *path);
/* finding.c: a gap that no record tells, of a program. */
void model_note_gap(struct model *model, const char *path, const char *what);
/* finding.c: findings of gaps in programs of these patterns are none; how many were. */
int64_t model_allow_gaps(struct model *model, const char *patterns);
/* After the last: what can only be said then. */
void model_finish(struct model *model);

/* finding.c: what would prevent it, in words of options and commands; NULL: nothing known. */
const char *cure_of(const char *reason);

/* site.c */
uint32_t frames_find(struct model *model, const struct scan *scan, struct frame *frames);
struct site_row *site_of(struct model *model, const struct scan *scan, const char *group,
			 const char *program);

extern const char *const engine_names[];
extern const char *const consistency_names[];
extern const char *const fate_names[];

/* words.c: what is said of each event, in a line of the log and as a finding. */

struct words {
	const char *action;
	const char *line;
	enum category category;
	const char *finding;
	const char *detail; /* of its call site; NULL: it has none */
};

/* NULL: an event that is not known here. */
const struct words *words_of(const char *action);

/* Of a record; and of whatever has values by names. */
typedef const struct scan_value *words_find(const void *context, const char *name);
/* To be freed. */
char *words_of_record(const struct scan *scan, const char *words);
char *words_fill(const char *words, words_find *find, const void *context);

struct total {
	const char *name;
	size_t at;
};
extern const struct total total_names[]; /* up to NULL */
int64_t total_of(const struct totals *totals, const struct total *total);

void totals_finish(struct model *model);

/* story.c. In a word, and in a sentence. */
struct state {
	const char *word, *sentence;
};
const struct state *story_state(const struct model *model);

/* A sentence of brackets; see words.c. To be freed. */
char *story_part(const struct totals *totals, const char *words);

/* Each thing that there is to say, in the order of weight. why: the category whose findings say
 * more, or CATEGORIES. */
void story_tell(const struct totals *totals,
		void (*say)(void *context, const char *kind, const char *sentence,
			    enum category why),
		void *context);

#endif
