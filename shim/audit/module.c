/* SPDX-License-Identifier: MIT */
/*
 * Which module an address lies in, and its build-id: from the loader's own lock-free
 * table and from the headers it mapped. Opens nothing, and reads only what a
 * segment says is there.
 */
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <string.h>

#include "audit/identity.h"
#include "audit/trace.h"
#include "kernel/loaded.h"
#include "kernel/symbol.h"

#define NOTE_ALIGN(x) (((size_t)(x) + 3) & ~(size_t)3)

/* The loader knows the main program by an empty name. */
static const char *module_path(const struct link_map *library)
{
	const struct program *program;

	if (symbol_is_vdso(library))
		return "[vdso]";
	if (library->l_name[0])
		return library->l_name;
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
	struct loaded module;
	int r = loaded_find(address, &module);

	if (!r)
		*out = (struct module_range){ module.start, module.end, module.library };
	return r;
}

int module_find(uintptr_t address, struct module *out)
{
	struct module_range range;
	int r = module_range(address, &range);

	if (r)
		return r;
	out->path = module_path(range.handle);
	out->start = range.start;
	out->end = range.end;
	out->bias = range.handle->l_addr;
	out->build_id_length = 0;
	find_build_id(out);
	return 0;
}
