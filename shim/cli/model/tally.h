/* SPDX-License-Identifier: MIT */
/*
 * What the records of a log add up to. Knows event names and fields (events.def),
 * not how they are shown; takes lines that are no records, or lack fields, calmly.
 */
#ifndef MMFENCE_CLI_MODEL_TALLY_H
#define MMFENCE_CLI_MODEL_TALLY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Tables: a key, and for each how often, and one path as an example. */
struct tally {
	json_int_t records;
	json_int_t damaged; /* lines that are no records */
	json_int_t processes;
	json_int_t snapshots, copied;
	json_t *engines;
	json_t *consistencies;
	json_int_t preserved, preserved_bytes, longest_wait;
	json_int_t unprotected, denied;
	json_t *reasons; /* of mappings that got none */
	json_t *lost;
	json_int_t drifted, drift_pages;
	json_int_t grown;
	json_t *refused; /* calls */
	json_t *opened;	 /* memory files, by kind */
	json_int_t views, unsynchronised;
	json_t *calls; /* of remap_file_pages, by process and site */
	json_t *sites;
	json_int_t rewired;
	json_int_t areas, area_limit; /* where the process came nearest to it */
	json_t *gaps;
	json_int_t dropped, dropped_at_end;
};

void tally_init(struct tally *tally);
void tally_free(struct tally *tally);
void tally_line(const char *line, size_t length, bool fresh, void *tally);

/* After the last line: what can only be said then. */
void tally_finish(struct tally *tally);

/* Calls of remap_file_pages, and how many of them failed. */
json_int_t tally_calls(const struct tally *tally, json_int_t *failed);

/* The entries of a table, most frequent first: how many. entries has room for count. */
struct tally_entry {
	const char *key;
	const char *example;
	json_int_t number;
};
size_t tally_top(json_t *table, struct tally_entry *entries, size_t count);
json_int_t tally_sum(json_t *table);

#endif
