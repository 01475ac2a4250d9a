/* SPDX-License-Identifier: MIT */
/*
 * What stands in an ELF file about the way it is loaded. Reads only; a file that
 * is damaged is "no ELF file", since the kernel will have the last word anyway.
 */
#ifndef MMFENCE_CLI_RUN_ELF_H
#define MMFENCE_CLI_RUN_ELF_H

#include <limits.h>
#include <stdbool.h>

struct elf_facts {
	int bits;	       /* 64, 32; 0 for another architecture */
	int machine;	       /* EM_… */
	char loader[PATH_MAX]; /* PT_INTERP; empty for a static program */
	bool is_loader; /* the dynamic linker itself, which honours LD_PRELOAD without PT_INTERP */
};

/* 0, -ENOEXEC when it is no ELF file, or another -errno. */
int elf_read(const char *path, struct elf_facts *out);

/* Whether it is a library with names of this version, "GLIBC_2.5": 1, 0, or as above. */
int elf_defines_version(const char *path, const char *version);

/* Calls visit for each undefined symbol of .dynsym. 0, or as above. */
typedef void elf_visit(const char *symbol, void *context);
int elf_imports(const char *path, elf_visit *visit, void *context);

const char *elf_machine_name(const struct elf_facts *facts);

#endif
