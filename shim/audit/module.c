/* SPDX-License-Identifier: MIT */
/*
 * Which module an address lies in, and its build-id: from the loader's own lock-free
 * table and from the headers it mapped. Opens nothing.
 */
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stddef.h>
#include <string.h>

#include "audit/identity.h"
#include "audit/trace.h"
#include "kernel/symbol.h"
#include "support/user.h"

#define NOTE_ALIGN(x) (((size_t)(x) + 3) & ~(size_t)3)

/* The loader knows the main program by an empty name. */
static const char *module_path(const struct link_map *library)
{
	const struct image *program;

	if (symbol_is_vdso(library))
		return "[vdso]";
	if (library->l_name[0])
		return library->l_name;
	program = identity_image();
	return program ? program->program : "";
}

/* Headers and notes are copied by a call that can fail: a packer, or a program that does not want
 * to be looked into, may have unmapped them, or have written something else there. */
#define NOTE_MOST 16 /* notes of one segment that are looked at */

static bool read_id(uintptr_t note, struct module *out)
{
	struct {
		ElfW(Nhdr) head;
		char name[4];
		unsigned char id[sizeof(out->build_id)];
	} it;
	size_t before = offsetof(__typeof__(it), id);

	if (user_copy_in(&it, (const void *)note, before) || it.head.n_type != NT_GNU_BUILD_ID ||
	    it.head.n_namesz != 4 || memcmp(it.name, "GNU", 4) ||
	    it.head.n_descsz > sizeof(out->build_id) ||
	    user_copy_in(it.id, (const void *)(note + before), it.head.n_descsz))
		return false;
	memcpy(out->build_id, it.id, it.head.n_descsz);
	out->build_id_length = it.head.n_descsz;
	return true;
}

static void find_id_in(uintptr_t note, size_t size, struct module *out)
{
	for (int i = 0; i < NOTE_MOST && size >= sizeof(ElfW(Nhdr)); i++) {
		ElfW(Nhdr) head;

		if (user_copy_in(&head, (const void *)note, sizeof(head)))
			return;
		size_t name = NOTE_ALIGN(head.n_namesz), id = NOTE_ALIGN(head.n_descsz);
		if (name > size || id > size || sizeof(head) + name + id > size ||
		    read_id(note, out))
			return;
		note += sizeof(head) + name + id;
		size -= sizeof(head) + name + id;
	}
}

/* A note that lies elsewhere is none of this module's. */
static void look_into(const ElfW(Phdr) * segment, struct module *out)
{
	uintptr_t at = out->bias + segment->p_vaddr;

	if (segment->p_type == PT_NOTE && at >= out->start && at < out->end &&
	    segment->p_memsz <= out->end - at)
		find_id_in(at, segment->p_memsz, out);
}

static void find_build_id(struct module *out)
{
	ElfW(Phdr) segments[LOADED_SEGMENTS];
	size_t count = loaded_segments(out->start, segments);

	for (size_t i = 0; i < count && !out->build_id_length; i++)
		look_into(&segments[i], out);
}

int module_find(uintptr_t address, struct module *out)
{
	struct loaded module;
	int r = loaded_find(address, &module);

	if (r)
		return r;
	out->path = module_path(module.library);
	out->start = module.start;
	out->end = module.end;
	out->bias = module.library->l_addr;
	out->build_id_length = 0;
	find_build_id(out);
	return 0;
}
