/* SPDX-License-Identifier: MIT */
/*
 * What is written is on file, whole and in the log's own file; what cannot be
 * written is counted, and the program gets neither a signal nor an errno.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../mounts.h"
#include "audit/event.h"
#include "audit/sink.h"
#include "kernel/guarded.h"
#include "kernel/file.h"
#include "support/scope.h"

#define MAX_LINES 4096

static char directory[64];
static char log_path[128];
static struct scope scope;

static void enter(void)
{
	strcpy(directory, "/tmp/mmfence-sink-XXXXXX");
	cr_assert_not_null(mkdtemp(directory));
	snprintf(log_path, sizeof(log_path), "%s/log", directory);
	signals_block(&scope);
}

static void leave(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", directory);
	signals_restore(&scope);
	umount2(directory, MNT_DETACH);
	cr_assert_eq(system(command), 0);
}

TestSuite(sink, .init = enter, .fini = leave);

static json_t *lines[MAX_LINES];
static int line_count, bad_lines;

/* The records of a file; those that are none are counted. */
static void read_log(const char *path)
{
	static char line[65536];
	FILE *file = fopen(path, "r");

	line_count = bad_lines = 0;
	cr_assert_not_null(file, "%s", path);
	while (fgets(line, sizeof(line), file)) {
		json_t *record = json_loads(line, JSON_REJECT_DUPLICATES, NULL);

		if (record)
			lines[line_count++] = record;
		else
			bad_lines++;
	}
	fclose(file);
}

static const char *action(int line)
{
	return json_string_value(json_object_get(json_object_get(lines[line], "event"), "action"));
}

static int member(int line, const char *group, const char *name)
{
	return (int)json_integer_value(json_object_get(json_object_get(lines[line], group), name));
}

static void emit(int number)
{
	struct record *record = record_begin(EVENT_SELFMEM_OPEN, OUTCOME_SUCCESS, NULL);

	cr_assert_not_null(record);
	record_int(record, "mmfence.number", number);
	record_emit(record);
}

static void holds(const char *path, int count, const char *const *actions)
{
	read_log(path);
	cr_assert_eq(line_count, count, "%d records where %d should be", line_count, count);
	for (int i = 0; i < count; i++)
		cr_assert_str_eq(action(i), actions[i], "record %d", i);
}

#define HOLDS(path, ...)                                                               \
	do {                                                                           \
		static const char *const expected_[] = { __VA_ARGS__ };                \
		holds(path, (int)(sizeof(expected_) / sizeof(*expected_)), expected_); \
	} while (0)

static void errno_stays(void)
{
	errno = 4242;
	emit(-1);
	cr_assert_eq(errno, 4242);
}

/* Nothing of ours may come when signals are let in again. */
static void no_signal_is_left(void)
{
	sigset_t pending;

	sigpending(&pending);
	cr_assert_not(sigismember(&pending, SIGPIPE));
	cr_assert_not(sigismember(&pending, SIGXFSZ));
}

