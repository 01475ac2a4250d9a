/* SPDX-License-Identifier: MIT */
/*
 * Call sites and backtraces: raw return addresses, and the modules they lie in.
 * Names are looked up by another program later. Async-signal-safe: the unwinder
 * is libgcc's, linked in, which finds unwind tables with _dl_find_object and
 * neither locks nor loads nor opens anything. (libunwind opens a pipe in the
 * program's descriptor table and reads back from whatever has that number later.)
 */
#ifndef MMFENCE_AUDIT_TRACE_H
#define MMFENCE_AUDIT_TRACE_H

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#include "support/lock.h"
#include "support/sys.h"

#define TRACE_FRAMES 32

struct trace {
	uint64_t hash; /* of all frames; equal for equal backtraces */
	uint32_t count;
	uintptr_t frame[TRACE_FRAMES];
};

/* The frames from the caller's caller on: from_ip is the wrapper's own return
 * address, __builtin_return_address(0), and from_cfa the wrapper's canonical
 * frame address, __builtin_dwarf_cfa(). A trace of the same place on the same
 * stack is found again without unwinding. */
void trace_capture(struct trace *trace, void *from_ip, void *from_cfa);

/* The same from inside the handler of a fault: from the instruction that faulted on. Tables hold
 * there too, as it is one that the compiler let touch memory. */
void trace_capture_fault(struct trace *trace, uintptr_t ip);

#define TRACE_HERE(trace) trace_capture((trace), __builtin_return_address(0), __builtin_dwarf_cfa())

/* Before the first. */
void trace_prepare(void);

/* Before each walk: unwind tables are looked for anew (unwind.c). */
void unwind_begin(void);
/* Whether the unwinder can go on from a frame there: on i386 it reads the code, to see whether it
 * is a signal's return. */
bool unwind_may_pass(uintptr_t ip);

struct module {
	const char *path;
	uintptr_t start; /* first mapped byte */
	uintptr_t end;
	uintptr_t bias; /* what to subtract from an address to get the one in the file */
	uint8_t build_id[20];
	size_t build_id_length;
};

/* The module that an address lies in: 0, or -ENOENT. path is the loader's own text: it stays while
 * the module is loaded. The main program's is /proc/self/exe, the vdso's "[vdso]". */
int module_find(uintptr_t address, struct module *out);

/* ---- sites.c: call sites that are counted ---- */

/* The head of a struct of the room's own, which is zeroed at first. */
struct call_site {
	uint64_t key;
	struct trace trace;
	struct call_site *next;	    /* of its bucket */
	struct call_site *next_old; /* of all */
};

#define CALL_SITE_BUCKETS 1024
struct call_sites {
	size_t size; /* of the room's struct */
	size_t most; /* that are kept; 0: any number */
	struct lock lock;
	size_t count;
	struct call_site *all;
	struct call_site *_Atomic *buckets;
};

/* A table of these names and values. */
#define CALL_SITES(name, ...)                                                     \
	static struct call_site *_Atomic name##_buckets[CALL_SITE_BUCKETS] LARGE; \
	static struct call_sites name = { .buckets = name##_buckets, __VA_ARGS__ }

/* The site of that key, which is made if it is new; NULL when there is no memory for it, or there
 * are too many. Inside a scope. */
void *call_site_get(struct call_sites *sites, uint64_t key, const struct trace *trace,
		    bool *is_new);
/* The same if it is there. No lock: async-signal-safe. */
void *call_site_known(struct call_sites *sites, uint64_t key);
/* In a child, which has none yet; what it inherits of the parent's stays as it is. */
void call_sites_forget(struct call_sites *sites);

#define EACH_CALL_SITE(site, sites) \
	for (struct call_site *site = (sites)->all; site; site = site->next_old)

#endif
