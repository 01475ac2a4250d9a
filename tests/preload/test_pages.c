/* SPDX-License-Identifier: MIT */
/*
 * SEMANTICS 7: each page is one of resident private, resident file, resident shared, swapped and
 * never allocated; both ways to read a page table give the same census. The helper makes pages of
 * each kind and stops; it is counted meanwhile, and what it said there is must be there.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "filter.h"
#include "runner.h"

#define NOBODY	65534
#define CLASSES 6

static const char *const classes[CLASSES] = { "resident_private", "resident_file",
					      "resident_shared",  "swapped",
					      "never_allocated",  "unknown" };

/* ---- counting ---- */

/* Memory of another's, which may be read, is at FOREIGN. */
#define FOREIGN 200

static void become_nobody(struct run *run)
{
	char name[PATH_MAX];

	snprintf(name, sizeof(name), "%s/foreign.%d", getenv("MMFENCE_SHM") ?: "/dev/shm",
		 getpid());
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	if (fd < 0 || unlink(name) || ftruncate(fd, 4 * 4096) || dup2(fd, FOREIGN) < 0)
		_exit(98);
	if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		_exit(98);
}

static void stop_helper(struct run *run)
{
	int status;

	run_start(run);
	cr_assert(waitpid(run->pid, &status, WUNTRACED) == run->pid);
	if (WIFSTOPPED(status))
		return;
	/* It ended: because it cannot be tried here, or because it failed. */
	char *text = run_text(run, "../output");
	text[strcspn(text, "\n")] = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		cr_skip_test("%s", text + strcspn(text, " "));
	cr_assert(false, "the helper ended with %x: %s", status, text);
}

static void end_helper(struct run *run)
{
	kill(run->pid, SIGCONT);
	run_wait(run);
	run_end(run);
}

static const char *number(pid_t pid)
{
	char *text;

	cr_assert(asprintf(&text, "%d", (int)pid) > 0);
	return text;
}

static json_t *counted(pid_t pid, const char *way, bool as_nobody)
{
	struct run run = { .mmfence = "pages --json --sort=address --way",
			   .args = { way, number(pid) },
			   .prepare = as_nobody ? become_nobody : NULL };

	run_helper(&run);
	run_must_hold(&run);
	json_t *census = run_json(&run);
	cr_assert_str_eq(json_string_value(json_object_get(census, "way")), way);
	run_end(&run);
	return census;
}

static json_int_t pages_of(const json_t *counts, const char *name)
{
	json_t *value = json_object_get(counts, name);

	cr_assert(json_is_integer(value) && json_integer_value(value) >= 0, "%s", name);
	return json_integer_value(value);
}

static unsigned long long address(const json_t *mapping, const char *name)
{
	return strtoull(json_string_value(json_object_get(mapping, name)), NULL, 16);
}

/* Every page of every mapping is counted once, and the total is the sum. */
static void check_sums(const json_t *census)
{
	json_int_t sums[CLASSES] = { 0 };
	size_t i;
	json_t *mapping;

	json_array_foreach (json_object_get(census, "mappings"), i, mapping) {
		const json_t *pages = json_object_get(mapping, "pages");
		json_int_t all = 0;

		for (int which = 0; which < CLASSES; which++) {
			sums[which] += pages_of(pages, classes[which]);
			all += pages_of(pages, classes[which]);
		}
		cr_assert_eq((unsigned long long)all * 4096,
			     address(mapping, "end") - address(mapping, "start"),
			     "%lld pages of %s", (long long)all, json_dumps(mapping, 0));
	}
	cr_assert(i > 0 &&
		  (json_int_t)i == json_integer_value(json_object_get(census, "mapping_count")));
	for (int which = 0; which < CLASSES; which++)
		cr_assert_eq(sums[which],
			     pages_of(json_object_get(census, "total"), classes[which]));
}

/* ---- what the helper said ---- */

struct expectation {
	unsigned long start, end;
	unsigned long pages[CLASSES];
	char what[64];
};

