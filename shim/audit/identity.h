/* SPDX-License-Identifier: MIT */
/*
 * Who writes: process and thread, the program's name and file. The numbers are
 * asked of the kernel each time, because a raw clone or a vfork tells nobody; the
 * names are looked up once. No locks, no libc; usable on the lease thread. And the time.
 */
#ifndef MMFENCE_AUDIT_IDENTITY_H
#define MMFENCE_AUDIT_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "support/text.h"

struct identity {
	int pid;
	int tid;
};

struct identity identity_get(void);

struct image {
	char name[32];	       /* as in /proc/self/comm */
	char executable[4096]; /* as in /proc/self/exe; empty where that cannot be read */
	char program[4096];    /* what the dynamic linker loaded */
	/* "name":…,"executable":… ready for a record; empty when they are no plain UTF-8. */
	char json[6144];
	size_t json_length;
};

/* The same for the whole life of a process. NULL only while another thread looks it up. */
const struct image *identity_image(void);

/* process.start is due: true for one caller per process, who then says how it went; after a
 * failure the next caller tries. The others wait a moment, so that theirs come after it. */
bool identity_announce(const struct identity *who);
void identity_announced(const struct identity *who, bool written);

/* Numbers the records of a process from 1. A child that shares its parent's memory goes on counting
 * where that one is. */
unsigned long identity_sequence(void);

/* The record with one of these numbers is written, or could not be. */
void identity_finished(void);
/* How many, in any thread, have a number and are not. */
unsigned long identity_unfinished(void);

/* In a forked child. */
void identity_forget(void);

/* ---- clock.c ---- */

struct moment {
	int64_t seconds; /* since 1970, UTC */
	int64_t nanoseconds;
};

/* clock is CLOCK_REALTIME, CLOCK_MONOTONIC_COARSE, … */
void clock_read(int clock, struct moment *now);

/* "2026-03-01T09:30:00.000125Z": ISO 8601, UTC, microseconds, 27 bytes for the years 0-9999. */
void clock_format(struct text *out, const struct moment *when);

#endif
