/* SPDX-License-Identifier: MIT */
/*
 * P6: what the library has of its own where an old libc has nothing, against what this libc says:
 * names of libraries, modules by address, the auxiliary vector, the names of errors.
 */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

#include "kernel/symbol.h"
#include "support/sys.h"

static const struct link_map *map_of(const char *name)
{
	return dlopen(name, RTLD_LAZY | RTLD_NOLOAD);
}

/* Its names lie behind its symbols. */
static size_t symbol_count(const struct symbol_table *table)
{
	return (size_t)(table->strings - (const char *)table->symbol) / sizeof(*table->symbol);
}

/* Every name that a library exports. */
static size_t compare_all(const char *name)
{
	const struct link_map *library = map_of(name);
	struct symbol_table table;
	size_t compared = 0;

	cr_assert(library && symbol_read(library, &table), "%s", name);
	size_t count = symbol_count(&table);
	for (size_t i = 1; i < count; i++) {
		const ElfW(Sym) *symbol = &table.symbol[i];
		const char *text = table.strings + symbol->st_name;
		int type = ELF64_ST_TYPE(symbol->st_info);

		if (!symbol->st_shndx || type == STT_TLS ||
		    (table.versions && table.versions[i] & 0x8000))
			continue;
		cr_expect_eq(symbol_in(library, text), dlsym((void *)(uintptr_t)library, text),
			     "%s", text);
		compared++;
	}
	return compared;
}

Test(P6, every_name_of_libc_is_found_as_dlsym_has_it)
{
	cr_expect_gt(compare_all("libc.so.6"), 2000);
	cr_expect_gt(compare_all("libjansson.so.4"), 50);
	cr_expect_null(symbol_in(map_of("libc.so.6"), "mmfence_has_no_such_name"));
	/* What a thread has for itself is at no address of the library's. */
	cr_expect_null(symbol_in(map_of("libc.so.6"), "errno"));
}

Test(P6, next_is_what_follows_the_program)
{
	static const char *const names[] = { "open",
					     "posix_spawn",
					     "fopen",
					     "time",
					     "environ",
					     "cr_get_redirected_stdout",
					     "nothing_like_that" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		cr_expect_eq(symbol_next(names[i]), dlsym(RTLD_NEXT, names[i]), "%s", names[i]);
}

/* A version that old programs alone are linked with is none to find. */
Test(P6, a_hidden_version_is_not_found)
{
	struct symbol_table table;
	uint16_t versions[16384];

	cr_assert(symbol_read(map_of("libc.so.6"), &table) && table.versions);
	void *found = symbol_find(&table, "open");
	cr_assert_not_null(found);
	size_t count = symbol_count(&table);
	cr_assert_leq(count, sizeof(versions) / sizeof(*versions));
	for (size_t i = 0; i < count; i++)
		versions[i] = table.versions[i] | 0x8000;
	table.versions = versions;
	cr_expect_null(symbol_find(&table, "open"));
	table.versions = NULL; /* an old library has none */
	cr_expect_not_null(symbol_find(&table, "open"));
}

/* One of the two hash tables is all that some libraries have. */
Test(P6, old_hash_table_finds_the_same)
{
	struct symbol_table table;

	cr_assert(symbol_read(symbol_vdso(), &table));
	void *found = symbol_find(&table, "__vdso_clock_gettime");
	cr_expect_not_null(found);
	if (!table.gnu || !table.sysv)
		cr_skip_test("this kernel's vdso has one table");
	table.gnu = NULL;
	cr_expect_eq(symbol_find(&table, "__vdso_clock_gettime"), found);
}

static void compare_address(uintptr_t address, const char *what)
{
	struct loaded ours = { 0 };
	struct dl_find_object theirs = { 0 };
	bool there = !_dl_find_object((void *)address, &theirs);

	cr_assert_eq(!loaded_find(address, &ours), there, "%s", what);
	cr_assert_eq(!loaded_find_listed(address, &ours), there, "%s", what);
	if (!there)
		return;
	cr_expect_eq(ours.library, theirs.dlfo_link_map, "%s", what);
	cr_expect_eq(ours.start, (uintptr_t)theirs.dlfo_map_start, "%s", what);
	cr_expect_eq(ours.frame_header, theirs.dlfo_eh_frame, "%s", what);
}

static void compare_all_modules(void)
{
	for (const struct link_map *map = _r_debug.r_map; map; map = map->l_next)
		compare_address((uintptr_t)map->l_ld, map->l_name);
	compare_address((uintptr_t)&compare_all_modules, "the program");
	compare_address(0x10, "nowhere");
}

Test(P6, modules_are_found_without_the_table_of_glibc_2_35)
{
	compare_all_modules();
	void *library = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);
	if (library) {
		compare_all_modules();
		dlclose(library);
		compare_all_modules();
	}
	loaded_after_fork();
	compare_all_modules();
}

/* Of a file that is mapped and is no module, or one of the other word size, nothing is told. */
Test(P6, program_headers_are_those_of_a_module)
{
	static _Alignas(ElfW(Ehdr)) char page[4096];
	ElfW(Ehdr) *header = (void *)page;
	ElfW(Phdr) segments[LOADED_SEGMENTS];

	memcpy(page, (const void *)getauxval(AT_SYSINFO_EHDR), sizeof(page));
	cr_expect_eq(loaded_segments((uintptr_t)page, segments), header->e_phnum);
	cr_expect_arr_eq(segments, page + header->e_phoff, header->e_phnum * sizeof(*segments));
	header->e_ident[EI_MAG1]++;
	cr_expect_eq(loaded_segments((uintptr_t)page, segments), 0);
	header->e_ident[EI_MAG1]--;
	header->e_phentsize--;
	cr_expect_eq(loaded_segments((uintptr_t)page, segments), 0);
	header->e_phentsize++;
	header->e_phoff = -(uintptr_t)page;
	cr_expect_eq(loaded_segments((uintptr_t)page, segments), 0);
	cr_expect_eq(loaded_segments(0, segments), 0);
}

Test(P6, auxiliary_vector)
{
	/* glibc alters some. */
	static const unsigned long types[] = { AT_SECURE, AT_PHDR,   AT_BASE,	      AT_ENTRY,
					       AT_PAGESZ, AT_RANDOM, AT_SYSINFO_EHDR, AT_SYSINFO };

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		cr_expect_eq(auxiliary(types[i]), getauxval(types[i]), "%lu", types[i]);
}

Test(P6, names_of_errors)
{
	for (int error = -1; error < 150; error++) {
		const char *theirs = strerrorname_np(error), *ours = error_name(error);

		cr_expect(ours == theirs || (ours && theirs && !strcmp(ours, theirs)),
			  "%d: %s, not %s", error, ours, theirs);
	}
}
