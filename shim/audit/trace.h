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
#include <stdint.h>

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

/* Before each walk: unwind tables are looked for anew (unwind.c). */
void unwind_begin(void);

struct link_map;

struct module_range {
	uintptr_t start; /* first mapped byte */
	uintptr_t end;
	const struct link_map *handle; /* together with the range: which load of which module */
};

/* 0, or -ENOENT when the address lies in no loaded module. Cheap. */
int module_range(uintptr_t address, struct module_range *out);

struct module {
	const char *path;
	uintptr_t start; /* first mapped byte */
	uintptr_t end;
	uintptr_t bias; /* what to subtract from an address to get the one in the file */
	uint8_t build_id[20];
	size_t build_id_length;
};

/* The same with its file and build-id. path is the loader's own text: it stays while the module is
 * loaded. The main program's is /proc/self/exe, the vdso's "[vdso]". */
int module_find(uintptr_t address, struct module *out);

#endif