static FILE *open_expected(const struct run *run)
{
	char *text = run_text(run, "expected");

	cr_assert(*text, "the helper said nothing");
	return fmemopen(text, strlen(text), "r");
}

static bool read_expected(FILE *in, struct expectation *out)
{
	unsigned long *p = out->pages;

	return fscanf(in, "%lx %lx %lu %lu %lu %lu %lu %lu %63[^\n]", &out->start, &out->end, p,
		      p + 1, p + 2, p + 3, p + 4, p + 5, out->what) == 9;
}

static const json_t *mapping_at(const json_t *census, unsigned long start)
{
	size_t i;
	json_t *mapping;

	json_array_foreach (json_object_get(census, "mappings"), i, mapping) {
		if (address(mapping, "start") == start)
			return mapping;
	}
	return NULL;
}

static void check_counts(const json_t *pages, const struct expectation *expected, const char *way)
{
	for (int which = 0; which < CLASSES; which++)
		cr_expect_eq(pages_of(pages, classes[which]), (json_int_t)expected->pages[which],
			     "%s, by %s: %lld pages are %s, and should be %lu", expected->what, way,
			     (long long)pages_of(pages, classes[which]), classes[which],
			     expected->pages[which]);
}

static size_t check_expected(const struct run *run, const json_t *census)
{
	const char *way = json_string_value(json_object_get(census, "way"));
	FILE *in = open_expected(run);
	struct expectation expected;
	size_t count = 0;

	for (; read_expected(in, &expected); count++) {
		const json_t *mapping = mapping_at(census, expected.start);

		cr_assert(mapping && address(mapping, "end") == expected.end, "%s is not there",
			  expected.what);
		check_counts(json_object_get(mapping, "pages"), &expected, way);
	}
	fclose(in);
	return count;
}

static void check_alike(const json_t *scan, const json_t *pagemap)
{
	for (size_t i = 0; i < json_array_size(scan); i++) {
		json_t *one = json_array_get(scan, i), *other = json_array_get(pagemap, i);

		cr_assert(json_equal(one, other), "the two ways differ:\n%s\n%s",
			  json_dumps(one, 0), other ? json_dumps(other, 0) : "no such mapping");
	}
}

static void check_both_ways(const struct run *run, size_t least, bool as_nobody)
{
	json_t *scan = counted(run->pid, "scan", as_nobody);
	json_t *pagemap = counted(run->pid, "pagemap", as_nobody);

	check_sums(scan);
	check_sums(pagemap);
	cr_expect(check_expected(run, scan) >= least);
	cr_expect(check_expected(run, pagemap) >= least);
	/* It stood still: every mapping must be alike, those of libc and the kernel too. */
	json_object_del(scan, "way");
	json_object_del(pagemap, "way");
	json_object_del(scan, "@timestamp");
	json_object_del(pagemap, "@timestamp");
	check_alike(json_object_get(scan, "mappings"), json_object_get(pagemap, "mappings"));
	cr_assert(json_equal(scan, pagemap));
}

static bool have_scan(void)
{
	struct run run = { .mmfence = "pages --json --way=scan", .args = { number(getpid()) } };

	run_helper(&run);
	bool have = run_exit(&run) == 0;
	cr_assert(have || strstr(run.errors, "this kernel has no PAGEMAP_SCAN"), "%s", run.errors);
	run_end(&run);
	return have;
}

RUNS(BY_PATH, pages, without_proc_it_is_said, .in_mounts = true,
     .sh = "mount -t tmpfs none /proc || exit 77; $mmfence pages 1", .ends_with = 2,
     .complains = "mmfence: there is no /proc here, which tells of process 1\n")

/* 1 is for a process that has ended. */
RUNS(BY_PATH, pages, a_table_that_cannot_be_read_that_way, .as_root = true,
     .prepare = filter_as_before_6_7, .sh = "exec $mmfence pages --way scan $$", .ends_with = 2,
     .complains = "mmfence: this kernel has no PAGEMAP_SCAN\n")

