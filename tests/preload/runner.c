/* SPDX-License-Identifier: MIT */
/*
 * Running helpers: see runner.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../mounts.h"
#include "filter.h"
#include "invariants.h"
#include "lines.h"
#include "records.h"
#include "runner.h"

#define SKIPPED 77

/* Never freed: a test is a process of its own, and soon over. */
const char *build_path(const char *format, ...)
{
	const char *build = getenv("MMFENCE_BUILD");
	char *end, *path;
	va_list list;

	cr_assert(build && build[0] == '/', "MMFENCE_BUILD must be the absolute path of build/");
	va_start(list, format);
	cr_assert(vasprintf(&end, format, list) >= 0 && asprintf(&path, "%s/%s", build, end) >= 0);
	va_end(list);
	free(end);
	return path;
}

const char *library_path(const char *name)
{
	static const char *const places[] = { "/usr/lib/x86_64-linux-gnu", "/usr/lib64",
					      "/usr/lib" };
	static char path[PATH_MAX];

	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", places[i], name);
		if (!access(path, R_OK))
			return path;
	}
	return NULL;
}

void skip_unless_root(void)
{
	if (geteuid() != 0)
		cr_skip_test("only root can do this");
}

void skip_without_mounts(void)
{
	int status;

	skip_unless_root();
	pid_t child = fork();
	cr_assert(child >= 0);
	if (!child)
		_exit(own_mounts(0) ? 0 : errno);
	cr_assert(waitpid(child, &status, 0) == child);
	if (status)
		cr_skip_test("no mounts of its own here: %s", strerror(WEXITSTATUS(status)));
}

void prepare_mounts(struct run *run)
{
	if (!own_mounts(0))
		_exit(98);
}

bool kernel_is_before(const char *version)
{
	const char *played = getenv("MMFENCE_OLD_KERNEL");
	struct utsname real;

	cr_assert(uname(&real) == 0);
	return filter_version(played ? played : real.release) < filter_version(version);
}

/* --- starting --- */

static void make_directory(struct run *run)
{
	const char *tmp = getenv("MMFENCE_TMP");
	char work[PATH_MAX];

	if (run->dir[0])
		return;
	snprintf(run->dir, sizeof(run->dir), "%s/run.XXXXXX", tmp ? tmp : "/tmp");
	cr_assert(mkdtemp(run->dir), "%s: %s", run->dir, strerror(errno));
	snprintf(work, sizeof(work), "%s/work", run->dir);
	/* Helpers that become another user write here too. */
	cr_assert(chmod(run->dir, 0777) == 0 && mkdir(work, 0777) == 0 && chmod(work, 0777) == 0);
	snprintf(work, sizeof(work), "%s/state", run->dir);
	cr_assert(mkdir(work, 0777) == 0 && chmod(work, 0777) == 0);
	snprintf(run->log_path, sizeof(run->log_path), "%s/log.jsonl", run->dir);
}

static void redirect(const struct run *run, const char *name, int to, int flags)
{
	char path[PATH_MAX];
	int fd;

	if (name[0] == '/')
		snprintf(path, sizeof(path), "%s", name);
	else
		snprintf(path, sizeof(path), "%s/%s", run->dir, name);
	fd = open(path, flags | O_CLOEXEC, 0666);
	if (fd < 0 || dup2(fd, to) < 0)
		_exit(98);
}

static void set_option(const char *option)
{
	char name[128] = "MMFENCE_", *at = name + strlen(name);
	const char *value = strchr(option, '=');

	for (; option < value; option++)
		*at++ = *option == '.' || *option == '-' ? '_' : (char)(*option & ~0x20);
	*at = 0;
	setenv(name, value + 1, 1);
}

static bool is_line(const struct run *run)
{
	return run->mmfence || run->sh;
}

static void set_preload(const struct run *run)
{
	char value[3 * PATH_MAX];
	const char *library = is_line(run)   ? RUN_BARE
			      : run->preload ? run->preload
					     : build_path("$LIB/libmmfence.so");
	bool before = run->preload_before, after = run->preload_after;

	if (!library[0] && !before && !after)
		return;
	snprintf(value, sizeof(value), "%s%s%s%s%s", before ? run->preload_before : "",
		 before ? ":" : "", library, after ? ":" : "", after ? run->preload_after : "");
	setenv("LD_PRELOAD", value, 1);
}

