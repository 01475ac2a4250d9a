/* SPDX-License-Identifier: MIT */
/*
 * Places in modules: see report.h. One Dwfl for each module, since they come from
 * many processes and know no common address space.
 */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/model/entry.h"
#include "cli/report/report.h"

#define DEBUG_DIRECTORY "/usr/lib/debug"

static const char no_build_id[] = "no build-id: may have changed since";

struct opened {
	void *key;
	bool tried;
	Dwfl_Module *module; /* NULL: nothing to be had */
	GElf_Addr bias;
	const char *note;
	UT_hash_handle hh;
};

static struct {
	char *directories; /* each absolute */
	char *debuginfo_path;
	Dwfl_Callbacks callbacks;
	struct opened *modules;
} symbols;

void symbols_open(const char *directories)
{
	/* libdwfl would ask a server for every build-id in the log. */
	unsetenv("DEBUGINFOD_URLS");
	symbols.directories = format_text("%s%s", DEBUG_DIRECTORY, directories ? directories : "");
	symbols.debuginfo_path = format_text(":.debug:%s", symbols.directories);
	symbols.callbacks = (Dwfl_Callbacks){
		.find_elf = dwfl_build_id_find_elf,
		/* By build-id alone: a link in the module may name anything. */
		.find_debuginfo = dwfl_build_id_find_debuginfo,
		.section_address = dwfl_offline_section_address,
		.debuginfo_path = &symbols.debuginfo_path,
	};
}

/* A path in a log may name anything: a pipe would wait, and a device do something when it is
 * opened. */
static int open_regular(const char *path)
{
	int place = open(path, O_PATH | O_CLOEXEC), fd = -1;
	char link[40];
	struct stat st;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", place);
	if (place >= 0 && !fstat(place, &st) && S_ISREG(st.st_mode))
		fd = open(link, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (place >= 0)
		close(place);
	return fd;
}

enum match { MATCH_NONE, MATCH_OTHER, MATCH_UNKNOWN, MATCH_SAME };

/* Whether what was opened is the module that was loaded. */
static enum match compare_id(Dwfl_Module *module, const char *wanted)
{
	char text[2 * 64 + 1] = "";
	const unsigned char *id = NULL;
	GElf_Addr address;
	int length = dwfl_module_build_id(module, &id, &address);

	if (!*wanted)
		return MATCH_UNKNOWN;
	for (int i = 0; i < length && i < 64; i++)
		sprintf(text + 2 * i, "%02x", id[i]);
	return strcmp(text, wanted) ? MATCH_OTHER : MATCH_SAME;
}

static enum match use_file(struct opened *it, const char *path, const char *build_id)
{
	int fd = open_regular(path);
	Dwfl *dwfl = fd < 0 ? NULL : dwfl_begin(&symbols.callbacks);
	enum match match = MATCH_NONE;
	Dwfl_Module *module = NULL;

	if (dwfl) {
		dwfl_report_begin(dwfl);
		module = dwfl_report_offline(dwfl, path, path, fd);
		dwfl_report_end(dwfl, NULL, NULL);
	}
	if (module && dwfl_module_getelf(module, &it->bias))
		match = compare_id(module, build_id);
	if (match >= MATCH_UNKNOWN)
		it->module = module;
	else
		dwfl_end(dwfl);
	if (fd >= 0 && !module)
		close(fd);
	return match;
}

/* DIRECTORY/.build-id/ab/cdef….debug */
static bool use_debug_file(struct opened *it, const char *build_id)
{
	char *list, *rest, *directory;
	bool found = false;

	if (strlen(build_id) < 3 || strspn(build_id, "0123456789abcdef") != strlen(build_id))
		return false;
	list = rest = keep(symbols.directories);
	while (!found && (directory = strsep(&rest, ":"))) {
		char *path = format_text("%s/.build-id/%.2s/%s.debug", directory, build_id,
					 build_id + 2);

		found = use_file(it, path, build_id) == MATCH_SAME;
		free(path);
	}
	free(list);
	return found;
}

static void open_module(struct opened *it, const char *path, const char *build_id)
{
	enum match match = *path == '[' ? MATCH_NONE : use_file(it, path, build_id);

	if (match == MATCH_UNKNOWN)
		it->note = no_build_id;
	else if (match != MATCH_SAME && use_debug_file(it, build_id))
		it->note = match == MATCH_OTHER ? "changed since; named by its debug file" : NULL;
	else if (match != MATCH_SAME)
		it->note = *path == '['		  ? "the kernel's own"
			   : match == MATCH_OTHER ? "changed since: another build-id"
						  : "not found here";
}

static struct opened *opened_of(const char *path, const char *build_id)
{
	char *key = format_text("%s %s", build_id, path);
	struct opened *it = ROW(symbols.modules, key, strlen(key), ANY_NUMBER);

	free(key);
	if (!it->tried)
		open_module(it, path, build_id);
	it->tried = true;
	return it;
}

static char *name_of(const char *name)
{
	char *words = name ? demangle(name) : NULL;

	return words || !name ? words : format_text("%s", name);
}

/* The name that the linker knows it by says more, in C++, than its own. */
static char *name_of_die(Dwarf_Die *die)
{
	Dwarf_Attribute attribute;
	const char *name = NULL;

	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute) ||
	    dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute))
		name = dwarf_formstring(&attribute);
	return name_of(name ? name : dwarf_diename(die));
}