/* What is counted meanwhile: its arguments, and how it is fenced. */
#define STOPPED(...)                                               \
	{                                                          \
		.variant = variant, .helper = "pages", __VA_ARGS__ \
	}

static void count_both_ways(struct run *run, size_t least)
{
	if (!have_scan())
		cr_skip_test("this kernel has no PAGEMAP_SCAN");
	stop_helper(run);
	check_both_ways(run, least, run->prepare == become_nobody);
	end_helper(run);
}

#define COUNTS(each, name, least, ...)                 \
	each(pages, name)                              \
	{                                              \
		struct run run = STOPPED(__VA_ARGS__); \
		count_both_ways(&run, least);          \
	}
#define KINDS .args = { "kinds", "wait" }

/* ---- each kind ---- */

EACH_WIDTH(pages, each_kind_is_counted_alike_both_ways)
{
	struct run run = STOPPED(.preload = RUN_BARE, KINDS);

	skip_unless_root(); /* shared memory without a descriptor takes map_files */
	count_both_ways(&run, 17);
}

/* Shared memory is found by its descriptors; what cannot be looked up is unknown, not invented. */
COUNTS(EACH_WIDTH, each_kind_is_counted_without_privileges, 17, .preload = RUN_BARE, KINDS,
       .prepare = geteuid() == 0 ? become_nobody : NULL)
COUNTS(EACH_WIDTH, more_areas_than_a_batch_are_counted, 700, .preload = RUN_BARE,
       .args = { "many", "wait" })
COUNTS(EACH_WIDTH, what_a_fork_shares_is_nobodys_own, 1, .preload = RUN_BARE,
       .args = { "family", "wait" })

ONCE(pages, a_fenced_process_is_counted_too)
{
	struct run run = STOPPED(KINDS, .options = { "snapshot.mode=off" });

	skip_unless_root();
	count_both_ways(&run, 17);
}

/* A snapshot that was copied shows nothing of what others write. */
ONCE(pages, a_copied_snapshot_shows_no_file)
{
	struct run run = STOPPED(KINDS, .options = { "snapshot.guard=none" });

	stop_helper(&run);
	json_t *census = counted(run.pid, have_scan() ? "scan" : "pagemap", false);
	size_t i, copies = 0;
	json_t *mapping;
	json_array_foreach (json_object_get(census, "mappings"), i, mapping) {
		const char *name = json_string_value(json_object_get(mapping, "name"));
		const char *prot = json_string_value(json_object_get(mapping, "protection"));

		cr_expect(!strstr(name, "census.data") || prot[3] == 's',
			  "%s is still mapped privately", name);
		copies += strstr(name, "/memfd:mmfence") || strstr(name, "/dev/shm/mmfence");
	}
	cr_expect(copies > 0);
	end_helper(&run);
}

/* ---- swapped pages ---- */

#define SWAP_PAGES 8192
#define ZRAM	   "/sys/class/zram-control/"

struct swap {
	char path[PATH_MAX];
	int device; /* of zram, or -1: a file */
	int hold;   /* closing it ends the swap; so does this process's end, whatever its cause */
	pid_t keeper;
};

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return done;
}

/* Compressed memory: what is swapped out to it leaves memory at once. The number, or -1. */
static int zram_add(char *path, size_t size)
{
	char attribute[64], bytes[32];
	int number = -1;
	FILE *in = fopen(ZRAM "hot_add", "re");

	if (!in || fscanf(in, "%d", &number) != 1)
		number = -1;
	if (in)
		fclose(in);
	if (number < 0)
		return -1;
	snprintf(path, size, "/dev/zram%d", number);
	snprintf(attribute, sizeof(attribute), "/sys/block/zram%d/disksize", number);
	snprintf(bytes, sizeof(bytes), "%d", SWAP_PAGES * 4096);
	if (write_text(attribute, bytes) && !access(path, W_OK))
		return number;
	snprintf(bytes, sizeof(bytes), "%d", number);
	write_text(ZRAM "hot_remove", bytes);
	return -1;
}

