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

EACH_WIDTH(A1, hostile_names)
{
	struct run run = { .variant = variant,
			   .helper = "hostile",
			   .args = { "quote\"", "new\nline", "\377\376", "\033[31m" } };

	run_helper(&run); /* every line is parsed, and every string checked to be UTF-8 */
	run_must_hold(&run);
	cr_assert(count_events(&run, "snapshot.create") == strtoul(run.output, NULL, 10),
		  "%zu events for %s files", count_events(&run, "snapshot.create"), run.output);
	json_t *start = find_event(&run, "process.start");
	cr_assert(strstr(field_string(start, "process.command_line"), "quote\" new\nline"));
	run_end(&run);
}

/* A name that is text comes out as it is. */
EACH_WIDTH(A1, names_are_kept)
{
	static const char *const endings[] = { "/with space",
					       "/new\nline",
					       "/quote\"and\\backslash",
					       "/gr\303\274\303\237e",
					       "/emoji\360\237\220\247",
					       "/{\"event\":{\"action\":\"forged\"}}",
					       "/control\001\002\037end" };
	struct run run = { .variant = variant, .helper = "hostile" };

	run_helper(&run);
	run_must_hold(&run);
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		bool found = false;
		for (size_t j = 0; find_event_number(&run, "snapshot.create", j); j++) {
			const char *path = field_string(
				find_event_number(&run, "snapshot.create", j), "file.path");
			size_t length = strlen(path), ending = strlen(endings[i]);
			found |= length > ending && !strcmp(path + length - ending, endings[i]);
		}
		cr_assert(found, "no record of ...%s", endings[i]);
	}
	run_end(&run);
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

	(void)run;
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
	struct run run = { .variant = "m32",
			   .helper = "steady",
			   .args = { "count=1" },
			   .prepare = without_long_clock };

	run_helper(&run);
	cr_assert(run_exit(&run) == 0, "%s", run.errors);
	const char *time = field_string(find_event(&run, "process.start"), "@timestamp");
	cr_assert(strcmp(time, "1971") > 0, "%s", time);
	run_end(&run);
}

EACH_WIDTH(A1, every_process_is_introduced)
{
	struct run run = { .variant = variant,
			   .helper = "steady",
			   .args = { "count=3", "processes=4", "threads=2" } };

	run_helper(&run);
	run_must_hold(&run);
	cr_assert(count_events(&run, "process.start") == 4);
	cr_assert(count_events(&run, "process.end") == 4);
	for (size_t i = 0; i < run.record_count; i++) {
		json_int_t pid = field_number(run.records[i], "process.pid");
		size_t first = 0;
		while (field_number(run.records[first], "process.pid") != pid)
			first++;
		cr_assert_str_eq(field_string(run.records[first], "event.action"), "process.start",
				 "the first record of a process is another one");
	}
	json_t *start = NULL;
	for (size_t i = 0; i < 4; i++)
		if (field_number(find_event_number(&run, "process.start", i), "process.pid") ==
		    (json_int_t)run.pid)
			start = find_event_number(&run, "process.start", i);
	cr_assert(start);
	cr_assert(field_number(start, "process.parent.pid") == (json_int_t)getpid());
	cr_assert(strstr(field_string(start, "process.working_directory"), "/work"));
	cr_assert(field_number(start, "mmfence.bits") == (strcmp(variant, "m32") ? 64 : 32));
	cr_assert(strstr(field_string(start, "process.command_line"), "processes=4"));
	cr_assert_str_eq(field_string(start, "process.name"), "steady");
	run_end(&run);
}

/* --- A2 --- */

static int tell_pipe[2];

static void hand_pipe(struct run *run)
{
	(void)run;
	if (dup2(tell_pipe[1], 17) != 17)
		_exit(98);
	fcntl(17, F_SETFD, 0);
}

/* How many mappings the helper said it had when it was killed. */
static uint32_t kill_after(struct run *run, uint32_t wanted)
{
	uint32_t told = 0;

	cr_assert(pipe2(tell_pipe, O_CLOEXEC) == 0);
	run_start(run);
	close(tell_pipe[1]);
	while (told < wanted)
		cr_assert(read(tell_pipe[0], &told, sizeof(told)) == sizeof(told));
	kill(run->pid, SIGKILL);
	while (read(tell_pipe[0], &told, sizeof(told)) == sizeof(told))
		;
	close(tell_pipe[0]);
	run_wait(run);
	return told;
}

