/* SPDX-License-Identifier: MIT */
/*
 * ELF headers by libelf: see elf.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <string.h>
#include <unistd.h>

#include "cli/run/elf.h"

static Elf *open_elf(const char *path, int *fd)
{
	elf_version(EV_CURRENT);
	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (*fd < 0)
		return NULL;
	Elf *elf = elf_begin(*fd, ELF_C_READ, NULL);
	if (elf && elf_kind(elf) == ELF_K_ELF)
		return elf;
	elf_end(elf);
	close(*fd);
	errno = ENOEXEC;
	return NULL;
}

static void close_elf(Elf *elf, int fd)
{
	elf_end(elf);
	close(fd);
}

/* x32 programs are 32-bit files for x86-64: another architecture to us. */
static int bits_of(const GElf_Ehdr *header)
{
	int class = header->e_ident[EI_CLASS];

	if (header->e_machine == EM_X86_64 && class == ELFCLASS64)
		return 64;
	if (header->e_machine == EM_386 && class == ELFCLASS32)
		return 32;
	return 0;
}

static void read_loader(Elf *elf, int fd, char *out, size_t size)
{
	GElf_Phdr segment;
	size_t count = 0;

	elf_getphdrnum(elf, &count);
	for (size_t i = 0; i < count; i++) {
		if (!gelf_getphdr(elf, (int)i, &segment) || segment.p_type != PT_INTERP)
			continue;
		if (segment.p_filesz < size)
			size = segment.p_filesz;
		ssize_t got = pread(fd, out, size, (off_t)segment.p_offset);
		out[got > 0 ? got - 1 : 0] = 0; /* the file has a NUL there */
		return;
	}
}

/* The section of this type, or NULL. */
static Elf_Scn *find_section(Elf *elf, GElf_Word type, GElf_Shdr *header)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(elf, section))) {
		if (gelf_getshdr(section, header) && header->sh_type == type && header->sh_entsize)
			return section;
	}
	return NULL;
}

static bool has_loader_name(Elf *elf)
{
	GElf_Shdr header;
	GElf_Dyn entry;
	Elf_Scn *section = find_section(elf, SHT_DYNAMIC, &header);
	Elf_Data *data = section ? elf_getdata(section, NULL) : NULL;

	for (int i = 0; data && gelf_getdyn(data, i, &entry); i++) {
		if (entry.d_tag != DT_SONAME)
			continue;
		const char *name = elf_strptr(elf, header.sh_link, entry.d_un.d_val);
		return name && !strncmp(name, "ld-linux", 8);
	}
	return false;
}

int elf_read(const char *path, struct elf_facts *out)
{
	GElf_Ehdr header;
	int fd;
	Elf *elf = open_elf(path, &fd);

	memset(out, 0, sizeof(*out));
	if (!elf)
		return -errno;
	if (!gelf_getehdr(elf, &header)) {
		close_elf(elf, fd);
		return -ENOEXEC;
	}
	out->bits = bits_of(&header);
	out->machine = header.e_machine;
	read_loader(elf, fd, out->loader, sizeof(out->loader));
	out->is_loader = !out->loader[0] && has_loader_name(elf);
	close_elf(elf, fd);
	return 0;
}

static bool defines(Elf *elf, const char *version)
{
	GElf_Shdr header;
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(elf, section)))
		if (gelf_getshdr(section, &header) && header.sh_type == SHT_GNU_verdef)
			break;
	Elf_Data *data = section ? elf_getdata(section, NULL) : NULL;
	GElf_Verdef definition;
	GElf_Verdaux name;

	for (int at = 0; data && gelf_getverdef(data, at, &definition);
	     at += (int)definition.vd_next) {
		if (gelf_getverdaux(data, at + (int)definition.vd_aux, &name)) {
			const char *text = elf_strptr(elf, header.sh_link, name.vda_name);
			if (text && !strcmp(text, version))
				return true;
		}
		if (!definition.vd_next)
			break;
	}
	return false;
}

int elf_defines_version(const char *path, const char *version)
{
	int fd;
	Elf *elf = open_elf(path, &fd);

	if (!elf)
		return -errno;
	int defined = defines(elf, version);
	close_elf(elf, fd);
	return defined;
}

int elf_imports(const char *path, elf_visit *visit, void *context)
{
	GElf_Shdr header;
	GElf_Sym symbol;
	int fd;
	Elf *elf = open_elf(path, &fd);

	if (!elf)
		return -errno;
	Elf_Scn *section = find_section(elf, SHT_DYNSYM, &header);
	Elf_Data *data = section ? elf_getdata(section, NULL) : NULL;

	for (int i = 0; data && gelf_getsym(data, i, &symbol); i++) {
		if (symbol.st_shndx != SHN_UNDEF)
			continue;
		const char *name = elf_strptr(elf, header.sh_link, symbol.st_name);
		if (name && *name)
			visit(name, context);
	}
	close_elf(elf, fd);
	return 0;
}

const char *elf_machine_name(const struct elf_facts *facts)
{
	switch (facts->machine) {
	case EM_X86_64:
		return facts->bits ? "x86-64" : "x32";
	case EM_386:
		return "i386";
	case EM_AARCH64:
		return "AArch64";
	case EM_ARM:
		return "ARM";
	case EM_RISCV:
		return "RISC-V";
	case EM_PPC64:
		return "PowerPC64";
	case EM_S390:
		return "S/390";
	default:
		return "another architecture";
	}
}