static bool zram_remove(int number)
{
	char attribute[64], text[16];

	snprintf(attribute, sizeof(attribute), "/sys/block/zram%d/reset", number);
	snprintf(text, sizeof(text), "%d", number);
	return write_text(attribute, "1") && write_text(ZRAM "hot_remove", text);
}

/* The kernel's own words (include/linux/swap.h, union swap_header). */
static void write_swap(int fd)
{
	uint32_t information[3] = { 1, SWAP_PAGES - 1, 0 };
	static char page[4096];

	for (size_t i = 0; i < SWAP_PAGES; i++)
		cr_assert(pwrite(fd, page, 4096, (off_t)(i * 4096)) == 4096);
	cr_assert(pwrite(fd, information, sizeof(information), 1024) == sizeof(information));
	cr_assert(pwrite(fd, "SWAPSPACE2", 10, 4096 - 10) == 10 && fsync(fd) == 0);
}

static bool swap_remove(const struct swap *swap)
{
	return swap->device >= 0 ? zram_remove(swap->device) : !unlink(swap->path);
}

static _Noreturn void keep_swap(const struct swap *swap, int until)
{
	char byte;

	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	setpgid(0, 0);
	while (read(until, &byte, 1) < 0 && errno == EINTR)
		;
	bool off = !swapoff(swap->path);
	_exit(swap_remove(swap) && off ? 0 : 1);
}

static int swap_create(struct swap *swap)
{
	const char *tmp = getenv("MMFENCE_TMP");

	swap->device = zram_add(swap->path, sizeof(swap->path));
	if (swap->device >= 0)
		return open(swap->path, O_RDWR | O_CLOEXEC);
	snprintf(swap->path, sizeof(swap->path), "%s/swap.XXXXXX", tmp ? tmp : "/tmp");
	return mkostemp(swap->path, O_CLOEXEC);
}

/* One test at a time: the kernel spreads what it swaps out over all swap there is, and brings it
 * all back when one of them is taken away. */
static void swap_wait_for_turn(void)
{
	const char *tmp = getenv("MMFENCE_TMP");
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/swap.lock", tmp ? tmp : "/tmp");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	cr_assert(fd >= 0 && flock(fd, LOCK_EX) == 0, "%s: %s", path, strerror(errno));
}

static void swap_start(struct swap *swap)
{
	swap_wait_for_turn();
	int both[2], fd = swap_create(swap);

	cr_assert(fd >= 0 && pipe2(both, O_CLOEXEC) == 0);
	write_swap(fd);
	close(fd);
	if (swapon(swap->path, SWAP_FLAG_PREFER | SWAP_FLAG_PRIO_MASK)) {
		int error = errno;
		swap_remove(swap);
		cr_skip_test("%s cannot be swapped to: %s", swap->path, strerror(error));
	}
	swap->keeper = fork();
	if (!swap->keeper) {
		close(both[1]);
		keep_swap(swap, both[0]);
	}
	close(both[0]);
	swap->hold = both[1];
	cr_assert(swap->keeper > 0);
}

static void swap_end(struct swap *swap)
{
	int status;

	close(swap->hold);
	cr_assert(waitpid(swap->keeper, &status, 0) == swap->keeper && status == 0,
		  "%s could not be taken back", swap->path);
}

EACH_WIDTH(pages, swapped_pages_are_told_from_those_never_allocated)
{
	struct run run = STOPPED(.preload = RUN_BARE, .args = { "swapped", "wait" });
	struct swap swap;

	skip_unless_root();
	swap_start(&swap);
	count_both_ways(&run, swap.device >= 0 ? 5 : 3);
	swap_end(&swap);
}

/* ---- while it runs on ---- */

