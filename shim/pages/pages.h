/* SPDX-License-Identifier: MIT */
/*
 * The page census: what each page of a process is. Shared by the library, which counts
 * itself when it ends, and by `mmfence pages', which counts anybody. It asks the kernel
 * alone, stops nobody, and runs where there is no libc: raw calls, no TLS, no memory but
 * its struct.
 */
#ifndef MMFENCE_PAGES_PAGES_H
#define MMFENCE_PAGES_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/vma.h"

enum pages_class {
	PAGES_PRIVATE, /* copied: present, not of a file, in nobody else's page table */
	PAGES_FILE,    /* of a private mapping, and still the file's: shows what others write */
	PAGES_SHARED,  /* of a shared mapping; or of a private one, and in others' tables too */
	PAGES_SWAPPED,
	PAGES_NEVER,   /* never allocated */
	PAGES_UNKNOWN, /* of shared memory that could not be looked into */
	PAGES_CLASSES
};

/* How the page table is read. */
enum pages_way {
	PAGES_WAY_AUTO,
	PAGES_WAY_SCAN,	  /* the PAGEMAP_SCAN ioctl, Linux 6.7 */
	PAGES_WAY_PAGEMAP /* an entry of /proc/PID/pagemap for each page */
};

struct pages_area {
	struct vma vma;
	uint64_t pages[PAGES_CLASSES]; /* their sum is the area's length */
	bool changed;		       /* it was another one afterwards */
	const char *name;	       /* as /proc/PID/maps has it; only during the visit */
};

struct census;
typedef void pages_visit(const struct pages_area *area, void *context);

/* What is counted, by descriptors. */
struct pages_source {
	int process; /* of the directory /proc/PID, or -1: no look at files */
	int maps, pagemap;
	bool self; /* the process is the one that counts */
};

struct pages_result {
	uint64_t areas;
	uint64_t pages[PAGES_CLASSES];
	bool changed; /* mappings came, went or moved while they were counted */
	enum pages_way way;
	int unknown; /* the -errno that kept the first unknown page from being looked up */
};

/* Some 200 KiB; the caller gives it, zeroed. */
size_t census_bytes(void);

/* Visits each area in the order of addresses. 0; -ESRCH when the process ended, or became another
 * program, meanwhile, or has no memory (a zombie, a kernel thread); or -errno. */
int census_run(struct census *census, const struct pages_source *source, enum pages_way way,
	       pages_visit *visit, void *context, struct pages_result *result);

/* "resident_private" and so on, as in events and JSON. */
const char *pages_class_name(enum pages_class which);
const char *pages_way_name(enum pages_way way);

/* ---- exit.c ---- */

/* Inside a scope, while the process still owns its memory. */
void pages_at_exit(void);

#endif
