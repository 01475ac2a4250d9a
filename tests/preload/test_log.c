/* SPDX-License-Identifier: MIT */
/*
 * A1, A2, A4, A5: what is in the log, that nothing of it is lost or mixed, what happens
 * when it cannot be written, and who may read it.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../mounts.h"
#include "filter.h"
#include "runner.h"

/* --- A1 --- */

/* Every line is parsed, and every string checked to be UTF-8. */
RUNS_AND(EACH_WIDTH, A1, hostile_names, .helper = "hostile",
	 .args = { "quote\"", "new\nline", "\377\376", "\033[31m" },
	 .finds = { "process.start process.command_line~quote\" new\nline" })
{
	cr_assert(count_events(run, "snapshot.create") == strtoul(run->output, NULL, 10),
		  "%zu events for %s files", count_events(run, "snapshot.create"), run->output);
}

static bool has_path_that_ends(const struct run *run, const char *ending)
{
	const json_t *event;

	for (size_t i = 0; (event = find_event_number(run, "snapshot.create", i)); i++) {
		const char *path = field_string(event, "file.path");
		size_t length = strlen(path);

		if (length > strlen(ending) && !strcmp(path + length - strlen(ending), ending))
			return true;
	}
	return false;
}

/* A name that is text comes out as it is. */
RUNS_AND(EACH_WIDTH, A1, names_are_kept, .helper = "hostile")
{
	static const char *const endings[] = { "/with space",
					       "/new\nline",
					       "/quote\"and\\backslash",
					       "/gr\303\274\303\237e",
					       "/emoji\360\237\220\247",
					       "/{\"event\":{\"action\":\"forged\"}}",
					       "/control\001\002\037end" };

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
		cr_assert(has_path_that_ends(run, endings[i]), "no record of ...%s", endings[i]);
}

/* --- the time where neither vdso nor system call tells it in 64 bits (i386 before 5.1) --- */

/* A program that was just loaded, of 32 bits, finds no vdso. */
static void hide_vdso(pid_t program)
{
	struct user_regs_struct registers;

	if (ptrace(PTRACE_GETREGS, program, 0, &registers))
		_exit(98);
	uintptr_t at = registers.rsp;
	for (int ends = 0; ends < 2; at += 4) /* of the arguments, and of the environment */
		ends += !(uint32_t)ptrace(PTRACE_PEEKDATA, program, at, 0);
	for (;; at += 8) {
		uint32_t type = (uint32_t)ptrace(PTRACE_PEEKDATA, program, at, 0);
		if (type == AT_NULL)
			return;
		if (type == AT_SYSINFO || type == AT_SYSINFO_EHDR)
			ptrace(PTRACE_POKEDATA, program, at, (long)AT_IGNORE);
	}
}

static void without_long_clock(struct run *run)
{
	struct filter filter = { .length = 0 };
	pid_t program = fork();
	int status;

	if (!program) {
		filter_fail(&filter, 403, 403, 0, ENOSYS);
		filter_install(&filter);
		if (ptrace(PTRACE_TRACEME, 0, 0, 0))
			_exit(98);
		return;
	}
	waitpid(program, &status, 0);
	hide_vdso(program);
	ptrace(PTRACE_DETACH, program, 0, 0);
	waitpid(program, &status, 0);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 98);
}

Test(A1, time_without_a_long_clock_32_bit)
{
	const char *variant = "m32";

	TRY(.helper = "steady", .args = { "count=1" }, .prepare = without_long_clock,
	    .finds = { "process.start @timestamp>1971" });
}

static const json_t *first_of(const struct run *run, json_int_t pid)
{
	size_t first = 0;

	while (field_number(run->records[first], "process.pid") != pid)
		first++;
	return run->records[first];
}

RUNS_AND(EACH_WIDTH, A1, every_process_is_introduced, .helper = "steady",
	 .args = { "count=3", "processes=4", "threads=2" },
	 .finds = { "process.start 4", "process.end 4" })
{
	const json_t *start = first_of(run, run->pid);

	for (size_t i = 0; i < run->record_count; i++)
		cr_assert_str_eq(
			field_string(first_of(run, field_number(run->records[i], "process.pid")),
				     "event.action"),
			"process.start", "the first record of a process is another one");
	cr_assert(field_number(start, "process.parent.pid") == (json_int_t)getpid());
	cr_assert(strstr(field_string(start, "process.working_directory"), "/work"));
	cr_assert(field_number(start, "mmfence.bits") == (strcmp(run->variant, "m32") ? 64 : 32));
	cr_assert(strstr(field_string(start, "process.command_line"), "processes=4"));
	cr_assert_str_eq(field_string(start, "process.name"), "steady");
}