ONCE(pages, mappings_that_change_meanwhile_are_never_counted_wrong)
{
	struct run run = STOPPED(.preload = RUN_BARE, .args = { "none", "storm" });
	bool scan = have_scan();

	stop_helper(&run);
	kill(run.pid, SIGCONT);
	for (int i = 0; i < 20; i++)
		check_sums(counted(run.pid, scan && i % 2 ? "scan" : "pagemap", false));
	kill(run.pid, SIGTERM);
	run_wait(&run);
	run_end(&run);
}

/* ---- the table ---- */

static json_int_t shown;

static void look_at_table(struct run *run)
{
	char line[256];

	snprintf(line, sizeof(line),
		 "(%lld pages) of private mappings still show what others write to their files.\n",
		 (long long)shown);
	run_shows(run, line);
	char *header = strstr(run->output, "size"), *row = header ? strchr(header, '\n') : NULL;
	cr_assert(row, "%s", run->output);
	double cells[3];
	cr_assert(sscanf(row, "%lf MiB %lf MiB %lf MiB - - -", &cells[0], &cells[1], &cells[2]) ==
		  3);
	cr_assert(cells[0] == 16 && cells[1] == 8 && cells[2] == 8, "%s", run->output);
}

/* Sorted by what is shown, the stripes (or libc) come first; the total is of all. */
ONCE(pages, the_table_says_how_much_still_shows_what_others_write)
{
	struct run stopped = STOPPED(.preload = RUN_BARE, KINDS);

	stop_helper(&stopped);
	json_t *census = counted(stopped.pid, "pagemap", false);
	shown = pages_of(json_object_get(census, "total"), "resident_file");
	TRY(.mmfence = "pages --limit=1", .args = { number(stopped.pid) }, .look = look_at_table,
	    .shows = { " mappings are not shown; the total is of all.\n" });
	end_helper(&stopped);
}

/* ---- processes that cannot be counted, and wrong usage ---- */

BY_PATH(pages, what_is_no_process_is_refused)
{
	static const char *const wrong[] = { "abc", "12a", "0", "-1", "", "99999999999999999999",
					     "+1",  "self" };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		TRY(.mmfence = "pages --", .args = { wrong[i] },
		    .refuses = "is not the number of a process\n");
	/* Past the kernel's PID_MAX_LIMIT. */
	TRY(.mmfence = "pages 4194305", .refuses = "mmfence: there is no process 4194305\n");
}

BY_PATH(pages, wrong_options_are_refused)
{
	TRY(.mmfence = "pages --way=guess 1",
	    .refuses = "--way: \"guess\" is none of auto, scan, pagemap\n");
	TRY(.mmfence = "pages --sort=name 1",
	    .refuses = "--sort: \"name\" is none of private, file,");
	TRY(.mmfence = "pages --limit=-3 1",
	    .refuses = "--limit: \"-3\" is not a number of mappings\n");
}

BY_PATH(pages, a_zombie_has_none)
{
	siginfo_t info;
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	cr_assert(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0);
	TRY(.mmfence = "pages", .args = { number(pid) },
	    .refuses = "has ended: it has no pages any more\n");
	waitpid(pid, NULL, 0);
}

static int thread_pipe[2], leave_pipe[2];

static void *second_thread(void *unused)
{
	pid_t tid = (pid_t)syscall(SYS_gettid);
	char go;

	if (write(thread_pipe[1], &tid, sizeof(tid)) != sizeof(tid) ||
	    read(leave_pipe[0], &go, 1) != 1)
		_exit(1);
	return NULL;
}

