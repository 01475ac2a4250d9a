/* SPDX-License-Identifier: MIT */
/*
 * Which module an address lies in, and its build-id: from the loader's own lock-free
 * table and from the headers it mapped. Opens nothing, and reads only what a
 * segment says is there.
 */
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <string.h>

#include "audit/identity.h"
#include "audit/trace.h"

/* glibc before 2.35 has none: then no address has a module, and no frame a caller. */
extern __typeof__(_dl_find_object) _dl_find_object __attribute__((weak));

#define NOTE_ALIGN(x) (((size_t)(x) + 3) & ~(size_t)3)

static bool is_vdso(const char *name)
{
	return !strncmp(name, "linux-vdso.", 11) || !strncmp(name, "linux-gate.", 11);
}

/* The loader knows the main program by an empty name. */
static const char *module_path(const char *name)
{
	const struct program *program;

	if (is_vdso(name))
		return "[vdso]";
	if (name[0])
		return name;
	program = identity_program();
	return program ? program->executable : "";
}

static void find_id_in(const char *note, size_t size, struct module *out)
{
	while (size >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *head = (const ElfW(Nhdr) *)note;
		size_t name = NOTE_ALIGN(head->n_namesz), id = NOTE_ALIGN(head->n_descsz);

		if (name > size || id > size || sizeof(*head) + name + id > size)
			return;
		if (head->n_type == NT_GNU_BUILD_ID && head->n_namesz == 4 &&
		    !memcmp(head + 1, "GNU", 4) && head->n_descsz <= sizeof(out->build_id)) {
			memcpy(out->build_id, (const char *)(head + 1) + name, head->n_descsz);
			out->build_id_length = head->n_descsz;
			return;
		}
		note += sizeof(*head) + name + id;
		size -= sizeof(*head) + name + id;
	}
}

/* Whether the bytes of a note are in memory that can be read. */
static bool note_loaded(const ElfW(Phdr) * segments, size_t count, const ElfW(Phdr) * note)
{
	for (size_t i = 0; i < count; i++) {
		const ElfW(Phdr) *load = &segments[i];

		if (load->p_type == PT_LOAD && (load->p_flags & PF_R) &&
		    note->p_vaddr >= load->p_vaddr && note->p_memsz <= load->p_filesz &&
		    note->p_vaddr - load->p_vaddr <= load->p_filesz - note->p_memsz)
			return true;
	}
	return false;
}

static void find_build_id(struct module *out)
{
	const ElfW(Ehdr) *elf = (const ElfW(Ehdr) *)out->start;
	size_t span = out->end - out->start;
	const ElfW(Phdr) * segments;

	if (span < sizeof(*elf) || memcmp(elf->e_ident, ELFMAG, SELFMAG) ||
	    elf->e_phentsize != sizeof(*segments) || elf->e_phoff > span ||
	    elf->e_phnum * sizeof(*segments) > span - elf->e_phoff)
		return;
	segments = (const ElfW(Phdr) *)(out->start + elf->e_phoff);
	for (size_t i = 0; i < elf->e_phnum && !out->build_id_length; i++)
		if (segments[i].p_type == PT_NOTE &&
		    note_loaded(segments, elf->e_phnum, &segments[i]))
			find_id_in((const char *)(out->bias + segments[i].p_vaddr),
				   segments[i].p_memsz, out);
}

int module_range(uintptr_t address, struct module_range *out)
{
	struct dl_find_object found;

	if (!_dl_find_object || _dl_find_object((void *)address, &found))
		return -ENOENT;
	out->start = (uintptr_t)found.dlfo_map_start;
	out->end = (uintptr_t)found.dlfo_map_end;
	out->handle = found.dlfo_link_map;
	return 0;
}

int module_find(uintptr_t address, struct module *out)
{
	struct module_range range;
	int r = module_range(address, &range);

	if (r)
		return r;
	out->path = module_path(range.handle->l_name);
	out->start = range.start;
	out->end = range.end;
	out->bias = range.handle->l_addr;
	out->build_id_length = 0;
	find_build_id(out);
	return 0;
}