static void set_environment(const struct run *run)
{
	char state[PATH_MAX];

	for (char **at = environ; *at; at++)
		if (!strncmp(*at, "MMFENCE_", 8) && strncmp(*at, "MMFENCE_BUILD", 13)) {
			char name[128];
			snprintf(name, sizeof(name), "%.*s", (int)strcspn(*at, "="), *at);
			unsetenv(name);
			at = environ - 1;
		}
	setenv("LC_ALL", "C", 1);
	snprintf(state, sizeof(state), "%s/state", run->dir);
	setenv("RUN_STATE", state, 1);
	if (!run->without_log)
		setenv("MMFENCE_AUDIT_LOG", run->log ? run->log : run->log_path, 1);
	if (run->preload != RUN_BARE &&
	    !is_line(run)) /* a test looks for its own, not for the first of many */
		set_option("audit.snapshots=every");
	for (size_t i = 0; i < RUN_MOST && run->options[i]; i++)
		set_option(run->options[i]);
	for (size_t i = 0; i < RUN_MOST && run->env[i]; i++)
		putenv((char *)(uintptr_t)run->env[i]);
	unsetenv("MMFENCE_BUILD");
}

static const char *program_path(const struct run *run)
{
	if (is_line(run))
		return run->sh ? "/bin/sh" : build_path("bin/mmfence");
	return run->variant ? build_path("helpers/%s/%s", run->variant, run->helper) : run->helper;
}

/* Whatever started the tests may ignore or block some (nohup, a CI runner). */
static void default_signals(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void skip_without(const char *program)
{
	if (program[0] == '/' && access(program, X_OK))
		cr_skip_test("%s is not in this userland", strrchr(program, '/') + 1);
}

/* Another userland (tests/userland) has fewer programs, and no command. */
static void skip_unless_there(const struct run *run)
{
	if (!getenv("MMFENCE_USERLAND"))
		return;
	skip_without(program_path(run));
	if (run->sh && strstr(run->sh, "$mmfence"))
		skip_without(build_path("bin/mmfence"));
	for (size_t i = 0; i < RUN_MOST && run->args[i]; i++)
		if (strstr(run->args[i], "/bin/mmfence"))
			skip_without(build_path("bin/mmfence"));
}

static void set_arguments(const struct run *run, const char **argv)
{
	if (run->mmfence)
		argv += line_split(line_expand(run->mmfence, run->variant), argv);
	if (run->sh) {
		*argv++ = "-c";
		*argv++ = line_expand(run->sh, run->variant);
	}
	for (size_t i = 0; i < RUN_MOST && run->args[i]; i++)
		*argv++ = is_line(run) ? line_expand(run->args[i], run->variant) : run->args[i];
}

static void make_files(const struct run *run)
{
	for (size_t i = 0; i < RUN_FILES && run->files[i].name; i++) {
		FILE *out = fopen(run->files[i].name, "we");

		if (!out || fputs(run->files[i].text, out) < 0 || fclose(out) ||
		    chmod(run->files[i].name, run->files[i].mode))
			_exit(98);
	}
}

static _Noreturn void become_helper(struct run *run)
{
	const char *program = program_path(run);
	const char *argv[2 * RUN_MOST + 2] = { program };
	const char *old_kernel = getenv("MMFENCE_OLD_KERNEL");
	char work[PATH_MAX];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	snprintf(work, sizeof(work), "%s/work", run->dir);
	if (chdir(work))
		_exit(98);
	redirect(run, run->input ? run->input : "/dev/null", STDIN_FILENO, O_RDONLY);
	redirect(run, "output", STDOUT_FILENO, O_WRONLY | O_CREAT | O_TRUNC);
	redirect(run, "errors", STDERR_FILENO, O_WRONLY | O_CREAT | O_TRUNC);
	default_signals();
	umask(022);
	set_arguments(run, argv + 1);
	set_preload(run);
	set_environment(run);
	/* Nothing of the test runner's own is to be inherited. */
	syscall(SYS_close_range, 3, ~0u, 4 /* CLOSE_RANGE_CLOEXEC */);
	/* While that takes no promise that nothing privileged is started. */
	if (old_kernel)
		filter_as_kernel(old_kernel);
	if (run->in_mounts)
		prepare_mounts(run);
	make_files(run);
	if (run->prepare)
		run->prepare(run);
	execv(program, (char **)(uintptr_t)argv);
	fprintf(stderr, "%s: %s\n", program, strerror(errno));
	_exit(98);
}

static void skip_unless_started(const char *variant, const char *because)
{
	const char *program = build_path("helpers/%s/noop", variant);
	int status = 0;

	if (access(program, X_OK))
		cr_skip_test("no helpers were built for %s", variant);
	pid_t pid = fork();
	if (!pid) {
		execv(program, (char *[]){ (char *)(uintptr_t)program, NULL });
		_exit(errno == ENOEXEC);
	}
	waitpid(pid, &status, 0);
	if (status)
		cr_skip_test("%s", because);
}

void skip_without_32_bit(void)
{
	skip_unless_started("m32", "this kernel runs no 32-bit programs");
}

/* Not every compiler builds for 32 bits, or has the sanitizers' runtimes. */
static void skip_unless_built(const struct run *run)
{
	const char *variant = run->variant ? run->variant : "";

	if (!strcmp(variant, "m32"))
		skip_without_32_bit();
	else if (!strcmp(variant, "tsan"))
		skip_unless_started(variant, "its runtime does not work with this kernel");
	else if (!strncmp(variant, "asan", 4) && access(program_path(run), X_OK))
		cr_skip_test("no helpers were built for %s", variant);
}

void run_start(struct run *run)
{
	skip_unless_there(run);
	make_directory(run);
	build_path("x"); /* fails here rather than in the child */
	skip_unless_built(run);
	run->pid = fork();
	cr_assert(run->pid >= 0);
	if (!run->pid)
		become_helper(run);
	setpgid(run->pid, run->pid);
}

/* --- waiting and reading --- */

static const char *name_of(const struct run *run)
{
	return run->mmfence ? run->mmfence : run->sh ? run->sh : run->helper;
}

static char *read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "re");
	char *text = calloc(1, 1);

	*size = 0;
	while (file) {
		text = realloc(text, *size + 65537);
		size_t got = fread(text + *size, 1, 65536, file);
		*size += got;
		text[*size] = 0;
		if (!got)
			break;
	}
	if (file)
		fclose(file);
	return text;
}