/* A process whose first thread has ended, or waits; its second thread is *tid. */
static pid_t threaded(bool first_ends, pid_t *tid)
{
	siginfo_t info = { 0 };
	pthread_t thread;

	cr_assert(!pipe2(thread_pipe, O_CLOEXEC) && !pipe2(leave_pipe, O_CLOEXEC));
	pid_t pid = fork();
	if (!pid) {
		if (pthread_create(&thread, NULL, second_thread, NULL))
			_exit(1);
		if (first_ends)
			syscall(SYS_exit, 0);
		for (;;)
			pause();
	}
	cr_assert(read(thread_pipe[0], tid, sizeof(*tid)) == sizeof(*tid));
	/* Nobody is told that it ended: the process has not. */
	for (char state = 0; first_ends && state != 'Z';) {
		char path[64], text[256] = "";

		snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
		FILE *in = fopen(path, "re");
		cr_assert(in && fgets(text, sizeof(text), in));
		fclose(in);
		state = strrchr(text, ')')[2];
	}
	cr_assert(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | WNOHANG) == 0 &&
		  !info.si_pid);
	return pid;
}

/* By the number of either, it is the process that is counted. */
Test(pages, threads_stand_for_their_process)
{
	for (int first_ends = 0; first_ends < 2; first_ends++) {
		pid_t numbers[2];

		numbers[0] = threaded(first_ends, &numbers[1]);
		for (int i = 0; i < 2; i++) {
			json_t *json = counted(numbers[i], "pagemap", false);

			cr_expect_eq(field_number(json, "pid"), numbers[0]);
			cr_expect(field_number(json, "mapping_count") > 5);
			cr_expect(field_number(json, "total.resident_private") > 0);
			json_decref(json);
		}
		kill(numbers[0], SIGKILL);
		waitpid(numbers[0], NULL, 0);
	}
}

static void need_a_kernel_thread(struct run *run)
{
	char *name = read_whole("/proc/2/comm");

	if (strcmp(name, "kthreadd\n"))
		cr_skip_test("process 2 is no kernel thread here");
	free(name);
}

REFUSES(pages, a_kernel_thread_has_none, "pages 2",
	"process 2 (kthreadd) is a thread of the kernel", .before = need_a_kernel_thread)
REFUSES(pages, a_process_of_somebody_else_is_refused, "pages", "may not be looked at by this user",
	.args = { number(getpid()) }, .as_root = true, .prepare = become_nobody)

/* ---- pages.census=exit ---- */

#define AT_EXIT(fence, ...)                                           \
	.helper = "pages", .options = { "pages.census=exit", fence }, \
	.args = { "kinds", __VA_ARGS__ }
#define OFF "snapshot.mode=off"

RUNS(EACH_WIDTH, pages, census_of_a_device_ends, .helper = "zero",
     .options = { "pages.census=exit", OFF }, .finds = { "pages.census event.outcome=success" })

static void the_end_is_last(struct run *run)
{
	cr_assert(run->records[run->record_count - 1] == find_event(run, "process.end"),
		  "process.end is not the last");
}

static bool has_a_file_of_ours(const struct expectation *expected)
{
	return strstr(expected->what, "file") || strstr(expected->what, "memfd") ||
	       !strcmp(expected->what, "stripes");
}

/* The mappings that show most of others' are the helper's and libc's: which, depends on how much of
 * libc is in memory. */
static size_t check_mappings(struct run *run)
{
	FILE *in = open_expected(run);
	struct expectation expected;
	size_t count = 0;

	while (read_expected(in, &expected))
		for (size_t i = 0; i < count_events(run, "pages.mapping"); i++) {
			json_t *event = find_event_number(run, "pages.mapping", i);
			if (strtoull(field_string(event, "mmfence.mapping.address"), NULL, 16) !=
			    expected.start)
				continue;
			check_counts(field(event, "mmfence.pages"), &expected, "exit");
			cr_expect(!has_a_file_of_ours(&expected) ||
					  strstr(field_string(event, "file.path"),
						 strstr(expected.what, "memfd") ? "memfd:"
										: "census"),
				  "%s: %s", expected.what, field_string(event, "file.path"));
			count++;
		}
	fclose(in);
	return count;
}

