/* SPDX-License-Identifier: MIT */
/*
 * `mmfence pages': the census of a process (pages/pages.h), and how it is shown. Stops
 * nobody, and writes nothing but its output.
 */
#ifndef MMFENCE_CLI_PAGES_PAGES_H
#define MMFENCE_CLI_PAGES_PAGES_H

#include <stdio.h>
#include <sys/types.h>

#include "pages/pages.h"

/* What to order by: a class, or these. */
enum { PAGES_BY_ADDRESS = PAGES_CLASSES, PAGES_BY_SIZE };

struct pages_view {
	bool json;
	enum pages_way way;
	unsigned int sort;
	size_t limit; /* rows */
};

struct pages_count {
	pid_t pid;
	char name[32];
	struct pages_result result;
	struct pages_area *areas; /* names are copies */
	size_t count, room;
};

/* The process by its number. Ends the command where it cannot be looked at. */
void pages_open(const char *pid, struct pages_source *source, struct pages_count *count);

/* 0; or with a sentence said STATUS_BAD where the process ended, and STATUS_USAGE. */
int pages_take(const struct pages_source *source, enum pages_way way, struct pages_count *count);

void pages_show(const struct pages_count *count, const struct pages_view *view, FILE *out);
void pages_show_json(const struct pages_count *count, const struct pages_view *view, FILE *out);

/* The areas in the order that view wants. */
void pages_sort(struct pages_count *count, const struct pages_view *view);

#endif