static char *read_output(const struct run *run, const char *name)
{
	char path[PATH_MAX];
	size_t size;

	snprintf(path, sizeof(path), "%s/%s", run->dir, name);
	return read_file(path, &size);
}

char *read_whole(const char *path)
{
	size_t size;

	return read_file(path, &size);
}

static bool wait_for_end(struct run *run)
{
	int seconds = run->seconds ? run->seconds : 60;
	struct pollfd end = { .fd = (int)syscall(SYS_pidfd_open, run->pid, 0), .events = POLLIN };

	cr_assert(end.fd >= 0, "pidfd_open: %s", strerror(errno));
	bool ended = poll(&end, 1, seconds * 1000) == 1;
	close(end.fd);
	/* Whatever it left behind goes with it; a reaped leader's number is not reused while its
	 * group exists, so it is reaped after that. */
	kill(-run->pid, SIGKILL);
	cr_assert(waitpid(run->pid, &run->status, 0) == run->pid);
	return ended;
}

void run_wait(struct run *run)
{
	bool ended = wait_for_end(run);

	run->output = read_output(run, "output");
	run->errors = read_output(run, "errors");
	cr_assert(ended, "%s hangs; so far it said:\n%s%s", name_of(run), run->output, run->errors);
	run_read_log(run);
}

void run_helper(struct run *run)
{
	run_start(run);
	if (run->meanwhile)
		run->meanwhile(run);
	run_wait(run);
}

static void forget_records(struct run *run)
{
	for (size_t i = 0; i < run->record_count; i++)
		json_decref(run->records[i]);
	free(run->records);
	run->records = NULL;
	run->record_count = 0;
}

