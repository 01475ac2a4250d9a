/* SPDX-License-Identifier: MIT */
/*
 * Modules by address. glibc before 2.35 offers dl_iterate_phdr alone, which waits for a
 * lock that a thread lost in a fork may hold. So there the list of libraries is read, as
 * the kernel copies it, because another thread may be unloading one; what was found is
 * kept, and looked up again only while its entry in the list is what it was.
 */
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "kernel/symbol.h"
#include "support/sys.h"
#include "support/user.h"

#define MODULES	     512
#define DYNAMIC_MOST 64
#define HEADER_PAGES 16 /* between the ELF header and the tables that follow it */

struct known {
	struct link_map entry; /* as it was */
	struct loaded module;
};

static struct known known[MODULES] LARGE;
static atomic_uint known_count;
static atomic_uint sequence; /* odd while the table is written */

size_t loaded_segments(uintptr_t start, ElfW(Phdr) segments[LOADED_SEGMENTS])
{
	ElfW(Ehdr) elf;

	if (user_copy_in(&elf, (void *)start, sizeof(elf)) ||
	    memcmp(elf.e_ident, ELFMAG, SELFMAG) || elf.e_phentsize != sizeof(*segments))
		return 0;
	size_t count = elf.e_phnum < LOADED_SEGMENTS ? elf.e_phnum : LOADED_SEGMENTS;
	return user_copy_in(segments, (void *)(start + elf.e_phoff), count * sizeof(*segments))
		       ? 0
		       : count;
}

static bool header_at(uintptr_t start, const struct link_map *entry, ElfW(Phdr) * segments,
		      size_t *count)
{
	*count = loaded_segments(start, segments);
	for (size_t i = 0; i < *count; i++)
		if (segments[i].p_type == PT_DYNAMIC)
			return entry->l_addr + segments[i].p_vaddr == (uintptr_t)entry->l_ld;
	return false;
}

/* The lowest address in the module that its dynamic section names. */
static uintptr_t lowest_table(const struct link_map *entry)
{
	ElfW(Dyn) section[DYNAMIC_MOST];
	uintptr_t lowest = (uintptr_t)entry->l_ld;

	if (user_copy_in(section, entry->l_ld, sizeof(section)))
		return lowest;
	for (const ElfW(Dyn) *at = section; at < section + DYNAMIC_MOST && at->d_tag != DT_NULL;
	     at++) {
		if (at->d_tag != DT_HASH && at->d_tag != DT_GNU_HASH && at->d_tag != DT_SYMTAB)
			continue;
		uintptr_t address = symbol_address(entry, at->d_un.d_ptr);
		if (address < lowest)
			lowest = address;
	}
	return lowest;
}

/* Of what is not where it was linked for, the header is at l_addr; of a program or a prelinked
 * library it is on one of the pages before the symbols. */
static bool find_header(const struct link_map *entry, ElfW(Phdr) * segments, size_t *count)
{
	if (entry->l_addr && header_at(entry->l_addr, entry, segments, count))
		return true;
	uintptr_t page = PAGE_DOWN(lowest_table(entry));
	for (int i = 0; i < HEADER_PAGES; i++, page -= PAGE_BYTES)
		if (header_at(page, entry, segments, count))
			return true;
	return false;
}

static bool read_module(const struct link_map *at, const struct link_map *entry, struct loaded *out)
{
	ElfW(Phdr) segments[LOADED_SEGMENTS];
	size_t count;

	if (!find_header(entry, segments, &count))
		return false;
	*out = (struct loaded){ .start = UINTPTR_MAX, .library = at };
	for (size_t i = 0; i < count; i++) {
		uintptr_t start = entry->l_addr + segments[i].p_vaddr;
		uintptr_t end = start + segments[i].p_memsz;

		if (segments[i].p_type == PT_GNU_EH_FRAME)
			out->frame_header = (void *)start;
		if (segments[i].p_type != PT_LOAD)
			continue;
		if (PAGE_DOWN(start) < out->start)
			out->start = PAGE_DOWN(start);
		if (end > out->end)
			out->end = end;
	}
	return true;
}

static bool still_there(const struct known *it)
{
	struct link_map now;

	return !user_copy_in(&now, it->module.library, sizeof(now)) &&
	       now.l_addr == it->entry.l_addr && now.l_name == it->entry.l_name &&
	       now.l_ld == it->entry.l_ld && now.l_next == it->entry.l_next;
}

/* Whether the whole list is what it was when it was read. */
static bool unchanged(void)
{
	uint32_t count = atomic_load(&known_count);

	for (uint32_t i = 0; i < count; i++)
		if (!still_there(&known[i]))
			return false;
	return count > 0;
}

static void read_list(void)
{
	const struct link_map *at = _r_debug.r_map;
	uint32_t count = 0;

	while (at && count < MODULES) {
		struct known *it = &known[count++];

		if (user_copy_in(&it->entry, at, sizeof(it->entry)))
			break;
		if (!read_module(at, &it->entry, &it->module))
			it->module = (struct loaded){ .library = at };
		at = it->entry.l_next;
	}
	atomic_store(&known_count, count);
}

/* Readers never wait: who comes while the table is written finds nothing. */
static bool renew(void)
{
	unsigned int before = atomic_load(&sequence);

	if (before & 1 || !atomic_compare_exchange_strong(&sequence, &before, before + 1))
		return false;
	bool same = unchanged();
	if (!same)
		read_list();
	atomic_store(&sequence, before + 2);
	return !same;
}

static bool find_known(uintptr_t address, struct loaded *out)
{
	unsigned int before = atomic_load(&sequence);
	uint32_t count = atomic_load(&known_count);
	struct known it;

	for (uint32_t i = 0; i < count; i++) {
		if (address < known[i].module.start || address >= known[i].module.end)
			continue;
		it = known[i];
		atomic_thread_fence(memory_order_acquire);
		if (before & 1 || atomic_load(&sequence) != before || !still_there(&it))
			return false;
		*out = it.module;
		return true;
	}
	return false;
}

typedef __typeof__(_dl_find_object) find_object;
static find_object *glibc_find;
static atomic_bool looked;

static find_object *find_in_glibc(void)
{
	if (!atomic_load_explicit(&looked, memory_order_acquire)) {
		glibc_find = symbol_next("_dl_find_object");
		atomic_store_explicit(&looked, true, memory_order_release);
	}
	return glibc_find;
}

int loaded_find_listed(uintptr_t address, struct loaded *out)
{
	return find_known(address, out) || (renew() && find_known(address, out)) ? 0 : -ENOENT;
}

int loaded_find(uintptr_t address, struct loaded *out)
{
	find_object *find = find_in_glibc();
	struct dl_find_object found;

	if (!find)
		return loaded_find_listed(address, out);
	if (find((void *)address, &found))
		return -ENOENT;
	*out = (struct loaded){ (uintptr_t)found.dlfo_map_start, (uintptr_t)found.dlfo_map_end,
				found.dlfo_link_map, found.dlfo_eh_frame };
	return 0;
}

void loaded_after_fork(void)
{
	atomic_store(&known_count, 0);
	atomic_store(&sequence, 0);
}
