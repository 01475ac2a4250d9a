/* SPDX-License-Identifier: MIT */
/*
 * The model in a few numbers, and what is said of them wherever somebody is told.
 */
#ifndef MMFENCE_CLI_MODEL_TOTALS_H
#define MMFENCE_CLI_MODEL_TOTALS_H

#include "cli/model/model.h"

struct totals {
	int64_t files, snapshots, open, outlived, copied, lost, unprotected, denied, grown;
	int64_t engines[ENGINES], consistencies[CONSISTENCIES];
	int64_t preserved, drift_pages, drifted;
	struct sum waits; /* of writers */
	int64_t calls, failed, refused, sites, windows;
	int64_t killed, rescued; /* by SIGBUS, and mappings that went on */
	int64_t opened, views, unsynchronised, gaps, dropped, damaged, missing, holed;
};

void totals_take(struct totals *totals, const struct model *model);

/* Of a file's snapshots without an end: those that the process has still or was killed with, and
 * those that ended with it. */
int64_t file_open(const struct file_row *row);
int64_t file_outlived(const struct file_row *row);

/* "3 (verb) in time; 1 time a writer waited, at most 2.0 ms" */
void say_preserved(FILE *out, const struct totals *totals, const char *verb);
/* "42 calls of remap_file_pages from 2 call sites, of which 2 failed" */
void say_calls(FILE *out, const struct totals *totals);
/* "1 process died of SIGBUS in a file mapping; 2 mappings go on with zeros beyond …" */
void say_sigbus(FILE *out, const struct totals *totals);
/* "3 pages of 1 file would have changed under the program" */
void say_drift(FILE *out, const struct totals *totals);

#endif
