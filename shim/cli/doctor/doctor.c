/* SPDX-License-Identifier: MIT */
/*
 * The doctor's front room: who has come, and what is said. See doctor.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/doctor/doctor.h"
#include "cli/text/text.h"
#include "policy/policy.h"
#include "support/sys.h"

static bool broken;
static json_t *lines; /* with --json */

void doctor_say(enum sign mark, const char *what, const char *format, ...)
{
	static const char *const marks[] = { "ok", "no", "--" };
	char *detail, *visible;
	va_list list;

	broken |= mark == BROKEN;
	va_start(list, format);
	detail = format_list(format, list);
	va_end(list);
	visible = printable(detail);
	if (lines)
		json_array_append_new(lines, json_pack("{s:s, s:s, s:s}", "mark", marks[mark],
						       "what", what, "detail", visible));
	else
		printf("%s  %s: %s\n", marks[mark], what, visible);
	free(visible);
	free(detail);
}

static void look_at_library(struct library *preload)
{
	char *broken_by = preload_find(preload);

	if (broken_by) {
		doctor_say(BROKEN, "library", "%s", broken_by);
		return;
	}
	doctor_say(WORKS, "library for 64-bit programs", "%s", preload->file64);
	if (preload->file32[0])
		doctor_say(WORKS, "library for 32-bit programs", "%s", preload->file32);
	else
		doctor_say(ABSENT, "library for 32-bit programs",
			   "not installed, and such programs are refused");
}

static int bad_settings;

static void complain_of_setting(const char *sentence)
{
	doctor_say(BROKEN, "settings", "%s", sentence);
	bad_settings++;
}

static void look_at_settings(void)
{
	char buffer[OPTION_BYTES];
	int changed = 0;

	policy_from_sources(&the_policy, NULL, environ, complain_of_setting);
	for (size_t i = 0; i < policy_option_count; i++) {
		if (option_is_default(&the_policy, i))
			continue;
		doctor_say(WORKS, "settings", "%s=%s", policy_options[i].name,
			   option_value(&the_policy, i, buffer, sizeof(buffer)));
		changed++;
	}
	if (!changed && !bad_settings)
		doctor_say(WORKS, "settings", "all at their defaults");
}

/* What the kernel offers. */

static long long number_of(const char *path)
{
	char text[32];

	return sys_read_file(path, text, sizeof(text)) > 0 ? atoll(text) : -1;
}

/* Two pages change places, as a program with nonlinear mappings would have it. */
static void try_remap(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		return;
	map[page] = 'x';
	if (!remap_file_pages(map, page, 0, 1, 0) && map[0] == 'x')
		doctor_say(WORKS, "remap_file_pages", "the kernel has it");
	else
		doctor_say(ABSENT, "remap_file_pages",
			   "%m; programs that need it fail, with mmfence as without");
	munmap(map, 2 * page);
}

