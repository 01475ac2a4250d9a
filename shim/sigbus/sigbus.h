/* SPDX-License-Identifier: MIT */
/*
 * A fault of SIGBUS in a file mapping: what the kernel knows of it now, what is said, and zero
 * pages in place of what was cut off. Nothing is kept of mappings beforehand. Runs in a signal
 * handler, inside a scope, and never touches memory of the program's: a second fault there could
 * not be served.
 */
#ifndef MMFENCE_SIGBUS_SIGBUS_H
#define MMFENCE_SIGBUS_SIGBUS_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/vma.h"

#define SIGBUS_PATH_BYTES 4096

struct trace;

enum sigbus_access { ACCESS_READS, ACCESS_WRITES, ACCESS_EXECUTES };

/* Why the page could not be had. */
enum sigbus_trouble {
	BEYOND_END, /* of the file, as far as can be told */
	NO_HUGE_PAGE,
	NO_SPACE,
	NOT_STORED, /* but it can be read */
	NOT_READ,
	GROWN_AGAIN, /* it can be read now */
};

struct sigbus {
	uintptr_t address;
	enum sigbus_access access;
	bool handled; /* by the program's own handler, which then sent the signal again */
	/* What is there. */
	struct vma area;
	char path[SIGBUS_PATH_BYTES]; /* of a file without a name: the one it had */
	bool unnamed;
	int64_t offset; /* of the page, in the file */
	int64_t size;	/* of the file now; -1: not known */
	enum sigbus_trouble trouble;
	int64_t free; /* bytes of its file system, where that was asked; or -1 */
	/* The snapshot that it is: its fate, NULL where it is none; and the size at capture. */
	const char *snapshot;
	bool lost;
	int64_t size_then;
};

/* The area and its file, as they are now: 0, -ENODEV where no file is mapped, or -errno. */
int sigbus_look(struct sigbus *it);
/* It is a snapshot of this file, of that size at capture. copied: the area shows a copy of it. */
void sigbus_note_snapshot(struct sigbus *it, const char *path, int64_t size, const char *fate,
			  bool copied);
/* What the trouble is, and the free space where that may be it. */
void sigbus_judge(struct sigbus *it);
/* The program's own handler comes before a rescue, and what may be executed is never replaced. */
bool sigbus_may_rescue(const struct sigbus *it);
bool sigbus_is_wanted(const struct sigbus *it);

/* What to replace: from the end of the file to the end of the mapping. */
struct rescue {
	uintptr_t start, end;
	int protection;
};
void sigbus_rescue_range(const struct sigbus *it, struct rescue *out);
/* Zero pages there: the address or -errno. The argument is a struct rescue. */
long sigbus_rescue(void *rescue);

/* error: that of a rescue that failed, or 0. */
void sigbus_report(const struct sigbus *it, const struct trace *trace, int error);
/* Where the kernel did not tell what is there, for this reason: there is no /proc, perhaps. */
void sigbus_report_unknown(const struct sigbus *it, const struct trace *trace, int error);
void sigbus_report_rescue(const struct sigbus *it, const struct rescue *rescue,
			  const struct trace *trace);

#endif