/* Whatever the program was told about before it died is on file. */
EACH_WIDTH(A2, killed_processes_lose_nothing)
{
	for (uint32_t round = 0; round < 25; round++) {
		struct run run = { .variant = variant,
				   .helper = "steady",
				   .args = { "count=1000000", "pipe=17" },
				   .prepare = hand_pipe,
				   .may_be_torn = true };
		uint32_t told = kill_after(&run, 1 + round * 7);
		cr_assert(run_exit(&run) == 128 + SIGKILL);
		/* The last mapping may have been made and not told about; its record may be cut
		 * where the kernel stops a write for SIGKILL. */
		cr_assert(run.torn <= 1, "%zu lines are torn", run.torn);
		size_t records = count_events(&run, "snapshot.create");
		cr_assert(records == told || records == told + 1, "%zu records of %u mappings",
			  records, told);
		run_end(&run);
	}
}

/* Eight processes of four threads write one log: no line is torn, none is missing. */
EACH_WIDTH(A2, records_never_mix)
{
	struct run run = { .variant = variant,
			   .helper = "steady",
			   .args = { "count=50", "processes=8", "threads=4" } };

	run_helper(&run);
	run_must_hold(&run);
	cr_assert(count_events(&run, "snapshot.create") == 8 * 4 * 50, "%zu records",
		  count_events(&run, "snapshot.create"));
	cr_assert(count_events(&run, "snapshot.end") == 8 * 4 * 50);
	run_end(&run);
}

/* --- A4 --- */

static void undisturbed(struct run *run)
{
	cr_assert(run_exit(run) == 0, "ended with %d: %s%s", run_exit(run), run->output,
		  run->errors);
	cr_assert_str_eq(run->output, "done\n");
	cr_assert_str_empty(run->errors, "said: %s", run->errors);
}

/* A tmpfs of 256 KiB, almost full. */
static void mount_small(char *dir, size_t size)
{
	char filler[PATH_MAX];

	skip_unless_root();
	snprintf(dir, size, "%s/small.XXXXXX", getenv("MMFENCE_TMP") ?: "/tmp");
	cr_assert(mkdtemp(dir));
	if (!own_mounts(0) || mount("small", dir, "tmpfs", 0, "size=256k"))
		cr_skip_test("no mounts here: %s", strerror(errno));
	snprintf(filler, sizeof(filler), "%s/filler", dir);
	int fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	static const char kilobyte[1024];
	for (int i = 0; i < 236; i++)
		cr_assert(write(fd, kilobyte, 1024) == 1024);
	close(fd);
}

EACH_WIDTH(A4, full_disk)
{
	char dir[PATH_MAX - 64], log[PATH_MAX], option[PATH_MAX];
	struct run run = {
		.variant = variant, .helper = "steady", .args = { "count=100" }, .may_be_torn = true
	};

	mount_small(dir, sizeof(dir));
	snprintf(log, sizeof(log), "%s/log.jsonl", dir);
	snprintf(option, sizeof(option), "unlink=%s/filler", dir);
	run.log = log;
	run.args[1] = option;
	run_helper(&run);
	undisturbed(&run);
	snprintf(run.log_path, sizeof(run.log_path), "%s", log);
	run_read_log(&run);
	json_t *dropped = find_event(&run, "log.dropped");
	cr_assert(dropped, "nothing says that records are missing");
	cr_assert_str_eq(field_string(dropped, "error.code"), "ENOSPC");
	size_t missing = 0;
	for (size_t i = 0; find_event_number(&run, "log.dropped", i); i++)
		missing += (size_t)field_number(find_event_number(&run, "log.dropped", i),
						"mmfence.dropped");
	size_t written = count_events(&run, "snapshot.create") + count_events(&run, "snapshot.end");
	cr_assert(written + missing == 200, "%zu written and %zu dropped, of 200", written,
		  missing);
	run_end(&run);
}