/* --- A2 --- */

static int tell_pipe[2];
/* How many mappings the helper is to have at least when it is killed, and said that it had. */
static uint32_t wanted, told;

static void open_tell_pipe(struct run *run)
{
	cr_assert(pipe2(tell_pipe, O_CLOEXEC) == 0);
}

static void hand_pipe(struct run *run)
{
	if (dup2(tell_pipe[1], 17) != 17)
		_exit(98);
	fcntl(17, F_SETFD, 0);
}

static void kill_helper(struct run *run)
{
	close(tell_pipe[1]);
	for (told = 0; told < wanted;)
		cr_assert(read(tell_pipe[0], &told, sizeof(told)) == sizeof(told));
	kill(run->pid, SIGKILL);
	while (read(tell_pipe[0], &told, sizeof(told)) == sizeof(told))
		;
	close(tell_pipe[0]);
}

/* The last mapping may have been made and not told about; its record may be cut where the kernel
 * stops a write for SIGKILL. */
static void has_what_was_told(struct run *run)
{
	size_t records = count_events(run, "snapshot.create");

	cr_assert(run->torn <= 1, "%zu lines are torn", run->torn);
	cr_assert(records == told || records == told + 1, "%zu records of %u mappings", records,
		  told);
}

/* Whatever the program was told about before it died is on file. */
EACH_WIDTH(A2, killed_processes_lose_nothing)
{
	for (wanted = 1; wanted < 1 + 25 * 7; wanted += 7)
		TRY(.helper = "steady", .args = { "count=1000000", "pipe=17" },
		    .before = open_tell_pipe, .prepare = hand_pipe, .meanwhile = kill_helper,
		    .may_be_torn = true, .ends_with = 128 + SIGKILL, .look = has_what_was_told);
}

/* Eight processes of four threads write one log: no line is torn, none is missing. */
RUNS(EACH_WIDTH, A2, records_never_mix, .helper = "steady",
     .args = { "count=50", "processes=8", "threads=4" },
     .finds = { "snapshot.create 1600", "snapshot.end 1600" })

/* --- A4 --- */

/* A tmpfs of 256 KiB, almost full: its log, and the helper's argument that makes room. */
static struct {
	char dir[PATH_MAX - 64], log[PATH_MAX], make_room[PATH_MAX];
} small;

static void mount_small(struct run *run)
{
	static const char kilobyte[1024];
	char *filler = small.make_room + strlen("unlink=");

	skip_unless_root();
	snprintf(small.dir, sizeof(small.dir), "%s/small.XXXXXX", getenv("MMFENCE_TMP") ?: "/tmp");
	cr_assert(mkdtemp(small.dir));
	if (!own_mounts(0) || mount("small", small.dir, "tmpfs", 0, "size=256k"))
		cr_skip_test("no mounts here: %s", strerror(errno));
	snprintf(small.log, sizeof(small.log), "%s/log.jsonl", small.dir);
	snprintf(small.make_room, sizeof(small.make_room), "unlink=%s/filler", small.dir);
	int fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	for (int i = 0; i < 236; i++)
		cr_assert(write(fd, kilobyte, 1024) == 1024);
	close(fd);
}

RUNS_AND(EACH_WIDTH, A4, full_disk, STEADY("count=100", small.make_room), .log = small.log,
	 .before = mount_small, .may_be_torn = true)
{
	json_t *dropped;

	snprintf(run->log_path, sizeof(run->log_path), "%s", small.log);
	run_read_log(run);
	run_finds(run, "log.dropped error.code=ENOSPC");
	size_t missing = 0;
	for (size_t i = 0; (dropped = find_event_number(run, "log.dropped", i)); i++)
		missing += (size_t)field_number(dropped, "mmfence.dropped");
	size_t written = count_events(run, "snapshot.create") + count_events(run, "snapshot.end");
	cr_assert(written + missing == 200, "%zu written and %zu dropped, of 200", written,
		  missing);
}