static void try_memfd(void)
{
	int fd = memfd_create("mmfence-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING), error = errno;
	long long noexec = number_of("/proc/sys/vm/memfd_noexec");

	if (fd >= 0)
		doctor_say(WORKS, "memfd_create", "copies in memory");
	else if (sys_is_missing(-error) && !access("/dev/shm", W_OK))
		doctor_say(ABSENT, "memfd_create", "%s; copies in memory are files in /dev/shm",
			   strerror(error));
	else
		doctor_say(BROKEN, "memfd_create", "%s; copies have nowhere to go",
			   strerror(error));
	if (noexec > 0)
		doctor_say(ABSENT, "vm.memfd_noexec",
			   "%lld: executable mappings cannot be copied into memory", noexec);
	close(fd);
}

#define UNREADABLE "not known: /proc/sys cannot be read"

static void look_at_leases(void)
{
	long long enabled = number_of("/proc/sys/fs/leases-enable");
	long long seconds = number_of("/proc/sys/fs/lease-break-time");

	if (enabled < 0)
		doctor_say(ABSENT, "fs.leases-enable", UNREADABLE);
	else if (enabled)
		doctor_say(WORKS, "fs.leases-enable", "1; a writer waits up to %lld s", seconds);
	else
		doctor_say(ABSENT, "fs.leases-enable",
			   "0: no snapshot can be guarded or proven, all are copied at once");
}

static void look_at_kernel(void)
{
	struct utsname names;
	long page = sysconf(_SC_PAGESIZE);
	long long areas = number_of("/proc/sys/vm/max_map_count");

	if (!uname(&names))
		doctor_say(WORKS, "kernel", "%s %s %s", names.sysname, names.release,
			   names.machine);
	doctor_say(page == 4096 ? WORKS : BROKEN, "page size", "%ld bytes", page);
	if (areas < 0)
		doctor_say(ABSENT, "vm.max_map_count", UNREADABLE);
	else
		doctor_say(WORKS, "vm.max_map_count", "%lld areas", areas);
	look_at_leases();
	try_memfd();
	try_remap();
}

static void look_at_program(const struct command *command, const struct library *preload)
{
	char *gap = command_gap(command, preload);
	size_t own = gap ? 0 : program_own_calls(command_binary(command));

	if (own)
		doctor_say(BROKEN, "program",
			   "%s makes system calls of its own (%zu instruction%s), which "
			   "mmfence does not see",
			   command_binary(command), own, plural((int64_t)own));
	else if (gap)
		doctor_say(BROKEN, "program", "%s", gap);
	else if (command->program.kind == PROGRAM_UNKNOWN)
		doctor_say(ABSENT, "program", "%s cannot be read as an ELF file",
			   command_binary(command));
	else
		doctor_say(WORKS, "program", "%s, %d-bit, dynamically linked, not set-uid",
			   command_binary(command), command->program.bits);
	free(gap);
}

struct subject {
	const char *name; /* NULL: this machine and this directory */
	bool json, probe;
};

/* A file that cannot be run is a file that somebody maps; what is not there may be in PATH. */
static int examine(const struct subject *subject)
{
	const char *name = subject->name;
	struct library preload;
	struct command command;
	char *sentence;
	struct stat st = { .st_mode = S_IFDIR };
	int error = name && stat(name, &st) ? errno : 0;
	bool runs = name && (error || (!S_ISDIR(st.st_mode) && !access(name, X_OK)));

	if (runs && command_find(name, &command, &sentence)) {
		complain("%s", sentence);
		return STATUS_USAGE;
	}
	lines = subject->json ? json_array() : NULL;
	look_at_library(&preload);
	look_at_settings();
	look_at_kernel();
	if (runs)
		look_at_program(&command, &preload);
	if (!*preload.file64)
		broken = true;
	else if (name && !runs && !S_ISDIR(st.st_mode))
		doctor_file(name, &preload);
	else
		doctor_directory(name && !runs ? name : ".", &preload);
	if (lines) {
		json_dumpf(lines, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	return broken ? STATUS_BAD : 0;
}

int doctor_main(int argc, char **argv)
{
	static const struct setting settings[] = {
		{ "json", 0, NULL, "for machines: an array of mark, what and detail",
		  offsetof(struct subject, json), NULL },
		{ "probe", 0, NULL, NULL, offsetof(struct subject, probe), NULL },
		{ 0 },
	};
	struct command_line line = {
		.settings = settings,
		.arguments = "[PROGRAM|DIRECTORY|FILE]",
		.doc = "Tries what mmfence needs on this machine: in the current directory or the one "
		       "given, for a program to be run, or for a file that programs map.\v"
		       "A line begins with `ok', `no' (does not work, and mmfence needs it) or `--' (is "
		       "not there, and mmfence does without). Exit status: 0, 1 if there was a `no', 2 "
		       "for wrong usage.",
		.most = 1,
		.failing = "only one program, directory or file at a time",
	};
	struct subject subject = { .name = NULL };

	options_read(&line, argc, argv, &subject);
	subject.name = line.count ? line.operands[0] : NULL;
	return subject.probe && subject.name ? probe_main(subject.name) : examine(&subject);
}
