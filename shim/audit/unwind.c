/* SPDX-License-Identifier: MIT */
/*
 * Where libgcc's unwinder, linked into the library, gets its tables. libgcc's own
 * version of this function may allocate; and for an address without a table the
 * unwinder then reads the code there to see whether it is a signal's return. In a
 * program with generated code or stacks of its own making that address may be
 * anything. Here such a frame gets a table that says: the stack ends. Never locks,
 * and never reads at an address that no module has, or where nothing is any more.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "audit/trace.h"
#include "kernel/symbol.h"
#include "support/sys.h"
#include "support/user.h"

/* libgcc's, from unwind-dw2-fde.h. */
struct dwarf_eh_bases {
	void *tbase;
	void *dbase;
	void *func;
};

const void *_Unwind_Find_FDE(void *pc, struct dwarf_eh_bases *bases);

enum { ENCODED_ABSOLUTE = 0x00, ENCODED_UDATA4 = 0x03, ENCODED_TABLE = 0x3b };

/* .eh_frame_hdr as every linker writes it; another form counts as none. */
struct frame_header {
	uint8_t version;
	uint8_t frame_encoding;
	uint8_t count_encoding;
	uint8_t table_encoding;
	int32_t frame;
	uint32_t count;
	struct table_entry {
		int32_t start; /* both from the header on */
		int32_t fde;
	} table[];
};

#ifdef __x86_64__
#define SP_COLUMN 7
#define RA_COLUMN 16
#else
#define SP_COLUMN 4
#define RA_COLUMN 8
#endif

#define CFA_DEF_CFA   0x0c
#define CFA_UNDEFINED 0x07

/* A CIE and its FDE: the caller is undefined. */
static const struct __attribute__((packed)) {
	uint32_t cie_length;
	uint32_t cie_id;
	uint8_t version, augmentation, code_align, data_align, ra_column;
	uint8_t program[5];
	uint32_t fde_length;
	uint32_t cie_distance;
	uintptr_t start, range;
	uint32_t end;
} stack_end = { 14,
		0,
		1,
		0,
		1,
		0x80 - sizeof(void *),
		RA_COLUMN,
		{ CFA_DEF_CFA, SP_COLUMN, sizeof(void *), CFA_UNDEFINED, RA_COLUMN },
		4 + 2 * sizeof(uintptr_t),
		22,
		0,
		0,
		0 };

_Static_assert(offsetof(__typeof__(stack_end), fde_length) == 4 + 14, "CIE length");
_Static_assert(offsetof(__typeof__(stack_end), cie_distance) == 22, "distance to the CIE");

static const uint8_t *skip_leb128(const uint8_t *p, const uint8_t *end)
{
	while (p < end && *p & 0x80)
		p++;
	return p + 1;
}

static size_t encoded_size(uint8_t encoding)
{
	static const uint8_t sizes[8] = { sizeof(void *), 0, 2, 4, 8, 0, 0, 0 };

	return encoding == 0x50 ? 0 : sizes[encoding & 7];
}

/* What the loader knows is how it was: a program may have taken the tables away since, or have
 * written over them. A page is tried out once in a walk: it is marked with the walk's number. */
#define PAGES 64

static _Atomic uintptr_t readable_pages[PAGES] LARGE;
static _Atomic uintptr_t walk_number;

void unwind_begin(void)
{
	atomic_fetch_add_explicit(&walk_number, 1, memory_order_relaxed);
}

static bool readable(const void *at, size_t size)
{
	uintptr_t walk = atomic_load_explicit(&walk_number, memory_order_relaxed) % PAGE_BYTES;

	for (uintptr_t page = PAGE_DOWN((uintptr_t)at); page < (uintptr_t)at + size;
	     page += PAGE_BYTES) {
		_Atomic uintptr_t *known = &readable_pages[page / PAGE_BYTES % PAGES];

		if (atomic_load_explicit(known, memory_order_relaxed) == (page | walk))
			continue;
		if (!user_readable((void *)page, 1))
			return false;
		atomic_store_explicit(known, page | walk, memory_order_relaxed);
	}
	return true;
}

bool unwind_may_pass(uintptr_t ip)
{
	return sizeof(ip) == 8 || readable((const void *)ip, 16);
}

/* A CIE or an FDE: its length is that of what follows. */
#define ENTRY_MOST 65536

/* Its end, or NULL. */
static const uint8_t *end_of(const uint8_t *entry)
{
	uint32_t length;

	if (!readable(entry, sizeof(length)))
		return NULL;
	memcpy(&length, entry, sizeof(length));
	return length >= 2 * sizeof(length) && length < ENTRY_MOST && readable(entry, 4 + length)
		       ? entry + 4 + length
		       : NULL;
}