/* Where an inlined function was called. */
static void call_place(Dwarf_Die *cu, Dwarf_Die *die, const char **file, int *line)
{
	Dwarf_Attribute attribute;
	Dwarf_Word number = 0;
	Dwarf_Files *files;
	size_t count;

	*file = NULL;
	*line = 0;
	if (!dwarf_formudata(dwarf_attr_integrate(die, DW_AT_call_file, &attribute), &number) &&
	    !dwarf_getsrcfiles(cu, &files, &count) && number < count)
		*file = dwarf_filesrc(files, number, NULL, NULL);
	if (!dwarf_formudata(dwarf_attr_integrate(die, DW_AT_call_line, &attribute), &number))
		*line = (int)number;
}

/* The scopes around an address as they are nested in the code, innermost first: how many. Those of
 * the source come first; those of the code are the parents of the innermost. */
static int scopes_at(Dwarf_Die *unit, Dwarf_Addr address, Dwarf_Die **scopes)
{
	Dwarf_Die inner;

	if (dwarf_getscopes(unit, address, scopes) <= 0)
		return 0;
	inner = **scopes;
	free(*scopes);
	*scopes = NULL;
	return dwarf_getscopes_die(&inner, scopes);
}

/* Functions that were inlined at this place, and the one they are in: whether there is any. */
static bool put_scopes(json_t *frames, const struct frame *frame, Dwarf_Die *unit,
		       Dwarf_Addr address, struct symbol *symbol)
{
	Dwarf_Die *scopes = NULL;
	int depth = scopes_at(unit, address, &scopes);
	bool any = false;

	for (int i = 0; i < depth; i++) {
		int tag = dwarf_tag(&scopes[i]);

		if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_subprogram)
			continue;
		char *name = name_of_die(&scopes[i]);

		symbol->function = name;
		symbol->inlined = tag == DW_TAG_inlined_subroutine;
		frame_put(frames, frame, symbol);
		free(name);
		any = true;
		if (!symbol->inlined)
			break;
		call_place(unit, &scopes[i], &symbol->file, &symbol->line);
	}
	free(scopes);
	return any;
}

/* Where it is in a module that is there. The nearest unit below may end before. */
static bool put_names(json_t *frames, const struct frame *frame, Dwfl_Module *module,
		      GElf_Addr address, struct symbol *symbol)
{
	Dwarf_Addr bias;
	GElf_Sym entry;
	const char *name =
		dwfl_module_addrinfo(module, address, &symbol->offset, &entry, NULL, NULL, NULL);
	Dwarf_Die *unit = dwfl_module_addrdie(module, address, &bias);
	Dwfl_Line *line = NULL;

	if (unit && dwarf_haspc(unit, address - bias) <= 0)
		unit = NULL;
	if (unit)
		line = dwfl_module_getsrc(module, address);
	if (line)
		symbol->file = dwfl_lineinfo(line, NULL, &symbol->line, NULL, NULL, NULL);
	if (unit && put_scopes(frames, frame, unit, address - bias, symbol))
		return true;
	if (!name && !symbol->file)
		return false;
	char *words = name_of(name);

	symbol->function = words;
	frame_put(frames, frame, symbol);
	free(words);
	return true;
}

void symbols_put(json_t *frames, const struct frame *frame)
{
	struct opened *it = opened_of(frame->module->path, frame->module->build_id);
	GElf_Addr address = frame->offset - 1 + it->bias, start = 0, end = 0;
	struct symbol symbol = { .note = it->note };

	if (it->note == no_build_id)
		it->note = NULL; /* said once */
	if (it->module)
		dwfl_module_info(it->module, NULL, &start, &end, NULL, NULL, NULL, NULL);
	if (address < start || address >= end ||
	    !put_names(frames, frame, it->module, address, &symbol))
		frame_put(frames, frame, &(struct symbol){ .note = symbol.note });
}