EACH_WIDTH(A4, disk_stays_full)
{
	char dir[PATH_MAX - 64], log[PATH_MAX];
	struct run run = { .variant = variant, .helper = "steady", .args = { "count=100" } };

	mount_small(dir, sizeof(dir));
	snprintf(log, sizeof(log), "%s/log.jsonl", dir);
	run.log = log;
	run_helper(&run);
	undisturbed(&run);
	run_end(&run);
}

EACH_WIDTH(A4, missing_directory)
{
	struct run run = { .variant = variant,
			   .helper = "steady",
			   .args = { "count=20" },
			   .log = "/nonexistent/directory/log.jsonl" };

	run_helper(&run);
	undisturbed(&run);
	run_end(&run);
}

EACH_WIDTH(A4, directory_instead_of_log)
{
	struct run run = {
		.variant = variant, .helper = "steady", .args = { "count=20" }, .log = "/tmp"
	};

	run_helper(&run);
	undisturbed(&run);
	run_end(&run);
}

EACH_WIDTH(A4, vanished_directory)
{
	char dir[] = "/tmp/mmfence-gone.XXXXXX", log[64], unlink_log[80], remove_dir[80];
	struct run run = { .variant = variant,
			   .helper = "steady",
			   .args = { "count=20", unlink_log, remove_dir },
			   .log = log };

	cr_assert(mkdtemp(dir));
	snprintf(log, sizeof(log), "%s/log", dir);
	snprintf(unlink_log, sizeof(unlink_log), "unlink=%s", log);
	snprintf(remove_dir, sizeof(remove_dir), "rmdir=%s", dir);
	run_helper(&run);
	undisturbed(&run);
	cr_assert(access(dir, F_OK) == -1);
	run_end(&run);
}

/* A FIFO whose reader goes away after the first bytes: no SIGPIPE, no blocking. */
static void fifo(const char *variant, bool reader)
{
	char path[] = "/tmp/mmfence-fifo.XXXXXX";
	struct run run = { .variant = variant,
			   .helper = "steady",
			   .args = { "count=400" },
			   .log = path,
			   .seconds = 20 };
	pid_t child = 0;

	int placeholder = mkstemp(path);
	cr_assert(placeholder >= 0 && close(placeholder) == 0 && unlink(path) == 0);
	cr_assert(mkfifo(path, 0600) == 0);
	if (reader) {
		child = fork();
		cr_assert(child >= 0);
		if (!child) {
			char some[100];
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			int fd = open(path, O_RDONLY);
			_exit(read(fd, some, sizeof(some)) > 0 ? 0 : 1);
		}
	}
	run_helper(&run);
	if (child)
		kill(child, SIGKILL);
	unlink(path);
	undisturbed(&run);
	run_end(&run);
}

EACH_WIDTH(A4, fifo_without_reader)
{
	fifo(variant, false);
}

EACH_WIDTH(A4, fifo_whose_reader_goes)
{
	fifo(variant, true);
}

/* The limit is the program's; that the log meets it is no reason for a SIGXFSZ. */
EACH_WIDTH(A4, file_size_limit)
{
	struct run run = { .variant = variant,
			   .helper = "steady",
			   .args = { "count=100", "fsize=8192" },
			   .may_be_torn = true };

	run_helper(&run);
	undisturbed(&run);
	cr_assert(run.record_count > 2, "nothing was written before the limit");
	run_end(&run);
}

/* --- A5 --- */

static void no_umask(struct run *run)
{
	(void)run;
	umask(0);
}

EACH_WIDTH(A5, log_is_private)
{
	struct run run = {
		.variant = variant, .helper = "steady", .args = { "count=1" }, .prepare = no_umask
	};
	struct stat file;

	run_helper(&run);
	undisturbed(&run);
	cr_assert(stat(run.log_path, &file) == 0);
	cr_assert((file.st_mode & 07777) == 0600, "mode %o", (unsigned int)file.st_mode & 07777);
	run_end(&run);
}