/* How the addresses of a CIE's entries are written; -1 when that cannot be told. */
static int address_encoding(const uint8_t *cie)
{
	const uint8_t *end = end_of(cie);
	const uint8_t *p = end ? memchr(cie + 9, 0, (size_t)(end - cie - 9)) : NULL;
	const char *augmentation = (const char *)cie + 9;

	if (!p || augmentation[0] != 'z')
		return p && !augmentation[0] ? ENCODED_ABSOLUTE : -1;
	p += cie[8] >= 4 ? 3 : 1;
	p = skip_leb128(skip_leb128(p, end), end);
	p = cie[8] == 1 ? p + 1 : skip_leb128(p, end);
	p = skip_leb128(p, end);
	for (const char *c = augmentation + 1; *c && p < end; c++) {
		if (*c == 'R')
			return *p;
		if (*c == 'L')
			p++;
		else if (*c == 'P' && encoded_size(*p))
			p += 1 + encoded_size(*p);
		else if (*c != 'S')
			return -1;
	}
	return p < end ? ENCODED_ABSOLUTE : -1;
}

/* The number of bytes of code that an FDE describes; 0 when that cannot be told. */
static size_t fde_range(const uint8_t *fde)
{
	const uint8_t *end = end_of(fde);
	uint32_t distance;
	uint64_t range = 0;

	if (!end)
		return 0;
	memcpy(&distance, fde + 4, 4);
	int encoding = address_encoding(fde + 4 - distance);
	size_t size = encoding < 0 ? 0 : encoded_size((uint8_t)encoding);
	if ((size_t)(end - fde) < 8 + 2 * size)
		return 0;
	memcpy(&range, fde + 8 + size, size);
	return (size_t)range;
}

static const void *find_in(const struct frame_header *header, uintptr_t pc, uintptr_t *start)
{
	const struct table_entry *found = NULL;
	uintptr_t base = (uintptr_t)header;

	if (!readable(header, sizeof(*header)) || header->version != 1 ||
	    encoded_size(header->frame_encoding) != 4 || header->count_encoding != ENCODED_UDATA4 ||
	    header->table_encoding != ENCODED_TABLE)
		return NULL;
	for (uint32_t low = 0, high = header->count; low < high;) {
		uint32_t middle = low + (high - low) / 2;
		const struct table_entry *entry = &header->table[middle];

		if (!readable(entry, sizeof(*entry)))
			return NULL;
		if (base + (uintptr_t)(intptr_t)entry->start <= pc) {
			found = entry;
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	if (!found)
		return NULL;
	*start = base + (uintptr_t)(intptr_t)found->start;
	const uint8_t *fde = (const uint8_t *)(base + (uintptr_t)(intptr_t)found->fde);
	return pc - *start < fde_range(fde) ? fde : NULL;
}

#ifdef __i386__
/* What addresses in old tables are counted from: the module's global offset table. */
static void *data_base(const struct link_map *library)
{
	const ElfW(Dyn) *entry = library->l_ld;

	for (; readable(entry, sizeof(*entry)) && entry->d_tag != DT_NULL; entry++)
		if (entry->d_tag == DT_PLTGOT)
			return (void *)symbol_address(library, entry->d_un.d_ptr);
	return NULL;
}
#else
static void *data_base(const struct link_map *library)
{
	(void)library;
	return NULL;
}
#endif

const void *_Unwind_Find_FDE(void *pc, struct dwarf_eh_bases *bases)
{
	struct loaded module;
	uintptr_t start = (uintptr_t)pc;
	const void *fde = NULL;

	*bases = (struct dwarf_eh_bases){ NULL, NULL, NULL };
	if (!loaded_find((uintptr_t)pc, &module) && module.frame_header) {
		fde = find_in(module.frame_header, (uintptr_t)pc, &start);
		bases->dbase = data_base(module.library);
	}
	bases->func = (void *)start;
	return fde ? fde : &stack_end.fde_length;
}

/* libgcc's unwinder wants these two, weak or not, and a weak reference too names its version, which
 * an old libc has not. The first says that there may be threads; it is never called. */
int __pthread_key_create(pthread_key_t *key, void (*destroy)(void *));
int __pthread_key_create(pthread_key_t *key, void (*destroy)(void *))
{
	(void)key;
	(void)destroy;
	return ENOSYS;
}

/* It sets up a table, in trace_prepare. */
int pthread_once(pthread_once_t *once, void (*routine)(void))
{
	if (!*once) {
		routine();
		*once = 1;
	}
	return 0;
}