RUNS(EACH_WIDTH, A4, disk_stays_full, STEADY("count=100"), .log = small.log, .before = mount_small)

RUNS(EACH_WIDTH, A4, missing_directory, STEADY("count=20"),
     .log = "/nonexistent/directory/log.jsonl")
RUNS(EACH_WIDTH, A4, directory_instead_of_log, STEADY("count=20"), .log = "/tmp")

static void make_logs(struct run *run)
{
	if (mkdir("logs", 0777))
		_exit(98);
}

RUNS_AND(EACH_WIDTH, A4, vanished_directory, STEADY("count=20", "unlink=logs/log", "rmdir=logs"),
	 .log = "logs/log", .prepare = make_logs)
{
	cr_assert(!run_has(run, "logs"));
}

/* The limit is the program's; that the log meets it is no reason for a SIGXFSZ. */
WIDTHS_HOLD(A4, file_size_limit_that_ends_the_log_is_a_gap, "limited", "size",
	    .env = { "RUN_STATE=" },
	    .finds = { "coverage.gap 1", "coverage.gap mmfence.gap.reason=log" })
WIDTHS_HOLD(A4, file_size_limit_of_a_child_of_vfork_is_a_gap, "limited", "child",
	    .finds = { "coverage.gap 1", "coverage.gap mmfence.gap.reason=log" })
WIDTHS_HOLD(A4, file_size_limit_of_another_process_is_a_gap, "limited", "other",
	    .finds = { "coverage.gap 1", "coverage.gap mmfence.gap.reason=log" })
WIDTHS_HOLD(A4, log_stays_open_where_nothing_may_be_opened, "limited", "descriptors",
	    .finds = { "nonlinear.remap 1", "process.end", "coverage.gap 0" })
RUNS_AND(EACH_WIDTH, A4, file_size_limit, STEADY("count=100", "fsize=8192"), .may_be_torn = true)
{
	cr_assert(run->record_count > 2, "nothing was written before the limit");
}

static char fifo[PATH_MAX];
static pid_t reader;

static void make_fifo(struct run *run)
{
	snprintf(fifo, sizeof(fifo), "%s/fifo.%d", getenv("MMFENCE_TMP") ?: "/tmp", getpid());
	cr_assert(mkfifo(fifo, 0600) == 0);
}

static void make_fifo_with_reader(struct run *run)
{
	char some[100];

	make_fifo(run);
	reader = fork();
	cr_assert(reader >= 0);
	if (reader)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	_exit(read(open(fifo, O_RDONLY), some, sizeof(some)) > 0 ? 0 : 1);
}

static void remove_fifo(struct run *run)
{
	if (reader)
		kill(reader, SIGKILL);
	unlink(fifo);
}

/* A FIFO whose reader goes away after the first bytes: no SIGPIPE, no blocking. */
RUNS(EACH_WIDTH, A4, fifo_without_reader, STEADY("count=400"), .log = fifo, .seconds = 20,
     .before = make_fifo, .look = remove_fifo)
RUNS(EACH_WIDTH, A4, fifo_that_was_handed_on_and_whose_reader_goes, .helper = "handed",
     .args = { "drop", "reader" }, .as_root = true, .log = fifo, .before = make_fifo,
     .look = remove_fifo)
RUNS(EACH_WIDTH, A4, fifo_whose_reader_goes, STEADY("count=400"), .log = fifo, .seconds = 20,
     .before = make_fifo_with_reader, .look = remove_fifo)

/* --- A5 --- */

static void no_umask(struct run *run)
{
	umask(0);
}

RUNS_AND(EACH_WIDTH, A5, log_is_private, STEADY("count=1"), .prepare = no_umask)
{
	struct stat file;

	cr_assert(stat(run->log_path, &file) == 0);
	cr_assert((file.st_mode & 07777) == 0600, "mode %o", (unsigned int)file.st_mode & 07777);
}

static void link_to_a_file(struct run *run)
{
	if (close(creat("victim", 0644)) || symlink("victim", "link"))
		_exit(98);
}

static void link_to_nothing(struct run *run)
{
	if (symlink("victim", "link"))
		_exit(98);
}

static void victim_is_empty(struct run *run)
{
	cr_assert(run_has(run, "victim"));
	cr_assert_str_empty(run_text(run, "victim"), "the link was followed");
}