/* All records of all tests in one file, for the schema (tests/schema). */
static void keep_line(const char *line, size_t length)
{
	struct iovec parts[2] = { { (char *)(uintptr_t)line, length }, { (char[]){ '\n' }, 1 } };
	const char *tmp = getenv("MMFENCE_TMP");
	char path[PATH_MAX];
	int fd;

	if (!tmp)
		return;
	snprintf(path, sizeof(path), "%s/records", tmp);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	cr_assert(fd >= 0 && writev(fd, parts, 2) == (ssize_t)length + 1);
	close(fd);
}

static void add_record(struct run *run, const char *line, size_t length)
{
	json_error_t error;
	json_t *record = json_loadb(line, length, JSON_REJECT_DUPLICATES, &error);

	if (!record && run->may_be_torn) {
		run->torn++;
		return;
	}
	cr_assert(record, "a line of the log is no JSON: %s\n%.*s", error.text, (int)length, line);
	record_check(record);
	keep_line(line, length);
	run->records = realloc(run->records, (run->record_count + 1) * sizeof(*run->records));
	run->records[run->record_count++] = record;
}

/* Where processes still write, a reader can see a part of what one write appends. */
static char *read_whole_log(const struct run *run, size_t *size)
{
	for (int look = 0;; look++) {
		char *text = read_file(run->log_path, size);
		if (run->may_be_torn || !*size || text[*size - 1] == '\n' || look == 1000)
			return text;
		free(text);
		sched_yield();
	}
}

void run_read_log(struct run *run)
{
	size_t size;
	char *text = read_whole_log(run, &size), *line = text;

	forget_records(run);
	run->torn = 0;
	while (line < text + size) {
		char *end = memchr(line, '\n', (size_t)(text + size - line));
		if (!end && run->may_be_torn)
			end = text + size;
		cr_assert(end, "the log does not end with a newline: %s", line);
		add_record(run, line, (size_t)(end - line));
		line = end + 1;
	}
	free(text);
}

void run_again(struct run *run)
{
	invariants_hold(run);
	free(run->output);
	free(run->errors);
	forget_records(run);
	unlink(run->log_path);
	run_helper(run);
}

static int remove_one(const char *path, const struct stat *file, int type, struct FTW *place)
{
	remove(path);
	return 0;
}

void run_end(struct run *run)
{
	invariants_hold(run);
	free(run->output);
	free(run->errors);
	forget_records(run);
	if (!getenv("MMFENCE_KEEP"))
		nftw(run->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	run->dir[0] = 0;
}

/* --- judging --- */

int run_exit(const struct run *run)
{
	return WIFSIGNALED(run->status) ? 128 + WTERMSIG(run->status) : WEXITSTATUS(run->status);
}

void run_must_hold(struct run *run)
{
	int status = run_exit(run);

	if (status == SKIPPED) {
		char *reason = strstr(run->output, "skip: ");
		run->output[strcspn(run->output, "\n")] = 0;
		cr_skip_test("%s", reason ? reason + 6 : run->output);
	}
	cr_assert(status == 0, "%s (%s) ended with %d:\n%s%s", name_of(run),
		  run->variant ? run->variant : "path", status, run->output, run->errors);
}

json_t *field(const json_t *record, const char *name)
{
	char part[64];

	while (record && *name) {
		size_t length = strcspn(name, ".");
		snprintf(part, sizeof(part), "%.*s", (int)length, name);
		record = json_object_get(record, part);
		name += length + (name[length] == '.');
	}
	return (json_t *)(uintptr_t)record;
}

const char *field_string(const json_t *record, const char *name)
{
	return json_string_value(field(record, name));
}

json_int_t field_number(const json_t *record, const char *name)
{
	json_t *value = field(record, name);

	return json_is_integer(value) ? json_integer_value(value) : -1;
}

json_t *find_event_number(const struct run *run, const char *action, size_t n)
{
	invariants_expect(action);
	for (size_t i = 0; i < run->record_count; i++)
		if (!strcmp(field_string(run->records[i], "event.action"), action) && !n--)
			return run->records[i];
	return NULL;
}

json_t *find_event(const struct run *run, const char *action)
{
	return find_event_number(run, action, 0);
}

size_t count_events(const struct run *run, const char *action)
{
	size_t count = 0;

	while (find_event_number(run, action, count))
		count++;
	return count;
}
