/* SPDX-License-Identifier: MIT */
/*
 * Looking up names by the hash tables of the libraries: the GNU one, or the System V one
 * where a library has no other. Reads memory that the dynamic linker has mapped, and
 * nothing else.
 */
#include <dlfcn.h>
#include <elf.h>
#include <stdint.h>
#include <string.h>

#include "kernel/symbol.h"

#define VERSION_HIDDEN 0x8000
#define WORD_BITS      (8 * sizeof(ElfW(Addr)))

extern ElfW(Dyn) our_dynamic[] __asm__("_DYNAMIC") __attribute__((visibility("hidden")));

static uintptr_t distance(uintptr_t a, uintptr_t b)
{
	return a > b ? a - b : b - a;
}

/* A module is in one piece: of the two possible addresses the right one is near its dynamic
 * section. (A prelinked library may have been moved down, by an l_addr above all addresses.) */
uintptr_t symbol_address(const struct link_map *library, uintptr_t value)
{
	uintptr_t section = (uintptr_t)library->l_ld, moved = value + library->l_addr;

	return distance(moved, section) < distance(value, section) ? moved : value;
}

bool symbol_read(const struct link_map *library, struct symbol_table *out)
{
	*out = (struct symbol_table){ .library = library };
	for (const ElfW(Dyn) *entry = library->l_ld; entry->d_tag != DT_NULL; entry++) {
		const void *at = (void *)symbol_address(library, entry->d_un.d_ptr);

		switch (entry->d_tag) {
		case DT_SYMTAB:
			out->symbol = at;
			break;
		case DT_STRTAB:
			out->strings = at;
			break;
		case DT_GNU_HASH:
			out->gnu = at;
			break;
		case DT_HASH:
			out->sysv = at;
			break;
		case DT_VERSYM:
			out->versions = at;
			break;
		}
	}
	return out->symbol && out->strings && (out->gnu || out->sysv);
}

/* A definition that others may use, in the version that a program is linked with today. */
static bool is_definition(const struct symbol_table *in, uint32_t index, const char *name)
{
	const ElfW(Sym) *symbol = &in->symbol[index];
	int type = ELF64_ST_TYPE(symbol->st_info);

	return symbol->st_shndx != SHN_UNDEF && ELF64_ST_BIND(symbol->st_info) != STB_LOCAL &&
	       (type <= STT_FUNC || type == STT_COMMON || type == STT_GNU_IFUNC) &&
	       !(in->versions && in->versions[index] & VERSION_HIDDEN) &&
	       !strcmp(in->strings + symbol->st_name, name);
}

static uint32_t find_gnu(const struct symbol_table *in, const char *name)
{
	uint32_t count = in->gnu[0], first = in->gnu[1], words = in->gnu[2];
	const ElfW(Addr) *bloom = (const ElfW(Addr) *)(in->gnu + 4);
	const uint32_t *buckets = (const uint32_t *)(bloom + words), *chain = buckets + count;
	uint32_t hash = 5381;

	for (const char *c = name; *c; c++)
		hash = hash * 33 + (unsigned char)*c;
	ElfW(Addr) word = bloom[hash / WORD_BITS & (words - 1)];
	if (!(word >> hash % WORD_BITS & word >> (hash >> in->gnu[3]) % WORD_BITS & 1))
		return 0;
	uint32_t index = buckets[hash % count];
	for (bool last = index < first; !last; index++) {
		last = chain[index - first] & 1;
		if ((chain[index - first] | 1) == (hash | 1) && is_definition(in, index, name))
			return index;
	}
	return 0;
}

static uint32_t find_sysv(const struct symbol_table *in, const char *name)
{
	const uint32_t *buckets = in->sysv + 2, *chain = buckets + in->sysv[0];
	uint32_t hash = 0;

	for (const char *c = name; *c; c++) {
		hash = (hash << 4) + (unsigned char)*c;
		hash = (hash ^ (hash >> 24 & 0xf0)) & 0x0fffffff;
	}
	for (uint32_t i = buckets[hash % in->sysv[0]]; i; i = chain[i])
		if (is_definition(in, i, name))
			return i;
	return 0;
}

void *symbol_find(const struct symbol_table *in, const char *name)
{
	uint32_t index = (in->gnu ? find_gnu : find_sysv)(in, name);

	if (!index)
		return NULL;
	const ElfW(Sym) *symbol = &in->symbol[index];
	uintptr_t address = symbol->st_value;

	if (symbol->st_shndx != SHN_ABS)
		address += in->library->l_addr;
	if (ELF64_ST_TYPE(symbol->st_info) == STT_GNU_IFUNC)
		address = ((uintptr_t(*)(void))address)();
	return (void *)address;
}

void *symbol_in(const struct link_map *library, const char *name)
{
	struct symbol_table symbols;

	return symbol_read(library, &symbols) ? symbol_find(&symbols, name) : NULL;
}

/* "linux-gate" on i386. */
bool symbol_is_vdso(const struct link_map *library)
{
	const char *name = library->l_name;

	return !strncmp(name, "linux-vdso.", 11) || !strncmp(name, "linux-gate.", 11);
}

const struct link_map *symbol_vdso(void)
{
	const struct link_map *library = _r_debug.r_map;

	while (library && !symbol_is_vdso(library))
		library = library->l_next;
	return library;
}

/* The library that follows in the order of loading; the first one after us for NULL. The vdso is
 * listed, but nobody's names are looked for there. */
static const struct link_map *symbol_after(const struct link_map *library)
{
	if (!library) {
		library = _r_debug.r_map;
		while (library && library->l_ld != our_dynamic)
			library = library->l_next;
	}
	while (library && (library = library->l_next) && symbol_is_vdso(library))
		;
	return library;
}

static const struct link_map *last; /* of those that the program was started with */

void symbols_settle(void)
{
	const struct link_map *library = NULL;

	while ((library = symbol_after(library)))
		last = library;
}

void *symbol_next(const char *name)
{
	const struct link_map *library = NULL;
	void *found;

	do {
		library = symbol_after(library);
		found = library ? symbol_in(library, name) : NULL;
	} while (!found && library && library != last);
	return found;
}

/* What libc itself opens libraries with, where dlopen is in a library that is not there; and how it
 * says that it is a program's open. */
#define LIBC_OPEN      "__libc_dlopen_mode"
#define LIBC_OPEN_FLAG 0x80000000U

/* The handle of a library is its entry in the list. */
const struct link_map *symbol_load(const char *library)
{
	void *(*open)(const char *, int) = symbol_next("dlopen");
	int flags = RTLD_NOW | RTLD_LOCAL;

	if (!open) {
		open = symbol_next(LIBC_OPEN);
		flags |= (int)LIBC_OPEN_FLAG;
	}
	const struct link_map *found = open ? open(library, flags) : NULL;
	char *(*error)(void) = found ? NULL : symbol_next("dlerror");
	if (error)
		error(); /* it is not the program's */
	return found;
}

void symbol_unload(const struct link_map *library)
{
	int (*close)(void *) = symbol_next("dlclose");

	if (!close)
		close = symbol_next("__libc_dlclose");
	if (close)
		close((void *)(uintptr_t)library);
}