EACH_WIDTH(A5, symbolic_link_is_not_followed)
{
	char dir[] = "/tmp/mmfence-link.XXXXXX", victim[64], link[64];
	struct run run = {
		.variant = variant, .helper = "steady", .args = { "count=5" }, .log = link
	};
	struct stat file;

	cr_assert(mkdtemp(dir));
	snprintf(victim, sizeof(victim), "%s/victim", dir);
	snprintf(link, sizeof(link), "%s/link", dir);
	int fd = open(victim, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	cr_assert(fd >= 0 && close(fd) == 0 && symlink(victim, link) == 0);
	run_helper(&run);
	undisturbed(&run);
	cr_assert(stat(victim, &file) == 0 && file.st_size == 0, "the link was followed");
	cr_assert(unlink(victim) == 0);
	run_again(&run);
	undisturbed(&run);
	cr_assert(access(victim, F_OK) == -1, "a file was made through the link");
	unlink(link);
	rmdir(dir);
	run_end(&run);
}

EACH_WIDTH(A5, path_template)
{
	char log[PATH_MAX];
	struct run run = { .variant = variant, .helper = "steady", .args = { "count=2" } };

	snprintf(log, sizeof(log), "%s/by-name.%%e.%%p.jsonl", getenv("MMFENCE_TMP") ?: "/tmp");
	run.log = log;
	run_helper(&run);
	undisturbed(&run);
	snprintf(run.log_path, sizeof(run.log_path), "%s/by-name.steady.%d.jsonl",
		 getenv("MMFENCE_TMP") ?: "/tmp", run.pid);
	run_read_log(&run);
	cr_assert(count_events(&run, "snapshot.create") == 2);
	unlink(run.log_path);
	run_end(&run);
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
	(void)run;
	setenv("LD_LIBRARY_PATH", "/nowhere", 1);
	setenv("GCONV_PATH", "/nowhere", 1);
	if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
		_exit(98);
}

/* A set-user-ID program of root's, started by nobody, in a directory where that one may write. */
struct secure {
	char dir[32], path[64], log[64];
};

static void secure_begin(struct secure *it, const char *helper)
{
	char command[2 * PATH_MAX];

	skip_unless_root();
	strcpy(it->dir, "/tmp/mmfence-secure.XXXXXX");
	cr_assert(mkdtemp(it->dir) && chmod(it->dir, 0777) == 0);
	snprintf(it->path, sizeof(it->path), "%s/%s", it->dir, helper);
	snprintf(it->log, sizeof(it->log), "%s/log", it->dir);
	snprintf(command, sizeof(command), "mkdir %s/upper %s/over; cp '%s' %s; chmod 4755 %s",
		 it->dir, it->dir, build_path("helpers/plain/%s", helper), it->path, it->path);
	cr_assert(system(command) == 0);
	if (!preload_everywhere(build_path("lib/x86_64-linux-gnu/libmmfence.so"), it->dir))
		cr_skip_test("no overlay mounts here");
}

static void secure_end(const struct secure *it)
{
	char command[128];

	snprintf(command, sizeof(command), "umount /etc; rm -rf %s", it->dir);
	cr_assert(system(command) == 0);
}

Test(A5, environment_is_ignored_in_secure_mode)
{
	struct secure it;
	struct run run = { .helper = it.path,
			   .args = { "count=3" },
			   .preload = RUN_BARE,
			   .log = it.log,
			   .prepare = become_nobody };

	secure_begin(&it, "steady");
	run_helper(&run);
	undisturbed(&run);
	cr_assert(access(it.log, F_OK) == -1, "a log was written where the caller said");
	/* The trial is worth something: not set-user-ID, the same preload obeys. */
	cr_assert(chmod(it.path, 0755) == 0);
	run_again(&run);
	undisturbed(&run);
	cr_assert(access(it.log, F_OK) == 0, "the preload was not there at all");
	secure_end(&it);
	run_end(&run);
}

/* Nor by what it starts once it is somebody else for good. */
Test(A5, secure_mode_hands_no_options_on)
{
	struct secure it;
	struct run run = { .helper = it.path,
			   .args = { "changed", "/usr/bin/env" },
			   .env = { "OTHER=1", "MMFENCE_CONFIG=/nowhere" },
			   .preload = RUN_BARE,
			   .log = it.log,
			   .prepare = become_nobody };

	secure_begin(&it, "launch");
	run_helper(&run);
	cr_assert(strstr(run.output, "OTHER=1"), "%s", run.errors);
	cr_assert(!strstr(run.output, "MMFENCE_"), "%s", run.output);
	secure_end(&it);
	run_end(&run);
}