static void there_is_no_victim(struct run *run)
{
	cr_assert(!run_has(run, "victim"), "a file was made through the link");
}

EACH_WIDTH(A5, symbolic_link_is_not_followed)
{
	TRY(STEADY("count=5"), .log = "link", .prepare = link_to_a_file, .look = victim_is_empty);
	TRY(STEADY("count=5"), .log = "link", .prepare = link_to_nothing,
	    .look = there_is_no_victim);
}

RUNS_AND(EACH_WIDTH, A5, path_template, STEADY("count=2"), .log = "by-name.%e.%p.jsonl")
{
	snprintf(run->log_path, sizeof(run->log_path), "%s/work/by-name.steady.%d.jsonl", run->dir,
		 run->pid);
	run_read_log(run);
	run_finds(run, "snapshot.create 2");
}

/* In a set-user-ID program the preload can only come from /etc/ld.so.preload; the environment
 * is the caller's, and does not count. A namespace of our own has such a file. */
static bool preload_everywhere(const char *library, const char *dir)
{
	char options[3 * PATH_MAX];

	if (!own_mounts(0))
		return false;
	snprintf(options, sizeof(options), "lowerdir=/etc,upperdir=%s/upper,workdir=%s/over", dir,
		 dir);
	if (mount("overlay", "/etc", "overlay", 0, options))
		return false;
	FILE *file = fopen("/etc/ld.so.preload", "we");
	if (!file)
		return false;
	fprintf(file, "%s\n", library);
	return fclose(file) == 0;
}

/* With variables that the dynamic linker takes out of the environment of a secure process. */
static void become_nobody(struct run *run)
{
	setenv("LD_LIBRARY_PATH", "/nowhere", 1);
	setenv("GCONV_PATH", "/nowhere", 1);
	if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
		_exit(98);
}

/* A set-user-ID program of root's, started by nobody, in a directory where that one may write. */
static struct {
	char dir[32], path[64], log[64];
} secure;

static void secure_begin(const char *helper)
{
	char command[2 * PATH_MAX];

	skip_unless_root();
	strcpy(secure.dir, "/tmp/mmfence-secure.XXXXXX");
	cr_assert(mkdtemp(secure.dir) && chmod(secure.dir, 0777) == 0);
	snprintf(secure.path, sizeof(secure.path), "%s/%s", secure.dir, helper);
	snprintf(secure.log, sizeof(secure.log), "%s/log", secure.dir);
	snprintf(command, sizeof(command), "mkdir %s/upper %s/over; cp '%s' %s; chmod 4755 %s",
		 secure.dir, secure.dir, build_path("helpers/plain/%s", helper), secure.path,
		 secure.path);
	cr_assert(system(command) == 0);
	if (!preload_everywhere(build_path("lib/x86_64-linux-gnu/libmmfence.so"), secure.dir))
		cr_skip_test("no overlay mounts here");
}

static void secure_end(void)
{
	char command[128];

	snprintf(command, sizeof(command), "umount /etc; rm -rf %s", secure.dir);
	cr_assert(system(command) == 0);
}

#define SECURE \
	.helper = secure.path, .preload = RUN_BARE, .log = secure.log, .prepare = become_nobody

/* The trial is worth something: not set-user-ID, the same preload obeys. */
BY_PATH(A5, environment_is_ignored_in_secure_mode)
{
	secure_begin("steady");
	TRY(SECURE, .args = { "count=3" }, .says = "done\n", .complains = "");
	cr_assert(access(secure.log, F_OK) == -1, "a log was written where the caller said");
	cr_assert(chmod(secure.path, 0755) == 0);
	TRY(SECURE, .args = { "count=3" }, .says = "done\n", .complains = "");
	cr_assert(access(secure.log, F_OK) == 0, "the preload was not there at all");
	secure_end();
}

/* Nor by what it starts once it is somebody else for good. */
BY_PATH(A5, secure_mode_hands_no_options_on)
{
	secure_begin("launch");
	TRY(SECURE, .args = { "changed", "/usr/bin/env" },
	    .env = { "OTHER=1", "MMFENCE_CONFIG=/nowhere" }, .shows = { "OTHER=1" },
	    .shows_no = { "MMFENCE_" });
	secure_end();
}
