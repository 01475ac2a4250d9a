/* SPDX-License-Identifier: MIT */
/*
 * Names of the loaded libraries, looked up in the dynamic linker's list of them: what
 * dlsym does, without its locks, its memory and libdl, which no glibc before 2.34 has
 * loaded for every program. Usable before the constructor and in a signal handler.
 */
#ifndef MMFENCE_KERNEL_SYMBOL_H
#define MMFENCE_KERNEL_SYMBOL_H

#include <link.h>
#include <stdbool.h>
#include <stdint.h>

/* The tables of one library's names. */
struct symbol_table {
	const struct link_map *library;
	const ElfW(Sym) * symbol;
	const char *strings;
	const uint32_t *gnu, *sysv;
	const ElfW(Half) * versions;
};

/* False: it has none. */
bool symbol_read(const struct link_map *library, struct symbol_table *out);

/* The default version of a name, as dlsym has it; an indirect function is resolved. NULL: not
 * there. */
void *symbol_find(const struct symbol_table *symbols, const char *name);

/* The definition that follows ours, as dlsym(RTLD_NEXT, name) has it. */
void *symbol_next(const char *name);
/* From now on in the libraries alone that are there now, which nobody unloads meanwhile. */
void symbols_settle(void);

/* In one library. */
void *symbol_in(const struct link_map *library, const char *name);

/* The kernel's own code, which is listed too; NULL: it gives none. */
const struct link_map *symbol_vdso(void);
bool symbol_is_vdso(const struct link_map *library);

/* An address out of a library's dynamic section, which the dynamic linker has relocated (ld.so,
 * since 2.36 not all) or not (the vdso's). */
uintptr_t symbol_address(const struct link_map *library, uintptr_t value);

/* Loads a library for us alone, and drops it again. NULL: there is none, or no way to load it. */
const struct link_map *symbol_load(const char *library);
void symbol_unload(const struct link_map *library);

/* ---- loaded.c ---- */

struct loaded {
	uintptr_t start; /* first mapped byte */
	uintptr_t end;
	const struct link_map *library;
	const void *frame_header; /* .eh_frame_hdr; NULL: it has none */
};

/* 0, or -ENOENT when the address lies in no module, or in one that cannot be told. */
int loaded_find(uintptr_t address, struct loaded *out);

/* The same without glibc's table. */
int loaded_find_listed(uintptr_t address, struct loaded *out);

/* The program headers of what is mapped there, read by calls that can fail: how many, or 0. */
#define LOADED_SEGMENTS 32
size_t loaded_segments(uintptr_t start, ElfW(Phdr) segments[LOADED_SEGMENTS]);

/* In a forked child, whose other threads are gone. */
void loaded_after_fork(void);

#endif