Test(sink, records_are_appended)
{
	struct stat st;

	sink_configure(log_path);
	cr_assert_neq(access(log_path, F_OK), 0);
	for (int i = 0; i < 3; i++)
		emit(i);
	HOLDS(log_path, "process.start", "selfmem.open", "selfmem.open", "selfmem.open");
	for (int i = 0; i < 3; i++)
		cr_assert_eq(member(i + 1, "mmfence", "number"), i);
	cr_assert_eq(bad_lines, 0);
	cr_assert_eq(stat(log_path, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0600);
	cr_assert_eq(sink_dropped_total(), 0);
}

Test(sink, what_was_there_stays)
{
	FILE *file = fopen(log_path, "w");

	fputs("{\"event\":{\"action\":\"before\"}}\n", file);
	fclose(file);
	sink_configure(log_path);
	emit(1);
	HOLDS(log_path, "before", "process.start", "selfmem.open");
}

Test(sink, start_says_who_it_is)
{
	char here[4096];
	json_t *process;

	/* Two arguments, whatever there were. */
	program_invocation_name[2] = 0;
	sink_configure(log_path);
	emit(1);
	read_log(log_path);
	process = json_object_get(lines[0], "process");
	cr_assert_eq(json_integer_value(json_object_get(process, "pid")), getpid());
	cr_assert_eq(json_integer_value(json_object_get(json_object_get(process, "parent"), "pid")),
		     getppid());
	cr_assert_str_eq(json_string_value(json_object_get(process, "working_directory")),
			 getcwd(here, sizeof(here)));
	FILE *file = fopen("/proc/self/cmdline", "r");
	size_t length = fread(here, 1, sizeof(here) - 1, file);
	fclose(file);
	for (size_t i = 0; i < length - 1; i++)
		here[i] = here[i] ?: ' ';
	cr_assert_str_eq(json_string_value(json_object_get(process, "command_line")), here);
	cr_assert_eq(member(0, "mmfence", "bits"), 8 * (int)sizeof(long));
}

/* P4: a number that no slot took is the program's once it is closed. */
Test(sink, number_that_is_given_up_is_free)
{
	int first = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int second = open("/dev/null", O_WRONLY | O_CLOEXEC);

	cr_assert(guarded_keep(GUARDED_LOG, &first));
	cr_assert_not(guarded_keep(GUARDED_LOG, &second));
	cr_assert(guarded_take_begin(second), "it is still ours");
	guarded_take_end(second, false);
	guarded_close(second);
	cr_assert_not(guarded_take_begin(second), "nobody has it");
	guarded_take_end(second, false);
	guarded_drop(GUARDED_LOG);
}

Test(sink, nowhere_is_off)
{
	sink_configure("");
	cr_assert_not(sink_enabled());
	sink_configure(NULL);
	cr_assert_not(sink_enabled());
	sink_write(&(struct line){ .text = "x\n", .length = 2 });
	sink_flush_dropped();
	cr_assert_eq(sink_dropped_total(), 0);
}

Test(sink, symbolic_links_are_not_followed)
{
	char target[160];

	snprintf(target, sizeof(target), "%s/target", directory);
	cr_assert_eq(symlink(target, log_path), 0);
	sink_configure(log_path);
	errno_stays();
	cr_assert_neq(access(target, F_OK), 0);
	cr_assert_eq(sink_dropped_total(), 1);
}

Test(sink, relative_paths_are_those_of_the_start)
{
	char odd[160];

	snprintf(odd, sizeof(odd), "%s/100%%p", directory);
	cr_assert_eq(mkdir(odd, 0700), 0);
	cr_assert_eq(chdir(odd), 0);
	sink_configure("here");
	cr_assert_eq(chdir("/"), 0);
	emit(1);
	strcat(odd, "/here");
	HOLDS(odd, "process.start", "selfmem.open");
}

Test(sink, templates_are_expanded)
{
	char template[160], host[64], executable[4096], expected[8192];
	ssize_t length = readlink("/proc/self/exe", executable, sizeof(executable) - 1);
	long now = time(NULL);

	executable[length] = 0;
	gethostname(host, sizeof(host));
	snprintf(template, sizeof(template), "%s/%%p.%%e.%%h.%%%%", directory);
	sink_configure(template);
	sink_open();
	snprintf(expected, sizeof(expected), "%s/%d.%s.%s.%%", directory, getpid(),
		 strrchr(executable, '/') + 1, host);
	cr_assert_eq(access(expected, F_OK), 0, "%s", expected);

	guarded_drop(GUARDED_LOG);
	snprintf(template, sizeof(template), "%s/%%t.%%p", directory);
	sink_configure(template);
	sink_after_fork();
	sink_open();
	for (long t = now; t < now + 3; t++) {
		snprintf(expected, sizeof(expected), "%s/%ld.%d", directory, t, getpid());
		if (!access(expected, F_OK))
			return;
	}
	cr_assert_fail("no %s", expected);
}

Test(sink, a_closed_pipe_raises_nothing)
{
	int reader;

	cr_assert_eq(mkfifo(log_path, 0600), 0);
	reader = open(log_path, O_RDONLY | O_NONBLOCK);
	sink_configure(log_path);
	emit(1);
	cr_assert_eq(sink_dropped_total(), 0);
	close(reader);
	errno_stays();
	cr_assert_eq(sink_dropped_total(), 1);
	no_signal_is_left();

	reader = open(log_path, O_RDONLY | O_NONBLOCK);
	emit(2);
	fcntl(reader, F_SETFL, 0);
	char text[8192];
	ssize_t got = read(reader, text, sizeof(text) - 1);
	cr_assert_gt(got, 0);
	text[got] = 0;
	cr_assert_not_null(strstr(text, "log.dropped"));
	cr_assert_not_null(strstr(text, "EPIPE"));
	cr_assert_not_null(strstr(text, "\"number\":2"));
}

Test(sink, a_signal_of_the_programs_stays)
{
	sigset_t pending;
	int reader;

	cr_assert_eq(mkfifo(log_path, 0600), 0);
	reader = open(log_path, O_RDONLY | O_NONBLOCK);
	sink_configure(log_path);
	emit(1);
	close(reader);
	syscall(SYS_tgkill, getpid(), gettid(), SIGPIPE);
	emit(2);
	sigpending(&pending);
	cr_assert(sigismember(&pending, SIGPIPE));
	signal_consume(SIGPIPE);
	no_signal_is_left();
}

Test(sink, a_pipe_nobody_reads_does_not_block)
{
	int reader, i, opened;

	cr_assert_eq(mkfifo(log_path, 0600), 0);
	sink_configure(log_path);
	errno_stays();
	cr_assert_eq(sink_dropped_total(), 1);
	reader = open(log_path, O_RDONLY | O_NONBLOCK);
	opened = (int)sink_dropped_total();
	for (i = 0; i < 1000 && sink_dropped_total() < (uint64_t)opened + 3; i++)
		emit(i);
	cr_assert_lt(i, 1000);
	no_signal_is_left();
	close(reader);
}

Test(sink, a_limit_on_file_size_raises_nothing)
{
	struct rlimit limit = { 2000, RLIM_INFINITY };

	sink_configure(log_path);
	emit(0);
	/* Set behind our back: the log is open already. */
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (int i = 1; i < 20; i++)
		errno_stays();
	no_signal_is_left();
	cr_assert_geq(sink_dropped_total(), 14);

	int dropped = (int)sink_dropped_total();
	limit.rlim_cur = RLIM_INFINITY;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	emit(77);
	read_log(log_path);
	cr_assert_leq(bad_lines, 1); /* the one cut short */
	cr_assert_str_eq(action(line_count - 2), "log.dropped");
	cr_assert_eq(member(line_count - 2, "mmfence", "dropped"), dropped);
	cr_assert_eq(member(line_count - 1, "mmfence", "number"), 77);
	cr_assert_eq(sink_dropped_pending(), 0);
}

Test(sink, a_record_cut_short_ends_before_the_next)
{
	struct rlimit limit = { 0, RLIM_INFINITY };
	struct stat st;

	sink_configure(log_path);
	emit(0);
	cr_assert_eq(stat(log_path, &st), 0);
	limit.rlim_cur = (rlim_t)st.st_size + 50;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	emit(1);
	cr_assert_eq(sink_dropped_total(), 1);
	limit.rlim_cur = RLIM_INFINITY;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	emit(2);
	HOLDS(log_path, "process.start", "selfmem.open", "log.dropped", "selfmem.open");
	cr_assert_eq(bad_lines, 1);
	cr_assert_eq(member(3, "mmfence", "number"), 2);
}

/* A file system of 64 KiB on the directory; only this process sees it. */
static void mount_small(void)
{
	if (!own_mounts(0) || mount("none", directory, "tmpfs", 0, "size=64k"))
		cr_skip_test("may not mount a small file system here");
}

Test(sink, a_full_disk_is_counted_and_said_later)
{
	char filler[160];
	int fd, dropped;

	mount_small();
	snprintf(filler, sizeof(filler), "%s/filler", directory);
	sink_configure(log_path);
	emit(0);
	fd = open(filler, O_WRONLY | O_CREAT, 0600);
	while (write(fd, directory, sizeof(directory)) > 0)
		;
	close(fd);
	for (int i = 0; i < 100; i++)
		errno_stays();
	dropped = (int)sink_dropped_total();
	cr_assert_geq(dropped, 80);
	cr_assert_eq(unlink(filler), 0);
	sink_flush_dropped();
	read_log(log_path);
	cr_assert_str_eq(action(line_count - 1), "log.dropped");
	cr_assert_eq(member(line_count - 1, "mmfence", "dropped"), dropped);
	cr_assert_str_eq(json_string_value(json_object_get(
				 json_object_get(lines[line_count - 1], "error"), "code")),
			 "ENOSPC");
	cr_assert_eq(line_count - 3 + dropped, 100);
	sink_flush_dropped();
	emit(1);
	read_log(log_path);
	cr_assert_str_eq(action(line_count - 2), "log.dropped");
}

Test(sink, a_directory_that_comes_late)
{
	char late[160], path[192];

	snprintf(late, sizeof(late), "%s/late", directory);
	snprintf(path, sizeof(path), "%s/log", late);
	sink_configure(path);
	for (int i = 0; i < 5; i++)
		errno_stays();
	cr_assert_eq(sink_dropped_total(), 5);
	cr_assert_eq(mkdir(late, 0700), 0);
	emit(6);
	HOLDS(path, "process.start", "log.dropped", "selfmem.open");
	cr_assert_eq(member(1, "mmfence", "dropped"), 5);
}

Test(sink, dropped_records_are_said_at_the_end)
{
	char late[160], path[192];

	snprintf(late, sizeof(late), "%s/late", directory);
	snprintf(path, sizeof(path), "%s/log", late);
	sink_configure(path);
	emit(1);
	sink_flush_dropped();
	cr_assert_eq(mkdir(late, 0700), 0);
	sink_flush_dropped();
	HOLDS(path, "process.start", "log.dropped");
	cr_assert_eq(member(1, "mmfence", "dropped"), 1);
}

static void wait_for_the_next_look(void)
{
	usleep(1100000);
}

Test(sink, a_renamed_log_is_opened_anew)
{
	char old[160];

	snprintf(old, sizeof(old), "%s/log.1", directory);
	sink_configure(log_path);
	emit(0);
	cr_assert_eq(rename(log_path, old), 0);
	wait_for_the_next_look();
	emit(1);
	HOLDS(old, "process.start", "selfmem.open");
	HOLDS(log_path, "selfmem.open");
	cr_assert_eq(member(0, "mmfence", "number"), 1);
}

Test(sink, a_deleted_log_in_a_deleted_directory_is_counted)
{
	char gone[160], path[192];

	snprintf(gone, sizeof(gone), "%s/gone", directory);
	snprintf(path, sizeof(path), "%s/log", gone);
	cr_assert_eq(mkdir(gone, 0700), 0);
	sink_configure(path);
	emit(0);
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(rmdir(gone), 0);
	wait_for_the_next_look();
	errno_stays();
	errno_stays();
	cr_assert_eq(sink_dropped_total(), 2);
	cr_assert_eq(mkdir(gone, 0700), 0);
	emit(3);
	HOLDS(path, "log.dropped", "selfmem.open");
}

Test(sink, another_root_does_not_move_the_log)
{
	char command[512];
	int status;

	snprintf(command, sizeof(command), "mkdir -p %s%s", directory, directory);
	cr_assert_eq(system(command), 0);
	sink_configure(log_path);
	emit(0);
	if (!fork()) {
		if (chroot(directory))
			_exit(77);
		wait_for_the_next_look();
		emit(1);
		_exit(!access(log_path, F_OK) || sink_dropped_total());
	}
	wait(&status);
	if (WEXITSTATUS(status) == 77)
		cr_skip_test("may not chroot");
	cr_assert_eq(status, 0);
	HOLDS(log_path, "process.start", "selfmem.open", "process.start", "selfmem.open");
}

Test(sink, no_record_lands_in_a_file_of_the_programs)
{
	char other[160];
	struct stat st;
	int log, fd;

	snprintf(other, sizeof(other), "%s/other", directory);
	sink_configure(log_path);
	emit(0);
	log = guarded_get(GUARDED_LOG);
	fd = open(other, O_WRONLY | O_CREAT, 0600);
	syscall(SYS_dup2, fd, log);
	emit(1);
	syscall(SYS_close, guarded_get(GUARDED_LOG));
	emit(2);
	cr_assert_eq(fstat(fd, &st), 0);
	cr_assert_eq(st.st_size, 0);
	HOLDS(log_path, "process.start", "selfmem.open", "selfmem.open", "selfmem.open");
	cr_assert_eq(sink_dropped_total(), 0);
}

static void child_emits(bool told)
{
	pid_t child = fork();
	int status;

	if (!child) {
		if (told)
			sink_after_fork();
		emit(1);
		emit(2);
		_exit(sink_dropped_total() != 0);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(status, 0);
}

Test(sink, a_child_announces_itself)
{
	sink_configure(log_path);
	emit(0);
	child_emits(true);
	child_emits(false);
	emit(3);
	HOLDS(log_path, "process.start", "selfmem.open", "process.start", "selfmem.open",
	      "selfmem.open", "process.start", "selfmem.open", "selfmem.open", "selfmem.open");
	cr_assert_neq(member(2, "process", "pid"), getpid());
	cr_assert_eq(member(3, "process", "pid"), member(2, "process", "pid"));
	cr_assert_eq(member(8, "process", "pid"), getpid());
}

Test(sink, a_child_keeps_the_open_log)
{
	int status;

	sink_configure(log_path);
	emit(0);
	if (!fork()) {
		sink_after_fork();
		_exit(guarded_get(GUARDED_LOG) < 0);
	}
	wait(&status);
	cr_assert_eq(status, 0);
}

Test(sink, a_child_with_a_new_name)
{
	sink_configure(log_path);
	emit(0);
	if (!fork()) {
		prctl(PR_SET_NAME, "renamed");
		sink_after_fork();
		emit(1);
		_exit(0);
	}
	wait(NULL);
	read_log(log_path);
	cr_assert_str_eq(
		json_string_value(json_object_get(json_object_get(lines[3], "process"), "name")),
		"renamed");
}

static void *emit_in_thread(void *unused)
{
	struct scope inner;

	signals_block(&inner);
	emit((int)gettid());
	return unused;
}

Test(sink, threads_have_their_own_number)
{
	pthread_t thread;

	sink_configure(log_path);
	emit((int)gettid());
	for (int i = 0; i < 5; i++) {
		pthread_create(&thread, NULL, emit_in_thread, NULL);
		pthread_join(thread, NULL);
	}
	read_log(log_path);
	cr_assert_eq(line_count, 7);
	for (int i = 1; i < 7; i++) {
		json_t *process = json_object_get(lines[i], "process");
		json_t *tid = json_object_get(json_object_get(process, "thread"), "id");

		cr_assert_eq(json_integer_value(json_object_get(process, "pid")), getpid());
		cr_assert_eq(json_integer_value(tid), member(i, "mmfence", "number"));
	}
}

Test(sink, a_child_that_shares_memory_announces_itself)
{
	pid_t child;

	sink_configure(log_path);
	emit(0);
	child = vfork();
	if (!child) {
		emit(1);
		emit(2);
		_exit(0);
	}
	emit(3);
	cr_assert_eq(waitpid(child, NULL, 0), child);
	HOLDS(log_path, "process.start", "selfmem.open", "process.start", "selfmem.open",
	      "selfmem.open", "selfmem.open");
	cr_assert_eq(member(4, "process", "pid"), child);
	cr_assert_eq(member(5, "process", "pid"), getpid());
}

Test(sink, children_with_files_of_their_own)
{
	char template[160], path[160];
	pid_t child;

	snprintf(template, sizeof(template), "%s/log.%%p", directory);
	sink_configure(template);
	emit(0);
	child = fork();
	if (!child) {
		sink_after_fork();
		emit(1);
		_exit(0);
	}
	cr_assert_eq(waitpid(child, NULL, 0), child);
	snprintf(path, sizeof(path), "%s/log.%d", directory, child);
	HOLDS(path, "process.start", "selfmem.open");
	snprintf(path, sizeof(path), "%s/log.%d", directory, getpid());
	HOLDS(path, "process.start", "selfmem.open");
}

Test(sink, records_of_several_processes_do_not_mix)
{
	enum { CHILDREN = 8, RECORDS = 300 };

	sink_configure(log_path);
	sink_open();
	for (int i = 0; i < CHILDREN; i++)
		if (!fork()) {
			sink_after_fork();
			for (int j = 0; j < RECORDS; j++)
				emit(j);
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	read_log(log_path);
	cr_assert_eq(bad_lines, 0);
	cr_assert_eq(line_count, CHILDREN * (RECORDS + 1));
}

/* Of another process, that was killed in the middle of one. */
Test(sink, a_record_that_others_cut_short_ends_before_the_next)
{
	FILE *file = fopen(log_path, "w");

	fputs("{\"event\":{\"act", file);
	fclose(file);
	sink_configure(log_path);
	emit(1);
	HOLDS(log_path, "process.start", "selfmem.open");
	cr_assert_eq(bad_lines, 1);
}

Test(sink, a_name_that_becomes_too_long_takes_no_descriptor)
{
	char name[1200];
	int length = snprintf(name, sizeof(name), "%s/", directory);
	int mine = unnamed_file(directory, "mine");
	struct stat st;

	cr_assert_eq(dup2(mine, 0), 0);
	for (; length < 1100; length += 2)
		strcpy(name + length, "%t"); /* ten digits */
	sink_configure(name);
	emit(1);
	cr_assert_eq(sink_dropped_total(), 1);
	cr_assert_eq(guarded_get(GUARDED_LOG), -1);
	cr_assert(!fstat(0, &st) && st.st_size == 0);
}

/* Listens on a socket of that name. */
static int listen_at(const char *path, int type)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	cr_assert(fd >= 0 && !bind(fd, (struct sockaddr *)&address, sizeof(address)));
	cr_assert(type != SOCK_STREAM || !listen(fd, 4));
	return fd;
}

static int send_buffer(int fd)
{
	int bytes = 0;
	socklen_t length = sizeof(bytes);

	cr_assert_eq(getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, &length), 0);
	return bytes;
}

Test(sink, a_socket_has_room_for_a_burst)
{
	char name[128];
	int listener, other = socket(AF_UNIX, SOCK_DGRAM, 0);

	snprintf(name, sizeof(name), "unix:%s/socket", directory);
	listener = listen_at(name + 5, SOCK_DGRAM);
	sink_configure(name);
	emit(1);
	cr_assert_gt(send_buffer(guarded_get(GUARDED_LOG)), send_buffer(other));
	close(listener);
}

/* Then it stays where the kernel put it. */
Test(sink, the_last_free_number_is_closed_on_exec)
{
	struct rlimit few = { 32, 32 };
	char name[128];
	int last = -1, fd;

	snprintf(name, sizeof(name), "unix:%s/socket", directory);
	listen_at(name + 5, SOCK_DGRAM);
	sink_configure(name);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	while ((fd = dup(0)) >= 0)
		last = fd;
	close(last);
	emit(1);
	cr_assert_eq(guarded_get(GUARDED_LOG), last);
	cr_assert_eq(fcntl(last, F_GETFD), FD_CLOEXEC);
}

/* A daemon's stream at /dev/log, which only this process sees. */
static int listen_at_log(void)
{
	if (!own_mounts(0) || mount("none", "/dev", "tmpfs", 0, NULL))
		cr_skip_test("may not mount a /dev of its own here");
	return listen_at("/dev/log", SOCK_STREAM);
}

static void emit_large(void)
{
	struct record *record = record_begin(EVENT_SELFMEM_OPEN, OUTCOME_SUCCESS, NULL);
	char value[5000];

	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = 0;
	record_str(record, "file.path", value);
	record_str(record, "mmfence.other", value);
	record_emit(record);
}

/* The daemon reads the part and the end of the stream; the record is counted as dropped. */
Test(sink, a_stream_that_takes_part_of_a_record_is_given_up)
{
	int listener = listen_at_log(), least = 1;
	static char got[65536];

	sink_configure("syslog");
	emit(0);
	cr_assert_eq(sink_dropped_total(), 0);
	int stream = accept(listener, NULL, NULL);
	cr_assert(stream >= 0 && read(stream, got, sizeof(got)) > 0);
	cr_assert_eq(
		setsockopt(guarded_get(GUARDED_LOG), SOL_SOCKET, SO_SNDBUF, &least, sizeof(least)),
		0);
	emit_large();
	cr_assert_eq(sink_dropped_total(), 1);
	cr_assert_eq(guarded_get(GUARDED_LOG), -1);
	emit(2);
	stream = accept(listener, NULL, NULL);
	ssize_t length = read(stream, got, sizeof(got));
	cr_assert_gt(length, 0);
	cr_assert_eq(got[0], '<');
	cr_assert_eq(got[length - 1], 0);
	cr_assert_eq(sink_dropped_total(), 1);
}