/* Of each class at least what the helper made. */
static void check_total(const struct run *run, const json_t *pages)
{
	json_int_t least[CLASSES] = { 0 };
	FILE *in = open_expected(run);
	struct expectation expected;

	while (read_expected(in, &expected))
		for (int i = 0; i < CLASSES; i++)
			least[i] += (json_int_t)expected.pages[i];
	fclose(in);
	for (int i = 0; i < CLASSES; i++)
		cr_expect(pages_of(pages, classes[i]) >= least[i], "%s: %lld instead of %lld",
			  classes[i], (long long)pages_of(pages, classes[i]), (long long)least[i]);
	cr_expect_eq(pages_of(pages, "unknown"), least[CLASSES - 1]);
}

static void check_census_at_exit(struct run *run)
{
	the_end_is_last(run);
	check_total(run, field(find_event(run, "pages.census"), "mmfence.pages"));
	cr_assert(check_mappings(run) >= 1);
}

/* Without PAGEMAP_SCAN and PROCMAP_QUERY too. */
#define IS_AN_EVENT(name, ...)                                                    \
	RUNS(EACH_WIDTH, pages, name, .as_root = true, AT_EXIT(OFF),              \
	     .finds = { "pages.census 1", "pages.census event.outcome=success" }, \
	     .look = check_census_at_exit, __VA_ARGS__)
IS_AN_EVENT(the_census_at_exit_is_an_event)
IS_AN_EVENT(the_census_at_exit_on_an_older_kernel, .prepare = filter_as_before_6_7)

RUNS_AND(EACH_WIDTH, pages, the_census_at_exit_tells_of_what_shows_most, .helper = "pages",
	 .options = { "pages.census=exit", OFF }, .args = { "ranked" },
	 .finds = { "pages.census event.outcome=success & mmfence.pages.changed=false & "
		    "mmfence.pages.mappings>12 & mmfence.pages.page_size=4096",
		    "pages.mapping 8", "pages.mapping[*] file.path~/census.data & file.inode>0" })
{
	for (size_t i = 0; i < 8; i++)
		cr_expect_eq(
			pages_of(field(find_event_number(run, "pages.mapping", i), "mmfence.pages"),
				 "resident_file"),
			1024 + 11 - (json_int_t)i);
}

/* Without privileges nobody opens anonymous shared memory: what of one's own is in memory is known
 * all the same, and the rest is not guessed. */
RUNS(EACH_WIDTH, pages, the_census_at_exit_knows_its_own_memory_without_privileges, .as_root = true,
     AT_EXIT(OFF), .prepare = become_nobody, .look = the_end_is_last,
     .finds = { "pages.census 1", "pages.census mmfence.pages.unknown=8" })

/* P4: a program that closed all descriptors, and one that has no number left for another. */
RUNS(EACH_WIDTH, pages, the_census_at_exit_needs_no_descriptor, AT_EXIT(OFF, "closed"),
     .look = the_end_is_last, .finds = { "pages.census 1", "pages.census event.outcome=success" })
RUNS(EACH_WIDTH, pages, the_census_at_exit_takes_no_descriptor_number, AT_EXIT(OFF, "full"),
     .look = the_end_is_last, .finds = { "pages.census 1", "pages.census event.outcome=success" })

/* With a lease thread the page table was opened in time; without, the event says why there is none.
 */
EACH_WIDTH(pages, the_census_at_exit_survives_dropped_privileges)
{
	TRY(.as_root = true, AT_EXIT("snapshot.guard=auto", "dropped"), .look = the_end_is_last,
	    .finds = { "pages.census 1", "pages.census event.outcome=success & "
					 "mmfence.pages.resident_private>0" });
	TRY(AT_EXIT(OFF, "dropped"), .look = the_end_is_last,
	    .finds = { "pages.census 1", "pages.census event.outcome=failure & "
					 "error.code=EACCES & !mmfence.pages" });
}

/* Off by default; not of a child of vfork, nor of a process that a signal kills. */
RUNS(ONCE, pages, no_census_unless_asked_for, .helper = "pages", .args = { "many" },
     .finds = { "pages.census 0" })
