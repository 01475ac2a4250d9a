/* SPDX-License-Identifier: MIT */
/*
 * What `mmfence check' looks for in the log of a run: things that happened, by category,
 * each place once. And whether the log can say so: whether all of it could be read.
 */
#ifndef MMFENCE_CLI_CHECK_FINDING_H
#define MMFENCE_CLI_CHECK_FINDING_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "cli/run/log.h"
#include "policy/policy.h"

enum category {
	CATEGORY_NONLINEAR,
	CATEGORY_REWIRE,
	CATEGORY_PRESSURE,
	CATEGORY_SELFMEM,
	CATEGORY_UNPROTECTED,
	CATEGORY_TORN,
	CATEGORY_LOST,
	CATEGORY_DRIFT,
	CATEGORY_GAP,
	CATEGORY_COUNT
};

struct category_info {
	const char *name;
	bool by_default;
	const char *help;
	/* The setting under which it cannot be seen, or NULL. */
	const char *(*hidden_by)(const struct policy *policy);
};

extern const struct category_info categories[CATEGORY_COUNT];

struct finding {
	enum category category;
	char *what;
	char *where; /* a file, or "" */
	char *site;  /* "module+0x1234", or "" */
	json_int_t times;
	json_int_t pid;
	char *process;
	json_t *processes; /* by pid */
};

struct findings {
	struct finding *list;
	size_t count;
	size_t of[CATEGORY_COUNT];
	json_t *index;	  /* place: number in the list */
	json_t *calls;	  /* of remap_file_pages, by process and site */
	json_t *injected; /* rule: how many calls it failed */
	json_t *begun;	  /* pid: whether its process.start is there; in files of this run alone */
	json_int_t records, damaged, dropped, dropped_at_end;
	bool unreadable; /* there is no log */
	bool cut;	 /* it was emptied, or another is in its place */
	int refused;	 /* the error that keeps records out of it at the end, or 0 */
};

void findings_read(struct findings *findings, const struct log *log);
void findings_free(struct findings *findings);

/* "remap_file_pages, 3 times, /tmp/file, pid 12 (name), at name+0x1234". To be freed. */
char *finding_line(const struct finding *finding);

/* Why the log cannot say that nothing happened, or NULL when it can. To be freed. */
char *findings_doubt(const struct findings *findings);

#endif
